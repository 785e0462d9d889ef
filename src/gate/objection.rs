use std::sync::{Arc, OnceLock};

use crate::jwt::Rejection;

/// Takes what a handler refuses by itself to the gate, which answers, logs and counts it like a refusal of its own. The
/// gate leaves one in the extensions of every request that it lets through; extensions cannot come from outside.
///
/// An axum handler needs it not: it returns the [`Rejection`]. This is for handlers whose answer is made by others, as
/// Leptos' server functions.
///
/// ```
/// use pixygate::{Reason, gate::Objection, jwt::Rejection};
///
/// fn refuse(request: &http::request::Parts, rejection: Rejection) {
///     if let Some(objection) = request.extensions.get::<Objection>() {
///         objection.raise(rejection);
///     }
/// }
/// # refuse(&http::Request::new(()).into_parts().0, Rejection::new(Reason::InsufficientScope));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Objection(Arc<OnceLock<Rejection>>);

impl Objection {
    /// Lets the gate refuse the call, whatever the handler answers. The first rejection counts.
    pub fn raise(&self, rejection: Rejection) {
        self.0.get_or_init(|| rejection);
    }

    pub(crate) fn raised(&self) -> Option<Rejection> {
        self.0.get().cloned()
    }
}
