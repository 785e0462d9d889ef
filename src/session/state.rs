//! The state of the session, and the signed-in user.

use std::sync::Arc;

use serde_json::Value;

use crate::authorization::TokenExchange;
use crate::authorization::id_token::{Claims, IdToken};
use crate::authorization::json::{Json, of_variant, serde_by_json, variant};

/// Whether a user is signed in.
///
/// ```
/// use pixygate::session::AuthState;
///
/// fn greeting(state: &AuthState) -> String {
///     match state {
///         // The same on the server and in the browser, until the stored session is read.
///         AuthState::Unknown | AuthState::SigningOut => String::new(),
///         AuthState::SignedIn(user) => format!("Hello, {}", user.name()),
///         AuthState::SignedOut(_) => "Please sign in".to_owned(),
///     }
/// }
///
/// assert_eq!(greeting(&AuthState::SignedOut(None)), "Please sign in");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AuthState {
    /// Not known yet: on the server always, in the browser until the stored session is read.
    #[default]
    Unknown,
    /// No user is signed in. After the end of a session, with the reason.
    SignedOut(Option<SignOutReason>),
    /// A user is signed in.
    SignedIn(SignedIn),
    /// The user is signing out.
    SigningOut,
}

impl AuthState {
    /// Returns the user, if one is signed in.
    ///
    /// ```
    /// use pixygate::session::AuthState;
    ///
    /// let name = |state: &AuthState| state.signed_in().map(|user| user.name().to_owned());
    /// assert_eq!(name(&AuthState::SignedOut(None)), None);
    /// ```
    pub fn signed_in(&self) -> Option<&SignedIn> {
        match self {
            Self::SignedIn(user) => Some(user),
            _ => None,
        }
    }
}

/// Why a session ended.
///
/// ```
/// use pixygate::session::{AuthState, SignOutReason};
///
/// /// For the operator of the site.
/// fn detail(state: &AuthState) -> Option<&str> {
///     match state {
///         AuthState::SignedOut(Some(SignOutReason::RefreshRejected(answer))) => Some(answer),
///         _ => None,
///     }
/// }
/// let refused = SignOutReason::RefreshRejected("the token endpoint answered `invalid_client`".to_owned());
/// assert_eq!(detail(&AuthState::SignedOut(Some(refused))), Some("the token endpoint answered `invalid_client`"));
/// assert_eq!(detail(&AuthState::SignedOut(Some(SignOutReason::Expired))), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignOutReason {
    /// The user signed out, here or in another tab.
    SignedOut,
    /// The user signed out, but the provider did not answer or has no end-session endpoint: its own session continues.
    SignedOutLocally,
    /// The provider ended the session: the refresh token is no longer valid.
    EndedByProvider,
    /// The access token expired, and the provider had not issued a refresh token.
    Expired,
    /// The provider rejects the refresh, but does not report the end of the session. With the provider's answer.
    RefreshRejected(String),
    /// The user was idle for [`Client::idle_sign_out_seconds`](crate::authorization::Client).
    Idle,
}

impl Json for SignOutReason {
    fn read(value: Value) -> Option<Self> {
        let (name, value) = variant(value)?;
        Some(match name.as_str() {
            "SignedOut" => Self::SignedOut,
            "SignedOutHere" => Self::SignedOutLocally,
            "EndedByProvider" => Self::EndedByProvider,
            "Expired" => Self::Expired,
            "NotRenewed" => Self::RefreshRejected(Json::read(value)?),
            "Idle" => Self::Idle,
            _ => return None,
        })
    }

    fn write(&self) -> Value {
        match self {
            Self::SignedOut => "SignedOut".into(),
            Self::SignedOutLocally => "SignedOutHere".into(),
            Self::EndedByProvider => "EndedByProvider".into(),
            Self::Expired => "Expired".into(),
            Self::RefreshRejected(answer) => of_variant("NotRenewed", answer.write()),
            Self::Idle => "Idle".into(),
        }
    }
}

serde_by_json!(SignOutReason);

impl SignOutReason {
    /// Returns whether a page may keep the user's input until the next sign-in: the session ended, but the user did not end it.
    ///
    /// ```
    /// use pixygate::session::SignOutReason;
    ///
    /// assert!(SignOutReason::Expired.may_keep_input());
    /// assert!(!SignOutReason::SignedOut.may_keep_input());
    /// ```
    pub fn may_keep_input(&self) -> bool {
        match self {
            Self::EndedByProvider | Self::Expired | Self::RefreshRejected(_) => true,
            Self::SignedOut | Self::SignedOutLocally | Self::Idle => false,
        }
    }
}

/// The signed-in user, from the validated ID token.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # example::signed_in(async |session| {
/// let state = session.state();
/// let user = state.signed_in().ok_or("nobody is signed in")?;
///
/// assert_eq!(user.name(), "Alice Example");
/// // The key for the application's own data about the user:
/// assert_eq!(user.identity(), ("https://id.example", "alice"));
/// assert_eq!(user.claims().email, None);
/// assert_eq!(user.scopes(), ["openid", "orders:read"]);
/// assert!(!user.has_scope("orders:write"), "the page shows no button");
/// assert_eq!(user.acting(), None);
/// # assert_eq!(user.id_token().split('.').count(), 3);
/// # Ok(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SignedIn(Arc<User>);

#[derive(Debug, PartialEq)]
struct User {
    id_token: IdToken,
    scopes: Vec<String>,
    acting: Option<TokenExchange>,
}

impl SignedIn {
    pub(crate) fn new(id_token: IdToken, scopes: Vec<String>, acting: Option<TokenExchange>) -> Self {
        Self(Arc::new(User {
            id_token,
            scopes,
            acting,
        }))
    }

    /// Returns the validated claims of the ID token.
    pub fn claims(&self) -> &Claims {
        self.0.id_token.claims()
    }

    /// Returns the encoded ID token, for [`SignIn::id_token_hint`](crate::authorization::SignIn).
    pub fn id_token(&self) -> &str {
        self.0.id_token.as_str()
    }

    /// Returns issuer and subject, which together identify the user.
    pub fn identity(&self) -> (&str, &str) {
        (&self.claims().iss, &self.claims().sub)
    }

    /// Returns the token exchange that calls use, if any: for another organisation or another audience. It stays in force when the user signs
    /// in again after the session has ended.
    pub fn acting(&self) -> Option<&TokenExchange> {
        self.0.acting.as_ref()
    }

    /// Returns a name to show: the full name, else a user name, the e-mail address or the subject.
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

    /// Returns the granted scopes.
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Returns whether a scope was granted. A page uses this to decide what to show; the gate decides what is allowed.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|granted| granted == scope)
    }

    /// Deserializes the application's own claims.
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
    /// fn is_editor(user: &SignedIn) -> bool {
    ///     user.extra::<Work>().is_ok_and(|work| work.groups.iter().any(|group| group == "editors"))
    /// }
    /// ```
    ///
    /// # Errors
    /// When the claims do not fit the type.
    pub fn extra<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.0.id_token.extra()
    }
}
