//! DPoP proofs (RFC 9449, section 4): the parts that need no key. The key signs what [`Proof::signing_input`] returns.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::CsrfToken;
use serde::Serialize;

use super::Jwk;

/// One proof: for one request, at one time.
#[derive(Debug)]
pub struct Proof<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The URL of the request; its query and fragment are left out of `htu`.
    pub url: &'a str,
    /// Seconds since the Unix epoch, by the server's clock.
    pub issued_at: f64,
    /// The base64url SHA-256 of the access token, when the request carries one.
    pub access_token_hash: Option<&'a str>,
    /// The nonce that the server gave.
    pub nonce: Option<&'a str>,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    jwk: &'a Jwk,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl Proof<'_> {
    /// Header and payload of the proof, to be signed with ES256. `key` is the public key, with no private member.
    pub fn signing_input(&self, key: &Jwk) -> String {
        let jti = CsrfToken::new_random();
        let header = Header {
            typ: "dpop+jwt",
            alg: "ES256",
            jwk: key,
        };
        let claims = Claims {
            jti: jti.secret(),
            htm: self.method,
            htu: self.url.split(['?', '#']).next().unwrap_or_default(),
            iat: self.issued_at as u64,
            ath: self.access_token_hash,
            nonce: self.nonce,
        };
        format!("{}.{}", encoded(&header), encoded(&claims))
    }
}

/// A signed JWT from its signing input and signature.
pub fn signed(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What the SHA-256 thumbprint of an EC key is taken of (RFC 7638, section 3.2).
pub fn thumbprint_input(key: &Jwk) -> String {
    let part = |value: &Option<String>| value.clone().unwrap_or_default();
    format!(
        r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
        part(&key.crv),
        part(&key.x),
        part(&key.y)
    )
}

fn encoded(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}
