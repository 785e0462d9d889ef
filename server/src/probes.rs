//! What machines ask: whether the server lives, whether it is ready, and what it accepts (RFC 9728).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::state::AppState;

/// `/healthz`: the process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `/readyz`: every trusted issuer has keys.
pub(crate) async fn ready(State(state): State<AppState>) -> Response {
    let keys = state.gate.validator().is_ready();
    let status = if keys {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({ "ready": keys, "checks": { "keys": keys } }))).into_response()
}

/// `/.well-known/oauth-protected-resource`
pub(crate) async fn protected_resource(State(state): State<AppState>) -> Json<Value> {
    Json(state.gate.resource_metadata())
}
