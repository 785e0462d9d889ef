//! Endpoints for machines: liveness, readiness, and the protected resource metadata (RFC 9728).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pixygate::jwt::Revocations as _;
use serde_json::{Value, json};

use crate::state::AppState;

/// `/healthz`: the process is alive.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `/readyz`: this node can serve. An issuer that is down affects its own tokens on every node alike, so one issuer with
/// keys is enough. Without the store, sessions cannot be ended, which the operator must know at once.
pub(crate) async fn ready(State(state): State<AppState>) -> Response {
    let validator = state.gate.validator();
    let issuers: BTreeMap<_, _> = validator.readiness().collect();
    let keys = issuers.values().any(|ready| *ready);
    let store = state.shared.revocations.is_reachable();
    let revocations = state.shared.revocations.is_current();
    let schema = state.shared.presence.is_current();
    let stopping = state.stopping.load(Ordering::Relaxed);
    let ready = keys && store && revocations && schema && !stopping;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let sign_in = state.sign_in.page().client.is_some();
    let checks = json!({
        "keys": keys, "sign_in": sign_in, "store": store, "revocations": revocations, "schema": schema, "stopping": stopping
    });
    let age = state.shared.revocations.age().as_secs();
    let body = json!({ "ready": ready, "checks": checks, "issuers": issuers, "revocation_age_seconds": age });
    (status, Json(body)).into_response()
}

/// `/.well-known/oauth-protected-resource`
pub(crate) async fn protected_resource(State(state): State<AppState>) -> Json<Value> {
    Json(state.gate.resource_metadata())
}
