//! Whether the session is stored, and the notification of the page about it.

use std::rc::Rc;

use pixygate::authorization::SignIn;
use pixygate::session::{AuthState, Event, SignOutReason};

use crate::world::{OpenTab, Simulation, World, turns_of_all};

fn said(tab: &OpenTab) -> Vec<Event> {
    let events = tab.state.events.borrow();
    let about = |event: &&Event| matches!(event, Event::NotStored | Event::Stored);
    events.iter().filter(about).cloned().collect()
}

/// Tokens were replaced while nothing could be stored.
fn behind() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    assert_eq!(said(&tab), [], "it is kept from the start");
    simulation.world.storage_full.set(true);
    simulation.pass(3_580.0);
    simulation.run(tab.token()).unwrap();
    assert_eq!(said(&tab), [Event::NotStored]);
    (simulation, tab)
}

#[test]
fn what_is_kept_after_all_is_told() {
    let (mut simulation, tab) = behind();
    simulation.run(tab.session.sync());
    assert_eq!(said(&tab), [Event::NotStored], "not while nothing has changed");
    simulation.world.storage_full.set(false);
    simulation.run(tab.session.sync());
    assert_eq!(said(&tab), [Event::NotStored, Event::Stored]);
    assert!(tab.session.is_stored());
}

#[test]
fn the_next_tokens_that_can_be_kept_tell_it_too() {
    let (mut simulation, tab) = behind();
    simulation.world.storage_full.set(false);
    simulation.pass(3_580.0);
    simulation.run(tab.token()).unwrap();
    assert_eq!(said(&tab), [Event::NotStored, Event::Stored]);
}

#[test]
fn a_new_sign_in_that_is_kept_tells_it_too() {
    let (mut simulation, tab) = behind();
    simulation.run(tab.session.sign_out_here());
    simulation.world.storage_full.set(false);
    simulation.sign_in(&tab, "alice");
    assert_eq!(said(&tab), [Event::NotStored, Event::Stored]);
    // The same in another tab.
    let (mut simulation, tab) = behind();
    simulation.world.storage_full.set(false);
    let other = simulation.open();
    simulation.sign_in(&other, "alice");
    simulation.deliver(&[&tab]);
    assert_eq!(said(&tab), [Event::NotStored, Event::Stored]);
}

#[test]
fn what_could_not_be_deleted_at_a_sign_out_is_told_and_deleted_later() {
    for denied in [true, false] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        simulation.sign_in(&tab, "alice");
        simulation.world.storage_denied.set(denied);
        simulation.run(tab.session.sign_out_here());
        assert!(tab.signed_out());
        let told = |event: &&Event| matches!(event, Event::NotDeleted(_));
        assert_eq!(
            tab.state.events.borrow().iter().filter(told).count(),
            usize::from(denied)
        );
        assert_eq!(simulation.world.vault.borrow().contains_key("session"), denied);
        simulation.world.storage_denied.set(false);
        simulation.run(tab.session.sync());
        assert!(!simulation.world.vault.borrow().contains_key("session"));
    }
    // Without stored data there is nothing to delete.
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.world.storage_denied.set(true);
    let begun = simulation.run(tab.session.begin_in_window(&SignIn::default()));
    tab.state.went_to.borrow_mut().push(begun.unwrap().1);
    let query = simulation.come_back(&tab, "alice");
    simulation.run(tab.session.complete(&query)).unwrap();
    simulation.run(tab.session.sign_out_here());
    assert!(
        !tab.state
            .events
            .borrow()
            .iter()
            .any(|event| matches!(event, Event::NotDeleted(_)))
    );
}

#[test]
fn an_end_that_could_not_be_kept_is_kept_later_and_is_not_undone() {
    for (reason, idle) in [(SignOutReason::EndedByProvider, false), (SignOutReason::Idle, true)] {
        let ended = AuthState::SignedOut(Some(reason));
        let mut simulation = Simulation::new();
        let (tab, other) = (simulation.open(), simulation.open());
        simulation.sign_in(&tab, "alice");
        simulation.run(other.session.restore());
        simulation.world.storage_full.set(true);
        if idle {
            simulation.run(tab.session.sign_out_idle());
        } else {
            simulation.world.provider.end_all();
            simulation.pass(3_580.0);
            simulation.run(tab.token()).unwrap_err();
        }
        assert_eq!(tab.session.state(), ended);
        simulation.run(tab.session.sync());
        assert_eq!(tab.session.state(), ended, "what is kept is the session that has ended");
        simulation.world.storage_full.set(false);
        simulation.run(tab.session.sync());
        simulation.deliver(&[&other]);
        assert_eq!((tab.session.state(), other.session.state()), (ended.clone(), ended));

        simulation.sign_in(&tab, "alice");
        assert_eq!(tab.subject().as_deref(), Some("alice"));
    }
}

#[test]
fn other_tabs_are_told_of_new_tokens_when_these_are_kept() {
    let mut simulation = Simulation::new();
    let (tab, other) = (simulation.open(), simulation.open());
    simulation.sign_in(&tab, "alice");
    simulation.deliver(&[&other]);
    simulation.pass(3_580.0);
    let is_stored = |world: &World| format!("{:?}", world.vault.borrow()).contains("access-2");
    let world = Rc::clone(&simulation.world);
    let other_tab = Rc::clone(&other.state);
    let watch = async move {
        while !other_tab.has_message.get() {
            turns_of_all(1).await;
        }
        is_stored(&world)
    };
    let session = tab.session.clone();
    let refresh = async move { session.access_token().await.is_ok() };
    let (told_when_kept, refreshed) = simulation.run(futures::future::join(watch, refresh));
    assert!(refreshed && told_when_kept);
}
