//! A number for every request, and a line in the log. Neither has the query in it, where codes and states travel.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use tracing::Instrument as _;
use uuid::Uuid;

/// The header that carries the number.
pub const REQUEST_ID: &str = "x-request-id";

/// Gives the request its number. One that the client sent is dropped: two requests with the same would hide each other.
pub(crate) async fn number(mut request: Request, next: Next) -> Response {
    let id = Uuid::new_v4().simple().to_string();
    let Ok(value) = HeaderValue::from_str(&id) else {
        return next.run(request).await;
    };
    request.headers_mut().insert(REQUEST_ID, value.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, value);
    response
}

/// Opens the span that every line about the request is in, and closes it with the outcome.
pub(crate) async fn span(request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    async move {
        let start = Instant::now();
        let response = next.run(request).await;
        let milliseconds = start.elapsed().as_millis() as u64;
        let status = response.status().as_u16();
        if response.status().is_server_error() {
            tracing::warn!(status, milliseconds, "answered");
        } else {
            tracing::debug!(status, milliseconds, "answered");
        }
        response
    }
    .instrument(span)
    .await
}
