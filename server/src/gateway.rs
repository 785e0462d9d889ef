//! The server's side of upstreams: responses before the gate, forwarding behind it, and public metadata.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use pixygate::gate::GateContext;
use serde_json::{Value, json};

use crate::router::PROTECTED_RESOURCE;
use crate::state::AppState;
use crate::upstream::{Call, Proxied, Routed, Target, preflight};

/// Forwards an accepted call to its upstream.
pub(crate) async fn forward(mut request: Request) -> Response {
    // Without the gate's decision nothing is forwarded.
    let Some(context) = request.extensions_mut().remove::<GateContext>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(target) = context.target::<Target>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let call = Call {
        path: context.path().as_str(),
        principal: context.principal(),
        request_id: context.request_id(),
        max_body_bytes: target.route().max_body_bytes,
    };
    target.routed.upstream.call(call, request).await
}

/// Answers preflights before the gate, because they carry no token, and completes the gate's refusals for an upstream.
pub(crate) async fn edge(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let found = state.upstreams.find_raw(request.uri().path());
    let Some((routed, path)) = found else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let cors = &routed.upstream.settings().cors;
    if let Some(answer) = preflight(cors, &parts, &routed.methods(path.as_str())) {
        return answer;
    }
    let origin = parts.headers.get(http::header::ORIGIN).cloned();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if response.extensions().get::<Proxied>().is_none() {
        crate::upstream::allow_origin(cors, origin.as_ref(), response.headers_mut());
        name_resource(&state, &routed, &mut response);
    }
    response
}

/// Puts the upstream's own metadata URL into a challenge, instead of the server's (RFC 9728, section 5.1).
fn name_resource(state: &AppState, routed: &Routed, response: &mut Response) {
    let server = format!("resource_metadata=\"{}", metadata_url(state, ""));
    let own = format!(
        "resource_metadata=\"{}",
        metadata_url(state, &routed.upstream.settings().prefix)
    );
    let replace = |value: &HeaderValue| {
        let named = value
            .to_str()
            .ok()?
            .replace(&format!("{server}\""), &format!("{own}\""));
        HeaderValue::from_str(&named).ok()
    };
    let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenges: Vec<_> = challenges
        .map(|value| replace(value).unwrap_or_else(|| value.clone()))
        .collect();
    response.headers_mut().remove(WWW_AUTHENTICATE);
    for challenge in challenges {
        response.headers_mut().append(WWW_AUTHENTICATE, challenge);
    }
}

fn metadata_url(state: &AppState, prefix: &str) -> String {
    let base = state.public_url.as_str().trim_end_matches('/');
    format!("{base}{PROTECTED_RESOURCE}{prefix}")
}

/// `/.well-known/oauth-protected-resource/gw/{name}`: the metadata of one upstream (RFC 9728, section 3.1).
pub(crate) async fn protected_resource(State(state): State<AppState>, Path(path): Path<String>) -> Response {
    let path = format!("/{path}");
    let all = state.upstreams.all();
    let Some(routed) = all.iter().find(|routed| routed.upstream.settings().prefix == path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut metadata = state.gate.resource_metadata();
    metadata["resource"] = format!("{}{path}", state.public_url.as_str().trim_end_matches('/')).into();
    metadata["resource_name"] = routed.upstream.settings().name.as_str().into();
    metadata["scopes_supported"] = routed.scopes().into();
    Json(metadata).into_response()
}

/// `/.well-known/jwks.json`: the keys that sign backend JWTs (RFC 7517, section 5).
pub(crate) async fn jwks(State(state): State<AppState>) -> Response {
    let keys: Value = state
        .backend_tokens
        .as_ref()
        .map_or_else(|| json!({"keys": []}), |tokens| tokens.keys().jwks());
    // Shorter than the ten minutes between a key's publication and its first use.
    let cache = [(http::header::CACHE_CONTROL, "public, max-age=300")];
    (cache, Json(keys)).into_response()
}
