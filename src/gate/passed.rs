use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{RequestId, RequestPath, judge::Proved};
use crate::jwt::{Principal, Rejection};

/// A call that the gate let through. It stands in the extensions of the request, which cannot come from outside, and says what
/// the gate knows of it; and a handler can have the call refused after all.
///
/// An axum handler does not need it: it takes the [`Principal`], and returns a [`Rejection`]. This is for layers, and for
/// handlers whose answer is made by others, as Leptos' server functions.
///
/// ```
/// use pixygate::{Reason, gate::Passed, jwt::Rejection};
///
/// fn refuse(request: &http::request::Parts, rejection: Rejection) {
///     if let Some(passed) = request.extensions.get::<Passed>() {
///         passed.refuse(rejection);
///     }
/// }
/// # refuse(&http::Request::new(()).into_parts().0, Rejection::new(Reason::InsufficientScope));
/// ```
#[derive(Clone)]
pub struct Passed(Arc<Call>);

struct Call {
    request_id: RequestId,
    path: RequestPath,
    principal: Option<Principal>,
    proved: Option<Proved>,
    refused: OnceLock<Box<Rejection>>,
}

impl Passed {
    pub(crate) fn new(
        request_id: RequestId,
        path: RequestPath,
        principal: Option<Principal>,
        proved: Option<Proved>,
    ) -> Self {
        Self(Arc::new(Call {
            request_id,
            path,
            principal,
            proved,
            refused: OnceLock::new(),
        }))
    }

    /// Finds the call in the log.
    pub fn request_id(&self) -> &RequestId {
        &self.0.request_id
    }

    /// The path that was judged: what serves the call must read it here.
    pub fn path(&self) -> &RequestPath {
        &self.0.path
    }

    /// Who is calling; nobody where the path is public.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_ref()
    }

    /// Lets the gate refuse the call, whatever the handler answers: it answers, logs and counts it like a refusal of its own.
    /// The first rejection counts.
    pub fn refuse(&self, rejection: Rejection) {
        self.0.refused.get_or_init(|| Box::new(rejection));
    }

    pub(crate) fn refused(&self) -> Option<Rejection> {
        self.0.refused.get().map(|rejection| (**rejection).clone())
    }

    pub(crate) fn proved(&self) -> Option<&Proved> {
        self.0.proved.as_ref()
    }
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passed")
            .field("request_id", self.request_id())
            .field("path", self.path())
            .field("principal", &self.principal())
            .finish_non_exhaustive()
    }
}
