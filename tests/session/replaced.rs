//! An access token that the application replaces.

use futures::future::join;
use pixygate::session::{Remedy, SessionError};

use crate::world::Simulation;

#[test]
fn a_fresh_token_is_replaced_when_that_is_asked_for() {
    let mut simulation = Simulation::new();
    let (tab, other) = (simulation.open(), simulation.open());
    simulation.sign_in(&tab, "alice");
    simulation.run(tab.session.replace_now()).unwrap();
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    simulation.deliver(&[&other]);
    assert_eq!(simulation.run(other.token()).unwrap(), "access-2", "in all tabs");
    // Concurrent calls share one request.
    let (one, two) = simulation.run(join(tab.session.replace_now(), tab.session.replace_now()));
    assert_eq!(one.unwrap().secret(), two.unwrap().secret());
    assert_eq!(simulation.world.provider.refreshes(), 2);
}

#[test]
fn without_a_refresh_token_it_is_an_error_and_the_session_goes_on() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.world.provider.gives_refresh_tokens.set(false);
    simulation.sign_in(&tab, "alice");
    let error = simulation.run(tab.session.replace_now()).unwrap_err();
    assert_eq!(error, SessionError::NoRefreshToken);
    assert_eq!(error.remedy(), Remedy::SignIn);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
}

#[test]
fn nobody_has_one_to_replace() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let replaced = simulation.run(tab.session.replace_now());
    assert_eq!(replaced.unwrap_err(), SessionError::SignedOut(None));
}
