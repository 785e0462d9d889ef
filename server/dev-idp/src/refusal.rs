//! Errors of the endpoints for programs: JSON with the error code of the RFC (RFC 6749, section 5.2).

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::journal::Decision;

/// A rejected request. The description never contains a secret.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    pub(crate) description: String,
    pub(crate) client_id: Option<String>,
    headers: Vec<(HeaderName, String)>,
}

/// The result of a handler that can reject.
pub(crate) type Answer = Result<Response, Refusal>;

pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

impl Refusal {
    pub(crate) fn new(error: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: error.into(),
            description: description.into(),
            client_id: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(crate) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// Returns an internal error: the request may be valid.
    pub(crate) fn server_error(description: impl Into<String>) -> Self {
        Self::new("server_error", description).status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn of_client(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.to_owned());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the refusal of a resource (RFC 6750, section 3): 401 with a challenge of the scheme.
    pub(crate) fn challenge(self, scheme: &str) -> Self {
        let challenge = format!(
            "{scheme} error=\"{}\", error_description=\"{}\"",
            self.error, self.description
        );
        self.status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, challenge)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": self.error, "error_description": self.description});
        let mut response = (self.status, no_store(), Json(body)).into_response();
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        let what = format!("refused: {}: {}", self.error, self.description);
        response.extensions_mut().insert(Decision {
            client_id: self.client_id,
            what,
        });
        response
    }
}

/// The headers that forbid caches to store a response.
pub(crate) fn no_store() -> [(HeaderName, &'static str); 2] {
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")]
}

/// Returns a response with its decision for the journal.
pub(crate) fn decided(response: impl IntoResponse, client_id: &str, what: impl Into<String>) -> Response {
    let mut response = response.into_response();
    response.extensions_mut().insert(Decision::new(client_id, what));
    response
}
