//! Rotates and removes keys.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Target, done, not_found};
use crate::jose::{Algorithm, Kind, SecretKey};
use crate::tenant_context::TenantContext;

pub(super) async fn list(Target(context): Target) -> Json<Value> {
    Json(json!({"keys": context.read(|store| store.keys.to_jwks())}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    algorithm: Option<Algorithm>,
}

/// Makes a new signing key; the old one stays published.
pub(super) async fn rotate(Target(context): Target, Json(rotate): Json<Rotate>) -> Response {
    let algorithm = rotate.algorithm.unwrap_or(context.tenant.signing_algorithm);
    match rotate_key(context, algorithm).await {
        Ok(kid) => Json(json!({"kid": kid})).into_response(),
        Err(error) => super::unusable(&error),
    }
}

/// Makes a key on a blocking thread: an RSA key takes a moment of CPU time.
pub(super) async fn rotate_key(context: TenantContext, algorithm: Algorithm) -> Result<String, tokio::task::JoinError> {
    let made = tokio::task::spawn_blocking(move || {
        let secret = SecretKey::generate(Kind::of(algorithm), context.random());
        context.write(|store| store.keys.rotate(algorithm, secret))
    });
    made.await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drop {
    kid: String,
}

/// Removes the key with that `kid`: it is neither published nor used for signing.
pub(super) async fn remove(Target(context): Target, Json(drop): Json<Drop>) -> Response {
    if context.write(|store| store.keys.remove(&drop.kid)) {
        done()
    } else {
        not_found("key", &drop.kid)
    }
}
