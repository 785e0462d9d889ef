//! What the page knows about the person.

use std::sync::Arc;

use serde_json::Value;

use crate::authorization::TokenExchange;
use crate::authorization::id_token::{Claims, IdToken};
use crate::authorization::json::{Json, of_variant, serde_by_json, variant};

/// Whether someone is signed in.
///
/// ```
/// use pixygate::session::AuthState;
///
/// fn greeting(state: &AuthState) -> String {
///     match state {
///         // The same on the server and in the browser, until the kept session is read.
///         AuthState::Unknown | AuthState::SigningOut => String::new(),
///         AuthState::SignedIn(person) => format!("Hello, {}", person.name()),
///         AuthState::SignedOut(_) => "Please sign in".to_owned(),
///     }
/// }
///
/// assert_eq!(greeting(&AuthState::SignedOut(None)), "Please sign in");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AuthState {
    /// Not known yet: on the server always, in the browser until the kept session is read.
    #[default]
    Unknown,
    /// Nobody is, and why, when a session has ended.
    SignedOut(Option<SignOutReason>),
    /// Someone is.
    SignedIn(SignedIn),
    /// On the way out.
    SigningOut,
}

impl AuthState {
    /// The person, when someone is signed in.
    ///
    /// ```
    /// use pixygate::session::AuthState;
    ///
    /// let name = |state: &AuthState| state.signed_in().map(|person| person.name().to_owned());
    /// assert_eq!(name(&AuthState::SignedOut(None)), None);
    /// ```
    pub fn signed_in(&self) -> Option<&SignedIn> {
        match self {
            Self::SignedIn(person) => Some(person),
            _ => None,
        }
    }
}

/// Why a session ended.
///
/// ```
/// use pixygate::session::{AuthState, SignOutReason};
///
/// /// For whoever runs the site.
/// fn detail(state: &AuthState) -> Option<&str> {
///     match state {
///         AuthState::SignedOut(Some(SignOutReason::NotRenewed(answer))) => Some(answer),
///         _ => None,
///     }
/// }
/// let refused = SignOutReason::NotRenewed("the token endpoint answered `invalid_client`".to_owned());
/// assert_eq!(detail(&AuthState::SignedOut(Some(refused))), Some("the token endpoint answered `invalid_client`"));
/// assert_eq!(detail(&AuthState::SignedOut(Some(SignOutReason::Expired))), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignOutReason {
    /// The person signed out, here or in another tab.
    SignedOut,
    /// The user signed out, and the provider did not answer, or has no end-session endpoint: its own session goes on.
    SignedOutHere,
    /// The provider ended the session: the refresh token is no longer good.
    EndedByProvider,
    /// The access token expired and the provider had given no refresh token.
    Expired,
    /// The provider refuses to renew the session, and does not say that it has ended: what it answered.
    NotRenewed(String),
    /// Nobody seemed to be there, for [`Client::idle_sign_out_seconds`](crate::authorization::Client).
    Idle,
}

impl Json for SignOutReason {
    fn read(value: Value) -> Option<Self> {
        let (name, value) = variant(value)?;
        Some(match name.as_str() {
            "SignedOut" => Self::SignedOut,
            "SignedOutHere" => Self::SignedOutHere,
            "EndedByProvider" => Self::EndedByProvider,
            "Expired" => Self::Expired,
            "NotRenewed" => Self::NotRenewed(Json::read(value)?),
            "Idle" => Self::Idle,
            _ => return None,
        })
    }

    fn write(&self) -> Value {
        match self {
            Self::SignedOut => "SignedOut".into(),
            Self::SignedOutHere => "SignedOutHere".into(),
            Self::EndedByProvider => "EndedByProvider".into(),
            Self::Expired => "Expired".into(),
            Self::NotRenewed(answer) => of_variant("NotRenewed", answer.write()),
            Self::Idle => "Idle".into(),
        }
    }
}

serde_by_json!(SignOutReason);

impl SignOutReason {
    /// Whether the session ended and the user did not end it: a page may keep what was typed until the next sign-in.
    ///
    /// ```
    /// use pixygate::session::SignOutReason;
    ///
    /// assert!(SignOutReason::Expired.keeps_page());
    /// assert!(!SignOutReason::SignedOut.keeps_page());
    /// ```
    pub fn keeps_page(&self) -> bool {
        match self {
            Self::EndedByProvider | Self::Expired | Self::NotRenewed(_) => true,
            Self::SignedOut | Self::SignedOutHere | Self::Idle => false,
        }
    }
}

/// The person who is signed in, as the validated ID token tells.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # example::signed_in(async |session| {
/// let state = session.state();
/// let person = state.signed_in().ok_or("nobody is signed in")?;
///
/// assert_eq!(person.name(), "Alice Example");
/// // Where the application keeps something of its own about the person:
/// assert_eq!(person.identity(), ("https://id.example", "alice"));
/// assert_eq!(person.claims().email, None);
/// assert_eq!(person.scopes(), ["openid", "orders:read"]);
/// assert!(!person.has_scope("orders:write"), "the button is left out");
/// assert_eq!(person.acting(), None);
/// # assert_eq!(person.id_token().split('.').count(), 3);
/// # Ok(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SignedIn(Arc<Person>);

#[derive(Debug, PartialEq)]
struct Person {
    id_token: IdToken,
    scopes: Vec<String>,
    acting: Option<TokenExchange>,
}

impl SignedIn {
    pub(crate) fn new(id_token: IdToken, scopes: Vec<String>, acting: Option<TokenExchange>) -> Self {
        Self(Arc::new(Person {
            id_token,
            scopes,
            acting,
        }))
    }

    /// The validated claims of the ID token.
    pub fn claims(&self) -> &Claims {
        self.0.id_token.claims()
    }

    /// The validated ID token itself, for [`SignIn::id_token_hint`](crate::authorization::SignIn).
    pub fn id_token(&self) -> &str {
        self.0.id_token.as_str()
    }

    /// Issuer and subject: together they are the person.
    pub fn identity(&self) -> (&str, &str) {
        (&self.claims().iss, &self.claims().sub)
    }

    /// What calls are made for, when it is not what the person signed in with: another organisation, or another audience. It
    /// stays when they sign in again after the session has ended.
    pub fn acting(&self) -> Option<&TokenExchange> {
        self.0.acting.as_ref()
    }

    /// The name to greet the person with: the full name, or else the best that the provider gave.
    pub fn name(&self) -> &str {
        let claims = self.claims();
        [
            &claims.name,
            &claims.preferred_username,
            &claims.username,
            &claims.email,
        ]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .find(|name| !name.trim().is_empty())
        .unwrap_or(&claims.sub)
    }

    /// The scopes that were granted.
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Whether a scope was granted. It tells the page what to offer; the gate decides what is allowed.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|granted| granted == scope)
    }

    /// Claims of the application's own.
    ///
    /// ```
    /// use pixygate::session::SignedIn;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Work {
    ///     #[serde(default)]
    ///     groups: Vec<String>,
    /// }
    ///
    /// fn is_editor(person: &SignedIn) -> bool {
    ///     person.extra::<Work>().is_ok_and(|work| work.groups.iter().any(|group| group == "editors"))
    /// }
    /// ```
    ///
    /// # Errors
    /// When the type asks for what the ID token does not have.
    pub fn extra<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.0.id_token.extra()
    }
}
