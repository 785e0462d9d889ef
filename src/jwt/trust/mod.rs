//! The trusted issuers, and the requirements for their tokens.

mod check;
mod conflict;
mod error;
mod secret;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{
    Algorithm,
    keys::{is_loopback_host, is_private_host},
};

pub use error::TrustError;
pub use secret::Secret;

pub(super) use conflict::{KnownIssuers, difference};

/// One trusted issuer: its keys, and the requirements for its access tokens. A `[[trust]]` of the configuration.
///
/// ```
/// use pixygate::jwt::Trust;
///
/// let trust = Trust::new("https://login.example.com/t/acme/oauth2/token").audience("my-client-id");
/// assert!(trust.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Trust {
    /// The exact `iss`. With [`tenants`](Self::tenants) it contains `{tenantid}`.
    pub issuer: String,
    /// Further exact `iss` values, never prefixes. The principal's issuer is [`issuer`](Self::issuer) for them too. Cannot be
    /// combined with [`tenants`](Self::tenants).
    pub aliases: Vec<String>,
    /// The tenants of an Entra ID issuer, whose `issuer` is `https://login.microsoftonline.com/{tenantid}/v2.0`. Each
    /// tenant is an exact issuer of its own, and `tid` must name it.
    pub tenants: Vec<String>,

    /// URL of the issuer's metadata, when it is not at the well-known path. A location only, never an identity.
    pub discovery_url: String,
    /// URL of the JWK set. Empty: the `jwks_uri` of the metadata.
    pub jwks_url: String,
    /// File with a JWK set, instead of a URL.
    pub jwks_file: String,
    /// JWK set as JSON, instead of a URL.
    pub jwks: String,
    /// File with a public key or a certificate (PEM), instead of a URL.
    pub public_key_file: String,
    /// Public key or certificate (PEM), instead of a URL.
    pub public_key: String,
    /// File with certificates (PEM) that are trusted in addition to the public ones when keys are fetched.
    pub ca_file: String,
    /// File with a client certificate and its key (PEM) for fetching keys.
    pub client_certificate_file: String,

    /// Hosts of a private network, such as `idp` in Docker Compose, whose metadata and keys are fetched over
    /// plain http. An attacker who controls that network can make the gate accept their tokens.
    pub insecure_http_hosts: Vec<String>,

    /// Accepts tokens whose `aud` contains one of these.
    pub audience: Vec<String>,
    /// Accepts tokens of these clients, whatever their `aud`. One of the two lists is required, and a token has to satisfy one.
    pub client_ids: Vec<String>,
    /// The accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The accepted `typ`.
    pub token_type: TokenType,
    /// Accepts access tokens that carry `nonce` and do not call themselves access tokens. Only for an issuer that puts the
    /// ID token's `nonce` into them: it takes one of the marks away by which [`TokenType::Auto`] recognises ID tokens, so
    /// choose an [`audience`](Self::audience) that no ID token has.
    pub allow_nonce: bool,
    /// Accepts access tokens that carry `at_hash` and do not call themselves access tokens. Only for an issuer whose access
    /// tokens are ID tokens. Its ID tokens pass as well, except those with `c_hash`.
    pub allow_at_hash: bool,
    /// The claim that holds the subject.
    pub subject_claim: String,
    /// The claims that may hold the client. The first one that is present counts.
    pub client_claims: Vec<String>,
    /// The claim that holds the scopes, as text or a list. `scp` is read where this claim is absent.
    pub scope_claim: String,
    /// The claim that holds the roles: text, a list, or the member names of an object. Dots lead into objects.
    pub roles_claim: String,
    /// Claims that must have this value, or one of these values when it is a list.
    pub required_claims: BTreeMap<String, Value>,

    /// How far clocks may differ, in seconds.
    pub leeway_seconds: u64,
    /// The age, in seconds, ahead of which keys are fetched again. A key that the provider removed serves no longer than this.
    pub jwks_refresh_seconds: u64,
    /// How long keys serve while the provider is down, in seconds. After that, calls are answered with 503.
    pub jwks_stale_seconds: u64,
    /// The shortest time between fetches that unknown `kid`s cause, in seconds.
    pub jwks_cooldown_seconds: u64,

    /// URL of the introspection endpoint for opaque tokens (RFC 7662). Empty: opaque tokens are rejected.
    pub introspection_url: String,
    /// The client that authenticates at the introspection endpoint.
    pub introspection_client_id: String,
    /// The secret of that client.
    #[serde(skip_serializing)]
    pub introspection_client_secret: Secret,
}

/// How access tokens are distinguished from other tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenType {
    /// `at+jwt`, `application/at+jwt`, `JWT` or none. A token that calls itself an access token (this `typ`, or `typ` or
    /// `token_use` among its claims) is one; of the others, those with the marks of an ID token or logout token are
    /// rejected. A heuristic.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// `at+jwt` or `application/at+jwt` (RFC 9068, section 4): the sound choice.
    #[serde(rename = "at+jwt")]
    AccessToken,
}

/// The source of an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// The metadata at this URL, then their `jwks_uri`.
    Discovery(Url),
    /// A JWK set at this URL.
    JwksUrl(Url),
    /// A JWK set in a file.
    JwksFile(String),
    /// A JWK set in the configuration.
    Jwks(String),
    /// A PEM public key or certificate in a file.
    PublicKeyFile(String),
    /// A PEM public key or certificate in the configuration.
    PublicKey(String),
}

impl Default for Trust {
    fn default() -> Self {
        use Algorithm::{ES256, ES384, Ed25519, EdDSA, PS256, RS256};
        Self {
            issuer: String::new(),
            aliases: Vec::new(),
            tenants: Vec::new(),
            discovery_url: String::new(),
            jwks_url: String::new(),
            jwks_file: String::new(),
            jwks: String::new(),
            public_key_file: String::new(),
            public_key: String::new(),
            ca_file: String::new(),
            client_certificate_file: String::new(),
            insecure_http_hosts: Vec::new(),
            audience: Vec::new(),
            client_ids: Vec::new(),
            algorithms: vec![RS256, PS256, ES256, ES384, EdDSA, Ed25519],
            token_type: TokenType::Auto,
            allow_nonce: false,
            allow_at_hash: false,
            subject_claim: "sub".into(),
            // `azp` is OpenID Connect's; `cid` is in no standard, but in use.
            client_claims: vec!["client_id".into(), "azp".into(), "cid".into()],
            scope_claim: "scope".into(),
            roles_claim: "groups".into(),
            required_claims: BTreeMap::new(),
            leeway_seconds: 60,
            jwks_refresh_seconds: 300,
            jwks_stale_seconds: 3600,
            jwks_cooldown_seconds: 10,
            introspection_url: String::new(),
            introspection_client_id: String::new(),
            introspection_client_secret: Secret::default(),
        }
    }
}

impl Trust {
    /// Trusts an issuer, with every default. It still needs an [`audience`](Self::audience) or a [`client_id`](Self::client_id).
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            ..Self::default()
        }
    }

    /// Accepts tokens for this audience.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.push(audience.into());
        self
    }

    /// Accepts tokens of this client, whatever their `aud`.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_ids.push(client_id.into());
        self
    }

    /// Accepts access tokens that carry `nonce` and do not call themselves access tokens: see the
    /// [field](Self#structfield.allow_nonce).
    #[must_use]
    pub fn allow_nonce(mut self) -> Self {
        self.allow_nonce = true;
        self
    }

    /// Accepts this exact `iss` as well.
    #[must_use]
    pub fn alias(mut self, issuer: impl Into<String>) -> Self {
        self.aliases.push(issuer.into());
        self
    }

    /// Fetches the JWK set from this URL instead of the one in the metadata.
    #[must_use]
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = url.into();
        self
    }

    /// Returns every exact `iss` that this trust accepts: the issuer (one for each tenant) and the aliases.
    pub fn accepted_issuers(&self) -> Vec<String> {
        self.own_issuers()
            .into_iter()
            .chain(self.aliases.iter().cloned())
            .collect()
    }

    fn own_issuers(&self) -> Vec<String> {
        if self.tenants.is_empty() {
            return vec![self.issuer.clone()];
        }
        self.tenants
            .iter()
            .map(|tenant| self.issuer.replace("{tenantid}", tenant))
            .collect()
    }

    /// Returns where the keys of this issuer come from.
    ///
    /// # Errors
    /// When several sources are configured, or the URL cannot be used.
    pub fn key_source(&self) -> Result<KeySource, TrustError> {
        let named: Vec<_> = [
            ("jwks_url", &self.jwks_url),
            ("jwks_file", &self.jwks_file),
            ("jwks", &self.jwks),
            ("public_key_file", &self.public_key_file),
            ("public_key", &self.public_key),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
        match named.as_slice() {
            [] => self.discovery_location().map(KeySource::Discovery),
            [("jwks_url", url)] => self.location("jwks_url", url).map(KeySource::JwksUrl),
            [("jwks_file", path)] => Ok(KeySource::JwksFile((*path).clone())),
            [("jwks", json)] => Ok(KeySource::Jwks((*json).clone())),
            [("public_key_file", path)] => Ok(KeySource::PublicKeyFile((*path).clone())),
            [(_, pem)] => Ok(KeySource::PublicKey((*pem).clone())),
            several => {
                let keys = several.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
                Err(TrustError::KeySources {
                    issuer: self.issuer.clone(),
                    keys,
                })
            }
        }
    }

    /// Returns whether metadata and keys may be fetched from private addresses: only when the issuer is configured on one.
    pub fn on_private_address(&self) -> bool {
        [&self.issuer, &self.discovery_url, &self.jwks_url]
            .into_iter()
            .any(|text| is_private(text))
    }

    /// Returns whether the introspection endpoint may be on a private address.
    pub(crate) fn introspects_on_private_address(&self) -> bool {
        is_private(&self.introspection_url) || self.on_private_address()
    }

    /// Returns how far clocks may differ.
    pub fn leeway(&self) -> Duration {
        Duration::from_secs(self.leeway_seconds)
    }

    /// Returns the introspection endpoint, if one is configured.
    ///
    /// # Errors
    /// When the URL cannot be used, or the client is missing.
    pub fn introspection(&self) -> Result<Option<Url>, TrustError> {
        if self.introspection_url.is_empty() {
            return Ok(None);
        }
        if self.introspection_client_id.is_empty() {
            let hint = "the introspection endpoint authenticates its client (RFC 7662, section 2.1)";
            return Err(self.empty("introspection_client_id", hint));
        }
        self.location("introspection_url", &self.introspection_url).map(Some)
    }

    /// Returns whether plain http is allowed for the host of a URL.
    pub(crate) fn allows_plain_http(&self, url: &Url) -> bool {
        let named = |host: &str| self.insecure_http_hosts.iter().any(|named| named == host);
        url.scheme() == "http" && url.host_str().is_some_and(named)
    }

    /// Returns the URL of the metadata.
    pub(crate) fn discovery_location(&self) -> Result<Url, TrustError> {
        if !self.discovery_url.is_empty() {
            return self.location("discovery_url", &self.discovery_url);
        }
        // OpenID Connect Discovery 1.0, section 4: a terminating slash of the issuer is removed first. The issuer
        // itself, as an identity, keeps it. The metadata of a template of tenants are those of `common`.
        let issuer = self.issuer.replace("{tenantid}", "common");
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.strip_suffix('/').unwrap_or(&issuer)
        );
        self.location("issuer", &url)
    }
}

fn is_private(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| is_private_host(&url))
}
