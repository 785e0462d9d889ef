//! What can be changed for a test: faults, and the behaviour of other providers. All off by default.

use serde::{Deserialize, Serialize};

use crate::config::Lifetimes;
use crate::jose::Algorithm;
use crate::profile::Profile;

/// The switches of the control API. They count for all tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Every endpoint under `/t` answers 503.
    pub down: bool,
    /// These endpoints answer 503.
    pub down_endpoints: Vec<Endpoint>,
    /// How long every answer under `/t` takes, in milliseconds.
    pub delay_ms: u64,
    /// The endpoints that are slow; empty for all.
    pub delay_endpoints: Vec<Endpoint>,
    /// The OAuth error that the token endpoint answers with.
    pub token_error: Option<String>,
    /// Lifetimes in place of the tenants' own, in seconds.
    pub lifetimes: LifetimeSwitches,
    /// Access tokens say nothing to others.
    pub opaque_access_tokens: bool,
    /// No refresh token is given.
    pub omit_refresh_token: bool,
    /// A refresh answers without a refresh token, and the old one goes on working.
    pub keep_refresh_token: bool,
    /// A JWKS that helps nobody.
    pub jwks: JwksSwitch,
    /// DPoP proofs at the token endpoint need a nonce.
    pub require_dpop_nonce: bool,
    /// What tokens are signed with in place of the tenants' own algorithm.
    pub signing_algorithm: Option<Algorithm>,
    /// Another provider, whose shapes metadata, keys, tokens and answers take on. What other switches say wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// What is put into access tokens instead.
    pub access_token: TokenSwitches,
    /// What is put into ID tokens instead.
    pub id_token: TokenSwitches,
    /// The `iss` of the authorization response (RFC 9207) instead of the right one; empty leaves it out.
    pub callback_iss: Option<String>,
    /// The `state` of the authorization response instead of the client's.
    pub callback_state: Option<String>,
}

/// An endpoint of a tenant, as the switches call it.
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

/// Lifetimes that a switch shortens or stretches, in seconds.
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

/// What is put into a token in place of the right thing.
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

/// What the JWKS endpoint answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JwksSwitch {
    /// The keys.
    #[default]
    Good,
    /// A set without keys.
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
