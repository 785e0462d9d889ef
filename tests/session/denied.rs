//! Signing in without storage: in a new window, while the page stays open with the state in memory.

use pixygate::authorization::{CallbackError, DpopMode, SignIn};
use pixygate::session::{AuthState, CallOutcome, Event, SessionError, SignInFailure, SignOutReason};

use crate::world::{OpenTab, Simulation, World};

const ORDERS: &str = "https://app.example/api/orders";

/// How a browser denies storage: there is none, or nothing can be written.
const WAYS: [fn(&World); 2] = [
    |world| world.storage_denied.set(true),
    |world| world.storage_full.set(true),
];

/// Opens a page that cannot store anything. `bound` tokens are bound to the browser's key.
fn denied(by: fn(&World), bound: bool) -> (Simulation, OpenTab) {
    let simulation = Simulation::new();
    by(&simulation.world);
    let tab = open(&simulation, bound);
    (simulation, tab)
}

fn open(simulation: &Simulation, bound: bool) -> OpenTab {
    let mut client = simulation.world.provider.client();
    if bound {
        client.dpop = DpopMode::Required;
    }
    simulation.open_with(client)
}

/// Opens the window and returns the query of its callback.
fn come_back(simulation: &mut Simulation, tab: &OpenTab, subject: &str) -> (String, String) {
    let (state, url) = simulation.run(tab.session.begin_in_window(&SignIn::default())).unwrap();
    tab.state.went_to.borrow_mut().push(url);
    (state, simulation.come_back(tab, subject))
}

fn sign_in(simulation: &mut Simulation, tab: &OpenTab, subject: &str) {
    let (_, query) = come_back(simulation, tab, subject);
    simulation.run(tab.session.complete(&query)).unwrap();
}

fn unknown(outcome: Result<pixygate::session::SignInOutcome, SignInFailure>) -> bool {
    outcome.unwrap_err().error == SessionError::Callback(CallbackError::UnknownState)
}

fn calls(simulation: &mut Simulation, tab: &OpenTab) -> bool {
    let called = simulation.run(tab.call("GET", ORDERS, ""));
    matches!(called, Ok(CallOutcome::Response(answer)) if answer.status == 200)
}

#[test]
fn the_page_that_stays_completes_the_sign_in_and_is_signed_in_until_it_is_gone() {
    for (by, bound) in [(WAYS[0], false), (WAYS[0], true), (WAYS[1], false), (WAYS[1], true)] {
        let (mut simulation, tab) = denied(by, bound);
        let (state, query) = come_back(&mut simulation, &tab, "alice");
        assert!(tab.session.waits_for(&state));
        let window = open(&simulation, bound);
        assert!(
            simulation.run(window.session.complete(&query)).is_err(),
            "it knows nothing"
        );
        assert!(!window.session.waits_for(&state));

        let landing = simulation.run(tab.session.complete(&query)).unwrap();
        assert!(landing.popup);
        assert_eq!(tab.subject().as_deref(), Some("alice"));
        assert!(!tab.session.is_stored());
        assert!(tab.state.events.borrow().contains(&Event::NotStored), "and it is told");
        assert!(calls(&mut simulation, &tab));
        simulation.pass(3600.0);
        assert!(calls(&mut simulation, &tab), "with another token");
        assert_eq!(simulation.world.provider.refreshes(), 1);
        // A sync, as after the page was hidden by the window, changes nothing.
        simulation.run(tab.session.sync());
        assert!(calls(&mut simulation, &tab));

        assert!(simulation.world.vault.borrow().is_empty());
        let reloaded = open(&simulation, bound);
        simulation.run(reloaded.session.restore());
        assert!(reloaded.signed_out());
    }
}

#[test]
fn nobody_leaves_the_page_and_the_way_on_is_said() {
    for (by, bound) in [(WAYS[0], false), (WAYS[0], true), (WAYS[1], false), (WAYS[1], true)] {
        let (mut simulation, tab) = denied(by, bound);
        let error = simulation.run(tab.session.sign_in(&SignIn::default())).unwrap_err();
        assert!(matches!(error, SessionError::Storage(_)), "{error:?}");
        assert!(error.to_string().contains("in a window of its own works"));
        assert!(tab.state.went_to.borrow().is_empty());
        for lost in [&simulation.world.storage_denied, &simulation.world.storage_full] {
            lost.set(false);
        }
        simulation.sign_in(&tab, "alice");
        assert!(tab.session.is_stored() && calls(&mut simulation, &tab));
    }
}

#[test]
fn while_the_window_is_open_the_page_may_look_and_the_key_stays() {
    let (mut simulation, tab) = denied(WAYS[0], true);
    let (_, query) = come_back(&mut simulation, &tab, "alice");
    simulation.run(tab.session.sync());
    assert!(tab.signed_out());
    simulation.run(tab.session.complete(&query)).unwrap();
    assert!(calls(&mut simulation, &tab));
}

#[test]
fn it_is_completed_once_and_for_its_own_state_only() {
    let (mut simulation, tab) = denied(WAYS[0], true);
    let (_, query) = come_back(&mut simulation, &tab, "alice");
    // The callback of a sign-in that another browser began.
    let mut elsewhere = Simulation::new();
    let other = elsewhere.open();
    let foreign = elsewhere.visit_provider(&other, "mallory");
    let outcome = simulation.run(tab.session.complete(&foreign));
    assert!(matches!(outcome.unwrap_err().error, SessionError::Storage(_)));
    assert_eq!(
        simulation.world.provider.requests_of_type("authorization_code"),
        0,
        "nothing is sent"
    );

    simulation.run(tab.session.complete(&query)).unwrap();
    simulation.run(tab.session.sign_out_here());
    assert!(simulation.run(tab.session.complete(&query)).is_err());
    assert_eq!(simulation.world.provider.requests_of_type("authorization_code"), 1);
}

#[test]
fn several_at_once_do_not_mix() {
    let (mut simulation, tab) = denied(WAYS[0], true);
    let (first, alice) = come_back(&mut simulation, &tab, "alice");
    let (second, bob) = come_back(&mut simulation, &tab, "bob");
    simulation.run(tab.session.complete(&bob)).unwrap();
    assert_eq!(tab.subject().as_deref(), Some("bob"));
    assert!(tab.session.waits_for(&first) && !tab.session.waits_for(&second));
    simulation.run(tab.session.complete(&alice)).unwrap();
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    assert!(calls(&mut simulation, &tab));
}

#[test]
fn what_the_provider_refuses_is_told_and_the_next_window_signs_in() {
    let (mut simulation, tab) = denied(WAYS[0], true);
    come_back(&mut simulation, &tab, "alice");
    let refused = simulation.come_back_with(&tab, "access_denied");
    let failure = simulation.run(tab.session.complete(&refused)).unwrap_err();
    assert!(matches!(
        failure.error,
        SessionError::Callback(CallbackError::Provider { .. })
    ));
    sign_in(&mut simulation, &tab, "alice");
    assert!(calls(&mut simulation, &tab));
}

#[test]
fn who_is_signed_in_steps_up_the_same_way() {
    let (mut simulation, tab) = denied(WAYS[0], true);
    sign_in(&mut simulation, &tab, "alice");
    let (_, query) = come_back(&mut simulation, &tab, "alice");
    assert!(calls(&mut simulation, &tab), "meanwhile the session is as it was");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert!(calls(&mut simulation, &tab));
}

#[test]
fn signing_out_forgets_it() {
    let (mut simulation, tab) = denied(WAYS[0], true);
    sign_in(&mut simulation, &tab, "alice");
    let (state, query) = come_back(&mut simulation, &tab, "alice");
    simulation.run(tab.session.sign_out_here());
    assert!(!tab.session.waits_for(&state));
    assert!(simulation.run(tab.session.complete(&query)).is_err());
    assert!(tab.signed_out());
    assert_eq!(
        simulation.world.provider.valid_refresh_tokens(),
        0,
        "the tokens are revoked"
    );
    sign_in(&mut simulation, &tab, "bob");
    assert!(calls(&mut simulation, &tab));
}

#[test]
fn who_signs_out_while_the_code_is_exchanged_stays_signed_out() {
    let (mut simulation, tab) = denied(WAYS[0], true);
    let (_, query) = come_back(&mut simulation, &tab, "alice");
    simulation.world.answers_held_back.set(true);
    let session = tab.session.clone();
    let completed = simulation.start(async move { session.complete(&query).await });
    let session = tab.session.clone();
    simulation.start(async move { session.sign_out_here().await });
    simulation.release();
    assert!(unknown(completed.take().unwrap()));
    assert!(tab.signed_out());
    assert_eq!(
        simulation.world.provider.valid_refresh_tokens(),
        0,
        "what came is revoked"
    );
}

#[test]
fn the_abandoned_are_forgotten() {
    for (seconds, is_there) in [(3599.0, true), (3601.0, false)] {
        let (mut simulation, tab) = denied(WAYS[0], false);
        let (state, query) = come_back(&mut simulation, &tab, "alice");
        simulation.pass(seconds);
        assert_eq!(tab.session.waits_for(&state), is_there);
        assert_eq!(simulation.run(tab.session.complete(&query)).is_ok(), is_there);
    }
}

#[test]
fn where_something_can_be_kept_the_window_completes_it_itself() {
    let (mut simulation, tab) = denied(|_| {}, true);
    let (state, query) = come_back(&mut simulation, &tab, "alice");
    assert!(!tab.session.waits_for(&state));
    let window = open(&simulation, true);
    simulation.run(window.session.complete(&query)).unwrap();
    simulation.deliver(&[&tab]);
    assert!(tab.session.is_stored() && calls(&mut simulation, &tab));
}

#[test]
fn when_it_can_be_kept_after_all_it_is_with_its_key_and_not_beside_another() {
    for (bound, there_is_another) in [(false, false), (true, false), (true, true)] {
        let (mut simulation, tab) = denied(WAYS[0], bound);
        sign_in(&mut simulation, &tab, "alice");
        simulation.world.storage_denied.set(false);
        let other = open(&simulation, bound);
        if there_is_another {
            // A user began to sign in there.
            simulation.run(other.session.sign_in(&SignIn::default())).unwrap();
        }
        simulation.run(tab.session.sync());
        simulation.deliver(&[&other]);
        assert_eq!(tab.session.is_stored(), !there_is_another);
        assert!(calls(&mut simulation, &tab));
        // Another tab has the key and can make calls, or does not have it.
        assert_eq!(calls(&mut simulation, &other), !there_is_another);
        assert!(calls(&mut simulation, &tab), "and takes nothing from this one");

        // A user who signs in there is signed in here, with the key of that page.
        simulation.sign_in(&other, "bob");
        simulation.deliver(&[&tab]);
        assert_eq!(tab.subject().as_deref(), Some("bob"));
        assert!(tab.session.is_stored() && calls(&mut simulation, &tab));
    }
}

#[test]
fn a_key_that_cannot_be_read_takes_no_session() {
    let (mut simulation, tab) = denied(|_| {}, true);
    simulation.sign_in(&tab, "alice");
    let other = open(&simulation, true);
    simulation.run(other.session.restore());
    simulation.world.storage_denied.set(true);
    // This page has not read the key yet. A new key would make the tokens that are bound to the stored one useless.
    let error = simulation
        .run(other.session.begin_in_window(&SignIn::default()))
        .unwrap_err();
    assert!(matches!(error, SessionError::Crypto(_)), "{error:?}");
    simulation.world.storage_denied.set(false);
    assert!(calls(&mut simulation, &other));
}

#[test]
fn a_key_that_cannot_be_read_for_a_moment_is_not_gone() {
    let (mut simulation, tab) = denied(|_| {}, true);
    let query = simulation.visit_provider(&tab, "alice");
    simulation.world.answers_held_back.set(true);
    let session = tab.session.clone();
    let completed = simulation.start(async move { session.complete(&query).await });
    simulation.world.storage_denied.set(true);
    simulation.release();
    completed.take().unwrap().unwrap();
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    assert!(!tab.session.is_stored() && calls(&mut simulation, &tab));
}

#[test]
fn who_signed_in_before_is_not_back_when_storage_is() {
    for (bound, meanwhile) in [(false, false), (true, false), (false, true), (true, true)] {
        let (mut simulation, tab) = denied(|_| {}, bound);
        simulation.sign_in(&tab, "alice");
        let other = open(&simulation, bound);
        assert!(calls(&mut simulation, &tab) && calls(&mut simulation, &other));
        simulation.world.storage_denied.set(true);
        sign_in(&mut simulation, &tab, "bob");
        simulation.world.storage_denied.set(false);
        if meanwhile {
            simulation.sign_in(&other, "carol");
        }
        simulation.run(tab.session.sync());
        simulation.deliver(&[&tab, &other]);
        let last = if meanwhile { "carol" } else { "bob" };
        for tab in [&tab, &other] {
            assert_eq!(tab.subject().as_deref(), Some(last));
            assert!(tab.session.is_stored() && calls(&mut simulation, tab));
        }
    }
}

#[test]
fn tokens_that_come_when_something_can_be_kept_again_are_kept() {
    let (mut simulation, tab) = denied(WAYS[0], false);
    sign_in(&mut simulation, &tab, "alice");
    simulation.pass(3600.0);
    simulation.world.answers_held_back.set(true);
    let session = tab.session.clone();
    let refreshed = simulation.start(async move { session.access_token().await });
    simulation.world.storage_denied.set(false);
    simulation.release();
    assert_eq!(refreshed.take().unwrap().unwrap().secret(), "access-2");
    assert!(tab.session.is_stored());
    let next = simulation.open();
    assert_eq!(simulation.run(next.token()).unwrap(), "access-2");
}

#[test]
fn an_idle_sign_out_holds_when_something_can_be_kept_again_meanwhile() {
    for turns in 0..24 {
        let (mut simulation, tab) = denied(WAYS[0], false);
        sign_in(&mut simulation, &tab, "alice");
        simulation.hurry = Some(turns);
        let session = tab.session.clone();
        simulation.start(async move { session.sign_out_idle().await });
        simulation.world.storage_denied.set(false);
        simulation.settle();
        let idle = AuthState::SignedOut(Some(SignOutReason::Idle));
        assert_eq!(tab.session.state(), idle, "after {turns} turns");
        let next = simulation.open();
        simulation.run(next.session.restore());
        assert!(next.signed_out());
    }
}
