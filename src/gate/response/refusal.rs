//! A rejection as an HTTP response.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::challenge::{Context, challenges};
use crate::{Detail, Refusal, gate::request::RequestId, jwt::Rejection};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Rejection {
    /// Returns the body of the response, without details.
    pub fn refusal(&self, request_id: &RequestId) -> Refusal {
        Refusal {
            error: self.reason().error().to_owned(),
            reason: self.reason(),
            request_id: request_id.to_string(),
            detail: None,
        }
    }
}

/// Returns a response with status, challenges, and the [`Refusal`] as its body.
pub(crate) fn answer(rejection: &Rejection, request_id: &RequestId, context: &Context<'_>, explain: bool) -> Response {
    let mut refusal = rejection.refusal(request_id);
    if explain {
        refusal.detail = Some(Detail {
            code: rejection.reason().code().unwrap_or_default().to_owned(),
            ..rejection.detail().clone()
        });
    }
    let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = respond(status, rejection, &refusal, request_id);
    for challenge in challenges(rejection, context) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Returns a response with the body and headers that every refusal has.
pub(crate) fn respond(
    status: StatusCode,
    rejection: &Rejection,
    refusal: &Refusal,
    request_id: &RequestId,
) -> Response {
    // A refusal consists of strings, which always serialize.
    let body = serde_json::to_vec(refusal).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REQUEST_ID, request_id.as_header());
    if let Some(delay) = rejection.retry_delay() {
        // Rounded up, so that a client that returns on time is not too early.
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(delay.as_secs_f64().ceil().max(1.0) as u64),
        );
    }
    response
}

/// For handlers that reject a request, as [`Principal::require_scope`](crate::jwt::Principal::require_scope) does. The gate in front
/// takes the rejection from the response's extensions and answers, logs and counts it like its own. Without a gate this is the
/// response.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let context = Context {
            realm: "pixygate",
            metadata: None,
            scheme: None,
            dpop_only: false,
        };
        let mut response = answer(&self, &RequestId::generate(), &context, false);
        response.extensions_mut().insert(self);
        response
    }
}
