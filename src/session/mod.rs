//! The session: the signed-in user, and a fresh access token for each call.
//!
//! The core does not depend on a browser. A [`Platform`] provides time, storage, network and access to the other tabs, so that races can be
//! tested natively. [`browser::Browser`] is the platform of a real browser.
//!
//! The tabs share one encrypted record, which the platform stores. A tab that changes the record notifies the others to read it. A refresh
//! holds a lock that all tabs share, and reads the record first.

pub mod browser;
mod call;
mod challenge;
mod error;
mod event;
mod idle;
mod pending;
mod platform;
mod record;
mod refresh;
mod sign_in;
mod sign_out;
mod state;
mod step_up;
mod token_endpoint;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::Shared;

pub use crate::StepUp;
use crate::authorization::{Client, Jwk, TokenSet};

pub use call::{CallOutcome, Credentials, HttpResponse, PendingRequest, StepUpFailure};
#[cfg(feature = "leptos")]
pub(crate) use challenge::may_pass;
pub use error::{Remedy, SessionError};
pub use event::Event;
pub use platform::{HistoryEntry, LocalFuture, LockError, NetworkError, Platform, SaveMode, StorageError};
pub use sign_in::{SignInFailure, SignInOutcome};
pub use state::{AuthState, SignOutReason, SignedIn};

use record::StoredSession;

/// The user's session in this tab. Clones are cheap and refer to the same session.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # use futures::executor::LocalPool;
/// # let mut pool = LocalPool::new();
/// # let (platform, client) = (example::memory(&pool), example::client());
/// use pixygate::authorization::SignIn;
/// use pixygate::session::{Event, Session};
///
/// let session = Session::new(platform, client, |event| {
///     if let Event::RefreshFailed(error) = event {
///         println!("{error}");
///     }
/// });
/// # pool.run_until(async {
/// session.restore().await;
/// if session.state().signed_in().is_none() {
///     session.sign_in(&SignIn::default()).await?;
///     // The browser leaves the page. On the page of the redirect URI, with the query of its address:
/// #   let query = example::came_back(&session);
///     session.complete(&query).await?;
/// }
/// let token = session.access_token().await?;
/// # assert_eq!(token.secret(), "the-first");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Session<P: Platform>(Rc<Inner<P>>);

/// Work in flight, whose outcome several callers share.
type InFlight<T> = RefCell<Option<Shared<LocalFuture<T>>>>;

struct Inner<P> {
    platform: P,
    client: Client,
    /// The provider's keys: those of the page, or newer ones that were fetched.
    keys: RefCell<Vec<Jwk>>,
    state: RefCell<AuthState>,
    kept: RefCell<Option<StoredSession>>,
    on_event: Box<dyn Fn(&Event)>,
    restoring: InFlight<()>,
    refreshing: InFlight<Result<record::Record, SessionError>>,
    backoff: Cell<refresh::Backoff>,
    /// The error of the last refresh, if it was rejected for good. A second rejection in a row ends the session.
    refused: RefCell<Option<SessionError>>,
    /// The last DPoP nonce of each origin.
    nonces: RefCell<Vec<(String, String)>>,
    /// How often the token endpoint has issued tokens to this tab.
    granted: Cell<u32>,
    /// Origins that rejected even a freshly refreshed token; do not retry there.
    rejects_fresh_tokens: RefCell<Vec<String>>,
    stored: Cell<record::Stored>,
    /// The older sign-in whose session is still stored, because the session of this page could not be stored in its place.
    superseded: RefCell<Option<String>>,
    /// The sign-ins whose sessions the user has ended in this tab. A stored copy must not restore them.
    signed_out: RefCell<Vec<String>>,
    /// The sign-in whose session has ended in this tab, and the generation of its tokens. If the end could not be stored, a stored record up
    /// to that generation must not restore the session.
    ended: RefCell<Option<(String, u64)>>,
    waiting: RefCell<Option<call::Waiting>>,
    /// The callback whose code exchange got no answer, for another attempt.
    unfinished: RefCell<Option<Box<sign_in::Returned>>>,
    /// The last check whether the provider is down.
    probe: RefCell<Option<token_endpoint::Probe>>,
    /// The pending sign-ins in popup windows that this browser could not store.
    unstored: RefCell<Vec<pending::Pending>>,
    stepping_up: step_up::InFlight,
    /// When the provider last answered the check before a sign-in, on the monotonic clock.
    reached: Cell<Option<f64>>,
}

impl<P: Platform> Clone for Session<P> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<P: Platform> std::fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("issuer", &self.0.client.provider.issuer)
            .finish_non_exhaustive()
    }
}

impl<P: Platform> Session<P> {
    /// Makes a session whose state is unknown until [`Session::restore`]. `on_event` receives every event.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # let pool = futures::executor::LocalPool::new();
    /// # let (platform, client) = (example::memory(&pool), example::client());
    /// use pixygate::session::{AuthState, Session};
    ///
    /// let session = Session::new(platform, client, |event| println!("{event:?}"));
    /// assert_eq!(session.state(), AuthState::Unknown);
    /// assert_eq!(session.client().client_id, "orders");
    /// # assert_eq!(pixygate::session::Platform::origin(session.platform()), "https://app.example");
    /// ```
    pub fn new(platform: P, client: Client, on_event: impl Fn(&Event) + 'static) -> Self {
        Self(Rc::new(Inner {
            keys: RefCell::new(client.keys.clone()),
            platform,
            client,
            state: RefCell::default(),
            kept: RefCell::default(),
            on_event: Box::new(on_event),
            restoring: RefCell::default(),
            refreshing: RefCell::default(),
            backoff: Cell::default(),
            refused: RefCell::default(),
            nonces: RefCell::default(),
            granted: Cell::default(),
            rejects_fresh_tokens: RefCell::default(),
            stored: Cell::default(),
            superseded: RefCell::default(),
            signed_out: RefCell::default(),
            ended: RefCell::default(),
            waiting: RefCell::default(),
            unfinished: RefCell::default(),
            probe: RefCell::default(),
            unstored: RefCell::default(),
            stepping_up: RefCell::default(),
            reached: Cell::default(),
        }))
    }

    /// Returns whether a user is signed in.
    pub fn state(&self) -> AuthState {
        self.0.state.borrow().clone()
    }

    /// Returns whether the session survives a reload. If the browser stores nothing, it lives in this page only.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// if !session.is_stored() {
    ///     println!("A reload of this page ends the session.");
    /// }
    /// # assert!(session.is_stored());
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_stored(&self) -> bool {
        self.0.stored.get() == record::Stored::Yes
    }

    /// Returns the relying party and the provider's metadata.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Returns the platform.
    pub fn platform(&self) -> &P {
        &self.0.platform
    }

    fn set_state(&self, state: AuthState) {
        if *self.0.state.borrow() == state {
            return;
        }
        self.0.state.replace(state.clone());
        self.emit(&Event::Changed(state));
    }

    fn emit(&self, event: &Event) {
        (self.0.on_event)(event);
    }

    fn tokens(&self) -> Option<TokenSet> {
        self.record().map(|record| record.current().clone())
    }
}
