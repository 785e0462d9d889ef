//! The public keys (RFC 7517, section 5).

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::issue;
use crate::store::TenantStore;
use crate::switches::JwksSwitch;
use crate::tenant_context::TenantContext;

pub(crate) async fn get(context: TenantContext) -> Response {
    let keys = || context.read(|store| published(&context, store));
    let body = match context.switches.jwks {
        JwksSwitch::Good => json!({"keys": keys()}).to_string(),
        JwksSwitch::Empty => json!({"keys": []}).to_string(),
        JwksSwitch::Spoiled => {
            json!({"keys": unusable_keys().into_iter().chain(keys()).collect::<Vec<_>>()}).to_string()
        }
        JwksSwitch::NotJson => "<html>Bad gateway</html>".to_owned(),
    };
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "max-age=60"),
        ],
        body,
    )
        .into_response()
}

/// Returns the keys, in the form of the profile if there is one.
fn published(context: &TenantContext, store: &TenantStore) -> Vec<Value> {
    let shaped = || {
        let profile = context.switches.profile.as_ref()?;
        let (key, kid) = store.keys.signer(issue::algorithm(context))?;
        profile.keys(&key.public().to_jwk(), &kid, &context.issuer)
    };
    shaped().unwrap_or_else(|| store.keys.to_jwks())
}

/// Returns keys that cannot be used: an unknown type, an unknown curve, a key for encryption, and one without its numbers.
fn unusable_keys() -> Vec<Value> {
    vec![
        json!({"kty": "AKP", "kid": "unknown-type", "alg": "ML-DSA-44", "pub": "AA"}),
        json!({"kty": "EC", "kid": "unknown-curve", "crv": "P-999", "x": "AA", "y": "AA"}),
        json!({"kty": "RSA", "kid": "for-encryption", "use": "enc", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "without-numbers", "use": "sig"}),
    ]
}
