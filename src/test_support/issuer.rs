use serde_json::{Map, Value, json};

use super::{TestKey, at};
use crate::jwt::{Algorithm, Trust};

/// An identity provider without network: it has keys, and signs what it is told to.
#[derive(Debug)]
pub struct TestIssuer {
    issuer: String,
    keys: Vec<TestKey>,
}

impl TestIssuer {
    /// An issuer with one key for each algorithm; a key's `kid` is its algorithm in lower case.
    pub fn new(issuer: impl Into<String>, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let keys = algorithms
            .into_iter()
            .map(|one| TestKey::generate(one, one.name().to_ascii_lowercase()))
            .collect();
        Self {
            issuer: issuer.into(),
            keys,
        }
    }

    /// An issuer with keys of your own.
    pub fn with_keys(issuer: impl Into<String>, keys: impl IntoIterator<Item = TestKey>) -> Self {
        Self {
            issuer: issuer.into(),
            keys: keys.into_iter().collect(),
        }
    }

    /// Its `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its keys.
    pub fn keys(&self) -> &[TestKey] {
        &self.keys
    }

    /// Takes its keys and gives it others.
    pub fn replace_keys(&mut self, keys: impl IntoIterator<Item = TestKey>) -> Vec<TestKey> {
        std::mem::replace(&mut self.keys, keys.into_iter().collect())
    }

    /// The key for an algorithm.
    ///
    /// # Panics
    /// When it has none.
    pub fn key(&self, algorithm: Algorithm) -> &TestKey {
        self.keys
            .iter()
            .find(|key| key.algorithm() == algorithm)
            .expect("the issuer has a key for the algorithm")
    }

    /// A trust in it, for one audience, with keys by discovery.
    pub fn trust(&self, audience: impl Into<String>) -> Trust {
        Trust::new(&self.issuer).audience(audience)
    }

    /// Where its keys are.
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.issuer.trim_end_matches('/'))
    }

    /// Where its metadata are.
    pub fn metadata_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))
    }

    /// Its public keys.
    pub fn jwks(&self) -> Value {
        json!({"keys": self.keys.iter().map(TestKey::jwk).collect::<Vec<_>>()})
    }

    /// Its metadata.
    pub fn metadata(&self) -> Value {
        json!({"issuer": self.issuer, "jwks_uri": self.jwks_url()})
    }

    /// A token that is good for five minutes, signed with its first key, for subject `alice` and audience `orders`.
    ///
    /// # Panics
    /// When the issuer has no key.
    pub fn token(&self) -> TokenBuilder<'_> {
        let key = self.keys.first().expect("the issuer has a key");
        let claims = json!({
            "iss": self.issuer, "sub": "alice", "aud": "orders", "client_id": "shop", "iat": at(0), "exp": at(300),
            "jti": "token-1",
        });
        TokenBuilder {
            header: json!({"typ": "at+jwt"}),
            claims,
            key,
        }
        .key(key)
    }

    /// A logout token about all sessions of `alice`, for a client, good for two minutes (OpenID Connect Back-Channel Logout
    /// 1.0, section 2.4).
    ///
    /// # Panics
    /// When the issuer has no key.
    pub fn logout_token(&self, client_id: &str) -> TokenBuilder<'_> {
        let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
        self.token()
            .header("typ", "logout+jwt")
            .audience(client_id)
            .without("client_id")
            .claim("exp", at(120))
            .claim("jti", "logout-1")
            .claim("events", events)
    }
}

/// A token in the making: good, until something is changed.
#[derive(Clone, Debug)]
pub struct TokenBuilder<'a> {
    header: Value,
    claims: Value,
    key: &'a TestKey,
}

impl<'a> TokenBuilder<'a> {
    /// Signs with this key, and says so in the header.
    #[must_use]
    pub fn key(self, key: &'a TestKey) -> Self {
        let named = self.header("alg", key.algorithm().name()).header("kid", key.key_id());
        TokenBuilder { key, ..named }
    }

    /// Sets a member of the header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// Takes a member out of the header.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        members(&mut self.header).remove(name);
        self
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Takes a claim out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        members(&mut self.claims).remove(name);
        self
    }

    /// Sets `sub`.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets `aud`.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// Sets `scope`.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Binds it to a key (RFC 9449, section 6).
    #[must_use]
    pub fn bound_to(self, thumbprint: &str) -> Self {
        self.claim("cnf", json!({"jkt": thumbprint}))
    }

    /// The header as JSON.
    pub fn header_text(&self) -> String {
        self.header.to_string()
    }

    /// The claims as JSON.
    pub fn claims_text(&self) -> String {
        self.claims.to_string()
    }

    /// The token.
    pub fn sign(&self) -> String {
        self.key.sign_text(&self.header_text(), &self.claims_text())
    }

    /// A token with other bytes as claims, signed all the same.
    pub fn sign_claims(&self, claims: &str) -> String {
        self.key.sign_text(&self.header_text(), claims)
    }

    /// A token with other bytes as header, signed all the same.
    pub fn sign_header(&self, header: &str) -> String {
        self.key.sign_text(header, &self.claims_text())
    }
}

fn members(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().expect("header and claims are objects")
}
