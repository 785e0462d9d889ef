//! The proof that who brings a token holds the key it is bound to (RFC 9449, section 4.3).

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Method};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    Reason,
    jwt::{Algorithm, Json, Key, Material, Members, Rejection, TokenDigest, UnverifiedClaims, parse_token, printable},
};

/// How old a proof may be, and how far ahead its clock, in seconds.
const WINDOW_SECONDS: u64 = 60;
/// A proof is remembered for longer than it, or the nonce in it, could be used.
pub(crate) const REMEMBERED_SECONDS: u64 = 180;
/// Longer than any proof of a known client.
const LONGEST_PROOF: usize = 8192;
const LONGEST_IDENTIFIER: usize = 256;

/// A proof that holds for the request and the token; still to be asked is whether it was used before.
#[derive(Debug)]
pub(crate) struct Proof {
    /// The SHA-256 of key and identifier: the same identifier under another key is another proof.
    pub(crate) id: [u8; 32],
}

/// What a proof must fit.
pub(crate) struct Expected<'a> {
    pub(crate) method: &'a Method,
    /// The public address of the request, without query.
    pub(crate) address: &'a Url,
    pub(crate) token: &'a TokenDigest,
    /// The thumbprint in the token.
    pub(crate) thumbprint: &'a str,
    pub(crate) now: f64,
}

/// Checks everything in a proof but its nonce and whether it was used before. `fresh_nonce` says whether a nonce of the
/// gate vouches for the time; the proof's own clock counts no longer then.
pub(crate) fn check(
    headers: &HeaderMap,
    expected: &Expected<'_>,
    fresh_nonce: impl Fn(Option<&str>) -> Nonce,
) -> Result<Proof, Rejection> {
    let proof = the_one(headers)?;
    let unverified = parse_token(proof).map_err(|why| refuse("a signed proof", &why.detail().found))?;
    if unverified.header.kind.as_deref() != Some("dpop+jwt") {
        return Err(refuse(
            "typ \"dpop+jwt\"",
            unverified.header.kind.as_deref().unwrap_or("none"),
        ));
    }
    let said = UnverifiedClaims::decode(proof).map_err(|why| refuse("a signed proof", &why.detail().found))?;
    let jwk = said
        .header
        .get("jwk")
        .and_then(Value::as_object)
        .ok_or_else(|| refuse("`jwk` in the header", "none"))?;
    let thumbprint = thumbprint(jwk).ok_or_else(|| refuse("an asymmetric public key", "another `jwk`"))?;
    if thumbprint != expected.thumbprint {
        return Err(refuse("the key that the token is bound to", "another key"));
    }
    let algorithm = unverified.header.algorithm;
    let key = Material::from_jwk(jwk).and_then(|material| Key::new(material, None, None, None, &[algorithm]));
    let key = key.map_err(|why| refuse("a usable `jwk`", &why))?;
    if !key.verifies(algorithm, unverified.signed, &unverified.signature) {
        return Err(refuse("a signature by the key in the proof", "another"));
    }
    let claims = unverified
        .claims()
        .map_err(|why| refuse("JSON as claims", &why.detail().found))?;
    check_claims(&claims, expected, fresh_nonce)?;
    let identifier = text(&claims, "jti");
    let mut hashed = aws_lc_rs::digest::Context::new(&SHA256);
    hashed.update(thumbprint.as_bytes());
    hashed.update(b".");
    hashed.update(identifier.as_bytes());
    let mut id = [0; 32];
    id.copy_from_slice(hashed.finish().as_ref());
    Ok(Proof { id })
}

/// What the gate thinks of a nonce.
pub(crate) enum Nonce {
    /// None is asked for.
    NotNeeded,
    Fresh,
    /// It is missing, stale or another's.
    Stale,
}

fn check_claims(
    claims: &Members<'_>,
    expected: &Expected<'_>,
    fresh_nonce: impl Fn(Option<&str>) -> Nonce,
) -> Result<(), Rejection> {
    let identifier = text(claims, "jti");
    if identifier.is_empty() || identifier.len() > LONGEST_IDENTIFIER {
        return Err(refuse(
            "`jti` of 1 to 256 bytes",
            &format!("{} bytes", identifier.len()),
        ));
    }
    let method = text(claims, "htm");
    if method != expected.method.as_str() {
        return Err(refuse(&format!("htm {}", expected.method), method));
    }
    let address = text(claims, "htu");
    if !same_address(address, expected.address) {
        // A query may hold secrets.
        let shown = address.split(['?', '#']).next().unwrap_or_default();
        return Err(refuse(&format!("htu {}", expected.address), shown)
            .hint("the address is made from server.public_url; it must be the one that browsers use"));
    }
    let hash = URL_SAFE_NO_PAD.encode(expected.token.0);
    if text(claims, "ath") != hash {
        return Err(refuse("`ath` of this token", "none, or of another token"));
    }
    let issued = match claims.get("iat") {
        Some(Json::Number(number)) => number.as_f64(),
        _ => None,
    };
    let issued = issued.ok_or_else(|| refuse("`iat` as a number", "none"))?;
    match fresh_nonce(claims.get("nonce").and_then(Json::as_str)) {
        Nonce::Fresh => Ok(()),
        Nonce::Stale => Err(Rejection::new(Reason::UseDpopNonce)
            .expected("the nonce of a recent answer")
            .found("none, or an old one")
            .hint("send the proof again with the nonce in DPoP-Nonce")),
        Nonce::NotNeeded if (issued - expected.now).abs() > WINDOW_SECONDS as f64 => Err(refuse(
            &format!("iat within {WINDOW_SECONDS} s"),
            &format!("{:.0} s off", issued - expected.now),
        )
        .hint("compare the clocks; the client can take the time from the Date header of answers")),
        Nonce::NotNeeded => Ok(()),
    }
}

fn the_one(headers: &HeaderMap) -> Result<&str, Rejection> {
    let mut all = headers.get_all("dpop").iter();
    let Some(proof) = all.next() else {
        return Err(Rejection::new(Reason::DpopRequired)
            .expected("a DPoP header with a proof")
            .found("none")
            .hint("the token is bound to a key of the client; send `Authorization: DPoP …` with a proof"));
    };
    if all.next().is_some() {
        return Err(refuse("one DPoP header", "several"));
    }
    match proof.to_str() {
        Ok(proof) if proof.len() <= LONGEST_PROOF => Ok(proof),
        _ => Err(refuse("a signed proof", "something longer, or not ASCII")),
    }
}

/// Without query and fragment, after the normalization of RFC 3986, section 6.2.2 and 6.2.3.
fn same_address(found: &str, expected: &Url) -> bool {
    let Ok(mut found) = Url::parse(found) else {
        return false;
    };
    found.set_query(None);
    found.set_fragment(None);
    found == *expected
}

/// The thumbprint of a public key (RFC 7638); `None` for a private or symmetric one.
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

fn refuse(expected: &str, found: &str) -> Rejection {
    Rejection::new(Reason::InvalidDpopProof)
        .expected(expected)
        .found(printable(found))
}

/// The algorithms of proofs, for challenges and metadata.
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
