//! DPoP proofs (RFC 9449, section 4.3) and nonces (section 8).

use axum::http::{HeaderMap, Method};
use url::Url;

use crate::jose::{PublicKey, UnverifiedJws, sha256};
use crate::refusal::{DPOP_NONCE, Refusal};
use crate::tenant_context::TenantContext;

/// The largest difference between a proof's `iat` and this clock, in seconds, if the proof has no nonce.
const PROOF_SECONDS: i64 = 60;
const NONCE_SECONDS: i64 = 120;

/// A verified proof.
pub(crate) struct Proof {
    /// The thumbprint of the proof's key.
    pub(crate) jkt: String,
}

/// Checks the request's proof, if there is one.
///
/// In order: one header; `typ`; a public key that signed it; `htm`; `htu`; `ath`; that it has `jti` and
/// `iat`; the nonce, or else that `iat` is near; that its `jti` is new for the key.
pub(crate) fn proof(
    context: &TenantContext,
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    access_token: Option<&str>,
) -> Result<Option<Proof>, Refusal> {
    let refuse = |what: &str| Refusal::new("invalid_dpop_proof", what);
    let mut values = headers.get_all("dpop").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refuse("more than one DPoP header"));
    }
    let text = value.to_str().map_err(|_| refuse("the proof is not ASCII"))?;
    let jws = UnverifiedJws::parse(text).ok_or_else(|| refuse("the proof is not a JWT"))?;
    if jws.header_str("typ") != Some("dpop+jwt") {
        return Err(refuse("the proof's typ is not dpop+jwt"));
    }
    let jwk = jws
        .header
        .get("jwk")
        .and_then(|it| it.as_object())
        .ok_or_else(|| refuse("the proof has no jwk"))?;
    let key = PublicKey::from_jwk(jwk)
        .ok_or_else(|| refuse("the proof's jwk is not a public key of a kind that is accepted"))?;
    if !jws.is_signed_by(&key) {
        return Err(refuse("the proof's signature does not verify"));
    }
    if jws.claim_str("htm") != Some(method.as_str()) {
        return Err(refuse("the proof is for another method"));
    }
    if !jws
        .claim_str("htu")
        .is_some_and(|htu| same_address(htu, &context.endpoint(path)))
    {
        return Err(refuse("the proof is for another address"));
    }
    if access_token.is_some_and(|token| jws.claim_str("ath") != Some(sha256(token).as_str())) {
        return Err(refuse("the proof is for another access token"));
    }
    let jti = jws
        .claim_str("jti")
        .filter(|it| !it.is_empty())
        .ok_or_else(|| refuse("the proof has no jti"))?;
    let iat = jws
        .claims
        .get("iat")
        .and_then(serde_json::Value::as_f64)
        .ok_or_else(|| refuse("the proof has no iat"))?;
    judge_freshness(context, &jws, iat)?;
    let jkt = key.thumbprint();
    let seen = sha256(&format!("{jkt}.{jti}"));
    let until = context.now() + NONCE_SECONDS + PROOF_SECONDS;
    if context.write(|store| store.proofs.insert(seen, until)).is_some() {
        return Err(refuse("the proof was used before"));
    }
    Ok(Some(Proof { jkt }))
}

fn judge_freshness(context: &TenantContext, jws: &UnverifiedJws<'_>, iat: f64) -> Result<(), Refusal> {
    let ask = |what: &str| Refusal::new("use_dpop_nonce", what).header(DPOP_NONCE, nonce(context));
    match jws.claim_str("nonce") {
        // A valid nonce shows that the proof is fresh, whatever the client's clock says.
        Some(found) if is_good_nonce(context, found) => Ok(()),
        Some(_) => Err(ask("the proof's nonce is not one of the present ones")),
        None if context.switches.require_dpop_nonce => Err(ask("the proof needs a nonce")),
        None if (iat - context.now() as f64).abs() <= PROOF_SECONDS as f64 => Ok(()),
        None => Err(ask("the proof's iat is not near this clock; a nonce will do instead")),
    }
}

/// Returns the nonce of the current period. It is computed, not stored.
pub(crate) fn nonce(context: &TenantContext) -> String {
    nonce_of(context, context.now().div_euclid(NONCE_SECONDS))
}

fn nonce_of(context: &TenantContext, period: i64) -> String {
    sha256(&format!(
        "{}.{}.{period}",
        context.provider.dpop_nonce_secret(),
        context.tenant.name
    ))
}

fn is_good_nonce(context: &TenantContext, found: &str) -> bool {
    let period = context.now().div_euclid(NONCE_SECONDS);
    found == nonce_of(context, period) || found == nonce_of(context, period - 1)
}

fn same_address(htu: &str, expected: &str) -> bool {
    let normal = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    normal(htu).is_some_and(|htu| Some(htu) == normal(expected))
}
