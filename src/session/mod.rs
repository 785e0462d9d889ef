//! The session: who is signed in, and a token that is always fresh.
//!
//! The core knows no browser. It asks a [`Platform`] for time, storage, network and the other tabs, so that every race
//! is a native test. [`browser::Browser`] is the platform of the real world.
//!
//! Between tabs there is one truth, the sealed record that the platform keeps. A tab that changes it tells the others to
//! look; a refresh happens under a lock that all tabs share and looks at the record first.

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

use record::Kept;

/// A person's session in this tab. Cloning it is cheap and gives the same session.
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
///     // The page is left. On the page of the redirect URI, with the query of its address:
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

/// Work that everybody who wants its outcome waits for together.
type UnderWay<T> = RefCell<Option<Shared<LocalFuture<T>>>>;

struct Inner<P> {
    platform: P,
    client: Client,
    /// The provider's keys: those of the page, or newer ones once they were fetched.
    keys: RefCell<Vec<Jwk>>,
    state: RefCell<AuthState>,
    kept: RefCell<Option<Kept>>,
    on_event: Box<dyn Fn(&Event)>,
    restoring: UnderWay<()>,
    refreshing: UnderWay<Result<record::Record, SessionError>>,
    backoff: Cell<refresh::Backoff>,
    /// What the last refresh was refused with, if nothing promises that the next one is not: a second refusal ends the session.
    refused: RefCell<Option<SessionError>>,
    /// The last nonce that each origin gave for DPoP proofs.
    nonces: RefCell<Vec<(String, String)>>,
    /// How often the token endpoint gave this tab tokens.
    granted: Cell<u32>,
    /// The origins that also refused the last token which took the place of a refused one: they would refuse the next.
    replacing_is_vain: RefCell<Vec<String>>,
    stored: Cell<record::Stored>,
    /// The sign-in whose session was kept here before that of this page, which could not be: it is the older one.
    superseded: RefCell<Option<String>>,
    /// The sign-ins whose sessions the person has left in this tab: no copy of them comes back.
    left: RefCell<Vec<String>>,
    /// The sign-in whose session has ended in this tab, and how often its tokens had been replaced: what is kept of it, since the
    /// end could not be kept, does not come back.
    over: RefCell<Option<(String, u64)>>,
    waiting: RefCell<Option<call::Waiting>>,
    /// The callback whose exchange got no answer, for another attempt.
    unfinished: RefCell<Option<Box<sign_in::Returned>>>,
    /// The last look whether the provider is down.
    probe: RefCell<Option<token_endpoint::Probe>>,
    /// The sign-ins that are under way in windows of their own and that this browser could not keep.
    unkept: RefCell<Vec<pending::Pending>>,
    stepping_up: step_up::UnderWay,
    /// When the provider last answered ahead of a sign-in, on the monotonic clock.
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
    /// A session whose state is not known yet; [`Session::restore`] finds out. `on_event` hears of all that happens.
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
            replacing_is_vain: RefCell::default(),
            stored: Cell::default(),
            superseded: RefCell::default(),
            left: RefCell::default(),
            over: RefCell::default(),
            waiting: RefCell::default(),
            unfinished: RefCell::default(),
            probe: RefCell::default(),
            unkept: RefCell::default(),
            stepping_up: RefCell::default(),
            reached: Cell::default(),
        }))
    }

    /// Whether someone is signed in.
    pub fn state(&self) -> AuthState {
        self.0.state.borrow().clone()
    }

    /// Whether the session outlives a reload. Where the browser keeps nothing it lives in this page only.
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

    /// This relying party, and what is known of the provider.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The platform.
    pub fn platform(&self) -> &P {
        &self.0.platform
    }

    fn set_state(&self, state: AuthState) {
        if *self.0.state.borrow() == state {
            return;
        }
        self.0.state.replace(state.clone());
        self.tell(&Event::Changed(state));
    }

    fn tell(&self, event: &Event) {
        (self.0.on_event)(event);
    }

    fn tokens(&self) -> Option<TokenSet> {
        self.record().map(|record| record.current().clone())
    }
}
