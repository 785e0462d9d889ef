//! Whether the session outlives the page, and that the page hears of it both ways.

use pixygate::authorization::SignIn;
use pixygate::session::Event;

use crate::world::{OpenTab, Simulation};

fn said(tab: &OpenTab) -> Vec<Event> {
    let events = tab.state.events.borrow();
    let about = |event: &&Event| matches!(event, Event::NotKept | Event::Kept);
    events.iter().filter(about).cloned().collect()
}

/// The tokens were replaced while nothing could be kept.
fn behind() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    assert_eq!(said(&tab), [], "it is kept from the start");
    simulation.world.storage_full.set(true);
    simulation.pass(3_580.0);
    simulation.run(tab.token()).unwrap();
    assert_eq!(said(&tab), [Event::NotKept]);
    (simulation, tab)
}

#[test]
fn what_is_kept_after_all_is_told() {
    let (mut simulation, tab) = behind();
    simulation.run(tab.session.look());
    assert_eq!(said(&tab), [Event::NotKept], "not while nothing has changed");
    simulation.world.storage_full.set(false);
    simulation.run(tab.session.look());
    assert_eq!(said(&tab), [Event::NotKept, Event::Kept]);
    assert!(tab.session.is_kept());
}

#[test]
fn the_next_tokens_that_can_be_kept_tell_it_too() {
    let (mut simulation, tab) = behind();
    simulation.world.storage_full.set(false);
    simulation.pass(3_580.0);
    simulation.run(tab.token()).unwrap();
    assert_eq!(said(&tab), [Event::NotKept, Event::Kept]);
}

#[test]
fn a_new_sign_in_that_is_kept_tells_it_too() {
    let (mut simulation, tab) = behind();
    simulation.run(tab.session.sign_out_here());
    simulation.world.storage_full.set(false);
    simulation.sign_in(&tab, "alice");
    assert_eq!(said(&tab), [Event::NotKept, Event::Kept]);
    // In another tab, as well.
    let (mut simulation, tab) = behind();
    simulation.world.storage_full.set(false);
    let other = simulation.open();
    simulation.sign_in(&other, "alice");
    simulation.deliver(&[&tab]);
    assert_eq!(said(&tab), [Event::NotKept, Event::Kept]);
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
        simulation.run(tab.session.look());
        assert!(!simulation.world.vault.borrow().contains_key("session"));
    }
    // Where nothing was kept there is nothing to delete.
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
