//! Pushed authorization requests (RFC 9126).

use pixygate::authorization::{DpopMode, SignIn};
use pixygate::session::{Remedy, SessionError};

use crate::provider::{Behaviour, CLIENT};
use crate::world::{OpenTab, Simulation};

fn pushing() -> (Simulation, OpenTab) {
    let simulation = Simulation::new();
    let tab = simulation.open_with(simulation.world.provider.pushing_client());
    (simulation, tab)
}

#[test]
fn the_address_says_nothing_but_which_request() {
    let (mut simulation, tab) = pushing();
    let options = SignIn {
        login_hint: Some("alice@example.com".to_owned()),
        ..SignIn::default()
    };
    let query = simulation.visit_provider_with(&tab, "alice", &options);
    let address = tab.last_request();
    assert_eq!(address.keys().collect::<Vec<_>>(), ["client_id", "request_uri"]);
    assert_eq!(address["client_id"], CLIENT);
    let pushed = simulation.world.provider.requests.borrow()[0].clone();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("code_challenge_method", "S256"),
        ("login_hint", "alice@example.com"),
        ("redirect_uri", "https://app.example/callback"),
    ] {
        assert_eq!(pushed[name], value, "{name}");
    }
    assert!(!pushed.contains_key("code_verifier"));
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(tab.subject().as_deref(), Some("alice"));
}

#[test]
fn where_it_is_not_required_nothing_is_pushed() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.pushing_client();
    client.provider.require_pushed_authorization_requests = false;
    let tab = simulation.open_with(client);
    simulation.sign_in(&tab, "alice");
    assert!(tab.last_request().contains_key("code_challenge"));
    assert_eq!(
        simulation.world.provider.requests.borrow().len(),
        1,
        "the code exchange"
    );
}

#[test]
fn the_code_is_bound_to_the_key_there_too() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.pushing_client();
    client.dpop = DpopMode::Required;
    let tab = simulation.open_with(client);
    simulation.sign_in(&tab, "alice");
    assert_eq!(simulation.world.provider.requests.borrow()[0]["dpop_jkt"].len(), 43);
    assert_eq!(tab.subject().as_deref(), Some("alice"));
}

#[test]
fn nobody_leaves_when_the_request_is_not_taken() {
    for (behaviour, remedy) in [
        (Behaviour::Unreachable, Remedy::TryAgain),
        (Behaviour::Broken(503), Remedy::TryAgain),
        (Behaviour::Busy(3), Remedy::TryAgain),
        (Behaviour::Refuses("invalid_request"), Remedy::Configuration),
        (Behaviour::Broken(200), Remedy::Protocol),
        (Behaviour::Broken(404), Remedy::Protocol),
    ] {
        let (mut simulation, tab) = pushing();
        simulation.world.provider.behaviour.replace(behaviour.clone());
        let error = simulation.run(tab.session.sign_in(&SignIn::default())).unwrap_err();
        assert_eq!(error.remedy(), remedy, "{behaviour:?}: {error:?}");
        assert!(!matches!(error, SessionError::Storage(_)));
        assert!(tab.state.went_to.borrow().is_empty());
        assert!(
            simulation.world.vault.borrow().is_empty(),
            "nothing waits for a callback"
        );
        simulation.world.provider.behaviour.replace(Behaviour::Normal);
        simulation.sign_in(&tab, "alice");
    }
}
