use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{TestKey, at};

/// Builds a DPoP proof (RFC 9449, section 4.2). It is valid unless a method makes it invalid.
#[derive(Clone, Debug)]
pub struct ProofBuilder<'a> {
    header: Value,
    claims: Value,
    key: &'a TestKey,
}

impl TestKey {
    /// Returns the thumbprint that binds a token to this key (`cnf.jkt`).
    ///
    /// # Panics
    /// Never: the key is a public one.
    pub fn thumbprint(&self) -> String {
        let jwk = self.public_jwk();
        jwk.as_object()
            .and_then(crate::gate::thumbprint)
            .expect("a public key has a thumbprint")
    }

    /// Returns a valid proof for one request with a token.
    pub fn proof(&self, method: &str, url: &str, token: &str) -> ProofBuilder<'_> {
        let header = json!({"typ": "dpop+jwt", "alg": self.algorithm().name(), "jwk": self.public_jwk()});
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
        let claims = json!({"jti": "proof-1", "htm": method, "htu": url, "iat": at(0), "ath": hash});
        ProofBuilder {
            header,
            claims,
            key: self,
        }
    }
}

impl<'a> ProofBuilder<'a> {
    /// Sets `jti`.
    #[must_use]
    pub fn jti(self, jti: &str) -> Self {
        self.claim("jti", jti)
    }

    /// Sets `nonce`.
    #[must_use]
    pub fn nonce(self, nonce: &str) -> Self {
        self.claim("nonce", nonce)
    }

    /// Sets a member of the header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Signs with another key than the one in the header.
    #[must_use]
    pub fn signed_with(self, key: &'a TestKey) -> Self {
        Self { key, ..self }
    }

    /// Returns the header as JSON.
    pub fn header_json(&self) -> String {
        self.header.to_string()
    }

    /// Returns the claims as JSON.
    pub fn claims_json(&self) -> String {
        self.claims.to_string()
    }

    /// Signs the proof.
    pub fn sign(&self) -> String {
        self.key.sign_text(&self.header_json(), &self.claims_json())
    }
}
