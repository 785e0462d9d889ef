//! One browser with its tabs, its storage and its network, controlled by the test.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use futures::channel::oneshot;
use futures::executor::{LocalPool, LocalSpawner};
use futures::lock::Mutex;
use futures::task::LocalSpawnExt as _;
use pixygate::authorization::{Client, SignIn};
use pixygate::session::{AuthState, CallOutcome, Event, Platform as _, Session, SessionError};

use crate::api::{Answer, Api};
use crate::dpop::Key;
use crate::platform::{Tab, TabState, turn};
use crate::provider::{Form, ISSUER, Provider};

/// The stored records with their bindings, by slot.
pub(crate) type Vault = RefCell<BTreeMap<String, (String, String)>>;

/// Everything outside of the tabs.
pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) api: Api,
    /// The real time, in milliseconds.
    pub(crate) wall: Cell<f64>,
    pub(crate) monotonic: Cell<f64>,
    /// The error of the device's clock, in milliseconds.
    pub(crate) clock_error: Cell<f64>,
    pub(crate) storage_denied: Cell<bool>,
    /// Stored data can be read, and nothing can be written.
    pub(crate) storage_full: Cell<bool>,
    pub(crate) vault: Vault,
    /// The key of this browser's DPoP proofs.
    pub(crate) dpop: RefCell<Option<Rc<Key>>>,
    pub(crate) locks: RefCell<BTreeMap<String, std::sync::Arc<Mutex<()>>>>,
    pub(crate) offline: Cell<bool>,
    /// The provider does not let other origins read its keys (`Cross-Origin-Resource-Policy`).
    pub(crate) no_keys: Cell<bool>,
    /// Waiting for a lock that another tab holds times out at once.
    pub(crate) impatient: Cell<bool>,
    /// This origin's server does not send its time.
    pub(crate) no_time: Cell<bool>,
    /// While set, requests wait before they reach the provider.
    pub(crate) held_back: Cell<bool>,
    /// While set, responses of the provider wait before they reach the browser.
    pub(crate) answers_held_back: Cell<bool>,
    pub(crate) waiting: RefCell<Vec<oneshot::Sender<()>>>,
    /// The most refresh requests that were in flight at once.
    pub(crate) most_refreshes: Cell<usize>,
    pub(crate) tabs: RefCell<Vec<Weak<TabState>>>,
    /// The users who were signed in, in the order of their callbacks.
    pub(crate) arrived: RefCell<Vec<String>>,
    pub(crate) spawner: LocalSpawner,
}

pub(crate) struct Simulation {
    pub(crate) world: Rc<World>,
    pub(crate) pool: LocalPool,
    /// An operation that is started next gets only this many turns.
    pub(crate) hurry: Option<u32>,
}

/// A tab that a test controls.
pub(crate) struct OpenTab {
    pub(crate) session: Session<Tab>,
    pub(crate) state: Rc<TabState>,
}

/// Lets all operations in flight run for this many turns.
pub(crate) async fn turns_of_all(turns: u32) {
    for _ in 0..turns {
        turn().await;
    }
}

/// An operation that was started, with its result once it is done.
pub(crate) type Started<T> = Rc<RefCell<Option<T>>>;

impl Simulation {
    pub(crate) fn new() -> Self {
        let pool = LocalPool::new();
        let world = World {
            provider: Provider::new(),
            api: Api::default(),
            wall: Cell::new(1_800_000_000_000.0),
            monotonic: Cell::new(1_000.0),
            clock_error: Cell::default(),
            storage_denied: Cell::default(),
            storage_full: Cell::default(),
            vault: RefCell::default(),
            dpop: RefCell::default(),
            locks: RefCell::default(),
            offline: Cell::default(),
            no_keys: Cell::default(),
            impatient: Cell::default(),
            no_time: Cell::default(),
            held_back: Cell::default(),
            answers_held_back: Cell::default(),
            waiting: RefCell::default(),
            most_refreshes: Cell::default(),
            tabs: RefCell::default(),
            arrived: RefCell::default(),
            spawner: pool.spawner(),
        };
        Self {
            world: Rc::new(world),
            pool,
            hurry: None,
        }
    }

    pub(crate) fn open(&self) -> OpenTab {
        self.open_with(self.world.provider.client())
    }

    /// Opens a page with these settings.
    pub(crate) fn open_with(&self, client: Client) -> OpenTab {
        let state = Rc::new(TabState::new(&self.world));
        self.world.tabs.borrow_mut().push(Rc::downgrade(&state));
        let tab = Tab {
            world: Rc::clone(&self.world),
            state: Rc::clone(&state),
        };
        let (seen, world) = (Rc::clone(&state), Rc::clone(&self.world));
        let session = Session::new(tab, client, move |event| {
            if let Event::Changed(now) = event {
                seen.states.borrow_mut().push(now.clone());
                world.arrive(now);
            }
            seen.events.borrow_mut().push(event.clone());
        });
        OpenTab { session, state }
    }

    /// Closes the page, with all its operations.
    pub(crate) fn close(&mut self, tab: OpenTab) {
        tab.state.close();
        drop(tab);
        self.settle();
    }

    /// Runs a future, and everything that was spawned, until the future is done.
    pub(crate) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.pool.run_until(future)
    }

    /// Runs everything that was spawned until all of it is done or waits for the test.
    pub(crate) fn settle(&mut self) {
        self.pool.run_until_stalled();
    }

    /// Starts an operation that may have to wait for the test.
    pub(crate) fn start<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> Started<T> {
        let outcome = Started::default();
        let slot = Rc::clone(&outcome);
        let future = async move {
            let done = future.await;
            slot.replace(Some(done));
        };
        self.world.spawner.spawn_local(future).unwrap();
        self.proceed();
        outcome
    }

    fn proceed(&mut self) {
        match self.hurry {
            Some(turns) => self.run(turns_of_all(turns)),
            None => self.settle(),
        }
    }

    /// Delivers the pending messages to the tabs.
    pub(crate) fn deliver(&mut self, tabs: &[&OpenTab]) {
        self.settle();
        for tab in tabs {
            if tab.state.has_message.take() {
                self.run(tab.session.sync());
            }
        }
    }

    /// Releases held requests and responses.
    pub(crate) fn release(&mut self) {
        self.world.held_back.set(false);
        self.world.answers_held_back.set(false);
        for waiting in self.world.waiting.take() {
            waiting.send(()).unwrap_or_default();
        }
        self.proceed();
    }

    pub(crate) fn pass(&self, seconds: f64) {
        self.world.wall.set(self.world.wall.get() + seconds * 1000.0);
        self.world.monotonic.set(self.world.monotonic.get() + seconds * 1000.0);
    }

    /// The device sleeps: its monotonic clock stops.
    pub(crate) fn sleep(&self, seconds: f64) {
        self.world.wall.set(self.world.wall.get() + seconds * 1000.0);
    }

    pub(crate) fn sign_in(&mut self, tab: &OpenTab, subject: &str) {
        let query = self.visit_provider(tab, subject);
        self.run(tab.session.complete(&query)).unwrap();
    }

    /// Goes to the provider and returns the query of the callback.
    pub(crate) fn visit_provider(&mut self, tab: &OpenTab, subject: &str) -> String {
        self.visit_provider_with(tab, subject, &SignIn::default())
    }

    pub(crate) fn visit_provider_with(&mut self, tab: &OpenTab, subject: &str, options: &SignIn) -> String {
        self.run(tab.session.sign_in(options)).unwrap();
        self.come_back(tab, subject)
    }

    /// Signs in at the provider, where the tab has gone, and returns the query of the callback.
    pub(crate) fn come_back(&self, tab: &OpenTab, subject: &str) -> String {
        let request = self.world.provider.authorization_parameters(&tab.last_request());
        let code = self.world.provider.authorize(subject, &request);
        callback(&request, &[("code", &code), ("session_state", "x")])
    }

    /// The provider redirects to the callback with this error.
    pub(crate) fn come_back_with(&self, tab: &OpenTab, error: &str) -> String {
        callback(
            &self.world.provider.authorization_parameters(&tab.last_request()),
            &[("error", error)],
        )
    }
}

impl World {
    fn arrive(&self, now: &AuthState) {
        let Some(person) = now.signed_in().map(|person| person.claims().sub.clone()) else {
            return;
        };
        let mut arrived = self.arrived.borrow_mut();
        if !arrived.contains(&person) {
            arrived.push(person);
        }
    }
}

fn callback(request: &Form, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
    query
        .extend_pairs(parameters)
        .append_pair("state", &request["state"])
        .append_pair("iss", ISSUER);
    query.finish()
}

impl OpenTab {
    /// Returns the query of the URL to which the tab navigated last.
    pub(crate) fn last_request(&self) -> Form {
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

    pub(crate) fn signed_out(&self) -> bool {
        matches!(self.session.state(), AuthState::SignedOut(_))
    }

    pub(crate) async fn token(&self) -> Result<String, SessionError> {
        token(&self.session).await
    }

    /// Calls the server of [`Api`] with a body, as the page's `fetch` does.
    pub(crate) async fn call(&self, method: &str, url: &str, body: &str) -> Result<CallOutcome<Answer>, SessionError> {
        call(&self.session, method, url, body).await
    }
}

pub(crate) async fn token(session: &Session<Tab>) -> Result<String, SessionError> {
    session.access_token().await.map(|token| token.secret().clone())
}

pub(crate) async fn call(
    session: &Session<Tab>,
    method: &str,
    url: &str,
    body: &str,
) -> Result<CallOutcome<Answer>, SessionError> {
    let Tab { world, .. } = session.platform();
    session
        .call(method, url, async |credentials| {
            session.platform().responds(url).await?;
            let now = world.wall.get() / 1000.0;
            Ok(world.api.answer(&world.provider, method, url, body, &credentials, now))
        })
        .await
}

pub(crate) fn parse(form: &str) -> Form {
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}
