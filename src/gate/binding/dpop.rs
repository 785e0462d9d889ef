//! DPoP proofs: the caller holds the key that the token is bound to (RFC 9449, section 4.3).

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Method};
use serde_json::{Map, Value};
use url::Url;

use super::{Nonces, ProofId};
use crate::{
    Reason,
    jwt::{Algorithm, Json, Key, Material, Members, Rejection, Unverified, UnverifiedClaims, parse_token, printable},
};

/// How old a proof may be, and how far its clock may be ahead, in seconds.
const WINDOW_SECONDS: u64 = 60;
/// Longer than any proof of a known client.
const MAX_PROOF_BYTES: usize = 8192;
const MAX_IDENTIFIER_BYTES: usize = 256;

/// The expected values of a proof.
pub(crate) struct Expected<'a> {
    pub(crate) method: &'a Method,
    /// The public address of the request, without query.
    pub(crate) address: &'a Url,
    /// The SHA-256 of the token.
    pub(crate) token: &'a [u8],
    /// The thumbprint in the token.
    pub(crate) thumbprint: &'a str,
    /// In seconds since 1970.
    pub(crate) now: f64,
    /// When the gate requires nonces.
    pub(crate) nonces: Option<&'a Nonces>,
}

/// A proof of which everything fits but the signature, which costs more than all other checks.
pub(crate) struct UnsignedProof<'a> {
    unverified: Unverified<'a>,
    jwk: Map<String, Value>,
    id: ProofId,
    accepted_until: u64,
}

/// A proof that holds, unless it was used before.
pub(crate) struct Proof {
    pub(crate) id: ProofId,
    /// In seconds since 1970. From then on it would be rejected for its time.
    pub(crate) accepted_until: u64,
}

impl<'a> UnsignedProof<'a> {
    /// Reads the proof of a request and checks its header and claims.
    pub(crate) fn read(headers: &'a HeaderMap, expected: &Expected<'_>) -> Result<Self, Rejection> {
        let proof = single_header(headers)?;
        let unverified = parse_token(proof).map_err(|why| reject("a signed proof", &why.detail().found))?;
        let kind = unverified.header.typ.as_deref();
        if kind != Some("dpop+jwt") {
            return Err(reject("typ \"dpop+jwt\"", kind.unwrap_or("none")));
        }
        let decoded = UnverifiedClaims::decode(proof).map_err(|why| reject("a signed proof", &why.detail().found))?;
        let jwk = decoded.header.get("jwk").and_then(Value::as_object);
        let jwk = jwk.ok_or_else(|| reject("`jwk` in the header", "none"))?;
        let thumbprint = thumbprint(jwk).ok_or_else(|| reject("an asymmetric public key", "another `jwk`"))?;
        if thumbprint != expected.thumbprint {
            return Err(reject("the key that the token is bound to", "another key"));
        }
        let claims = unverified
            .claims()
            .map_err(|why| reject("JSON as claims", &why.detail().found))?;
        let accepted_until = check_claims(&claims, expected)?;
        let id = identify(&thumbprint, text(&claims, "jti"));
        drop(claims);
        Ok(Self {
            jwk: jwk.clone(),
            unverified,
            id,
            accepted_until,
        })
    }

    /// Verifies the signature.
    pub(crate) fn verify(self) -> Result<Proof, Rejection> {
        let algorithm = self.unverified.header.algorithm;
        let key = Material::from_jwk(&self.jwk).and_then(|material| Key::new(material, None, None, None, &[algorithm]));
        let key = key.map_err(|why| reject("a usable `jwk`", &why))?;
        if !key.verifies(algorithm, self.unverified.signed, &self.unverified.signature) {
            return Err(reject("a signature by the key in the proof", "another"));
        }
        Ok(Proof {
            id: self.id,
            accepted_until: self.accepted_until,
        })
    }
}

/// Returns the identity of a proof. The same `jti` under another key is another proof.
fn identify(thumbprint: &str, identifier: &str) -> ProofId {
    let (mut key, mut proof) = ([0; 32], [0; 32]);
    key.copy_from_slice(digest(&SHA256, thumbprint.as_bytes()).as_ref());
    let mut context = Context::new(&SHA256);
    for part in [thumbprint, ".", identifier] {
        context.update(part.as_bytes());
    }
    proof.copy_from_slice(context.finish().as_ref());
    ProofId::new(key, proof)
}

/// Returns until when the proof is accepted, in seconds since 1970.
fn check_claims(claims: &Members<'_>, expected: &Expected<'_>) -> Result<u64, Rejection> {
    let identifier = text(claims, "jti");
    if identifier.is_empty() || identifier.len() > MAX_IDENTIFIER_BYTES {
        let expected = format!("`jti` of 1 to {MAX_IDENTIFIER_BYTES} bytes");
        return Err(reject(&expected, &format!("{} bytes", identifier.len())));
    }
    let method = text(claims, "htm");
    if method != expected.method.as_str() {
        return Err(reject(&format!("htm {}", expected.method), method));
    }
    let address = text(claims, "htu");
    if !is_same_address(address, expected.address) {
        // A query may hold secrets.
        let shown = address.split(['?', '#']).next().unwrap_or_default();
        return Err(reject(&format!("htu {}", expected.address), shown)
            .hint("the address is made from server.public_url; set it to the one that clients use"));
    }
    if text(claims, "ath") != URL_SAFE_NO_PAD.encode(expected.token) {
        return Err(reject("`ath` of this token", "none, or of another token"));
    }
    let issued = match claims.get("iat") {
        Some(Json::Number(number)) => number.as_f64(),
        _ => None,
    };
    let issued = issued.ok_or_else(|| reject("`iat` as a number", "none"))?;
    let Some(nonces) = expected.nonces else {
        let ahead = issued - expected.now;
        if ahead.abs() > WINDOW_SECONDS as f64 {
            return Err(
                reject(&format!("iat within {WINDOW_SECONDS} s"), &format!("{ahead:.0} s off"))
                    .hint("compare the clocks; the client can take the time from the Date header of responses"),
            );
        }
        return Ok(issued.ceil() as u64 + WINDOW_SECONDS);
    };
    // A fresh nonce proves the time, so the clock of the client does not matter.
    let nonce = claims.get("nonce").and_then(Json::as_str);
    let accepted = nonce.and_then(|nonce| nonces.accepted_until(nonce, expected.now.max(0.0) as u64));
    accepted.ok_or_else(|| {
        Rejection::new(Reason::UseDpopNonce)
            .expected("the nonce of a recent response")
            .found("none, or an old one")
            .hint("send the proof again with the nonce in DPoP-Nonce")
    })
}

fn single_header(headers: &HeaderMap) -> Result<&str, Rejection> {
    let mut all = headers.get_all("dpop").iter();
    let Some(proof) = all.next() else {
        return Err(Rejection::new(Reason::DpopRequired)
            .expected("a DPoP header with a proof")
            .found("none")
            .hint("the token is bound to a key of the client; send `Authorization: DPoP …` with a proof"));
    };
    if all.next().is_some() {
        return Err(reject("one DPoP header", "several"));
    }
    match proof.to_str() {
        Ok(proof) if proof.len() <= MAX_PROOF_BYTES => Ok(proof),
        _ => Err(reject("a signed proof", "something longer, or not ASCII")),
    }
}

/// Compares without query and fragment, after the normalization of RFC 3986, sections 6.2.2 and 6.2.3.
fn is_same_address(found: &str, expected: &Url) -> bool {
    let Ok(mut found) = Url::parse(found) else {
        return false;
    };
    found.set_query(None);
    found.set_fragment(None);
    found == *expected
}

/// Returns the thumbprint of a public key (RFC 7638); `None` for a private or symmetric one.
pub(crate) fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        .iter()
        .any(|secret| jwk.contains_key(*secret))
    {
        return None;
    }
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut canonical = String::from("{");
    for (index, member) in members.iter().enumerate() {
        let value = Value::String(jwk.get(*member)?.as_str()?.to_owned());
        canonical.push_str(if index == 0 { "" } else { "," });
        canonical.push_str(&format!("\"{member}\":{value}"));
    }
    canonical.push('}');
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes())))
}

fn text<'a>(claims: &'a Members<'_>, claim: &str) -> &'a str {
    claims.get(claim).and_then(Json::as_str).unwrap_or_default()
}

fn reject(expected: &str, found: &str) -> Rejection {
    Rejection::new(Reason::InvalidDpopProof)
        .expected(expected)
        .found(printable(found))
}

/// Returns the algorithms of proofs, for challenges and metadata.
pub(crate) fn algorithms() -> String {
    Algorithm::ALL.map(Algorithm::name).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_7638() {
        let jwk = serde_json::json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        assert_eq!(
            thumbprint(jwk.as_object().unwrap()).unwrap(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }
}
