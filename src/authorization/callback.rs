//! The authorization response (RFC 6749, section 4.1.2; RFC 9207).

use std::fmt;

use oauth2::{AuthorizationCode, PkceCodeVerifier};

use super::{Client, PendingSignIn};

/// The authorization response of the provider, not validated yet.
///
/// ```
/// use pixygate::authorization::{Callback, CallbackError};
///
/// let callback = Callback::parse("?code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj&iss=https%3A%2F%2Fid.example")?;
/// assert_eq!(callback.state(), "af0ifjsldkj");
///
/// // Reloaded, or typed:
/// assert_eq!(Callback::parse("").map(drop), Err(CallbackError::Absent));
/// # Ok::<_, CallbackError>(())
/// ```
pub struct Callback {
    state: String,
    iss: Option<String>,
    answer: Answer,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("iss", &self.iss)
            .finish_non_exhaustive()
    }
}

enum Answer {
    Code(AuthorizationCode),
    Error { error: String, description: Option<String> },
}

/// A callback whose `state` and `iss` are valid. Its code may be exchanged.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// use pixygate::authorization::{Callback, Client, PendingSignIn, SignIn, ValidatedCallback};
///
/// /// Only a validated callback has a code to exchange.
/// fn form(callback: &ValidatedCallback) -> String {
///     callback.token_request().body().to_owned()
/// }
/// # let (pending, request) = PendingSignIn::begin(&client, &SignIn::default(), None);
/// # let validated = pending.validate(Callback::parse(&example::callback(&request.url(&client)))?, &client)?;
/// # assert!(form(&validated).contains("code=a-code"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct ValidatedCallback {
    pub(super) code: AuthorizationCode,
    pub(super) verifier: PkceCodeVerifier,
    pub(super) nonce: String,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) max_age: Option<u64>,
    pub(super) resource: Option<String>,
    pub(super) scopes: Vec<String>,
}

impl fmt::Debug for ValidatedCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatedCallback")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why a callback is rejected.
///
/// ```
/// use pixygate::authorization::CallbackError;
///
/// /// The next step that a page offers.
/// fn offer(error: &CallbackError) -> &'static str {
///     match error {
///         CallbackError::Provider { error, .. } if error == "access_denied" => "You said no. Start again?",
///         CallbackError::Absent | CallbackError::UnknownState => "This sign-in is over. Start again?",
///         _ => "This sign-in was stopped. Starting again is safe.",
///     }
/// }
/// assert_eq!(offer(&CallbackError::Absent), "This sign-in is over. Start again?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// The address has no authorization response: it was reloaded, bookmarked or typed.
    #[error("there is no authorization response in this address")]
    Absent,
    /// A parameter appears twice; RFC 6749, section 3.1 forbids it.
    #[error("the authorization response has the parameter `{0}` more than once")]
    Duplicate(String),
    /// `state` is missing, so the response cannot be matched to a sign-in of this browser.
    #[error("the authorization response has no `state`")]
    MissingState,
    /// This browser has no pending sign-in with this `state`: the response is old, was used before, or was not requested.
    #[error("no sign-in of this browser is waiting for this authorization response")]
    UnknownState,
    /// The response is from another issuer than the one that got the request (RFC 9207, section 2.4).
    #[error("the authorization response says `iss` is `{found}`, the sign-in was started at `{expected}`")]
    IssuerMismatch {
        /// The issuer of the sign-in.
        expected: String,
        /// The `iss` parameter.
        found: String,
    },
    /// The provider's metadata announce `iss` in responses, and this one has none.
    #[error("the authorization response has no `iss`, which the provider `{expected}` announces")]
    MissingIssuer {
        /// The issuer of the sign-in.
        expected: String,
    },
    /// The configuration of the application changed during the sign-in.
    #[error("the sign-in was started with another provider or client")]
    Reconfigured,
    /// The provider returned an error (RFC 6749, section 4.1.2.1).
    #[error("the provider answered `{error}`{}", description.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Provider {
        /// The error code: `access_denied`, `login_required`, …
        error: String,
        /// The provider's `error_description`.
        description: Option<String>,
    },
}

impl Callback {
    /// Parses the query of the redirect URI. Unknown parameters, such as `session_state`, are ignored.
    ///
    /// ```
    /// use pixygate::authorization::{Callback, CallbackError};
    ///
    /// assert!(Callback::parse("?code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj&session_state=x").is_ok());
    ///
    /// let twice = Callback::parse("?code=SplxlOBeZQQYbYS6WxSbIA&code=another&state=af0ifjsldkj").map(drop);
    /// assert_eq!(twice, Err(CallbackError::Duplicate("code".to_owned())));
    /// assert_eq!(Callback::parse("?code=SplxlOBeZQQYbYS6WxSbIA").map(drop), Err(CallbackError::MissingState));
    /// ```
    ///
    /// # Errors
    /// [`CallbackError::Absent`], [`CallbackError::Duplicate`] or [`CallbackError::MissingState`].
    pub fn parse(query: &str) -> Result<Self, CallbackError> {
        let [mut code, mut state, mut iss, mut error, mut description] = [const { None::<String> }; 5];
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            let slot = match &*name {
                "code" => &mut code,
                "state" => &mut state,
                "iss" => &mut iss,
                "error" => &mut error,
                "error_description" => &mut description,
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(CallbackError::Duplicate(name.into_owned()));
            }
        }
        let answer = match (code, error) {
            (_, Some(error)) => Answer::Error { error, description },
            (Some(code), None) => Answer::Code(AuthorizationCode::new(code)),
            (None, None) => return Err(CallbackError::Absent),
        };
        let state = state.ok_or(CallbackError::MissingState)?;
        Ok(Self { state, iss, answer })
    }

    /// Returns the `state`, which identifies the [`PendingSignIn`].
    pub fn state(&self) -> &str {
        &self.state
    }
}

impl PendingSignIn {
    /// Validates a callback for this sign-in: first `state`, then `iss` (required if the provider announces it), and only then the
    /// provider's result.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// use pixygate::authorization::{Callback, CallbackError, PendingSignIn, SignIn};
    ///
    /// let (pending, _request) = PendingSignIn::begin(&client, &SignIn::default(), None);
    /// let query = format!("?code=SplxlOBeZQQYbYS6WxSbIA&state={}", pending.state());
    /// let elsewhere = Callback::parse(&format!("{query}&iss=https%3A%2F%2Fevil.example"))?;
    /// assert_eq!(
    ///     pending.validate(elsewhere, &client).map(drop),
    ///     Err(CallbackError::IssuerMismatch {
    ///         expected: "https://id.example".to_owned(),
    ///         found: "https://evil.example".to_owned(),
    ///     })
    /// );
    /// # let (pending, _request) = PendingSignIn::begin(&client, &SignIn::default(), None);
    /// # let query = format!("?code=SplxlOBeZQQYbYS6WxSbIA&iss=https%3A%2F%2Fid.example&state={}", pending.state());
    /// # assert!(pending.validate(Callback::parse(&query)?, &client).is_ok());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Any [`CallbackError`] except those of [`Callback::parse`].
    pub fn validate(self, callback: Callback, client: &Client) -> Result<ValidatedCallback, CallbackError> {
        if callback.state != *self.state.secret() {
            return Err(CallbackError::UnknownState);
        }
        match callback.iss {
            Some(found) if found != self.issuer => {
                return Err(CallbackError::IssuerMismatch {
                    expected: self.issuer,
                    found,
                });
            }
            None if client.provider.authorization_response_iss_parameter_supported => {
                return Err(CallbackError::MissingIssuer { expected: self.issuer });
            }
            _ => {}
        }
        if self.issuer != client.provider.issuer || self.client_id != client.client_id {
            return Err(CallbackError::Reconfigured);
        }
        match callback.answer {
            Answer::Error { error, description } => Err(CallbackError::Provider { error, description }),
            Answer::Code(code) => Ok(ValidatedCallback {
                code,
                verifier: self.verifier,
                nonce: self.nonce,
                client_id: self.client_id,
                redirect_uri: self.redirect_uri,
                max_age: self.max_age,
                resource: self.resource,
                scopes: self.scopes,
            }),
        }
    }
}
