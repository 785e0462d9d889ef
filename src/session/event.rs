//! The events of a session.

use super::{AuthState, SessionError, StepUp, StorageError};

/// An event of the session. Its debug output has the user, but no secret.
///
/// ```
/// use pixygate::session::{AuthState, Event};
///
/// fn note(event: &Event) -> Option<String> {
///     match event {
///         Event::Changed(AuthState::SignedIn(user)) => Some(format!("{} is here", user.name())),
///         Event::RefreshFailed(error) => Some(format!("{error}: {:?}", error.remedy())),
///         _ => None,
///     }
/// }
///
/// assert_eq!(note(&Event::Refreshed), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The state has changed: signed in, signed out and why, or signing out.
    Changed(AuthState),
    /// Another user has signed in, in another tab, while a user was signed in here. The new state follows.
    UserChanged,
    /// The browser cannot store the session. It lives in this tab only, and ends with it.
    NotStored,
    /// The browser stores the session again.
    Stored,
    /// The user has signed out, but the stored session could not be deleted. The next page may read it. This page deletes it as soon as it
    /// can.
    NotDeleted(StorageError),
    /// The access token was replaced.
    Refreshed,
    /// The access token could not be replaced. The session continues, unless the state changes too.
    RefreshFailed(SessionError),
    /// A call needs a stronger sign-in or more scopes; the browser leaves for the provider.
    StepUp(StepUp),
    /// The user is idle, and the session ends in this many seconds; `None` when the user is active again.
    Idle(Option<u32>),
    /// A call was sent.
    CallStarted {
        /// The method.
        method: String,
        /// The address, without its query.
        url: String,
    },
    /// A call was answered.
    CallFinished {
        /// The address, without its query.
        url: String,
        /// The status code.
        status: u16,
    },
    /// A service of another origin answered 401, and this page cannot read the header that says why. Its CORS response needs
    /// `Access-Control-Expose-Headers: WWW-Authenticate, DPoP-Nonce`; until then the token is not replaced and no sign-in is offered.
    HeaderNotExposed {
        /// The origin of the service.
        origin: String,
        /// `WWW-Authenticate`, or `DPoP-Nonce` if the service requires a nonce.
        header: &'static str,
    },
    /// A call was not answered.
    CallFailed {
        /// The address, without its query.
        url: String,
        /// The reason.
        error: SessionError,
    },
}
