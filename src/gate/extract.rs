use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::Passed;
use crate::{
    Reason,
    jwt::{Principal, Rejection},
};

/// The principal that the gate proved. Where the gate did not run there is none, and the call is refused.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        principal_of(parts).ok_or_else(|| {
            Rejection::new(Reason::MissingToken)
                .expected("a principal that the gate proved")
                .found("none: the path is public, or the gate is not in front of it")
                .hint("give the path a policy, and put the whole router behind the gate (Gate::wrap)")
        })
    }
}

/// The principal where there is one.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(principal_of(parts))
    }
}

fn principal_of(parts: &Parts) -> Option<Principal> {
    parts.extensions.get::<Passed>()?.principal().cloned()
}
