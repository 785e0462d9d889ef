//! What happens to a session, for who wants to hear of it.

use super::{AuthState, SessionError, StepUp, StorageError};

/// Something that happened. Shown with `{:?}` it says who, and nothing that is secret.
///
/// ```
/// use pixygate::session::{AuthState, Event};
///
/// fn note(event: &Event) -> Option<String> {
///     match event {
///         Event::Changed(AuthState::SignedIn(person)) => Some(format!("{} is here", person.name())),
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
    /// The state is another one: signed in, signed out and why, or on the way out.
    Changed(AuthState),
    /// Another person signed in, in another tab, while someone was signed in here. The new state follows.
    UserChanged,
    /// The browser keeps nothing: the session lives in this tab only, and ends with it.
    NotStored,
    /// The browser keeps the session again.
    Stored,
    /// The person has signed out, and what is kept could not be deleted: the next page may find it. It is deleted as soon as this
    /// page can.
    NotDeleted(StorageError),
    /// The access token was replaced.
    Refreshed,
    /// It could not be replaced. Unless the state changes too, the session is still there.
    RefreshFailed(SessionError),
    /// A call needs a stronger sign-in, or more scopes; the person is on the way to the provider.
    StepUp(StepUp),
    /// Nobody seems to be there, and the session ends in so many seconds; `None` when someone is there after all.
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
    HeaderHidden {
        /// The origin of the service.
        origin: String,
        /// `WWW-Authenticate`, or `DPoP-Nonce` where the service asks for a nonce.
        header: &'static str,
    },
    /// A call was not answered.
    CallFailed {
        /// The address, without its query.
        url: String,
        /// Why not.
        error: SessionError,
    },
}
