//! The errors of a session, and the remedy for each.

use serde::{Deserialize, Serialize};

use crate::authorization::id_token::IdTokenError;
use crate::authorization::{CallbackError, CryptoError, TokenError};

use super::{LockError, NetworkError, SignOutReason, StorageError};

/// Why there is no token, or no sign-in.
///
/// ```
/// use pixygate::authorization::TokenError;
/// use pixygate::session::{Remedy, SessionError};
///
/// fn advice(error: &SessionError) -> String {
///     match error.remedy() {
///         Remedy::TryAgain => "Try again in a moment.".to_owned(),
///         Remedy::SignIn => "Please sign in.".to_owned(),
///         Remedy::Configuration => format!("Tell the operator of this site: {error}"),
///         Remedy::Protocol => "Something is wrong with the answer. Starting again is safe.".to_owned(),
///         Remedy::CheckUser => "Another user is signed in by now.".to_owned(),
///     }
/// }
///
/// let overloaded = TokenError::Unavailable { status: 503, retry_after: Some(5) };
/// assert_eq!(advice(&overloaded.into()), "Try again in a moment.");
/// assert_eq!(advice(&SessionError::SignedOut(None)), "Please sign in.");
/// assert!(advice(&SessionError::ForeignOrigin("https://evil.example".to_owned())).contains("`call_origins`"));
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// No user is signed in.
    #[error("no user is signed in")]
    SignedOut(Option<SignOutReason>),
    /// The provider did not answer. The session continues.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The callback would be on another origin, which does not have the pending sign-in.
    #[error(
        "this page is at {here}, and a sign-in comes back to {expected}: open the page there, or set server.public_url to {here}"
    )]
    WrongOrigin {
        /// The origin of this page.
        here: String,
        /// The origin of the redirect URI.
        expected: String,
    },
    /// There is a response, but the browser does not let this page read it (CORS).
    #[error(
        "{url} answers, but the browser withholds the answer from {origin}: allow that origin (CORS) at the provider; where it is \
         allowed, the provider may refuse the client: register it as a public client"
    )]
    CorsBlocked {
        /// The endpoint.
        url: String,
        /// The origin of this page.
        origin: String,
    },
    /// A request without a DPoP proof gets a response, and one with it does not (CORS).
    #[error(
        "{url} does not allow {origin} to send the header `DPoP` (CORS): allow the header at the provider, or set provider.dpop = \
         \"off\""
    )]
    DpopHeaderBlocked {
        /// The endpoint.
        url: String,
        /// The origin of this page.
        origin: String,
    },
    /// The token endpoint rejected the request, or its response cannot be read.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Another tab holds the lock of the session. Nothing was changed.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// A refresh failed a moment ago; the next attempt waits.
    #[error("the last refresh failed, the next attempt is in {seconds} s")]
    BackingOff {
        /// Seconds until then.
        seconds: u64,
    },
    /// The callback is rejected.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// The ID token is invalid.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// Another user signed in while the call was being made, or the user now acts for another organisation. The call was not made.
    #[error("another user has signed in, or the user acts for another organisation; the call was not made")]
    AnotherUser,
    /// The call goes to an origin that no token is sent to.
    #[error("tokens are not sent to `{0}`: it is neither this origin nor one of `call_origins`")]
    ForeignOrigin(String),
    /// The call was sent, but there is no response. The server may have carried it out.
    #[error("the response is lost: {0}")]
    NoAnswer(NetworkError),
    /// The call was answered with a redirect.
    #[error("`{0}` answers with a redirect, and tokens are not sent to its target: call that address")]
    Redirected(String),
    /// A WebSocket was requested. A browser cannot send a token with it, because a page cannot set headers of the handshake.
    #[error("a WebSocket cannot carry a token: call a server function that answers with a stream instead")]
    WebSocket,
    /// The access token cannot be replaced.
    #[error("the access token cannot be replaced: the provider issued no refresh token")]
    NoRefreshToken,
    /// The provider rejected a silent sign-in before, because it has to show a page to the user.
    #[error("the provider has to show a page to the user: start a sign-in without `prompt=none`")]
    InteractionRequired,
    /// The address that ends all sessions of a user is not configured.
    #[error("the address that ends all sessions of a user is not configured: set provider.sessions_url")]
    NoSessionsUrl,
    /// The provider did not end the sessions of the user.
    #[error(
        "the provider rejects the request to end all sessions (status {status}); the access token may need another scope"
    )]
    SessionsNotEnded {
        /// The status of its answer.
        status: u16,
    },
    /// The popup window of the sign-in was closed, or did not open.
    #[error("the sign-in window was closed, or the browser did not open it")]
    Cancelled,
    /// The browser has not left for the provider's page: the user stopped it, or the provider is slow.
    #[error("the provider's page has not opened yet")]
    NavigationPending,
    /// The page has no client: the server had not reached the provider when it rendered the page, or its shell lacks `<ClientData>`. Reload
    /// the page when the provider is available again.
    #[error(
        "the page has no client: the server had not reached the provider yet, or `<ClientData>` is missing in its shell"
    )]
    NoClient,
    /// A part of the page could not be loaded: the network is down, or the site has a new version.
    #[error("a part of this page could not be loaded; reload it when you are online")]
    PartMissing,
    /// This browser cannot store a pending sign-in.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// This browser lacks the cryptography, for example on a page without https.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// The remedy for a [`SessionError`].
///
/// ```
/// use pixygate::session::{Remedy, SessionError};
///
/// let may_help = |error: &SessionError| error.remedy() == Remedy::TryAgain;
/// assert!(may_help(&SessionError::PartMissing));
/// assert!(!may_help(&SessionError::Cancelled));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// Try again: the network or the provider is down, but the session continues.
    TryAgain,
    /// Sign in again.
    SignIn,
    /// The configuration must be changed, here or at the provider.
    Configuration,
    /// A message violated the protocol, or was tampered with. Starting again is safe.
    Protocol,
    /// Check which user is signed in, and for which organisation: the call belonged to another.
    CheckUser,
}

impl SessionError {
    /// Returns the remedy.
    ///
    /// ```
    /// use pixygate::session::{Remedy, SessionError};
    ///
    /// let error = SessionError::BackingOff { seconds: 4 };
    /// assert_eq!(error.remedy(), Remedy::TryAgain);
    /// assert_eq!(SessionError::SignedOut(None).remedy(), Remedy::SignIn);
    /// ```
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Network(_)
            | Self::NoAnswer(_)
            | Self::Locked(_)
            | Self::BackingOff { .. }
            | Self::PartMissing
            | Self::NoClient
            | Self::SessionsNotEnded { status: 429 | 500.. } => Remedy::TryAgain,
            Self::AnotherUser => Remedy::CheckUser,
            Self::SignedOut(_)
            | Self::Cancelled
            | Self::NavigationPending
            | Self::InteractionRequired
            | Self::NoRefreshToken => Remedy::SignIn,
            Self::Callback(CallbackError::Provider { error, .. }) => match error.as_str() {
                "temporarily_unavailable" | "server_error" => Remedy::TryAgain,
                "unauthorized_client"
                | "invalid_scope"
                | "unsupported_response_type"
                | "invalid_request"
                | "invalid_target" => Remedy::Configuration,
                _ => Remedy::SignIn,
            },
            Self::Callback(CallbackError::Absent | CallbackError::UnknownState) => Remedy::SignIn,
            Self::Token(error) if error.ends_session() => Remedy::SignIn,
            Self::Token(error) if error.is_transient() => Remedy::TryAgain,
            Self::Token(TokenError::Provider { .. })
            | Self::WrongOrigin { .. }
            | Self::CorsBlocked { .. }
            | Self::DpopHeaderBlocked { .. }
            | Self::NoSessionsUrl
            | Self::SessionsNotEnded { .. }
            | Self::Storage(_)
            | Self::Crypto(_)
            | Self::Redirected(_)
            | Self::WebSocket
            | Self::ForeignOrigin(_) => Remedy::Configuration,
            Self::Callback(CallbackError::Reconfigured) => Remedy::SignIn,
            // If the issuer differs from the discovered one, the configuration is wrong.
            Self::IdToken(IdTokenError::Claim { claim: "iss", .. })
            | Self::IdToken(IdTokenError::Missing | IdTokenError::NotBound | IdTokenError::Crypto(_)) => {
                Remedy::Configuration
            }
            Self::Callback(_) | Self::IdToken(_) | Self::Token(_) => Remedy::Protocol,
        }
    }
}

impl SessionError {
    /// Returns whether the provider reported at a refresh that the session is over.
    pub(super) fn ends_refresh(&self) -> bool {
        matches!(self, Self::Token(error) if error.ends_refresh())
    }

    /// Returns whether the provider rejected a refresh, without a reason to try again later.
    pub(super) fn refuses_refresh(&self) -> bool {
        match self {
            Self::Token(error) => !error.is_transient(),
            Self::CorsBlocked { .. } => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_says_is_told_apart_by_what_helps() {
        let callback = |error: &str| {
            let (error, description) = (error.to_owned(), None);
            SessionError::from(CallbackError::Provider { error, description }).remedy()
        };
        let token = |error: &str| {
            let (error, description) = (error.to_owned(), None);
            SessionError::from(TokenError::Provider { error, description }).remedy()
        };
        for error in ["temporarily_unavailable", "server_error"] {
            assert_eq!((callback(error), token(error)), (Remedy::TryAgain, Remedy::TryAgain));
        }
        assert_eq!(token("slow_down"), Remedy::TryAgain);
        for error in [
            "unauthorized_client",
            "invalid_scope",
            "invalid_request",
            "invalid_target",
        ] {
            assert_eq!(
                (callback(error), token(error)),
                (Remedy::Configuration, Remedy::Configuration)
            );
        }
        assert_eq!(callback("unsupported_response_type"), Remedy::Configuration);
        assert_eq!(callback("access_denied"), Remedy::SignIn);
        assert_eq!(token("invalid_grant"), Remedy::SignIn);
    }

    #[test]
    fn an_id_token_that_does_not_hold_is_told_apart_as_well() {
        let no_crypto = CryptoError("denied".to_owned());
        let remedy = |error: IdTokenError| SessionError::from(error).remedy();
        assert_eq!(remedy(IdTokenError::Crypto(no_crypto)), Remedy::Configuration);
        assert_eq!(remedy(IdTokenError::Signature), Remedy::Protocol);
        assert_eq!(remedy(IdTokenError::Nonce), Remedy::Protocol);
        assert_eq!(SessionError::AnotherUser.remedy(), Remedy::CheckUser);
    }
}
