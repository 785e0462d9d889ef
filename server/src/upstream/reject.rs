//! The answers that the gateway gives in place of a target.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use pixygate::gate::RequestId;
use pixygate::{Reason, Refusal};

/// Why a call did not get the target's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The request cannot be sent on.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The method is not one that a reverse proxy forwards.
    #[error("the method is not forwarded")]
    Method,
    /// The body is larger than the upstream takes.
    #[error("a body of more than {0} bytes")]
    BodyTooLarge(u64),
    /// The caller stopped sending its body.
    #[error("the caller's body made no progress")]
    BodyTooSlow,
    /// The caller's body broke off.
    #[error("the caller's body ended too early")]
    BodyBroken,
    /// All places are taken.
    #[error("all connections to the upstream are in use")]
    Full,
    /// Every target failed recently, or the budget for attempts is used up.
    #[error("no target is available")]
    NoTarget,
    /// No statement about the caller could be signed.
    #[error("the backend JWT could not be signed")]
    NoAssertion,
    /// The target could not be reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// The target's answer breaks the protocol.
    #[error("{0}")]
    BadAnswer(&'static str),
    /// The target did not answer in time.
    #[error("the target did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::InvalidRequest(_) | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Full | Self::NoTarget | Self::NoAssertion => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable(_) | Self::BadAnswer(_) => StatusCode::BAD_GATEWAY,
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::InvalidRequest(_) | Self::BodyBroken => Reason::InvalidRequest,
            Self::Method => Reason::MethodNotAllowed,
            Self::BodyTooLarge(_) => Reason::BodyTooLarge,
            Self::BodyTooSlow => Reason::RequestTimeout,
            Self::Full | Self::NoTarget | Self::NoAssertion | Self::Unreachable(_) | Self::BadAnswer(_) => {
                Reason::UpstreamUnavailable
            }
            Self::Timeout(_) => Reason::UpstreamTimeout,
        }
    }

    /// Returns the answer in the form that every refusal has.
    pub(crate) fn response(&self, request_id: &RequestId) -> Response {
        let reason = self.reason();
        let refusal = Refusal {
            error: reason.error().to_owned(),
            reason,
            request_id: request_id.to_string(),
            detail: None,
        };
        // A refusal is strings all the way down; they always serialize.
        let mut response = Response::new(Body::from(serde_json::to_vec(&refusal).unwrap_or_default()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
