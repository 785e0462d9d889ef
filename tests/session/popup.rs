//! Calls that wait on their page for a sign-in in another window.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::oneshot;
use pixygate::authorization::{SignIn, TokenExchange};
use pixygate::session::{LocalFuture, Platform as _, SessionError, StepUp};

use crate::api::Answer;
use crate::world::{OpenTab, Simulation, Started};

const TRANSFER: &str = "https://app.example/api/transfer";
const SIGN: &str = "https://app.example/api/sign";

type Made = Started<Result<Answer, SessionError>>;

type Outcome = Result<(), SessionError>;

/// The window that calls open and the test closes.
#[derive(Clone, Default)]
struct Window {
    asked: Rc<RefCell<Vec<StepUp>>>,
    open: Rc<RefCell<Option<oneshot::Sender<Outcome>>>>,
}

impl Window {
    fn sign_in(&self, demand: StepUp) -> LocalFuture<Outcome> {
        self.asked.borrow_mut().push(demand);
        let (close, closed) = oneshot::channel();
        self.open.replace(Some(close));
        Box::pin(async move { closed.await.unwrap_or(Err(SessionError::Cancelled)) })
    }

    fn close(&self, simulation: &mut Simulation, outcome: Outcome) {
        let open = self.open.take().unwrap();
        open.send(outcome).unwrap();
        simulation.settle();
    }

    fn is_open(&self) -> bool {
        self.open.borrow().as_ref().is_some_and(|open| !open.is_canceled())
    }
}

fn gold() -> StepUp {
    StepUp::Authentication {
        acr_values: vec!["gold".to_owned()],
        max_age: Some(300),
    }
}

/// Signs Alice in and makes two calls that require more.
fn wanted() -> (Simulation, OpenTab, Window) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    let wants = &simulation.world.api.wants_acr;
    wants.borrow_mut().insert("/api/transfer", "gold");
    wants.borrow_mut().insert("/api/sign", "gold");
    (simulation, tab, Window::default())
}

fn make(simulation: &mut Simulation, tab: &OpenTab, window: &Window, url: &'static str) -> Made {
    let (session, window, world) = (tab.session.clone(), window.clone(), Rc::clone(&simulation.world));
    simulation.start(async move {
        let send = async |credentials| {
            session.platform().responds(url).await?;
            let now = world.wall.get() / 1000.0;
            Ok(world.api.answer(&world.provider, "POST", url, "100", &credentials, now))
        };
        let sign_in = |demand| window.sign_in(demand);
        session.call_stepping_up("POST", url, send, sign_in).await
    })
}

/// Signs in in the window, with this `acr`.
fn sign_in(simulation: &mut Simulation, tab: &OpenTab, window: &Window, subject: &str, acr: &str) {
    let other = simulation.open();
    let options = SignIn {
        acr_values: vec![acr.to_owned()],
        ..SignIn::default()
    };
    let query = simulation.visit_provider_with(&other, subject, &options);
    simulation.run(other.session.complete(&query)).unwrap();
    simulation.deliver(&[tab]);
    window.close(simulation, Ok(()));
}

fn status(made: &Made) -> Option<u16> {
    match made.borrow().as_ref()? {
        Ok(answer) => Some(pixygate::session::HttpResponse::status(answer)),
        Err(error) => panic!("no answer: {error}"),
    }
}

fn sent(simulation: &Simulation) -> Vec<u16> {
    let seen = simulation.world.api.seen.borrow();
    seen.iter().map(|seen| seen.status).collect()
}

#[test]
fn the_call_is_made_again_for_the_person_who_made_it() {
    let (mut simulation, tab, window) = wanted();
    let made = make(&mut simulation, &tab, &window, TRANSFER);
    assert_eq!(*window.asked.borrow(), [gold()]);
    sign_in(&mut simulation, &tab, &window, "alice", "gold");
    assert_eq!(status(&made), Some(200));
    assert_eq!(sent(&simulation), [401, 200]);
}

#[test]
fn it_is_not_made_for_another_person() {
    let (mut simulation, tab, window) = wanted();
    let made = make(&mut simulation, &tab, &window, TRANSFER);
    sign_in(&mut simulation, &tab, &window, "bob", "gold");
    assert_eq!(*made.borrow(), Some(Err(SessionError::AnotherUser)));
    assert_eq!(tab.subject().as_deref(), Some("bob"));
    assert_eq!(sent(&simulation), [401], "nothing was sent as Bob");
}

#[test]
fn calls_that_ask_at_once_share_one_sign_in() {
    let (mut simulation, tab, window) = wanted();
    let first = make(&mut simulation, &tab, &window, TRANSFER);
    let second = make(&mut simulation, &tab, &window, SIGN);
    assert_eq!(*window.asked.borrow(), [gold()], "one window");
    sign_in(&mut simulation, &tab, &window, "alice", "gold");
    assert_eq!((status(&first), status(&second)), (Some(200), Some(200)));
    assert_eq!(window.asked.borrow().len(), 1);

    // Nor are they made after another user has signed in.
    simulation.sign_in(&tab, "alice");
    let first = make(&mut simulation, &tab, &window, TRANSFER);
    let second = make(&mut simulation, &tab, &window, SIGN);
    assert_eq!(window.asked.borrow().len(), 2);
    sign_in(&mut simulation, &tab, &window, "bob", "gold");
    for made in [first, second] {
        assert_eq!(*made.borrow(), Some(Err(SessionError::AnotherUser)));
    }
}

#[test]
fn without_the_sign_in_the_refusal_is_the_answer_of_both() {
    let (mut simulation, tab, window) = wanted();
    let first = make(&mut simulation, &tab, &window, TRANSFER);
    let second = make(&mut simulation, &tab, &window, SIGN);
    window.close(&mut simulation, Err(SessionError::Cancelled));
    assert_eq!((status(&first), status(&second)), (Some(401), Some(401)));
    assert_eq!(window.asked.borrow().len(), 1);
    // The next call requests a sign-in again.
    let third = make(&mut simulation, &tab, &window, TRANSFER);
    assert_eq!((status(&third), window.asked.borrow().len()), (None, 2));
}

#[test]
fn a_sign_in_that_brings_less_is_not_asked_for_again() {
    let (mut simulation, tab, window) = wanted();
    let first = make(&mut simulation, &tab, &window, TRANSFER);
    let second = make(&mut simulation, &tab, &window, SIGN);
    sign_in(&mut simulation, &tab, &window, "alice", "silver");
    assert_eq!((status(&first), status(&second)), (Some(401), Some(401)));
    assert_eq!(window.asked.borrow().len(), 1);
}

#[test]
fn another_demand_has_a_sign_in_of_its_own_afterwards() {
    let (mut simulation, tab, window) = wanted();
    simulation
        .world
        .api
        .wants_acr
        .borrow_mut()
        .insert("/api/sign", "platinum");
    let first = make(&mut simulation, &tab, &window, TRANSFER);
    let second = make(&mut simulation, &tab, &window, SIGN);
    sign_in(&mut simulation, &tab, &window, "alice", "gold");
    assert_eq!((status(&first), status(&second)), (Some(200), None));
    assert_eq!(window.asked.borrow().len(), 2);
    sign_in(&mut simulation, &tab, &window, "alice", "platinum");
    assert_eq!(status(&second), Some(200));
}

#[test]
fn a_refusal_that_comes_after_the_sign_in_asks_for_no_other() {
    let (mut simulation, tab, window) = wanted();
    let first = make(&mut simulation, &tab, &window, TRANSFER);
    // The server has rejected the second one, and the response is still on its way.
    let (arrive, way) = oneshot::channel::<()>();
    let way = Cell::new(Some(way));
    let (session, opens, world) = (tab.session.clone(), window.clone(), Rc::clone(&simulation.world));
    let second: Made = simulation.start(async move {
        let send = async |credentials| {
            let now = world.wall.get() / 1000.0;
            let answer = world.api.answer(&world.provider, "POST", SIGN, "", &credentials, now);
            if let Some(way) = way.take() {
                way.await.unwrap();
            }
            Ok(answer)
        };
        session
            .call_stepping_up("POST", SIGN, send, |demand| opens.sign_in(demand))
            .await
    });
    sign_in(&mut simulation, &tab, &window, "alice", "gold");
    arrive.send(()).unwrap();
    simulation.settle();
    assert_eq!((status(&first), status(&second)), (Some(200), Some(200)));
    assert_eq!(window.asked.borrow().len(), 1);
}

#[test]
fn a_sign_in_that_nobody_waits_for_any_more_is_given_up() {
    let (mut simulation, tab, window) = wanted();
    let (give_up, given_up) = oneshot::channel::<()>();
    let (session, opens) = (tab.session.clone(), window.clone());
    let call = async move {
        let refused = async |_| {
            let challenge = "Bearer error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=300";
            Ok(Answer::new(401, &[("WWW-Authenticate", challenge)]))
        };
        let call = session.call_stepping_up("POST", TRANSFER, refused, |demand| opens.sign_in(demand));
        futures::future::select(Box::pin(call), given_up).await;
    };
    simulation.start(call);
    assert!(window.is_open());
    give_up.send(()).unwrap();
    simulation.settle();
    assert!(!window.is_open());
    let made = make(&mut simulation, &tab, &window, TRANSFER);
    assert_eq!(window.asked.borrow().len(), 2, "the next call does not wait for it");
    sign_in(&mut simulation, &tab, &window, "alice", "gold");
    assert_eq!(status(&made), Some(200));
}

#[test]
fn the_call_is_made_again_for_the_same_organisation() {
    let (mut simulation, tab, window) = wanted();
    simulation
        .run(tab.session.exchange(TokenExchange::organization("branch")))
        .unwrap();
    let made = make(&mut simulation, &tab, &window, TRANSFER);
    let before = simulation.world.provider.requests.borrow().len();
    sign_in(&mut simulation, &tab, &window, "alice", "gold");
    assert!(made.borrow().is_some(), "it is answered");
    let requests = simulation.world.provider.requests.borrow();
    let exchanged = |form: &&crate::provider::Form| form.values().any(|value| value == "branch");
    assert_eq!(requests[before..].iter().filter(exchanged).count(), 1);
}

#[test]
fn who_starts_again_in_the_window_is_still_there_for_the_page_that_opened_it() {
    for (opened, closes) in [(true, true), (false, false)] {
        let mut simulation = Simulation::new();
        let (tab, window) = (simulation.open(), simulation.open());
        if opened {
            let begun = simulation.run(tab.session.begin_in_window(&SignIn::default()));
            window.state.went_to.borrow_mut().push(begun.unwrap().1);
        } else {
            simulation.run(window.session.sign_in(&SignIn::default())).unwrap();
        }
        for error in ["access_denied", "server_error"] {
            let refused = simulation.come_back_with(&window, error);
            assert!(simulation.run(window.session.complete(&refused)).is_err());
            // The page offers to start again, by a normal redirect.
            simulation.run(window.session.sign_in(&SignIn::default())).unwrap();
        }
        let query = simulation.come_back(&window, "alice");
        let landing = simulation.run(window.session.complete(&query)).unwrap();
        assert_eq!(landing.popup, closes);
        simulation.deliver(&[&tab]);
        assert_eq!(tab.subject().as_deref(), Some("alice"));

        // A window that stays open is a normal one then.
        let query = simulation.visit_provider(&window, "alice");
        let landing = simulation.run(window.session.complete(&query)).unwrap();
        assert!(!landing.popup);
    }
}
