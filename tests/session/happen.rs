//! A simulated browser: events that happen one after the other, and the invariants after each of them.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::abortable;
use pixygate::authorization::{DpopMode, ReturnTo, SignIn, TokenExchange};
use pixygate::session::{AuthState, CallOutcome, Event, PendingRequest, SessionError, SignOutReason, StepUp};
use serde_json::json;

use crate::api::Answer;
use crate::provider::Behaviour;
use crate::world::{OpenTab, Simulation, Started, call};

/// An event. Tabs are numbered from the left, modulo their number.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Open,
    Close(usize),
    Reload(usize),
    Freeze(usize),
    Thaw(usize),
    /// This many seconds pass; timers fire.
    Pass(u32),
    Sleep(u32),
    /// The device's clock is set by this many seconds.
    SetClock(i32),
    Online(bool),
    Behaviour(Behaviour),
    /// Requests are held before the provider, or responses after it.
    Hold {
        answers: bool,
    },
    /// New requests are let through; held ones stay held.
    HoldNoMore,
    Release,
    StorageDenied(bool),
    StorageFull(bool),
    /// The user clears the data of this site.
    ClearStorage,
    SignIn(usize),
    /// The current user of that tab signs in once more.
    SignInAgain(usize),
    /// A sign-in in a new window, while the page stays open.
    SignInWindow(usize),
    /// A call leads to a stronger sign-in, which the user completes or cancels.
    SignInStronger(usize, bool),
    /// The user is idle.
    Idle(usize),
    /// ID tokens have another issuer.
    BadIdTokens(bool),
    SignOut(usize),
    SignOutHere(usize),
    /// The provider ends all sessions.
    EndAll,
    Call(usize),
    /// The caller drops the future of a call.
    GiveUp(usize),
    RefreshAhead(usize),
    Exchange(usize),
    ExchangeBack(usize),
    RefuseExchange(bool),
    /// The message of another tab arrives.
    Deliver(usize),
    /// The message is lost.
    Lose(usize),
    /// The tab becomes visible.
    Show(usize),
    /// The event after the next one begins when this many turns of the next one have run.
    Hurry(u32),
    /// All faults end and all messages arrive: the tabs must now agree.
    Agree,
}

/// Properties of the provider that do not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) lifetime: u64,
    pub(crate) rotates: bool,
    pub(crate) refresh_tokens: bool,
    /// Tokens are bound to the browser's key.
    pub(crate) bound: bool,
}

struct Page {
    tab: OpenTab,
    frozen: bool,
    /// Its session's key is in memory only.
    alone: bool,
    calls: Vec<Started<Result<CallOutcome<Answer>, SessionError>>>,
}

#[derive(Default)]
pub(crate) struct Browser {
    simulation: Option<Simulation>,
    bound: bool,
    pages: Vec<Page>,
    people: u32,
    /// The users who signed in more than once.
    again: BTreeSet<u32>,
    /// The reasons with which each user may be signed out.
    reasons: BTreeMap<u32, BTreeSet<&'static str>>,
    /// The times at which the clock was set back; real time in seconds.
    set_back: Vec<f64>,
    slept: bool,
    /// An ID token may have come from another issuer, which ends the session.
    bad_id_tokens: bool,
    /// The `Retry-After` of the provider, in seconds.
    asked_to_wait: u64,
    /// For a time, nothing could be stored.
    kept_nothing: bool,
    /// A sign-out happened while nothing could be deleted.
    left_something: bool,
}

const ORDERS: &str = "https://app.example/api/orders";

const LEFT: &str = "left";
const IDLE: &str = "idle";
const ENDED: &str = "ended by the provider";
const EXPIRED: &str = "expired";

impl Browser {
    pub(crate) fn new(given: Given) -> Self {
        let simulation = Simulation::new();
        let provider = &simulation.world.provider;
        provider.expires_in.replace(given.lifetime);
        provider.rotates.replace(given.rotates);
        provider.gives_refresh_tokens.set(given.refresh_tokens);
        let mut browser = Self {
            simulation: Some(simulation),
            bound: given.bound,
            ..Self::default()
        };
        browser.open();
        browser
    }

    fn simulation(&mut self) -> &mut Simulation {
        self.simulation.as_mut().unwrap()
    }

    fn world(&self) -> &crate::world::World {
        &self.simulation.as_ref().unwrap().world
    }

    fn now(&self) -> f64 {
        self.world().wall.get() / 1000.0
    }

    fn open(&mut self) -> usize {
        let mut client = self.world().provider.client();
        if self.bound {
            client.dpop = DpopMode::Required;
        }
        let tab = self.simulation().open_with(client);
        let session = tab.session.clone();
        self.simulation().start(async move { session.restore().await });
        self.pages.push(Page {
            tab,
            frozen: false,
            alone: false,
            calls: Vec::new(),
        });
        self.pages.len() - 1
    }

    fn close(&mut self, at: usize) {
        let page = self.pages.remove(at);
        self.simulation().close(page.tab);
    }

    /// Returns the page with this number, if it is running.
    fn awake(&self, number: usize) -> Option<(usize, &OpenTab)> {
        let at = number % self.pages.len();
        (!self.pages[at].frozen).then(|| (at, &self.pages[at].tab))
    }

    fn start<T: 'static>(
        &mut self,
        number: usize,
        work: impl AsyncFnOnce(pixygate::session::Session<crate::platform::Tab>) -> T + 'static,
    ) -> Option<Started<T>> {
        let session = self.awake(number)?.1.session.clone();
        Some(self.simulation().start(async move { work(session).await }))
    }

    /// The same for operations that leave the page: users stay at the provider for longer than a page waits.
    fn start_off<T: 'static>(
        &mut self,
        number: usize,
        work: impl AsyncFnOnce(pixygate::session::Session<crate::platform::Tab>) -> T + 'static,
    ) -> Option<T> {
        let hurry = self.simulation().hurry.take();
        let started = self.start(number, work);
        self.simulation().hurry = hurry;
        started?.take()
    }

    fn show(&mut self, number: usize) {
        self.start(number, async |session| {
            session.retry_now();
            session.sync().await;
        });
    }

    fn fire_timers(&mut self) {
        for at in 0..self.pages.len() {
            let due = self.pages[at].tab.state.wakes_at.get();
            if due.is_some_and(|due| due <= self.world().monotonic.get()) {
                self.pages[at].tab.state.wakes_at.take();
                self.start(at, async |session| session.refresh_ahead().await);
            }
        }
    }

    /// Goes to the provider in this tab, which comes back as a new page.
    fn sign_in(&mut self, number: usize) {
        let Some((at, _)) = self.awake(number) else { return };
        let left = self.start_off(at, async |session| session.sign_in(&SignIn::default()).await);
        if !matches!(left, Some(Ok(()))) {
            return;
        }
        let person = self.somebody();
        let query = self.come_back(at, &person);
        self.arrive(at, query);
    }

    /// Returns a user who has not signed in before.
    fn somebody(&mut self) -> String {
        self.people += 1;
        if !self.world().provider.gives_refresh_tokens.get() {
            self.reasons.entry(self.people).or_default().insert(EXPIRED);
        }
        self.people.to_string()
    }

    fn come_back(&self, at: usize, person: &str) -> String {
        self.simulation.as_ref().unwrap().come_back(&self.pages[at].tab, person)
    }

    /// Replaces the page of the tab by a new one.
    fn arrive(&mut self, at: usize, query: String) {
        self.close(at);
        let at = self.open();
        self.start(at, async move |session| session.complete(&query).await);
    }

    fn sign_in_again(&mut self, number: usize) {
        let Some((at, tab)) = self.awake(number) else { return };
        let Some(person) = tab.subject() else { return };
        self.again.insert(person.parse().unwrap());
        let left = self.start_off(at, async |session| session.sign_in(&SignIn::default()).await);
        if matches!(left, Some(Ok(()))) {
            let query = self.come_back(at, &person);
            self.arrive(at, query);
        }
    }

    fn sign_in_window(&mut self, number: usize) {
        let Some((at, _)) = self.awake(number) else { return };
        let begun = self.start_off(at, async |session| session.begin_in_window(&SignIn::default()).await);
        let Some(Ok((state, url))) = begun else {
            return;
        };
        let page = &self.pages[at].tab;
        page.state.went_to.borrow_mut().push(url);
        let page_completes = page.session.waits_for(&state);
        let person = self.somebody();
        let query = self.come_back(at, &person);
        if page_completes {
            self.pages[at].alone = self.bound;
            self.start(at, async move |session| session.complete(&query).await);
        } else {
            let window = self.open();
            self.start(window, async move |session| session.complete(&query).await);
            if self.pages.len() > 4 {
                self.close(window);
            }
        }
    }

    fn step_up(&mut self, number: usize, declines: bool) {
        let Some((at, tab)) = self.awake(number) else { return };
        let Some(person) = tab.subject() else { return };
        if !declines {
            self.again.insert(person.parse().unwrap());
        }
        let demand = StepUp::Authentication {
            acr_values: vec!["gold".to_owned()],
            max_age: None,
        };
        let waiting = PendingRequest {
            method: "GET".to_owned(),
            url: ORDERS.to_owned(),
            content_type: None,
            headers: Vec::new(),
            body: None,
        };
        let left = self.start_off(at, async move |session| {
            session.step_up(&demand, waiting, ReturnTo::default()).await
        });
        if !matches!(left, Some(Ok(()))) {
            return;
        }
        let query = match declines {
            true => {
                let tab = &self.pages[at].tab;
                self.simulation.as_ref().unwrap().come_back_with(tab, "access_denied")
            }
            false => self.come_back(at, &person),
        };
        self.arrive(at, query);
    }

    /// From now on, every signed-in user may be signed out for this reason.
    fn leave(&mut self, reason: &'static str) {
        self.left_something |= self.world().storage_denied.get();
        for person in 1..=self.people {
            self.reasons.entry(person).or_default().insert(reason);
        }
    }

    fn step(&mut self, step: &Step) {
        let now = self.now();
        match step {
            Step::Open if self.pages.len() < 4 => drop(self.open()),
            Step::Open => {}
            Step::Close(number) if self.pages.len() > 1 => self.close(number % self.pages.len()),
            Step::Close(number) | Step::Reload(number) => {
                self.close(number % self.pages.len());
                self.open();
            }
            Step::Freeze(number) => {
                let at = number % self.pages.len();
                self.pages[at].frozen = !self.pages[at].tab.state.holds_a_lock();
            }
            Step::Thaw(number) => {
                let at = number % self.pages.len();
                self.pages[at].frozen = false;
                self.show(at);
            }
            Step::Pass(seconds) => {
                self.simulation().pass(f64::from(*seconds));
                self.fire_timers();
            }
            Step::Sleep(seconds) => {
                self.slept = true;
                self.simulation().sleep(f64::from(*seconds));
            }
            Step::SetClock(seconds) => {
                if *seconds < 0 {
                    self.set_back.push(now);
                }
                let error = &self.world().clock_error;
                error.set(error.get() + f64::from(*seconds) * 1000.0);
            }
            Step::Online(yes) => {
                self.world().offline.set(!yes);
                for at in 0..self.pages.len() {
                    if *yes {
                        self.show(at);
                    }
                }
            }
            Step::Behaviour(behaviour) => {
                if let Behaviour::Busy(seconds) = behaviour {
                    self.asked_to_wait = self.asked_to_wait.max(*seconds);
                }
                self.world().provider.behaviour.replace(behaviour.clone());
            }
            Step::Hold { answers: false } => self.world().held_back.set(true),
            Step::Hold { answers: true } => self.world().answers_held_back.set(true),
            Step::HoldNoMore => {
                self.world().held_back.set(false);
                self.world().answers_held_back.set(false);
            }
            Step::Release => self.simulation().release(),
            Step::StorageDenied(yes) => {
                self.kept_nothing |= yes;
                self.world().storage_denied.set(*yes);
            }
            Step::StorageFull(yes) => {
                self.kept_nothing |= yes;
                self.world().storage_full.set(*yes);
            }
            Step::ClearStorage => {
                self.leave(LEFT);
                self.world().vault.take();
                self.world().dpop.take();
            }
            Step::SignIn(number) => self.sign_in(*number),
            Step::SignInAgain(number) => self.sign_in_again(*number),
            Step::SignInWindow(number) => self.sign_in_window(*number),
            Step::SignInStronger(number, declines) => self.step_up(*number, *declines),
            Step::Idle(number) => {
                if self
                    .start(*number, async |session| session.sign_out_idle().await)
                    .is_some()
                {
                    self.leave(IDLE);
                }
            }
            Step::BadIdTokens(yes) => {
                self.bad_id_tokens |= yes;
                let claims = if *yes {
                    json!({ "iss": "https://other.example" })
                } else {
                    json!({})
                };
                self.world().provider.claims.replace(claims);
            }
            Step::SignOut(number) => {
                if self.start(*number, async |session| session.sign_out().await).is_some() {
                    self.leave(LEFT);
                }
            }
            Step::SignOutHere(number) => {
                if self
                    .start(*number, async |session| session.sign_out_here().await)
                    .is_some()
                {
                    self.leave(LEFT);
                }
            }
            Step::EndAll => self.world().provider.end_all(),
            Step::Call(number) => {
                let at = number % self.pages.len();
                let whose = self.pages[at].tab.subject().unwrap_or_default();
                let called = self.start(*number, async move |session| {
                    call(&session, "GET", ORDERS, &whose).await
                });
                self.pages[at].calls.extend(called);
            }
            Step::GiveUp(number) => {
                let Some((_, tab)) = self.awake(*number) else { return };
                let (session, whose) = (tab.session.clone(), tab.subject().unwrap_or_default());
                // It is in flight, and stays so until requests are let through.
                self.world().held_back.set(true);
                let made = async move { drop(call(&session, "GET", ORDERS, &whose).await) };
                let (made, caller) = abortable(made);
                self.simulation().start(made);
                caller.abort();
            }
            Step::RefreshAhead(number) => {
                self.start(*number, async |session| session.refresh_ahead().await);
            }
            Step::Exchange(number) => {
                let exchange = TokenExchange::organization("acme");
                self.start(*number, async move |session| session.exchange(exchange).await);
            }
            Step::ExchangeBack(number) => {
                self.start(*number, async |session| session.end_exchange().await);
            }
            Step::RefuseExchange(yes) => {
                let error = yes.then_some("invalid_grant");
                self.world().provider.refuses_exchange.set(error);
            }
            Step::Deliver(number) => {
                if self.awake(*number).is_some_and(|(_, tab)| tab.state.has_message.take()) {
                    self.start(*number, async |session| session.sync().await);
                }
            }
            Step::Lose(number) => {
                let at = number % self.pages.len();
                self.pages[at].tab.state.has_message.set(false);
            }
            Step::Show(number) => self.show(*number),
            Step::Hurry(turns) => return self.simulation().hurry = Some(*turns),
            Step::Agree => self.agree(),
        }
        if self.simulation().hurry.take().is_none() {
            self.simulation().settle();
        }
    }

    /// Checks the invariants.
    fn check(&mut self) {
        let world = self.world();
        assert!(world.most_refreshes.get() <= 1, "two refreshes at once");
        assert_eq!(*world.provider.reused.borrow(), [""; 0], "a rotation was lost");

        for person in world.provider.ended.take() {
            let person = person.parse().unwrap();
            self.reasons.entry(person).or_default().insert(ENDED);
        }
        for token in self.world().api.expired.take() {
            // In this case no clock of the page has measured the time.
            let excused = self.slept && self.set_back.iter().any(|time| *time >= token.issued);
            assert!(excused, "a call went out with a token that was expired");
        }
        for seen in self
            .world()
            .api
            .seen
            .borrow()
            .iter()
            .filter(|seen| !seen.body.is_empty())
        {
            let access = self.world().provider.access.borrow();
            let mut issued = access.get(&seen.access_token).into_iter();
            assert!(
                issued.all(|token| token.grant.subject == seen.body),
                "a call was made as another person"
            );
        }
        for page in &self.pages {
            let mut before: Option<u32> = None;
            let (mut last, mut gone) = (None, BTreeSet::new());
            for event in page.tab.state.events.borrow().iter() {
                let Event::Changed(state) = event else { continue };
                if let (Some(person), AuthState::SignedOut(reason)) = (&before, state) {
                    let reason = match reason {
                        Some(SignOutReason::SignedOut | SignOutReason::SignedOutLocally) => LEFT,
                        Some(SignOutReason::EndedByProvider) => ENDED,
                        Some(SignOutReason::Expired) => EXPIRED,
                        Some(SignOutReason::Idle) => IDLE,
                        Some(SignOutReason::RefreshRejected(_)) => "not renewed",
                        None => "none",
                    };
                    // Another user may have signed in in another tab, without a message to this one.
                    let arrived = self.world().arrived.borrow();
                    let turn = |person: &u32| arrived.iter().position(|it| *it == person.to_string());
                    let allowed = self
                        .reasons
                        .iter()
                        .any(|(other, reasons)| turn(other) >= turn(person) && reasons.contains(reason))
                        || self.bad_id_tokens && reason == ENDED;
                    assert!(allowed, "person {person} was signed out, for this reason: {reason}");
                }
                before = match state {
                    AuthState::SignedIn(person) => Some(person.claims().sub.parse().unwrap()),
                    // A user who is signing out has a reason.
                    _ => None,
                };
                // A user who was signed out or replaced must sign in to come back.
                match before {
                    Some(person) => {
                        gone.extend(last.replace(person).filter(|last| *last != person));
                        let back = gone.contains(&person) && !self.again.contains(&person);
                        assert!(!back, "person {person} is back");
                    }
                    None => gone.extend(last.filter(|_| match state {
                        // Another tab may have had newer tokens, which could not be stored until now.
                        AuthState::SignedOut(Some(SignOutReason::EndedByProvider)) => !self.kept_nothing,
                        AuthState::SignedOut(_) => true,
                        _ => false,
                    })),
                }
            }
        }
        for page in &mut self.pages {
            page.calls.retain(|called| called.borrow().is_none());
        }
    }

    /// Ends all faults, and checks that the tabs agree.
    fn agree(&mut self) {
        self.simulation().hurry = None;
        let world = self.world();
        world.provider.behaviour.take();
        world.provider.claims.replace(json!({}));
        world.provider.refuses_exchange.set(None);
        world.offline.set(false);
        world.storage_denied.set(false);
        world.storage_full.set(false);
        let asked_to_wait = std::mem::take(&mut self.asked_to_wait);
        self.simulation().pass(asked_to_wait as f64);
        self.simulation().release();
        for page in &mut self.pages {
            page.frozen = false;
        }
        // Twice, because a sync may send messages.
        for _ in 0..2 {
            for at in 0..self.pages.len() {
                self.pages[at].tab.state.has_message.set(false);
                self.show(at);
            }
        }
        let mut calls = self.pages.iter().flat_map(|page| &page.calls);
        assert!(calls.all(|called| called.borrow().is_some()), "a call hangs");
        let people = |browser: &Self| -> BTreeSet<_> {
            let alone = |page: &&Page| page.alone && !page.tab.session.is_stored();
            let together = browser.pages.iter().filter(|page| !alone(page));
            together.map(|page| page.tab.subject()).collect()
        };
        assert!(people(self).len() <= 1, "the tabs do not agree: {:?}", people(self));

        // The first call may discover that the session has ended.
        for at in 0..self.pages.len() {
            self.step(&Step::Call(at));
            let called = self.pages[at].calls.pop().unwrap().take().expect("the call hangs");
            match called {
                Ok(CallOutcome::Response(answer)) if answer.status == 401 => {
                    // The token's age or its revocation is unknown, and it cannot be replaced.
                    let refreshes = self.world().provider.gives_refresh_tokens.get();
                    let excused = !self.set_back.is_empty() && self.slept || self.left_something;
                    assert!(!refreshes && excused, "all is well, and yet it is refused");
                }
                Ok(CallOutcome::Response(answer)) => assert_eq!(answer.status, 200),
                Err(SessionError::SignedOut(_)) => {}
                // The same for the subject token of an exchange.
                Err(SessionError::Token(error)) if error.ends_session() => {
                    let refreshes = self.world().provider.gives_refresh_tokens.get();
                    let excused = !self.set_back.is_empty() && self.slept;
                    assert!(!refreshes && excused, "all is well, and yet {error}");
                }
                other => panic!("all is well, and yet {other:?}"),
            }
        }
        for at in 0..self.pages.len() {
            self.show(at);
        }
        assert!(people(self).len() <= 1, "the tabs do not agree: {:?}", people(self));
    }

    pub(crate) fn run(mut self, steps: &[Step]) {
        for step in steps.iter().chain(&[Step::Agree]) {
            let requests = |browser: &Self| {
                let world = browser.world();
                world.provider.requests.borrow().len() + world.api.seen.borrow().len()
            };
            let before = requests(&self);
            self.step(step);
            assert!(requests(&self) - before < 100, "{step:?} never ends");
            self.check();
        }
    }
}
