//! Pending sign-ins: several at once, abandoned ones, and callbacks that come twice.

use futures::future::join;
use pixygate::authorization::{CallbackError, DpopMode, ReturnTo, SignIn};
use pixygate::session::{SessionError, StorageError};

use crate::provider::Behaviour;
use crate::world::{OpenTab, Simulation};

fn going_to(path: &str) -> SignIn {
    SignIn {
        return_to: ReturnTo::parse(path),
        ..SignIn::default()
    }
}

fn unknown(simulation: &mut Simulation, tab: &OpenTab, query: &str) -> bool {
    let failure = simulation.run(tab.session.complete(query)).unwrap_err();
    failure.error == SessionError::Callback(CallbackError::UnknownState)
}

#[test]
fn several_tabs_sign_in_at_once_and_each_comes_back_to_its_place() {
    let mut simulation = Simulation::new();
    let tabs: Vec<_> = (0..5).map(|_| simulation.open()).collect();
    let queries: Vec<_> = (0..5)
        .map(|at| simulation.visit_provider_with(&tabs[at], "alice", &going_to(&format!("/place/{at}"))))
        .collect();
    for at in [3, 0, 4, 1, 2] {
        let landing = simulation.run(tabs[at].session.complete(&queries[at])).unwrap();
        assert_eq!(landing.return_to.as_str(), format!("/place/{at}"));
        assert_eq!(tabs[at].subject().as_deref(), Some("alice"));
    }
    let last = simulation.run(tabs[2].token()).unwrap();
    simulation.deliver(&tabs.iter().collect::<Vec<_>>());
    for tab in &tabs {
        assert_eq!(simulation.run(tab.token()).unwrap(), last, "all tabs agree");
    }
}

#[test]
fn sign_ins_that_begin_at_the_same_moment_are_both_remembered() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    let (first, second) = (going_to("/one"), going_to("/two"));
    let (begun, too) = simulation.run(join(one.session.sign_in(&first), two.session.sign_in(&second)));
    begun.unwrap();
    too.unwrap();
    for (tab, place) in [(&one, "/one"), (&two, "/two")] {
        let query = simulation.come_back(tab, "alice");
        assert_eq!(
            simulation.run(tab.session.complete(&query)).unwrap().return_to.as_str(),
            place
        );
    }
}

#[test]
fn one_tab_does_not_complete_what_another_session_began() {
    let mut simulation = Simulation::new();
    let one = simulation.open();
    let query = simulation.visit_provider(&one, "alice");
    let mut elsewhere = Simulation::new();
    let tab = elsewhere.open();
    assert!(unknown(&mut elsewhere, &tab, &query), "another browser");
    simulation.run(one.session.complete(&query)).unwrap();
}

#[test]
fn of_two_tabs_with_the_same_callback_one_exchanges_the_code() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    let query = simulation.visit_provider(&one, "alice");
    let (first, second) = simulation.run(join(one.session.complete(&query), two.session.complete(&query)));
    assert_eq!(simulation.world.provider.requests_of_type("authorization_code"), 1);
    let outcomes = [first, second];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    simulation.deliver(&[&one, &two]);
    for tab in [&one, &two] {
        assert_eq!(tab.subject().as_deref(), Some("alice"), "and both are signed in");
    }
}

#[test]
fn the_oldest_are_forgotten_when_there_are_too_many() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let queries: Vec<_> = (0..21).map(|_| simulation.visit_provider(&tab, "alice")).collect();
    assert!(unknown(&mut simulation, &tab, &queries[0]));
    simulation.run(tab.session.complete(&queries[1])).unwrap();
    simulation.run(tab.session.complete(&queries[20])).unwrap();
}

#[test]
fn reading_one_forgets_no_other() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let queries: Vec<_> = (0..20).map(|_| simulation.visit_provider(&tab, "alice")).collect();
    for query in queries.iter().rev() {
        simulation.run(tab.session.complete(query)).unwrap();
    }
    assert_eq!(simulation.world.provider.requests_of_type("authorization_code"), 20);
}

#[test]
fn the_abandoned_are_forgotten_after_an_hour() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let old = simulation.visit_provider(&tab, "alice");
    simulation.pass(1800.0);
    let recent = simulation.visit_provider(&tab, "alice");
    simulation.pass(1799.0);
    simulation.run(tab.session.complete(&recent)).unwrap();
    simulation.run(tab.session.sign_out_here());

    let again = simulation.visit_provider(&tab, "alice");
    simulation.pass(3601.0);
    assert!(unknown(&mut simulation, &tab, &old));
    assert!(unknown(&mut simulation, &tab, &again));
    let kept: usize = simulation
        .world
        .vault
        .borrow()
        .values()
        .map(|(_, text)| text.len())
        .sum();
    simulation.visit_provider(&tab, "alice");
    let now: usize = simulation
        .world
        .vault
        .borrow()
        .values()
        .map(|(_, text)| text.len())
        .sum();
    assert!(now < 2 * kept, "what was forgotten is not kept");
}

#[test]
fn what_is_damaged_is_as_good_as_nothing() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = simulation.visit_provider(&tab, "alice");
    for (_, text) in simulation.world.vault.borrow_mut().values_mut() {
        text.truncate(20);
    }
    assert!(unknown(&mut simulation, &tab, &query));
    simulation.sign_in(&tab, "alice");
}

#[test]
fn where_nothing_can_be_kept_nobody_leaves() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    for lost in [&simulation.world.storage_denied, &simulation.world.storage_full] {
        lost.set(true);
    }
    let error = simulation.run(tab.session.sign_in(&SignIn::default())).unwrap_err();
    assert!(matches!(error, SessionError::Storage(StorageError(_))));
    assert!(tab.state.went_to.borrow().is_empty());
    simulation.world.storage_denied.set(false);
    let error = simulation.run(tab.session.sign_in(&SignIn::default())).unwrap_err();
    assert!(matches!(error, SessionError::Storage(StorageError(_))), "full");
    simulation.world.storage_full.set(false);
    simulation.sign_in(&tab, "alice");
}

#[test]
fn where_nothing_can_be_kept_that_is_what_is_said() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    client.dpop = DpopMode::Required;
    let tab = simulation.open_with(client);
    simulation.world.storage_denied.set(true);
    *simulation.world.provider.behaviour.borrow_mut() = Behaviour::Unreachable;
    // The error is not about a missing key or an unreachable provider: neither hint would help.
    let error = simulation.run(tab.session.sign_in(&SignIn::default())).unwrap_err();
    assert!(matches!(error, SessionError::Storage(StorageError(_))), "{error:?}");
    *simulation.world.provider.behaviour.borrow_mut() = Behaviour::Normal;
    simulation.world.storage_denied.set(false);
    simulation.sign_in(&tab, "alice");
}

#[test]
fn another_sign_out_makes_a_waiting_sign_in_start_again() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    let query = simulation.visit_provider(&two, "bob");
    simulation.run(one.session.sign_out_here());
    assert!(unknown(&mut simulation, &two, &query));
    simulation.sign_in(&two, "bob");
    assert_eq!(two.subject().as_deref(), Some("bob"));
}
