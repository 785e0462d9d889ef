//! The session: who is signed in, and a token that is always fresh.
//!
//! The core knows no browser. It asks a [`Platform`] for time, storage, network and the other tabs, so that every race
//! is a native test. [`browser::Browser`] is the platform of the real world.
//!
//! Between tabs there is one truth, the sealed record that the platform keeps. A tab that changes it tells the others to
//! look; a refresh happens under a lock that all tabs share and looks at the record first.

pub mod browser;
mod call;
mod error;
mod platform;
mod record;
mod refresh;
mod sign_in;
mod sign_out;
mod state;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future::Shared;

use crate::authorization::{Client, Jwk, TokenSet};

pub use call::Credentials;
pub use error::{Remedy, SessionError};
pub use platform::{LocalFuture, NetworkError, Platform, StorageError};
pub use sign_in::SignInFailure;
pub use state::{AuthState, SignOutReason, SignedIn};

use record::Record;

/// A person's session in this tab. Cloning it is cheap and gives the same session.
pub struct Session<P: Platform>(Rc<Inner<P>>);

/// Work that everybody who wants its outcome waits for together.
type UnderWay<T> = RefCell<Option<Shared<LocalFuture<T>>>>;

struct Inner<P> {
    platform: P,
    client: Client,
    /// The provider's keys: those of the page, or newer ones once they were fetched.
    keys: RefCell<Vec<Jwk>>,
    state: RefCell<AuthState>,
    record: RefCell<Option<Record>>,
    on_change: Box<dyn Fn(&AuthState)>,
    restoring: UnderWay<()>,
    refreshing: UnderWay<Result<TokenSet, SessionError>>,
    backoff: Cell<refresh::Backoff>,
    /// The last nonce that each origin gave for DPoP proofs.
    nonces: RefCell<BTreeMap<String, String>>,
    /// Whether the record outlives this tab. Where it does not, its absence in storage means nothing.
    kept: Cell<bool>,
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
    /// A session whose state is not known yet; [`Session::restore`] finds out. `on_change` hears of every new state.
    pub fn new(platform: P, client: Client, on_change: impl Fn(&AuthState) + 'static) -> Self {
        Self(Rc::new(Inner {
            keys: RefCell::new(client.keys.clone()),
            platform,
            client,
            state: RefCell::default(),
            record: RefCell::default(),
            on_change: Box::new(on_change),
            restoring: RefCell::default(),
            refreshing: RefCell::default(),
            backoff: Cell::default(),
            nonces: RefCell::default(),
            kept: Cell::new(true),
        }))
    }

    /// Whether someone is signed in.
    pub fn state(&self) -> AuthState {
        self.0.state.borrow().clone()
    }

    /// Whether the session outlives a reload. Where the browser keeps nothing it lives in this page only.
    pub fn is_kept(&self) -> bool {
        self.0.kept.get()
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
        (self.0.on_change)(&state);
    }

    fn tokens(&self) -> Option<TokenSet> {
        self.0.record.borrow().as_ref().map(|record| record.tokens.clone())
    }
}
