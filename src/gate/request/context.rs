use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use super::{RequestId, RequestPath};
use crate::{
    gate::{authorize::VerifiedProof, policy::Target},
    jwt::{Principal, Rejection},
};

/// The gate's knowledge of an allowed request. The gate puts it into the request's extensions, which a client cannot set.
///
/// An axum handler takes the [`Principal`] and returns a [`Rejection`] instead. `GateContext` is for layers, for proxies, and for handlers
/// whose response a framework makes, such as Leptos' server functions.
///
/// ```
/// use pixygate::{Reason, gate::GateContext, jwt::Rejection};
///
/// fn reject(request: &http::request::Parts, rejection: Rejection) {
///     if let Some(context) = request.extensions.get::<GateContext>() {
///         context.reject(rejection);
///     }
/// }
/// # reject(&http::Request::new(()).into_parts().0, Rejection::new(Reason::InsufficientScope));
/// ```
#[derive(Clone)]
pub struct GateContext(Arc<Inner>);

struct Inner {
    request_id: RequestId,
    path: RequestPath,
    principal: Option<Principal>,
    target: Option<Target>,
    proof: Option<VerifiedProof>,
    rejection: OnceLock<Rejection>,
}

impl GateContext {
    pub(crate) fn new(
        request_id: RequestId,
        path: RequestPath,
        principal: Option<Principal>,
        target: Option<Target>,
        proof: Option<VerifiedProof>,
    ) -> Self {
        Self(Arc::new(Inner {
            request_id,
            path,
            principal,
            target,
            proof,
            rejection: OnceLock::new(),
        }))
    }

    /// Returns the identifier that the log has for the request.
    pub fn request_id(&self) -> &RequestId {
        &self.0.request_id
    }

    /// Returns the path that was authorized. Code that forwards the request must take the path from here.
    pub fn path(&self) -> &RequestPath {
        &self.0.path
    }

    /// Returns the caller; `None` where the policy is public.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_ref()
    }

    /// Returns the target of the route, as it was given to [`Policies::route_to`](crate::gate::Policies::route_to).
    pub fn target<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.target.as_ref()?.get()
    }

    /// Makes the gate reject the request, whatever response the handler returns. The gate answers, logs and counts it as if it had
    /// denied the request itself. Only the first rejection counts.
    pub fn reject(&self, rejection: Rejection) {
        self.0.rejection.get_or_init(|| rejection);
    }

    pub(crate) fn rejection(&self) -> Option<&Rejection> {
        self.0.rejection.get()
    }

    pub(crate) fn proof(&self) -> Option<&VerifiedProof> {
        self.0.proof.as_ref()
    }
}

impl fmt::Debug for GateContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateContext")
            .field("request_id", self.request_id())
            .field("path", self.path())
            .field("principal", &self.principal())
            .finish_non_exhaustive()
    }
}
