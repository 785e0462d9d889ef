//! A request ID and a log line for every request. Neither contains the query, where codes and states are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use pixygate::gate::RequestId;
use tracing::Instrument as _;

use crate::upstream::Proxies;

/// The header with the request ID.
pub const REQUEST_ID: &str = "x-request-id";

/// Sets the request ID. That of a trusted proxy is used, so that both logs have the same. Any other ID in the request is removed, because two
/// requests with the same ID could not be told apart.
pub(crate) async fn set_request_id(State(proxies): State<Arc<Proxies>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_trusted = peer.is_some_and(|peer| proxies.trusts(peer.0.ip().to_canonical()));
    let given = request.headers().get(REQUEST_ID).filter(|_| is_trusted);
    let given = given.and_then(|id| RequestId::parse(id.to_str().ok()?));
    let id = given.unwrap_or_else(RequestId::generate);
    request.headers_mut().remove(REQUEST_ID);
    // The gate uses it for its log and its refusals.
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Opens the span of the request's log lines, and logs the outcome at the end.
pub(crate) async fn span(request: Request, next: Next) -> Response {
    let id = request
        .extensions()
        .get::<RequestId>()
        .map(RequestId::as_str)
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
