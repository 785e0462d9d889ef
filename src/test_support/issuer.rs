use serde_json::{Map, Value, json};

use super::{TestKey, at};
use crate::jwt::{Algorithm, Trust};

/// An identity provider without network: it has keys and signs tokens.
#[derive(Debug)]
pub struct TestIssuer {
    issuer: String,
    keys: Vec<TestKey>,
}

impl TestIssuer {
    /// Makes an issuer with one key for each algorithm. The `kid` is the algorithm in lower case.
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

    /// Makes an issuer with the given keys.
    pub fn with_keys(issuer: impl Into<String>, keys: impl IntoIterator<Item = TestKey>) -> Self {
        Self {
            issuer: issuer.into(),
            keys: keys.into_iter().collect(),
        }
    }

    /// Returns its `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns its keys.
    pub fn keys(&self) -> &[TestKey] {
        &self.keys
    }

    /// Replaces its keys, and returns the old ones.
    pub fn replace_keys(&mut self, keys: impl IntoIterator<Item = TestKey>) -> Vec<TestKey> {
        std::mem::replace(&mut self.keys, keys.into_iter().collect())
    }

    /// Returns the key for an algorithm.
    ///
    /// # Panics
    /// When it has none.
    pub fn key(&self, algorithm: Algorithm) -> &TestKey {
        self.keys
            .iter()
            .find(|key| key.algorithm() == algorithm)
            .expect("the issuer has a key for the algorithm")
    }

    /// Returns a trust for one audience, with keys by discovery.
    pub fn trust(&self, audience: impl Into<String>) -> Trust {
        Trust::new(&self.issuer).audience(audience)
    }

    /// Returns the URL of its JWK set.
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.issuer.trim_end_matches('/'))
    }

    /// Returns the URL of its metadata.
    pub fn metadata_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))
    }

    /// Returns its JWK set.
    pub fn jwks(&self) -> Value {
        json!({"keys": self.keys.iter().map(TestKey::jwk).collect::<Vec<_>>()})
    }

    /// Returns its metadata.
    pub fn metadata(&self) -> Value {
        json!({"issuer": self.issuer, "jwks_uri": self.jwks_url()})
    }

    /// Makes an access token for subject `alice` and audience `orders`, valid for five minutes, signed with the first key.
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

    /// Makes a logout token about all sessions of `alice`, for a client, valid for two minutes (OpenID Connect Back-Channel
    /// Logout 1.0, section 2.4).
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

/// A token to be signed. It is valid unless a change makes it invalid.
#[derive(Clone, Debug)]
pub struct TokenBuilder<'a> {
    header: Value,
    claims: Value,
    key: &'a TestKey,
}

impl<'a> TokenBuilder<'a> {
    /// Signs with this key, and names it in the header.
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

    /// Removes a member of the header.
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

    /// Removes a claim.
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

    /// Returns the header as JSON.
    pub fn header_json(&self) -> String {
        self.header.to_string()
    }

    /// Returns the claims as JSON.
    pub fn claims_json(&self) -> String {
        self.claims.to_string()
    }

    /// Signs the token.
    pub fn sign(&self) -> String {
        self.key.sign_text(&self.header_json(), &self.claims_json())
    }

    /// Signs a token with this text as claims.
    pub fn sign_claims(&self, claims: &str) -> String {
        self.key.sign_text(&self.header_json(), claims)
    }

    /// Signs a token with this text as header.
    pub fn sign_header(&self, header: &str) -> String {
        self.key.sign_text(header, &self.claims_json())
    }
}

fn members(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().expect("header and claims are objects")
}
