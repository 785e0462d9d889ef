//! The whole stack in one place.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get, post};
use http::{Extensions, HeaderMap, Request, StatusCode, Version};
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};

use crate::state::AppState;
use crate::streamed::Streamed;
use crate::upstream::Proxied;
use crate::{activity, bounds, gateway, observe, pages, probes, security, traces};

/// The paths that are open to everybody beside the application's pages.
pub(crate) const OPEN: [&str; 6] = [
    "/healthz",
    "/readyz",
    PROTECTED_RESOURCE,
    "/.well-known/jwks.json",
    "/findings",
    "/findings/{code}",
];

/// The metadata of the server (RFC 9728); followed by an upstream's prefix, those of the upstream.
pub(crate) const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

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
        .route(
            &format!("{PROTECTED_RESOURCE}/{{*path}}"),
            get(gateway::protected_resource),
        )
        .route(OPEN[3], get(gateway::jwks))
        .route(OPEN[4], get(pages::findings))
        .route(OPEN[5], get(pages::finding))
        .merge(pages::routes(&state))
        .layer(from_fn(bounds::body))
        // It reads its body by itself, and less of it.
        .route(BACKCHANNEL_LOGOUT, post(backchannel_logout))
        // Each upstream has limits of its own.
        .route("/gw/{*path}", any(gateway::forward))
        .with_state(state.clone());

    // In the order in which a request meets them.
    let stack = ServiceBuilder::new()
        // A number that the log, the refusal and the response share.
        .layer(from_fn_with_state(state.proxies.clone(), observe::number))
        // A place in a trace, where traces are recorded.
        .option_layer(
            state
                .traces
                .clone()
                .map(|traces| from_fn_with_state(traces, traces::begin)),
        )
        // Every line of the log knows its request.
        .layer(from_fn(observe::span))
        // Also on what the layers below answer by themselves.
        .layer(from_fn_with_state(state.clone(), security::headers))
        // A panic in a handler is that request's, not the server's.
        .layer(CatchPanicLayer::new())
        // A call that could not be recorded is not made, where the configuration says so.
        .layer(from_fn_with_state(state.shared.activity.clone(), activity::admit))
        // WASM has its own media type; what the build compressed passes as it is.
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(
                    DefaultPredicate::new()
                        .and(NotForContentType::const_new("image/png"))
                        .and(is_whole as fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool),
                ),
        )
        // Preflights carry no token, so they are answered before the gate.
        .layer(from_fn_with_state(state.clone(), gateway::edge));

    // A request without a policy never reaches a handler.
    state.gate.wrap(routes).layer(stack)
}

/// A stream passes as it comes; what a target sends is as compressed as it wanted.
fn is_whole(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Proxied>().is_none() && extensions.get::<Streamed>().is_none()
}

async fn backchannel_logout(State(state): State<AppState>, request: Request<Body>) -> Response {
    state.backchannel_logout.answer(request).await
}
