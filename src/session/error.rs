//! What can go wrong with a session, told apart by what helps.

use serde::{Deserialize, Serialize};

use crate::authorization::id_token::IdTokenError;
use crate::authorization::{CallbackError, CryptoError, TokenError};

use super::{NetworkError, SignOutReason, StorageError};

/// Why there is no token, or no sign-in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut(Option<SignOutReason>),
    /// The provider did not answer. The session is still there.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The answer that a sign-in needs did not arrive, although there is one: the provider does not let this origin read it.
    #[error(
        "{url} answers, but the browser withholds the answer from {origin}: allow that origin (CORS) at the provider"
    )]
    Withheld {
        /// The endpoint.
        url: String,
        /// The origin of this page.
        origin: String,
    },
    /// The token endpoint refused, or answered what is not understood.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A refresh failed a moment ago; the next attempt waits.
    #[error("the last refresh failed, the next attempt is in {seconds} s")]
    BackingOff {
        /// Seconds until then.
        seconds: u64,
    },
    /// The callback does not lead to a sign-in.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// The ID token does not hold.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// Another person signed in while the call was being made, or the person acts for another organisation by now. It was not
    /// made as them.
    #[error("another person has signed in, or acts for another organisation; the call was not made as them")]
    AnotherPerson,
    /// The call goes to an origin that no token is sent to.
    #[error("no token is sent to `{0}`: it is neither this origin nor one of `call_origins`")]
    ForeignOrigin(String),
    /// The call was answered with a redirect.
    #[error("`{0}` answers with a redirect, which no token follows: call the address that it leads to")]
    Redirected(String),
    /// The access token cannot be replaced.
    #[error("the access token cannot be replaced: the provider gave no refresh token")]
    NoRefreshToken,
    /// The window of the sign-in was closed, or did not open.
    #[error("the sign-in window was closed, or the browser did not open it")]
    Cancelled,
    /// The server's shell lacks `<ClientData>`, or what it put into the page cannot be read.
    #[error("the page does not say which client it is; `<ClientData>` belongs into the server's shell")]
    NoClient,
    /// A part of the page could not be loaded: the network is down, or the site has another version by now.
    #[error("a part of this page could not be loaded; reload it when you are online")]
    PartMissing,
    /// This browser cannot keep what a sign-in must remember.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// This browser lacks the cryptography, as on a page without https.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// What helps against a [`SessionError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// Try again: the network or the provider is down, the session is not.
    TryAgain,
    /// Sign in again.
    SignIn,
    /// Someone has to change the configuration, here or at the provider.
    Configuration,
    /// A message did not follow the protocol, or was tampered with. Starting again is safe.
    Protocol,
}

impl SessionError {
    /// What helps.
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
            | Self::BackingOff { .. }
            | Self::PartMissing
            | Self::Token(TokenError::Unavailable { .. }) => Remedy::TryAgain,
            Self::SignedOut(_) | Self::AnotherPerson | Self::Cancelled | Self::NoRefreshToken => Remedy::SignIn,
            Self::Callback(CallbackError::Absent | CallbackError::UnknownState | CallbackError::Provider { .. }) => {
                Remedy::SignIn
            }
            Self::Token(error) if error.ends_session() => Remedy::SignIn,
            Self::Token(TokenError::Provider { .. })
            | Self::Withheld { .. }
            | Self::NoClient
            | Self::Storage(_)
            | Self::Crypto(_)
            | Self::Redirected(_)
            | Self::ForeignOrigin(_) => Remedy::Configuration,
            Self::Callback(CallbackError::Reconfigured) => Remedy::SignIn,
            Self::IdToken(IdTokenError::Missing | IdTokenError::NotBound) => Remedy::Configuration,
            Self::Callback(_) | Self::IdToken(_) | Self::Token(_) => Remedy::Protocol,
        }
    }
}
