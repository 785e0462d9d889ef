use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{Rejection, printable, verdict_cache::Weighed};
use crate::{Reason, StepUp};

/// The caller, as a validated token identifies it. Only a [`Validator`](crate::jwt::Validator), and through it the gate, makes
/// one: a function that takes a `Principal` cannot run without a valid token.
///
/// The pair of [`issuer`](Self::issuer) and [`subject`](Self::subject) is the identity: the same subject of two issuers is two
/// users. Cloning is cheap. It serializes to the answer of `GET /api/whoami`.
///
/// ```compile_fail
/// // It cannot be deserialized or constructed.
/// let forged: pixygate::jwt::Principal = serde_json::from_str(r#"{"iss":"https://i","sub":"s"}"#).unwrap();
/// ```
#[derive(Clone)]
pub struct Principal(Arc<ValidatedToken>);

/// The claims of a token that passed every check. The fields that every call reads come first, next to the reference count: with
/// many cached tokens, memory access is what takes time.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ValidatedToken {
    pub(crate) key_thumbprint: Option<Box<str>>,
    pub(crate) certificate_thumbprint: Option<Box<str>>,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) client_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) org_id: Option<String>,
    pub(crate) acr: Option<String>,
    pub(crate) auth_time: Option<u64>,
    pub(crate) issued_at: Option<u64>,
    pub(crate) expires_at: u64,
    pub(crate) token_id: Option<String>,
    pub(crate) session_id: Option<String>,
    /// `sub`, where `trust.subject_claim` takes the subject from another claim.
    pub(crate) sub: Option<String>,
    pub(crate) claims: Claims,
    /// See [`Principal::derived`].
    pub(crate) derived: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Weighed for ValidatedToken {
    /// Parsed claims take about three times as much as their text, which stays.
    fn bytes(&self) -> usize {
        size_of::<Self>() + 4 * self.claims.json.len()
    }
}

/// All claims of the token. They are parsed when the first one is read; most calls read none.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// An object that the strict parser has accepted.
    json: Vec<u8>,
    values: OnceLock<Map<String, Value>>,
}

impl Claims {
    pub(crate) fn new(json: Vec<u8>) -> Self {
        Self {
            json,
            values: OnceLock::new(),
        }
    }

    fn values(&self) -> &Map<String, Value> {
        // Every parser reads what the strict one has accepted.
        self.values
            .get_or_init(|| serde_json::from_slice(&self.json).unwrap_or_default())
    }
}

impl Principal {
    pub(crate) fn new(token: Arc<ValidatedToken>) -> Self {
        Self(token)
    }

    /// Returns the configured issuer, also when the token names an alias.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Returns the subject, which is unique within the issuer.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns `sub`, which identifies the user in the provider's other tokens.
    pub(crate) fn sub(&self) -> &str {
        self.0.sub.as_deref().unwrap_or(&self.0.subject)
    }

    /// Returns the client that the token was issued to.
    pub fn client_id(&self) -> Option<&str> {
        self.0.client_id.as_deref()
    }

    /// Returns the granted scopes, each once, in the order of the token.
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Returns whether exactly this scope was granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|granted| granted == scope)
    }

    /// Requires a scope: the check of a handler, in addition to the gate's policy.
    ///
    /// # Errors
    /// [`Reason::InsufficientScope`] with the scope in its step-up.
    pub fn require_scope(&self, scope: &str) -> Result<(), Rejection> {
        if self.has_scope(scope) {
            return Ok(());
        }
        Err(Rejection::new(Reason::InsufficientScope)
            .expected(format!("scope {scope:?}"))
            .found(printable(&self.0.scopes.join(" ")))
            .hint(format!(
                "request {scope:?} when signing in (provider.scopes), and grant it at the provider"
            ))
            .stepping_up(StepUp::Scopes(vec![scope.to_owned()])))
    }

    /// Returns the roles, from the claim that [`Trust::roles_claim`](crate::jwt::Trust::roles_claim) names.
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Returns whether the token has exactly this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|given| given == role)
    }

    /// Returns the user's name: `name`, or else `given_name` and `family_name`.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Returns the organisation: `org_id`, or else `tid`.
    pub fn org_id(&self) -> Option<&str> {
        self.0.org_id.as_deref()
    }

    /// Returns how the user signed in (`acr`).
    pub fn acr(&self) -> Option<&str> {
        self.0.acr.as_deref()
    }

    /// Returns when the user signed in (`auth_time`), in seconds since 1970.
    pub fn auth_time(&self) -> Option<u64> {
        self.0.auth_time
    }

    /// Returns when the token was issued (`iat`), in seconds since 1970.
    pub fn issued_at(&self) -> Option<u64> {
        self.0.issued_at
    }

    /// Returns when the token expires (`exp`), in seconds since 1970.
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// Returns the identifier of the token (`jti`).
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// Returns the session at the provider (`sid`).
    pub fn session_id(&self) -> Option<&str> {
        self.0.session_id.as_deref()
    }

    /// Returns the thumbprint of the key that the token is bound to (`cnf.jkt`, RFC 9449).
    pub fn key_thumbprint(&self) -> Option<&str> {
        self.0.key_thumbprint.as_deref()
    }

    /// Returns the thumbprint of the client certificate that the token is bound to (`cnf.x5t#S256`, RFC 8705).
    pub fn certificate_thumbprint(&self) -> Option<&str> {
        self.0.certificate_thumbprint.as_deref()
    }

    /// Deserializes all claims of the token.
    ///
    /// ```no_run
    /// # fn example(principal: pixygate::jwt::Principal) -> Result<(), serde_json::Error> {
    /// #[derive(serde::Deserialize)]
    /// struct Department {
    ///     department: String,
    /// }
    /// let Department { department } = principal.claims()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the claims do not fit the type.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0.claims.json)
    }

    /// Returns a claim as the token has it.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.claims.values().get(name)
    }

    /// Returns a value that belongs to this principal, made by the first call. It is cached with the verified token, so the next calls
    /// with the same token find it: for what is expensive to derive from a caller. One principal holds one type; for another one
    /// this returns `None`.
    pub fn derived<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.0.derived.get_or_init(|| Box::new(make())).downcast_ref()
    }
}

impl PartialEq for Principal {
    /// Compares issuer and subject.
    fn eq(&self, other: &Self) -> bool {
        (self.issuer(), self.subject()) == (other.issuer(), other.subject())
    }
}

impl Eq for Principal {}

impl std::hash::Hash for Principal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.issuer(), self.subject()).hash(state);
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .finish()
    }
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ValidatedToken {
            issuer,
            subject,
            client_id,
            scopes,
            roles,
            name,
            org_id,
            acr,
            auth_time,
            expires_at,
            ..
        } = &*self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", issuer)?;
        map.serialize_entry("sub", subject)?;
        map.serialize_entry("scope", scopes)?;
        map.serialize_entry("exp", expires_at)?;
        for (key, value) in [
            ("client_id", client_id),
            ("name", name),
            ("org_id", org_id),
            ("acr", acr),
        ] {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        if !roles.is_empty() {
            map.serialize_entry("roles", roles)?;
        }
        if let Some(auth_time) = auth_time {
            map.serialize_entry("auth_time", auth_time)?;
        }
        map.end()
    }
}
