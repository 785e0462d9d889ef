//! What the gate makes of each key of a set.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pixygate::jwt::{Algorithm, Trust, TrustError, Validator, printable};
use serde_json::{Value, json};

/// A key of a JWK set, and whether the gate verifies tokens with it.
pub(super) struct ExaminedKey {
    /// Its `kid`.
    pub(super) key_id: Option<String>,
    /// The algorithms that it verifies for the trust, or why the gate leaves it out.
    pub(super) verdict: Result<Vec<Algorithm>, String>,
    /// Whether it is a point that the gate leaves out whatever the trust's algorithms are: one of low order.
    pub(super) is_low_order: bool,
    /// The key as it was published.
    pub(super) jwk: Value,
}

impl ExaminedKey {
    /// Examines every key of a JWK set (RFC 7517, section 5): each is loaded by the gate's own validator, alone.
    ///
    /// # Errors
    ///
    /// When the document is not a JWK set.
    pub(super) fn read(set: &[u8], trust: &Trust) -> Result<Vec<Self>, String> {
        let mut document: Value = serde_json::from_slice(set)
            .map_err(|error| format!("it is not JSON ({})", printable(&error.to_string())))?;
        let Some(Value::Array(keys)) = document.get_mut("keys").map(Value::take) else {
            return Err("it is not a JWK set: it has no array `keys`".into());
        };
        Ok(keys.into_iter().map(|jwk| Self::of(jwk, trust)).collect())
    }

    fn of(jwk: Value, trust: &Trust) -> Self {
        let verdict = load(&jwk, trust, &trust.algorithms).map(|()| {
            let algorithms = trust.algorithms.iter().copied();
            algorithms
                .filter(|algorithm| load(&jwk, trust, &[*algorithm]).is_ok())
                .collect()
        });
        // Every other point of the right length verifies with this algorithm, whatever else is said of the key.
        let bare = json!({ "kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"] });
        let is_low_order = is_point(&bare) && load(&bare, trust, &[Algorithm::EdDSA]).is_err();
        Self {
            is_low_order,
            key_id: jwk.get("kid").and_then(Value::as_str).map(str::to_owned),
            verdict,
            jwk,
        }
    }
}

/// Whether it is an Ed25519 key of the right length (RFC 8037, section 2).
fn is_point(jwk: &Value) -> bool {
    let text = |member: &str| jwk.get(member).and_then(Value::as_str).unwrap_or_default();
    let length = URL_SAFE_NO_PAD.decode(text("x")).map(|x| x.len());
    (text("kty"), text("crv"), length) == ("OKP", "Ed25519", Ok(32))
}

fn load(jwk: &Value, trust: &Trust, algorithms: &[Algorithm]) -> Result<(), String> {
    let mut alone = Trust::new(&trust.issuer);
    alone.audience = vec!["nobody".to_owned()];
    alone.jwks = json!({ "keys": [jwk] }).to_string();
    alone.algorithms = algorithms.to_vec();
    alone.tenants.clone_from(&trust.tenants);
    match Validator::builder([alone]).build() {
        Ok(_) => Ok(()),
        Err(TrustError::Keys { why, .. }) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}
