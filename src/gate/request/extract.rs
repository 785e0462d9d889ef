use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::GateContext;
use crate::{
    Reason,
    jwt::{Principal, Rejection},
};

/// The caller, as the gate verified it. Without a gate, or where the policy is public, the request is rejected.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        principal_of(parts).ok_or_else(|| {
            Rejection::new(Reason::MissingToken)
                .expected("a principal that the gate verified")
                .found("none: the path is public, or no gate is in front of it")
                .hint("give the path a policy that requires a signed-in caller, and put the router behind the gate (Gate::protect)")
        })
    }
}

/// The caller, if the gate verified one.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(principal_of(parts))
    }
}

fn principal_of(parts: &Parts) -> Option<Principal> {
    parts.extensions.get::<GateContext>()?.principal().cloned()
}
