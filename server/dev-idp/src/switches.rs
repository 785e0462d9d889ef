//! Switches for tests: faults, and the behaviour of other providers. All off by default.

use serde::{Deserialize, Serialize};

use crate::config::Lifetimes;
use crate::jose::Algorithm;
use crate::profile::Profile;

/// The switches of the control API. They apply to all tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Every endpoint under `/t` answers 503.
    pub down: bool,
    /// These endpoints answer 503.
    pub down_endpoints: Vec<Endpoint>,
    /// The delay of every response under `/t`, in milliseconds.
    pub delay_ms: u64,
    /// The endpoints that are delayed; empty for all.
    pub delay_endpoints: Vec<Endpoint>,
    /// The OAuth error that the token endpoint returns.
    pub token_error: Option<String>,
    /// Lifetimes that replace those of the tenants, in seconds.
    pub lifetimes: LifetimeSwitches,
    /// Access tokens are opaque.
    pub opaque_access_tokens: bool,
    /// No refresh tokens are issued.
    pub omit_refresh_token: bool,
    /// A refresh returns no refresh token, and the old one stays valid.
    pub keep_refresh_token: bool,
    /// A faulty key set.
    pub jwks: JwksSwitch,
    /// DPoP proofs at the token endpoint need a nonce.
    pub require_dpop_nonce: bool,
    /// The algorithm that replaces the tenants' own.
    pub signing_algorithm: Option<Algorithm>,
    /// Another provider, whose metadata, keys, tokens and responses are imitated. Other switches take precedence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Values that replace those of access tokens.
    pub access_token: TokenSwitches,
    /// Values that replace those of ID tokens.
    pub id_token: TokenSwitches,
    /// Replaces the `iss` of the authorization response (RFC 9207); empty removes it.
    pub callback_iss: Option<String>,
    /// Replaces the `state` of the authorization response.
    pub callback_state: Option<String>,
}

/// The name of an endpoint in the switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// `/oauth2/authorize`.
    Authorize,
    /// The pages that the authorization endpoint leads to.
    SignIn,
    /// `/oauth2/token`.
    Token,
    /// `/oauth2/jwks`.
    Jwks,
    /// `/oauth2/userinfo`.
    Userinfo,
    /// `/oauth2/revoke`.
    Revoke,
    /// `/oauth2/introspect`.
    Introspect,
    /// `/oauth2/par`.
    Par,
    /// `/oidc/logout`.
    Logout,
    /// The metadata, wherever they are.
    Discovery,
}

/// Lifetimes that replace those of the tenants, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LifetimeSwitches {
    /// An authorization code.
    pub code: Option<u32>,
    /// An access token.
    pub access_token: Option<u32>,
    /// An ID token.
    pub id_token: Option<u32>,
    /// A refresh token.
    pub refresh_token: Option<u32>,
    /// A browser session.
    pub session: Option<u32>,
}

/// Values that replace those of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSwitches {
    /// Another `iss`.
    pub iss: Option<String>,
    /// Another `aud`.
    pub aud: Option<String>,
    /// Another `typ` in the header; empty leaves it out.
    pub typ: Option<String>,
    /// Another `nonce`.
    pub nonce: Option<String>,
}

/// The response of the JWKS endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JwksSwitch {
    /// The valid key set.
    #[default]
    Good,
    /// An empty key set.
    Empty,
    /// The keys, among others that cannot be used.
    Spoiled,
    /// Something that is not JSON.
    NotJson,
}

impl LifetimeSwitches {
    pub(crate) fn over(&self, own: Lifetimes) -> Lifetimes {
        Lifetimes {
            code: self.code.unwrap_or(own.code),
            access_token: self.access_token.unwrap_or(own.access_token),
            id_token: self.id_token.unwrap_or(own.id_token),
            refresh_token: self.refresh_token.unwrap_or(own.refresh_token),
            session: self.session.unwrap_or(own.session),
            ..own
        }
    }
}
