//! One browser with its tabs, its storage and its network, under the test's control.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::channel::oneshot;
use futures::executor::{LocalPool, LocalSpawner};
use futures::lock::{Mutex, OwnedMutexGuard};
use futures::task::LocalSpawnExt as _;
use pixygate::authorization::{Client, Crypto, CryptoError, Hash, HttpReply, Jwk, Moment, SignIn};
use pixygate::session::{
    AuthState, Event, LocalFuture, NetworkError, Over, Platform, Session, SessionError, StorageError,
};

use crate::provider::{Mood, Provider};

/// What is kept, with its binding, by slot.
type Vault = RefCell<BTreeMap<String, (String, String)>>;

/// Everything outside of the tabs.
pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) wall: Cell<f64>,
    pub(crate) monotonic: Cell<f64>,
    /// How far the device's clock is off, in milliseconds.
    pub(crate) clock_error: Cell<f64>,
    pub(crate) storage_denied: Cell<bool>,
    pub(crate) vault: Vault,
    locks: RefCell<BTreeMap<String, std::sync::Arc<Mutex<()>>>>,
    /// While it is held back, requests wait to be let through.
    pub(crate) held_back: Cell<bool>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    tabs: RefCell<Vec<Weak<TabState>>>,
    spawner: LocalSpawner,
}

/// What one tab has for itself.
pub(crate) struct TabState {
    told: Cell<bool>,
    pub(crate) went_to: RefCell<Vec<String>>,
    pub(crate) states: RefCell<Vec<AuthState>>,
    pub(crate) events: RefCell<Vec<Event>>,
    /// In how many milliseconds the page wanted to refresh ahead, when it said so.
    pub(crate) wakes_in: Cell<Option<f64>>,
}

/// The platform that a session sees.
pub(crate) struct Tab {
    world: Rc<World>,
    state: Rc<TabState>,
}

pub(crate) struct Simulation {
    pub(crate) world: Rc<World>,
    pub(crate) pool: LocalPool,
}

/// A tab as a test drives it.
pub(crate) struct OpenTab {
    pub(crate) session: Session<Tab>,
    pub(crate) state: Rc<TabState>,
}

impl Simulation {
    pub(crate) fn new() -> Self {
        let pool = LocalPool::new();
        let world = World {
            provider: Provider::new(),
            wall: Cell::new(1_800_000_000_000.0),
            monotonic: Cell::new(1_000.0),
            clock_error: Cell::default(),
            storage_denied: Cell::default(),
            vault: RefCell::default(),
            locks: RefCell::default(),
            held_back: Cell::default(),
            waiting: RefCell::default(),
            tabs: RefCell::default(),
            spawner: pool.spawner(),
        };
        Self {
            world: Rc::new(world),
            pool,
        }
    }

    pub(crate) fn open(&self) -> OpenTab {
        self.open_with(self.world.provider.client())
    }

    pub(crate) fn open_with(&self, client: Client) -> OpenTab {
        let state = Rc::new(TabState {
            told: Cell::default(),
            went_to: RefCell::default(),
            states: RefCell::default(),
            events: RefCell::default(),
            wakes_in: Cell::default(),
        });
        self.world.tabs.borrow_mut().push(Rc::downgrade(&state));
        let tab = Tab {
            world: Rc::clone(&self.world),
            state: Rc::clone(&state),
        };
        let seen = Rc::clone(&state);
        let session = Session::new(tab, client, move |event| {
            if let Event::Changed(now) = event {
                seen.states.borrow_mut().push(now.clone());
            }
            seen.events.borrow_mut().push(event.clone());
        });
        OpenTab { session, state }
    }

    /// Runs a future, and everything that was spawned, until it is done.
    pub(crate) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.pool.run_until(future)
    }

    /// Lets every tab that was told something look.
    pub(crate) fn deliver(&mut self, tabs: &[&OpenTab]) {
        self.pool.run_until_stalled();
        for tab in tabs {
            if tab.state.told.take() {
                self.pool.run_until(tab.session.look());
            }
        }
    }

    /// Lets the requests through that were held back.
    pub(crate) fn release(&mut self) {
        self.world.held_back.set(false);
        for waiting in self.world.waiting.take() {
            waiting.send(()).unwrap_or_default();
        }
        self.pool.run_until_stalled();
    }

    pub(crate) fn pass(&self, seconds: f64) {
        self.world.wall.set(self.world.wall.get() + seconds * 1000.0);
        self.world.monotonic.set(self.world.monotonic.get() + seconds * 1000.0);
    }

    /// The device sleeps: its monotonic clock stands still.
    pub(crate) fn sleep(&self, seconds: f64) {
        self.world.wall.set(self.world.wall.get() + seconds * 1000.0);
    }

    pub(crate) fn sign_in(&mut self, tab: &OpenTab, subject: &str) {
        let query = self.visit_provider(tab, subject);
        self.run(tab.session.complete(&query)).unwrap();
    }

    /// Goes to the provider and returns the query that it sends the browser back with.
    pub(crate) fn visit_provider(&mut self, tab: &OpenTab, subject: &str) -> String {
        self.run(tab.session.sign_in(&SignIn::default())).unwrap();
        let request = tab.last_request();
        let code = self.world.provider.authorize(subject, &request);
        let iss = form_urlencoded::byte_serialize(crate::provider::ISSUER.as_bytes()).collect::<String>();
        format!("?code={code}&state={}&iss={iss}&session_state=x", request["state"])
    }
}

impl OpenTab {
    pub(crate) fn last_request(&self) -> BTreeMap<String, String> {
        let went_to = self.state.went_to.borrow();
        let (_, query) = went_to.last().unwrap().split_once('?').unwrap();
        parse(query)
    }

    pub(crate) fn subject(&self) -> Option<String> {
        self.session
            .state()
            .signed_in()
            .map(|person| person.claims().sub.clone())
    }

    pub(crate) async fn token(&self) -> Result<String, SessionError> {
        self.session.access_token().await.map(|token| token.secret().clone())
    }
}

pub(crate) fn parse(form: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

impl Crypto for Tab {
    async fn verify(&self, _: &str, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        let coordinate = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref().unwrap()).unwrap();
        let point = [vec![4], coordinate(&key.x), coordinate(&key.y)].concat();
        Ok(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(message, signature)
            .is_ok())
    }

    async fn digest(&self, _: Hash, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(digest::digest(&SHA256, data).as_ref().to_vec())
    }
}

impl Tab {
    async fn travel(&self, url: &str) -> Result<(), NetworkError> {
        if self.world.held_back.get() {
            let (release, wait) = oneshot::channel();
            self.world.waiting.borrow_mut().push(release);
            wait.await.unwrap();
        }
        match *self.world.provider.mood.borrow() {
            Mood::Unreachable => Err(NetworkError {
                url: url.to_owned(),
                problem: "offline".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn storage(&self) -> Result<&Vault, StorageError> {
        match self.world.storage_denied.get() {
            true => Err(StorageError("denied".to_owned())),
            false => Ok(&self.world.vault),
        }
    }
}

impl Platform for Tab {
    type Lock = OwnedMutexGuard<()>;

    fn now(&self) -> Moment {
        Moment {
            wall: self.world.wall.get() + self.world.clock_error.get(),
            monotonic: self.world.monotonic.get(),
        }
    }

    fn server_time(&self) -> f64 {
        self.world.wall.get() / 1000.0
    }

    fn learn_time(&self, _: &str) {}

    fn origin(&self) -> String {
        "https://app.example".to_owned()
    }

    fn random(&self) -> f64 {
        1.0
    }

    async fn post_form(&self, url: &str, body: &str, _: Option<&str>) -> Result<HttpReply, NetworkError> {
        self.travel(url).await?;
        Ok(self.world.provider.answer(parse(body), self.server_time()))
    }

    async fn reach(&self, url: &str) -> Result<(), NetworkError> {
        self.travel(url).await
    }

    async fn fetch_keys(&self, url: &str) -> Result<Vec<Jwk>, NetworkError> {
        self.travel(url).await?;
        Ok(self.world.provider.keys())
    }

    async fn lock(&self, name: &str) -> Self::Lock {
        let lock = std::sync::Arc::clone(self.world.locks.borrow_mut().entry(name.to_owned()).or_default());
        lock.lock_owned().await
    }

    async fn load(&self, slot: &str, binding: &str) -> Result<Option<String>, StorageError> {
        Ok(self
            .storage()?
            .borrow()
            .get(slot)
            .filter(|(bound, _)| bound == binding)
            .map(|(_, text)| text.clone()))
    }

    async fn save(&self, slot: &str, binding: &str, text: &str, over: Over) -> Result<bool, StorageError> {
        let mut vault = self.storage()?.borrow_mut();
        if over == Over::Existing && !vault.contains_key(slot) {
            return Ok(false);
        }
        vault.insert(slot.to_owned(), (binding.to_owned(), text.to_owned()));
        Ok(true)
    }

    async fn clear(&self) {
        self.world.vault.borrow_mut().clear();
    }

    fn forget_keys(&self) {}

    fn tell_other_tabs(&self) {
        let others = self.world.tabs.borrow();
        for tab in others
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|tab| !Rc::ptr_eq(tab, &self.state))
        {
            tab.told.set(true);
        }
    }

    async fn dpop_key(&self) -> Result<Jwk, CryptoError> {
        Err(CryptoError("not simulated".to_owned()))
    }

    async fn dpop_sign(&self, _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError("not simulated".to_owned()))
    }

    fn spawn(&self, future: LocalFuture<()>) {
        self.world.spawner.spawn_local(future).unwrap();
    }

    fn navigate(&self, url: &str) {
        self.state.went_to.borrow_mut().push(url.to_owned());
    }

    fn navigate_and_back(&self, url: &str) {
        self.navigate(url);
    }

    fn wake_in(&self, milliseconds: Option<f64>) {
        self.state.wakes_in.set(milliseconds);
    }
}
