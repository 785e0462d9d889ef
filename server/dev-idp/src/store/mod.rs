//! The state of the provider. Secrets are stored as SHA-256 only.

mod file;
mod purge;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use file::StoreFile;
pub use file::StoreFileError;

use crate::jose::KeyRing;

/// SHA-256 of a cookie, code, token or `request_uri`, as base64url.
pub(crate) type Digest = String;

/// The state of all tenants.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Store {
    pub(crate) tenants: BTreeMap<String, TenantStore>,
}

/// The state of one tenant.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TenantStore {
    pub(crate) keys: KeyRing,
    #[serde(default)]
    pub(crate) sessions: BTreeMap<Digest, Session>,
    #[serde(default)]
    pub(crate) interactions: BTreeMap<String, Interaction>,
    #[serde(default)]
    pub(crate) pushed: BTreeMap<Digest, PushedRequest>,
    #[serde(default)]
    pub(crate) codes: BTreeMap<Digest, Code>,
    #[serde(default)]
    pub(crate) families: BTreeMap<String, Family>,
    #[serde(default)]
    pub(crate) refresh_tokens: BTreeMap<Digest, RefreshToken>,
    #[serde(default)]
    pub(crate) access_tokens: BTreeMap<Digest, AccessToken>,
    /// Scopes that a user granted to an application, by `username client_id`.
    #[serde(default)]
    pub(crate) consents: BTreeMap<String, Vec<String>>,
    /// Seen DPoP proofs, by thumbprint and `jti`, until they are too old to be accepted.
    #[serde(default)]
    pub(crate) proofs: BTreeMap<Digest, i64>,
    /// Failed sign-ins by username.
    #[serde(default)]
    pub(crate) failures: BTreeMap<String, Failures>,
    /// The last used step of a second factor, by username: a code is valid once.
    #[serde(default)]
    pub(crate) totp_steps: BTreeMap<String, i64>,
}

/// A browser session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) sid: String,
    pub(crate) username: String,
    pub(crate) auth_time: i64,
    pub(crate) amr: Vec<String>,
    pub(crate) expires: i64,
}

impl Session {
    pub(crate) fn acr(&self) -> Acr {
        if self.amr.iter().any(|method| method == "otp") {
            Acr::Loa2
        } else {
            Acr::Loa1
        }
    }
}

/// The strength of an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Acr {
    /// With a password.
    #[serde(rename = "LOA1")]
    Loa1,
    /// With a password and a one-time code.
    #[serde(rename = "LOA2")]
    Loa2,
}

impl Acr {
    pub(crate) const ALL: [Self; 2] = [Self::Loa1, Self::Loa2];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Loa1 => "LOA1",
            Self::Loa2 => "LOA2",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// A checked authorization request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AuthorizationRequest {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) scope: Vec<String>,
    pub(crate) code_challenge: String,
    pub(crate) dpop_jkt: Option<String>,
    pub(crate) prompt: Vec<Prompt>,
    pub(crate) max_age: Option<i64>,
    pub(crate) acr: Option<Acr>,
    pub(crate) login_hint: Option<String>,
    /// The subject of an `id_token_hint`: only this user may answer the request.
    pub(crate) sub_hint: Option<String>,
}

/// The value of `prompt` (OpenID Connect Core, section 3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Prompt {
    None,
    Login,
    Consent,
    SelectAccount,
}

/// An authorization request that waits for the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Interaction {
    pub(crate) request: AuthorizationRequest,
    /// The browser that may answer: the digest of its cookie.
    pub(crate) browser: Digest,
    pub(crate) created: i64,
    pub(crate) expires: i64,
    /// Whether the user signed in for this request.
    pub(crate) signed_in: bool,
    /// Whether the user chose the account.
    pub(crate) account_chosen: bool,
    /// Whether the user consented to this request.
    pub(crate) consented: bool,
}

/// A pushed authorization request (RFC 9126), validated and not yet used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PushedRequest {
    pub(crate) request: AuthorizationRequest,
    pub(crate) expires: i64,
}

/// The grant of a user to an application.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) username: String,
    pub(crate) scope: Vec<String>,
    pub(crate) auth_time: i64,
    pub(crate) amr: Vec<String>,
    pub(crate) acr: Acr,
    pub(crate) sid: String,
    /// The organisation of the tokens.
    pub(crate) organization: Option<String>,
}

/// An authorization code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: String,
    pub(crate) nonce: Option<String>,
    pub(crate) dpop_jkt: Option<String>,
    pub(crate) expires: i64,
    /// The family that its first use began; a second use ends the family.
    pub(crate) used: Option<String>,
}

/// All tokens that were issued for one authorization code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Family {
    pub(crate) grant: Grant,
    pub(crate) created: i64,
    /// The reason if it has ended.
    pub(crate) ended: Option<String>,
}

/// A refresh token. Used ones are stored, so that reuse is detected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RefreshToken {
    pub(crate) family: String,
    pub(crate) expires: i64,
    pub(crate) used: bool,
    /// The key that it is bound to, if the client is public and sent a proof.
    pub(crate) jkt: Option<String>,
}

/// An issued access token, JWT or opaque.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccessToken {
    pub(crate) family: String,
    pub(crate) claims: Map<String, Value>,
    pub(crate) expires: i64,
    pub(crate) revoked: bool,
    pub(crate) jkt: Option<String>,
}

/// The number of failed sign-ins, and the time of the next allowed attempt.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Failures {
    pub(crate) count: u32,
    pub(crate) wait_until: i64,
}

impl TenantStore {
    pub(crate) fn new(keys: KeyRing) -> Self {
        Self {
            keys,
            sessions: BTreeMap::new(),
            interactions: BTreeMap::new(),
            pushed: BTreeMap::new(),
            codes: BTreeMap::new(),
            families: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            access_tokens: BTreeMap::new(),
            consents: BTreeMap::new(),
            proofs: BTreeMap::new(),
            failures: BTreeMap::new(),
            totp_steps: BTreeMap::new(),
        }
    }

    /// Returns the session of a cookie, unless it has expired.
    pub(crate) fn session(&self, cookie: &str, now: i64) -> Option<&Session> {
        self.sessions.get(cookie).filter(|session| now < session.expires)
    }

    /// Ends a family: none of its tokens is valid any more.
    pub(crate) fn end_family(&mut self, id: &str, why: &str) {
        if let Some(family) = self.families.get_mut(id) {
            family.ended.get_or_insert_with(|| why.to_owned());
        }
    }

    /// Returns the family, unless it has ended.
    pub(crate) fn living_family(&self, id: &str) -> Option<&Family> {
        self.families.get(id).filter(|family| family.ended.is_none())
    }

    /// Returns the sessions that have a valid cookie or valid tokens, with their usernames.
    pub(crate) fn living_sids(&self, now: i64) -> BTreeMap<&str, &str> {
        let sessions = self.sessions.values().filter(|session| now < session.expires);
        let families = self.families.values().filter(|family| family.ended.is_none());
        sessions
            .map(|session| (session.sid.as_str(), session.username.as_str()))
            .chain(families.map(|family| (family.grant.sid.as_str(), family.grant.username.as_str())))
            .collect()
    }

    /// Ends a session and revokes its tokens. Returns the grants whose clients must be notified.
    pub(crate) fn end_session(&mut self, sid: &str, why: &str) -> Vec<Grant> {
        self.sessions.retain(|_, session| session.sid != sid);
        let mut told: Vec<Grant> = Vec::new();
        for family in self.families.values_mut().filter(|family| family.grant.sid == sid) {
            if family.ended.is_none() {
                family.ended = Some(why.to_owned());
            }
            if !told.iter().any(|grant| grant.client_id == family.grant.client_id) {
                told.push(family.grant.clone());
            }
        }
        // An unredeemed code of the session must not begin a new family.
        self.codes
            .retain(|_, code| code.grant.sid != sid || code.used.is_some());
        told
    }

    /// Returns the access token, if it is valid.
    pub(crate) fn good_access_token(&self, token: &str, now: i64) -> Option<&AccessToken> {
        self.access_tokens
            .get(token)
            .filter(|it| now < it.expires && !it.revoked && self.living_family(&it.family).is_some())
    }
}
