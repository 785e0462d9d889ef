use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{Rejection, cache::Weighed, printable};
use crate::{Reason, StepUp};

/// Who is calling, as proved. Only a [`Validator`](super::Validator) makes one, and through it the gate; a function that
/// takes a `Principal` cannot run without.
///
/// The identity is the pair of [`issuer`](Self::issuer) and [`subject`](Self::subject): the same subject of two issuers
/// is two people. Cloning is cheap. It serializes to the answer of `GET /api/whoami`.
///
/// ```compile_fail
/// // Nothing else can make one.
/// let forged: pixygate::jwt::Principal = serde_json::from_str(r#"{"iss":"https://i","sub":"s"}"#).unwrap();
/// ```
#[derive(Clone)]
pub struct Principal(Arc<Proven>);

/// What the token said, after every check. What each call looks at stands at the start, beside the count of the `Arc`: with many
/// verdicts it is memory that is waited for.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Proven {
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

impl Weighed for Proven {
    /// Claims that were asked for take some three times what they take as text, which stays.
    fn bytes(&self) -> usize {
        size_of::<Self>() + 4 * self.claims.json.len()
    }
}

/// All claims, as the token has them. They are read into values when somebody asks for them; most calls never do.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// One object, as the strict parser has read it.
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
        // What the strict parser has accepted, any parser reads.
        self.values
            .get_or_init(|| serde_json::from_slice(&self.json).unwrap_or_default())
    }
}

impl Principal {
    pub(crate) fn new(proven: Arc<Proven>) -> Self {
        Self(proven)
    }

    /// The configured issuer, also when the token came under an alias.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The subject, unique within the issuer.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What the provider calls the person in its other tokens: always `sub`.
    pub(crate) fn sub(&self) -> &str {
        self.0.sub.as_deref().unwrap_or(&self.0.subject)
    }

    /// The client that the token was issued to.
    pub fn client_id(&self) -> Option<&str> {
        self.0.client_id.as_deref()
    }

    /// The granted scopes, each once, in the token's order.
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Whether exactly this scope was granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|granted| granted == scope)
    }

    /// Asks for a scope: the second layer's own check.
    ///
    /// # Errors
    /// [`Reason::InsufficientScope`], which names the scope.
    pub fn require_scope(&self, scope: &str) -> Result<(), Rejection> {
        if self.has_scope(scope) {
            return Ok(());
        }
        Err(Rejection::new(Reason::InsufficientScope)
            .expected(format!("scope {scope:?}"))
            .found(printable(&self.0.scopes.join(" ")))
            .hint(format!(
                "ask for {scope:?} when signing in (provider.scopes), and grant it at the provider"
            ))
            .stepping_up(StepUp::Scopes(vec![scope.to_owned()])))
    }

    /// The roles, from the trust's `roles_claim`.
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Whether exactly this role was given.
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|given| given == role)
    }

    /// The person's name: `name`, else `given_name` and `family_name`.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The organisation (`org_id`, else `tid`).
    pub fn org_id(&self) -> Option<&str> {
        self.0.org_id.as_deref()
    }

    /// How the person signed in (`acr`).
    pub fn acr(&self) -> Option<&str> {
        self.0.acr.as_deref()
    }

    /// When the person signed in, in seconds since 1970.
    pub fn auth_time(&self) -> Option<u64> {
        self.0.auth_time
    }

    /// When the token was issued, in seconds since 1970.
    pub fn issued_at(&self) -> Option<u64> {
        self.0.issued_at
    }

    /// When the token expires, in seconds since 1970.
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// The token's own identifier (`jti`).
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// The session at the provider (`sid`).
    pub fn session_id(&self) -> Option<&str> {
        self.0.session_id.as_deref()
    }

    /// The key that the token is bound to: the thumbprint of RFC 9449 (`cnf.jkt`).
    pub fn key_thumbprint(&self) -> Option<&str> {
        self.0.key_thumbprint.as_deref()
    }

    /// The client certificate that the token is bound to: the thumbprint of RFC 8705 (`cnf.x5t#S256`).
    pub fn certificate_thumbprint(&self) -> Option<&str> {
        self.0.certificate_thumbprint.as_deref()
    }

    /// All claims of the token as a type of yours.
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
    /// When the claims do not have that form.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0.claims.json)
    }

    /// One claim, as the token has it.
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
    /// The same person: issuer and subject agree.
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
        let Proven {
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
