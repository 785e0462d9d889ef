//! The token endpoint's responses (RFC 6749, section 5). An invalid member is an error only if it is needed.

use std::fmt;

use oauth2::{AccessToken, RefreshToken};

use super::id_token::IdToken;
use super::json::{Object, kind};
use super::{Client, Jwk};

/// The parts of an HTTP response that the flow reads.
///
/// ```
/// use pixygate::authorization::{EndpointResponse, TokenError, TokenResponse};
///
/// let response = EndpointResponse { status: 503, retry_after: Some(5), ..EndpointResponse::default() };
/// let error = TokenResponse::read(&response).map(drop);
/// assert_eq!(error, Err(TokenError::Unavailable { status: 503, retry_after: Some(5) }));
/// ```
#[derive(Clone, Default)]
pub struct EndpointResponse {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The `DPoP-Nonce` header (RFC 9449, section 8).
    pub dpop_nonce: Option<String>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

/// Leaves out the body, which may contain tokens.
impl fmt::Debug for EndpointResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointResponse")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

/// Why the token endpoint returned no tokens.
///
/// ```
/// use pixygate::authorization::{EndpointResponse, TokenError, TokenResponse};
///
/// let answer = |status, body: &str| {
///     let response = EndpointResponse { status, body: body.to_owned(), ..EndpointResponse::default() };
///     TokenResponse::read(&response).map(drop)
/// };
/// let over = answer(400, r#"{"error":"invalid_grant","error_description":"revoked"}"#).unwrap_err();
/// assert!(over.ends_session());
/// assert_eq!(over.to_string(), "the token endpoint answered `invalid_grant`: revoked");
///
/// let again = answer(400, r#"{"error":"use_dpop_nonce"}"#).unwrap_err();
/// assert!(again.requires_dpop_nonce() && !again.rejects_dpop_proof() && !again.ends_session());
///
/// assert!(matches!(answer(200, "<html>"), Err(TokenError::Malformed { status: 200, .. })));
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// An error response (RFC 6749, section 5.2).
    #[error("the token endpoint answered `{error}`{}", description.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Provider {
        /// The error code.
        error: String,
        /// The provider's `error_description`.
        description: Option<String>,
    },
    /// The endpoint is overloaded or broken (408, 429 or 5xx); the grant may still be valid.
    #[error("the token endpoint answered {status}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// Seconds to wait (`Retry-After`).
        retry_after: Option<u64>,
    },
    /// Neither a token response nor an error response.
    #[error("the token endpoint answered {status}, and the answer cannot be read: {problem}")]
    Malformed {
        /// The HTTP status.
        status: u16,
        /// The reason.
        problem: String,
    },
}

impl TokenError {
    /// Reads an unsuccessful response.
    pub(crate) fn read(response: &EndpointResponse) -> Self {
        let status = response.status;
        if matches!(status, 408 | 429 | 500..) {
            return Self::Unavailable {
                status,
                retry_after: response.retry_after,
            };
        }
        match Object::read(response.body.as_bytes()) {
            Ok(object) => Self::of(&object).unwrap_or_else(|| Self::lacks(status, &object, "error")),
            Err(error) => Self::unreadable(status, &error),
        }
    }

    fn of(object: &Object) -> Option<Self> {
        Some(Self::Provider {
            error: object.text("error")?.to_owned(),
            description: object.text("error_description").map(str::to_owned),
        })
    }

    fn lacks(status: u16, object: &Object, member: &str) -> Self {
        Self::Malformed {
            status,
            problem: format!("`{member}` is {}", kind(object.get(member))),
        }
    }

    /// Leaves out the text around the JSON error, which could be a token.
    fn unreadable(status: u16, error: &serde_json::Error) -> Self {
        Self::Malformed {
            status,
            problem: format!(
                "it is not a JSON object (line {}, column {})",
                error.line(),
                error.column()
            ),
        }
    }

    /// Returns whether the grant is no longer valid, so that the session is over.
    pub fn ends_session(&self) -> bool {
        self.is_one_of(&[
            "invalid_grant",
            "interaction_required",
            "login_required",
            "consent_required",
        ])
    }

    /// Returns the same for a refresh. Some providers have other error codes for an unknown refresh token.
    pub(crate) fn ends_refresh(&self) -> bool {
        self.ends_session() || self.is_one_of(&["invalid_request", "invalid_token", "token_inactive"])
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
            || self.is_one_of(&["temporarily_unavailable", "server_error", "slow_down"])
    }

    /// Returns whether the endpoint rejects the DPoP proof (RFC 9449, section 5). Only the time in it can be wrong.
    pub fn rejects_dpop_proof(&self) -> bool {
        self.is_one_of(&["invalid_dpop_proof"])
    }

    /// Returns whether the endpoint requires the same request with the nonce of this response (RFC 9449, section 8).
    pub fn requires_dpop_nonce(&self) -> bool {
        self.is_one_of(&["use_dpop_nonce"])
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Provider { error, .. } if codes.contains(&error.as_str()))
    }
}

/// A token response whose ID token has not been validated yet.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # futures::executor::block_on(async {
/// # let response = example::tokens_of("");
/// use pixygate::authorization::TokenResponse;
///
/// let response = TokenResponse::read(&response)?;
/// // The provider's keys may have changed since the page was rendered.
/// if !response.has_key_in(&client, &client.keys) {
///     // Fetch them from `client.provider.jwks_uri`.
/// }
/// # assert!(response.has_key_in(&client, &client.keys) && !response.has_key_in(&client, &[]));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct TokenResponse {
    pub(super) access_token: AccessToken,
    /// In lower case; absent in the responses of some providers.
    pub(super) token_type: Option<String>,
    /// In seconds.
    pub(super) expires_in: Option<f64>,
    pub(super) refresh_token: Option<RefreshToken>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) id_token: Option<String>,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", &self.token_type)
            .finish_non_exhaustive()
    }
}

impl TokenResponse {
    /// Reads the response of the token endpoint. Only `access_token` is required; any other member that is empty or of another type
    /// counts as absent. `expires_in` may be a string, `scope` a list.
    ///
    /// ```
    /// use pixygate::authorization::{EndpointResponse, TokenResponse};
    ///
    /// let read = |body: &str| TokenResponse::read(&EndpointResponse { status: 200, body: body.to_owned(), ..EndpointResponse::default() });
    /// assert!(read(r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"Bearer","expires_in":"3599"}"#).is_ok());
    ///
    /// let error = read(r#"{"access_token":null}"#).map(drop).unwrap_err();
    /// assert!(error.to_string().ends_with("`access_token` is absent"));
    /// ```
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn read(response: &EndpointResponse) -> Result<Self, TokenError> {
        let status = response.status;
        if !matches!(status, 200 | 201) {
            return Err(TokenError::read(response));
        }
        let object = Object::read(response.body.as_bytes()).map_err(|error| TokenError::unreadable(status, &error))?;
        let text = |name| object.text(name).map(str::to_owned);
        let Some(access_token) = text("access_token") else {
            // Some providers answer 200 with an error response.
            return Err(TokenError::of(&object).unwrap_or_else(|| TokenError::lacks(status, &object, "access_token")));
        };
        Ok(Self {
            access_token: AccessToken::new(access_token),
            token_type: text("token_type").map(|name| name.to_ascii_lowercase()),
            expires_in: object.number("expires_in"),
            refresh_token: text("refresh_token").map(RefreshToken::new),
            scopes: object.words("scope"),
            id_token: text("id_token"),
        })
    }

    /// Returns the refresh token of a success, even if the rest of the response cannot be read.
    pub(crate) fn read_refresh_token(response: &EndpointResponse) -> Option<RefreshToken> {
        let object = Object::read(response.body.as_bytes()).ok()?;
        let token = object.text("refresh_token").filter(|_| response.status < 300)?;
        Some(RefreshToken::new(token.to_owned()))
    }

    /// Returns whether `keys` has the key of the ID token, or no other key would help.
    pub fn has_key_in(&self, client: &Client, keys: &[Jwk]) -> bool {
        self.id_token
            .as_deref()
            .is_none_or(|text| IdToken::has_key_in(text, client, keys))
    }

    /// Returns the access and the refresh token, to revoke them.
    pub(crate) fn tokens(&self) -> (AccessToken, Option<RefreshToken>) {
        (self.access_token.clone(), self.refresh_token.clone())
    }

    pub(crate) fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }
}
