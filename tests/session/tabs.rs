//! Several tabs with one session; and tabs without storage.

use pixygate::authorization::SignIn;
use pixygate::session::{AuthState, Event, SessionError, SignOutReason};

use crate::world::{OpenTab, Simulation, parse};

#[test]
fn another_tab_is_signed_in_as_well() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.run(two.session.restore());
    assert_eq!(two.session.state(), AuthState::SignedOut(None));
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    assert_eq!(two.subject().as_deref(), Some("alice"));
    assert_eq!(simulation.run(two.token()).unwrap(), "access-1");
}

#[test]
fn a_sign_out_reaches_every_tab_and_the_provider() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    let id_token_hint = {
        simulation.run(one.session.sign_out());
        one.last_request()
    };
    assert!(id_token_hint["id_token_hint"].starts_with("ey"));
    assert_eq!(id_token_hint["post_logout_redirect_uri"], "https://app.example/");
    simulation.deliver(&[&two]);
    assert_eq!(
        two.session.state(),
        AuthState::SignedOut(Some(SignOutReason::SignedOut))
    );
    assert!(simulation.world.vault.borrow().is_empty());
    assert_eq!(
        simulation.world.provider.valid_refresh_tokens(),
        0,
        "the refresh token is revoked"
    );
}

#[test]
fn a_sign_out_while_a_refresh_is_under_way_wins() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    simulation.pass(3600.0);
    simulation.world.held_back.set(true);
    let call = two.session.clone();
    let outcome = std::rc::Rc::new(std::cell::RefCell::new(None));
    {
        use futures::task::LocalSpawnExt as _;
        let outcome = std::rc::Rc::clone(&outcome);
        let spawner = simulation.pool.spawner();
        spawner
            .spawn_local(async move { drop(outcome.replace(Some(call.access_token().await))) })
            .unwrap();
    }
    simulation.pool.run_until_stalled();
    // The other tab signs out, and this one is notified before the provider answers.
    simulation.world.vault.borrow_mut().clear();
    simulation.run(two.session.sync());
    simulation.release();
    assert!(matches!(outcome.take(), Some(Err(SessionError::SignedOut(_)))));
    assert!(
        simulation.world.vault.borrow().is_empty(),
        "the refresh does not bring the session back"
    );
}

#[test]
fn another_person_is_noticed_and_never_mixed() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    simulation.sign_in(&two, "bob");
    simulation.deliver(&[&one]);
    assert_eq!(one.subject().as_deref(), Some("bob"));
    for (tab, changed) in [(&one, 1), (&two, 1)] {
        let events = tab.state.events.borrow();
        let said = events.iter().filter(|event| **event == Event::UserChanged);
        assert_eq!(said.count(), changed);
    }
    assert_eq!(
        simulation.run(one.token()).unwrap(),
        simulation.run(two.token()).unwrap()
    );
}

#[test]
fn a_message_says_nothing() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    for _ in 0..10 {
        // A message from an unknown sender with any content: the tab syncs, and storage has not changed.
        tab.state.has_message.set(true);
        simulation.deliver(&[&tab]);
    }
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
    assert_eq!(
        simulation.world.provider.requests.borrow().len(),
        1,
        "the code exchange"
    );
}

/// Signs Alice in, and opens a page of the server with other settings.
fn discarded(found: impl FnOnce(&Simulation) -> OpenTab) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    let same = simulation.open();
    simulation.run(same.session.restore());
    assert_eq!(same.subject().as_deref(), Some("alice"));
    for tab in [tab, same] {
        simulation.close(tab);
    }
    let page = found(&simulation);
    simulation.run(page.session.restore());
    assert_eq!(page.session.state(), AuthState::SignedOut(None));
    assert!(
        !simulation.world.vault.borrow().contains_key("session"),
        "it is discarded"
    );
    let left = simulation.run(page.session.sign_in(&SignIn::default()));
    assert_eq!(left, Ok(()));
}

#[test]
fn a_session_of_another_client_is_discarded() {
    discarded(|simulation| {
        let mut client = simulation.world.provider.client();
        client.client_id = "another".to_owned();
        simulation.open_with(client)
    });
}

#[test]
fn a_session_of_another_issuer_is_discarded() {
    discarded(|simulation| {
        let mut client = simulation.world.provider.client();
        client.provider.issuer = "https://idp.example/t/other/oauth2/token".to_owned();
        simulation.open_with(client)
    });
}

#[test]
fn a_session_of_another_schema_is_discarded() {
    discarded(|simulation| {
        let mut vault = simulation.world.vault.borrow_mut();
        let (binding, _) = vault.get_mut("session").unwrap();
        let (schema, rest) = binding.split_once('\n').unwrap();
        assert!(schema.parse::<u32>().is_ok(), "{schema}");
        *binding = format!("1\n{rest}");
        drop(vault);
        simulation.open()
    });
}

#[test]
fn where_nothing_can_be_kept_the_session_lives_in_this_page() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = simulation.visit_provider(&tab, "alice");
    let pending = simulation.world.vault.borrow().len();
    assert_eq!(pending, 1);
    let pending = simulation.world.vault.take();
    // Storage is lost between the exchange and the next sync.
    *simulation.world.vault.borrow_mut() = pending;
    simulation.run(tab.session.complete(&query)).unwrap();
    simulation.world.storage_denied.set(true);
    simulation.pass(3600.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    assert!(!tab.session.is_stored());
    let said = |event: &&Event| **event == Event::NotStored;
    assert_eq!(tab.state.events.borrow().iter().filter(said).count(), 1);
    simulation.run(tab.session.sync());
    assert_eq!(tab.subject().as_deref(), Some("alice"));

    simulation.world.storage_denied.set(false);
    simulation.run(tab.session.sync());
    assert!(tab.session.is_stored(), "as soon as it can be");
    let next = simulation.open();
    assert_eq!(simulation.run(next.token()).unwrap(), "access-2");
}

#[test]
fn the_tokens_are_sent_to_the_token_endpoint_only() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    let names_a_token = |value: &String| value.contains("access-") || value.contains("refresh-");
    // Other operations while there are tokens: a failed sign-in, a refresh, and the sign-out.
    simulation.visit_provider(&tab, "alice");
    simulation.pass(3600.0);
    simulation.run(tab.token()).unwrap();
    simulation.run(tab.session.sign_out());
    let went_to = tab.state.went_to.borrow();
    assert_eq!(went_to.len(), 3);
    for url in went_to.iter() {
        let query = parse(url.split_once('?').unwrap().1);
        assert!(!query.values().any(names_a_token), "{query:?}");
    }
    // Only requests to the token and revocation endpoints contain tokens, and only in these parameters.
    let requests = simulation.world.provider.requests.borrow();
    let named = requests.iter().flatten().filter(|(_, value)| names_a_token(value));
    let names: Vec<_> = named.map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["refresh_token", "token", "token"]);
}
