//! The platform of a simulated tab.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::rc::{Rc, Weak};
use std::task::Poll;

use aws_lc_rs::digest::{self, SHA256};
use futures::channel::oneshot;
use futures::lock::OwnedMutexGuard;
use futures::task::LocalSpawnExt as _;
use pixygate::authorization::{ClockReading, Crypto, CryptoError, EndpointResponse, Hash, Jwk, ServerClock};
use pixygate::session::{
    AuthState, Event, HistoryEntry, LocalFuture, LockError, NetworkError, Platform, SaveMode, StorageError,
};

use crate::dpop::{Key, verifies};
use crate::provider::Behaviour;
use crate::world::{Vault, World, parse};

/// The monotonic clock at the time its page is opened.
const OPENED: f64 = 500.0;

/// The state of one tab.
pub(crate) struct TabState {
    pub(crate) has_message: Cell<bool>,
    pub(crate) went_to: RefCell<Vec<String>>,
    /// How its history entry was left last.
    pub(crate) entry: Cell<Option<HistoryEntry>>,
    pub(crate) origin: RefCell<String>,
    /// Its path, query and fragment.
    pub(crate) page: RefCell<String>,
    /// The mark of the history entry that the back button leads to.
    pub(crate) mark: RefCell<Option<String>>,
    pub(crate) states: RefCell<Vec<AuthState>>,
    pub(crate) events: RefCell<Vec<Event>>,
    /// The milliseconds after which the page wants to refresh, if it set a timer.
    pub(crate) wakes_in: Cell<Option<f64>>,
    /// The time of that timer, on the monotonic clock.
    pub(crate) wakes_at: Cell<Option<f64>>,
    /// The monotonic clock when the page was opened.
    opened: f64,
    pub(crate) server_clock: Cell<ServerClock>,
    closed: Cell<bool>,
    held: RefCell<BTreeMap<u32, OwnedMutexGuard<()>>>,
    locked: Cell<u32>,
    refreshing: Cell<usize>,
    dpop: RefCell<Option<Rc<Key>>>,
    /// The window was opened for a sign-in, and keeps that mark on every page.
    pub(crate) for_sign_in: Cell<bool>,
    /// The key must be read again.
    rereads: Cell<bool>,
    /// The key is in memory only.
    in_memory: Cell<bool>,
}

/// The platform of one tab.
pub(crate) struct Tab {
    pub(crate) world: Rc<World>,
    pub(crate) state: Rc<TabState>,
}

/// A lock that is released when the page is gone.
pub(crate) struct Lock {
    state: Rc<TabState>,
    number: u32,
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.state.held.borrow_mut().remove(&self.number));
    }
}

impl TabState {
    pub(crate) fn new(world: &World) -> Self {
        let wall = world.wall.get();
        Self {
            has_message: Cell::default(),
            went_to: RefCell::default(),
            entry: Cell::default(),
            origin: RefCell::new("https://app.example".to_owned()),
            page: RefCell::new("/".to_owned()),
            mark: RefCell::default(),
            states: RefCell::default(),
            events: RefCell::default(),
            wakes_in: Cell::default(),
            wakes_at: Cell::default(),
            opened: world.monotonic.get(),
            server_clock: Cell::new(ServerClock {
                server_time: wall,
                received_at: ClockReading {
                    wall: wall + world.clock_error.get(),
                    monotonic: OPENED,
                },
            }),
            closed: Cell::default(),
            held: RefCell::default(),
            locked: Cell::default(),
            refreshing: Cell::default(),
            dpop: RefCell::default(),
            for_sign_in: Cell::default(),
            rereads: Cell::default(),
            in_memory: Cell::default(),
        }
    }

    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.refreshing.set(0);
        drop(self.held.take());
    }

    /// Returns whether the page holds a lock: browsers do not freeze such a page.
    pub(crate) fn holds_a_lock(&self) -> bool {
        !self.held.borrow().is_empty()
    }
}

/// Yields once to all other tasks.
pub(crate) async fn turn() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Crypto for Tab {
    async fn verify(&self, _: &str, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        self.until_closed().await;
        Ok(verifies(key, message, signature))
    }

    async fn digest(&self, _: Hash, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(digest::digest(&SHA256, data).as_ref().to_vec())
    }
}

impl Tab {
    /// Never resolves in a closed page.
    async fn until_closed(&self) {
        turn().await;
        if self.state.closed.get() {
            pending().await
        }
    }

    async fn wait(&self, held_back: &Cell<bool>) {
        if held_back.get() {
            let (release, wait) = oneshot::channel();
            self.world.waiting.borrow_mut().push(release);
            wait.await.unwrap_or_default();
        }
        self.until_closed().await;
    }

    /// Sends a request to the provider.
    async fn send_to_provider(&self, url: &str) -> Result<(), NetworkError> {
        self.wait(&self.world.held_back).await;
        match *self.world.provider.behaviour.borrow() {
            Behaviour::Unreachable => Err(offline(url)),
            _ => self.connected(url),
        }
    }

    fn connected(&self, url: &str) -> Result<(), NetworkError> {
        match self.world.offline.get() {
            true => Err(offline(url)),
            false => Ok(()),
        }
    }

    fn storage(&self) -> Result<&Vault, StorageError> {
        match self.world.storage_denied.get() {
            true => Err(StorageError("denied".to_owned())),
            false => Ok(&self.world.vault),
        }
    }

    fn refreshing(&self, change: isize) {
        let own = &self.state.refreshing;
        own.set(own.get().saturating_add_signed(change));
        let tabs = self.world.tabs.borrow();
        let all = tabs
            .iter()
            .filter_map(Weak::upgrade)
            .map(|tab| tab.refreshing.get())
            .sum();
        let most = &self.world.most_refreshes;
        most.set(most.get().max(all));
    }

    /// Returns the key in this page's memory, or else the stored one.
    fn key(&self) -> Result<Rc<Key>, CryptoError> {
        let mut cached = self.state.dpop.borrow_mut();
        if let Some(key) = cached.as_ref().filter(|_| !self.state.rereads.get()) {
            return Ok(Rc::clone(key));
        }
        let kept = self.kept_key();
        let key = match (&*cached, kept) {
            (Some(own), Err(_)) => {
                self.state.in_memory.set(true);
                self.state.rereads.set(false);
                return Ok(Rc::clone(own));
            }
            (_, kept) => kept?,
        };
        self.state.rereads.set(false);
        Ok(Rc::clone(cached.insert(key)))
    }

    fn kept_key(&self) -> Result<Rc<Key>, CryptoError> {
        self.storage().map_err(|error| CryptoError(error.0))?;
        let mut kept = self.world.dpop.borrow_mut();
        if kept.is_none() && self.world.storage_full.get() {
            return Err(CryptoError("full".to_owned()));
        }
        Ok(Rc::clone(kept.get_or_insert_with(|| Rc::new(Key::new()))))
    }
}

fn offline(url: &str) -> NetworkError {
    NetworkError {
        url: url.to_owned(),
        problem: "offline".to_owned(),
        timed_out: false,
    }
}

impl Platform for Tab {
    type Lock = Lock;

    fn now(&self) -> ClockReading {
        ClockReading {
            wall: self.world.wall.get() + self.world.clock_error.get(),
            monotonic: self.world.monotonic.get() - self.state.opened + OPENED,
        }
    }

    fn server_clock(&self) -> ServerClock {
        self.state.server_clock.get()
    }

    fn set_server_time(&self, date: &str) {
        let server_time = date.parse::<f64>().unwrap() * 1000.0;
        self.state.server_clock.set(ServerClock {
            server_time,
            received_at: self.now(),
        });
    }

    async fn fetch_server_time(&self) {
        self.until_closed().await;
        if !self.world.offline.get() && !self.world.no_time.get() {
            self.set_server_time(&(self.world.wall.get() / 1000.0).to_string());
        }
    }

    fn origin(&self) -> String {
        self.state.origin.borrow().clone()
    }

    fn page(&self) -> String {
        self.state.page.borrow().clone()
    }

    /// Longer than any operation that does not wait for the test.
    async fn sleep(&self, _: f64) {
        for _ in 0..100 {
            self.until_closed().await;
        }
    }

    fn random(&self) -> f64 {
        1.0
    }

    async fn post_form(&self, url: &str, body: &str, proof: Option<&str>) -> Result<EndpointResponse, NetworkError> {
        let form = parse(body);
        let refresh_token = form.get("refresh_token").cloned();
        let count = isize::from(refresh_token.is_some());
        self.refreshing(count);
        if self.world.storage_denied.get() {
            // Tokens that another tab has stored cannot be read either.
            self.world
                .provider
                .undelivered_rotations
                .borrow_mut()
                .extend(refresh_token.clone());
        }
        let sent = self.send_to_provider(url).await;
        let answered = match sent {
            Ok(()) => {
                let provider = &self.world.provider;
                let reply = provider.answer(url, form, proof, self.world.wall.get() / 1000.0);
                if reply.status == 200 {
                    provider
                        .undelivered_rotations
                        .borrow_mut()
                        .extend(refresh_token.clone());
                }
                self.wait(&self.world.answers_held_back).await;
                let withheld = match *provider.behaviour.borrow() {
                    Behaviour::Withheld => true,
                    Behaviour::ProofWithheld => proof.is_some(),
                    Behaviour::ErrorsWithheld => reply.status != 200,
                    _ => false,
                };
                match withheld {
                    true => Err(offline(url)),
                    false => self.connected(url).map(|()| reply),
                }
            }
            Err(error) => Err(error),
        };
        let keeps_it = !self.world.storage_denied.get() && !self.world.storage_full.get();
        if let (Ok(EndpointResponse { status: 200, .. }), Some(token), true) = (&answered, &refresh_token, keeps_it) {
            self.world.provider.undelivered_rotations.borrow_mut().remove(token);
        }
        self.refreshing(-count);
        answered
    }

    async fn status(&self, url: &str) -> Result<u16, NetworkError> {
        self.responds(url).await?;
        match url.contains("idp.example") && *self.world.provider.behaviour.borrow() == Behaviour::Withheld {
            true => Err(offline(url)),
            false => Ok(200),
        }
    }

    async fn responds(&self, url: &str) -> Result<(), NetworkError> {
        if !url.contains("idp.example") {
            self.until_closed().await;
            return self.connected(url);
        }
        self.send_to_provider(url).await?;
        match self.world.no_keys.get() && url.contains("/jwks") {
            true => Err(offline(url)),
            false => Ok(()),
        }
    }

    async fn fetch_keys(&self, url: &str) -> Result<Vec<Jwk>, NetworkError> {
        self.send_to_provider(url).await?;
        if self.world.no_keys.get() {
            return Err(offline(url));
        }
        Ok(self.world.provider.keys())
    }

    async fn lock(&self, name: &str) -> Result<Self::Lock, LockError> {
        let lock = std::sync::Arc::clone(self.world.locks.borrow_mut().entry(name.to_owned()).or_default());
        let guard = match self.world.impatient.get() {
            true => lock.try_lock_owned().ok_or(LockError)?,
            false => lock.lock_owned().await,
        };
        if self.state.closed.get() {
            drop(guard);
            return pending().await;
        }
        let number = self.state.locked.replace(self.state.locked.get() + 1);
        self.state.held.borrow_mut().insert(number, guard);
        Ok(Lock {
            state: Rc::clone(&self.state),
            number,
        })
    }

    async fn load(&self, slot: &str, binding: &str) -> Result<Option<String>, StorageError> {
        self.until_closed().await;
        let found = self.storage()?.borrow().get(slot).cloned();
        self.until_closed().await;
        let Some((bound, text)) = found else { return Ok(None) };
        if bound == binding {
            return Ok(Some(text));
        }
        let mut vault = self.storage()?.borrow_mut();
        if vault.get(slot).is_some_and(|(now, _)| *now == bound) {
            vault.remove(slot);
        }
        Ok(None)
    }

    async fn save(&self, slot: &str, binding: &str, text: &str, mode: SaveMode) -> Result<bool, StorageError> {
        self.until_closed().await;
        if self.world.storage_full.get() {
            return Err(StorageError("full".to_owned()));
        }
        let mut vault = self.storage()?.borrow_mut();
        if mode == SaveMode::Replace && !vault.contains_key(slot) {
            return Ok(false);
        }
        if let (true, Some(own)) = (self.state.in_memory.get(), &*self.state.dpop.borrow()) {
            let mut kept = self.world.dpop.borrow_mut();
            if !Rc::ptr_eq(kept.get_or_insert_with(|| Rc::clone(own)), own) {
                return Err(StorageError("another key is kept".to_owned()));
            }
            self.state.in_memory.set(false);
        }
        vault.insert(slot.to_owned(), (binding.to_owned(), text.to_owned()));
        Ok(true)
    }

    async fn clear(&self) -> Result<(), StorageError> {
        self.drop_keys();
        self.until_closed().await;
        self.storage()?.borrow_mut().clear();
        self.world.dpop.take();
        Ok(())
    }

    fn drop_keys(&self) {
        self.state.dpop.take();
        self.state.in_memory.set(false);
        self.state.rereads.set(false);
    }

    fn reload_keys(&self) {
        self.state.rereads.set(!self.state.in_memory.get());
    }

    async fn create_memory_key(&self) -> Result<(), CryptoError> {
        self.until_closed().await;
        self.state.dpop.replace(Some(Rc::new(Key::new())));
        self.state.in_memory.set(true);
        self.state.rereads.set(false);
        Ok(())
    }

    fn notify_other_tabs(&self) {
        let others = self.world.tabs.borrow();
        for tab in others
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|tab| !Rc::ptr_eq(tab, &self.state))
        {
            tab.has_message.set(true);
        }
    }

    async fn dpop_key(&self) -> Result<Jwk, CryptoError> {
        self.until_closed().await;
        Ok(self.key()?.public())
    }

    async fn dpop_sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.until_closed().await;
        Ok(self.key()?.sign(message))
    }

    fn spawn(&self, future: LocalFuture<()>) {
        self.world.spawner.spawn_local(future).unwrap();
    }

    fn navigate(&self, url: &str, entry: HistoryEntry) {
        self.state.went_to.borrow_mut().push(url.to_owned());
        self.state.entry.set(Some(entry));
    }

    fn navigate_and_back(&self, url: &str, mark: &str) {
        self.state.mark.replace(Some(mark.to_owned()));
        self.navigate(url, HistoryEntry::Keep);
    }

    fn take_mark(&self) -> Option<String> {
        self.state.mark.take()
    }

    fn set_sign_in_window(&self, for_sign_in: bool) {
        self.state.for_sign_in.set(for_sign_in);
    }

    fn is_sign_in_window(&self) -> bool {
        self.state.for_sign_in.get()
    }

    fn wake_in(&self, milliseconds: Option<f64>) {
        self.state.wakes_in.set(milliseconds);
        let now = self.world.monotonic.get();
        self.state
            .wakes_at
            .set(milliseconds.map(|milliseconds| now + milliseconds));
    }
}
