//! All routes and layers of the server.

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

/// Whether the process runs.
const HEALTHZ: &str = "/healthz";

/// Whether the server is ready for requests.
const READYZ: &str = "/readyz";

/// The protected resource metadata of the server (RFC 9728). With an upstream's prefix appended, that of the upstream.
pub(crate) const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// The public keys of backend JWTs.
const JWKS: &str = "/.well-known/jwks.json";

/// The list of findings.
const FINDINGS: &str = "/findings";

/// The page of one finding.
const FINDING: &str = "/findings/{code}";

/// The public paths, besides the application's pages.
pub(crate) const PUBLIC_PATHS: [&str; 6] = [HEALTHZ, READYZ, PROTECTED_RESOURCE, JWKS, FINDINGS, FINDING];

/// The endpoint for the provider's logout tokens (OpenID Connect Back-Channel Logout).
pub(crate) const BACKCHANNEL_LOGOUT: &str = "/backchannel-logout";

/// Builds the server, to be served or called with `oneshot`.
///
/// Time limits are part of the connection, see [`crate::serve`].
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route(HEALTHZ, get(probes::alive))
        .route(READYZ, get(probes::ready))
        .route(PROTECTED_RESOURCE, get(probes::protected_resource))
        .route(
            &format!("{PROTECTED_RESOURCE}/{{*path}}"),
            get(gateway::protected_resource),
        )
        .route(JWKS, get(gateway::jwks))
        .route(FINDINGS, get(pages::findings))
        .route(FINDING, get(pages::finding))
        .merge(pages::routes(&state))
        .layer(from_fn(bounds::limit_body))
        // Outside `bounds::limit_body`: it has its own, lower limit of the body.
        .route(BACKCHANNEL_LOGOUT, post(backchannel_logout))
        // Outside `bounds::limit_body`: each upstream has its own limits.
        .route("/gw/{*path}", any(gateway::forward))
        .with_state(state.clone());

    // The outermost layer first.
    let stack = ServiceBuilder::new()
        // The request ID for the log, the refusal and the response.
        .layer(from_fn_with_state(state.proxies.clone(), observe::set_request_id))
        // The span of the request, if traces are recorded.
        .option_layer(
            state
                .traces
                .clone()
                .map(|traces| from_fn_with_state(traces, traces::begin)),
        )
        // The span that adds the request ID to every log line.
        .layer(from_fn(observe::span))
        // Outside the layers below, whose own responses need these headers, too.
        .layer(from_fn_with_state(state.clone(), security::headers))
        // A panic in a handler becomes a 500.
        .layer(CatchPanicLayer::new())
        // Rejects a call that cannot be recorded, if the configuration requires a record.
        .layer(from_fn_with_state(state.shared.activity.clone(), activity::admit))
        // Compresses WASM, too. A file that the build has compressed is not compressed again.
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(
                    DefaultPredicate::new()
                        .and(NotForContentType::const_new("image/png"))
                        .and(may_compress as fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool),
                ),
        )
        // Preflights carry no token, so they are answered before the gate.
        .layer(from_fn_with_state(state.clone(), gateway::edge));

    // A request without a policy never reaches a handler.
    state.gate.wrap(routes).layer(stack)
}

/// Returns whether a response may be compressed: it is neither a stream nor an upstream's response.
fn may_compress(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Proxied>().is_none() && extensions.get::<Streamed>().is_none()
}

async fn backchannel_logout(State(state): State<AppState>, request: Request<Body>) -> Response {
    state.backchannel_logout.answer(request).await
}
