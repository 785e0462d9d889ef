//! The answers that the gateway gives in place of a target.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use pixygate::Reason;
use pixygate::jwt::{Rejection, printable};

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

    /// Returns why the call failed, for the log and the activity.
    pub(crate) fn rejection(&self, upstream: &str) -> Rejection {
        let (expected, hint) = match self {
            Self::InvalidRequest(_) | Self::BodyBroken => ("a request that can be sent on", ""),
            Self::Method => ("a method other than CONNECT and TRACE", ""),
            Self::BodyTooLarge(_) => ("a smaller body", "raise max_body_bytes of the upstream or the route"),
            Self::BodyTooSlow => ("a body that makes progress", "raise idle_timeout_ms of the upstream"),
            Self::Full => (
                "a free connection",
                "raise max_connections of the upstream, or make the service faster",
            ),
            Self::NoTarget => (
                "a target that answers",
                "look into the service's log; the circuit closes when a target answers",
            ),
            Self::NoAssertion => ("a key to sign with", "look for the keys of backend JWTs in the log"),
            Self::Unreachable(_) => (
                "a target that answers",
                "start the service, or correct the target of the upstream",
            ),
            Self::BadAnswer(_) => ("an answer that keeps to the protocol", "correct the service"),
            Self::Timeout(_) => (
                "an answer in time",
                "look into the service's log, or raise response_timeout_ms of the upstream",
            ),
        };
        let rejection = Rejection::new(self.reason())
            .with_status(self.status().as_u16())
            .expected(format!("{expected} (upstream {upstream})"))
            .found(printable(&self.to_string()))
            .hint(hint);
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => rejection.retry_after(RETRY),
            _ => rejection,
        }
    }

    /// Returns the answer. The gate, which the call has passed, completes it from the rejection in its extensions, logs it and records it.
    pub(crate) fn response(&self, upstream: &str) -> Response {
        self.rejection(upstream).into_response()
    }
}

/// After this time a call that found no room is worth another attempt.
const RETRY: Duration = Duration::from_secs(1);
