//! How much a request may bring, and in what time.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use pixygate::Reason;
use pixygate::gate::RequestId;
use pixygate::jwt::Rejection;

/// A request's headers must be there within this time.
pub(crate) const HEADER_TIME: Duration = Duration::from_secs(10);

/// A request's body must be there within this time.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);

/// Bytes of a request's body.
pub(crate) const BODY_SIZE: usize = 1024 * 1024;

/// Reads the whole body before the handler sees the request. It stands behind the gate, so that a refused call's body is
/// never read.
pub(crate) async fn body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (status, expected, found) = match tokio::time::timeout(BODY_TIME, Limited::new(body, BODY_SIZE).collect()).await
    {
        Ok(Ok(body)) => return next.run(Request::from_parts(parts, Body::from(body.to_bytes()))).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let expected = format!("a body of at most {BODY_SIZE} bytes");
            (StatusCode::PAYLOAD_TOO_LARGE, expected, "more")
        }
        Ok(Err(_)) => (StatusCode::BAD_REQUEST, "a whole body".to_owned(), "an end too early"),
        Err(_) => {
            let expected = format!("a body within {} s", BODY_TIME.as_secs());
            (StatusCode::REQUEST_TIMEOUT, expected, "none")
        }
    };
    tracing::warn!(status = status.as_u16(), path = ?parts.uri.path(), expected, found, "refused");
    let id = parts.extensions.get().cloned().unwrap_or_else(RequestId::random);
    let refusal = Rejection::new(Reason::InvalidRequest).refusal(&id);
    (status, Json(refusal)).into_response()
}
