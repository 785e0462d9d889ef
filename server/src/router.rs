//! The whole stack in one place.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::Request;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};

use crate::state::AppState;
use crate::{bounds, observe, pages, probes, security};

/// The paths that machines ask for and that are open to everybody.
pub(crate) const OPEN: [&str; 3] = ["/healthz", "/readyz", "/.well-known/oauth-protected-resource"];

/// Where the provider tells that a session has ended.
pub(crate) const BACKCHANNEL_LOGOUT: &str = "/backchannel-logout";

/// The server, ready to be served or asked with `oneshot`.
///
/// Time limits on headers are the connection's, see [`crate::serve`].
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route(OPEN[0], get(probes::alive))
        .route(OPEN[1], get(probes::ready))
        .route(OPEN[2], get(probes::protected_resource))
        .merge(pages::routes(&state))
        .layer(from_fn(bounds::body))
        // It reads its body by itself, and less of it.
        .route(BACKCHANNEL_LOGOUT, post(backchannel_logout))
        .with_state(state.clone());

    // In the order in which a request meets them.
    let stack = ServiceBuilder::new()
        // A number that the log, the refusal and the response share.
        .layer(from_fn(observe::number))
        // Every line of the log knows its request.
        .layer(from_fn(observe::span))
        // Also on what the layers below answer by themselves.
        .layer(from_fn_with_state(state.clone(), security::headers))
        // A panic in a handler is that request's, not the server's.
        .layer(CatchPanicLayer::new())
        // WASM has its own media type; what the build compressed passes as it is.
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(DefaultPredicate::new().and(NotForContentType::const_new("image/png"))),
        );

    // A request without a policy never reaches a handler.
    state.gate.wrap(routes).layer(stack)
}

async fn backchannel_logout(State(state): State<AppState>, request: Request<Body>) -> Response {
    state.backchannel_logout.answer(request).await
}
