//! Token exchange for another organisation or audience, and its state after refreshes.

use futures::future::join_all;
use pixygate::authorization::{TokenError, TokenExchange};
use pixygate::session::{SessionError, SignOutReason};

use crate::provider::Behaviour;
use crate::world::{OpenTab, Simulation};

const SWITCH: &str = "organization_switch";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

fn acme() -> TokenExchange {
    TokenExchange::organization("acme")
}

/// Returns the organisation or audience that the page shows.
fn acting(tab: &OpenTab) -> Option<TokenExchange> {
    tab.session.state().signed_in()?.acting().cloned()
}

/// Alice, in two tabs.
fn signed_in() -> (Simulation, OpenTab, OpenTab) {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    (simulation, one, two)
}

/// Returns the organisation or audience of the next call's token.
fn target(simulation: &mut Simulation, tab: &OpenTab) -> Option<String> {
    let token = simulation.run(tab.token()).unwrap();
    simulation.world.provider.access.borrow()[&token].grant.target.clone()
}

fn switch(simulation: &mut Simulation, tab: &OpenTab) -> Result<(), SessionError> {
    simulation.run(tab.session.exchange(acme()))
}

#[test]
fn all_tabs_act_for_the_organisation_and_go_back_together() {
    let (mut simulation, one, two) = signed_in();
    assert_eq!(target(&mut simulation, &one), None);
    switch(&mut simulation, &one).unwrap();
    simulation.deliver(&[&two]);
    for tab in [&one, &two] {
        assert_eq!(target(&mut simulation, tab).as_deref(), Some("acme"));
        assert_eq!(tab.subject().as_deref(), Some("alice"));
        assert_eq!(acting(tab), Some(acme()));
    }
    let form = simulation.world.provider.requests.borrow().last().cloned().unwrap();
    assert_eq!(form["grant_type"], SWITCH);
    assert_eq!(form["switching_organization"], "acme");
    assert_eq!(form["token"], "access-1");

    simulation.run(two.session.end_exchange()).unwrap();
    simulation.deliver(&[&one]);
    for tab in [&one, &two] {
        assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
        assert_eq!(acting(tab), None);
    }
}

#[test]
fn who_signs_in_again_after_the_end_still_acts_for_it_and_nobody_else_does() {
    for (subject, expected) in [("alice", Some("acme")), ("bob", None)] {
        for reloaded in [false, true] {
            let (mut simulation, mut one, two) = signed_in();
            switch(&mut simulation, &one).unwrap();
            simulation.world.provider.end_all();
            simulation.pass(3600.0);
            assert!(simulation.run(one.token()).is_err());
            assert!(one.signed_out());
            if reloaded {
                simulation.close(one);
                one = simulation.open();
            }
            simulation.sign_in(&one, subject);
            simulation.deliver(&[&two]);
            for tab in [&one, &two] {
                assert_eq!(target(&mut simulation, tab).as_deref(), expected);
                assert_eq!(acting(tab).is_some(), expected.is_some());
            }
        }
    }
    // A sign-out ends it, too.
    let (mut simulation, one, _) = signed_in();
    switch(&mut simulation, &one).unwrap();
    simulation.run(one.session.sign_out_here());
    simulation.sign_in(&one, "alice");
    assert_eq!(target(&mut simulation, &one), None);
}

#[test]
fn who_signs_in_again_without_an_end_still_acts_for_it() {
    let (mut simulation, one, two) = signed_in();
    switch(&mut simulation, &one).unwrap();
    simulation.sign_in(&two, "alice");
    simulation.deliver(&[&one]);
    for tab in [&one, &two] {
        assert_eq!(target(&mut simulation, tab).as_deref(), Some("acme"));
    }
}

#[test]
fn until_the_exchange_succeeds_no_call_is_made_for_another() {
    let (mut simulation, one, two) = signed_in();
    switch(&mut simulation, &one).unwrap();
    simulation.world.provider.end_all();
    simulation.pass(3600.0);
    assert!(simulation.run(one.token()).is_err());
    let provider = &simulation.world.provider;
    provider.refuses_exchange.set(Some("temporarily_unavailable"));
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    for tab in [&one, &two] {
        assert_eq!(tab.subject().as_deref(), Some("alice"));
        assert_eq!(acting(tab), Some(acme()));
        assert!(simulation.run(tab.token()).is_err());
        let called = simulation.run(tab.call("GET", "https://app.example/api/orders", ""));
        assert!(called.is_err());
    }
    assert!(simulation.world.api.seen.borrow().is_empty());
    simulation.world.provider.refuses_exchange.set(None);
    simulation.pass(120.0);
    assert_eq!(target(&mut simulation, &one).as_deref(), Some("acme"));
    simulation.deliver(&[&two]);
    assert_eq!(target(&mut simulation, &two).as_deref(), Some("acme"));
    assert_eq!(
        simulation.world.provider.refreshes(),
        1,
        "the one that ended the session"
    );
}

#[test]
fn a_call_is_not_made_when_another_tab_goes_to_another_organisation_meanwhile() {
    for switched in [false, true] {
        let (mut simulation, one, two) = signed_in();
        switch(&mut simulation, &one).unwrap();
        simulation.deliver(&[&two]);
        simulation.pass(3600.0);
        if switched {
            simulation.run(two.session.end_exchange()).unwrap();
        }
        let called = simulation.run(one.call("GET", "https://app.example/api/orders", ""));
        match (switched, called) {
            (true, Err(error)) => assert_eq!(error, SessionError::AnotherUser),
            (false, Ok(_)) => {}
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_reload_changes_nothing() {
    let (mut simulation, one, two) = signed_in();
    switch(&mut simulation, &one).unwrap();
    simulation.close(one);
    simulation.close(two);
    let tab = simulation.open();
    assert_eq!(target(&mut simulation, &tab).as_deref(), Some("acme"));
}

#[test]
fn an_audience_or_a_resource_with_scopes() {
    for (exchange, name, value) in [
        (TokenExchange::audience("orders"), "audience", "orders"),
        (
            TokenExchange::resource("https://api.example/"),
            "resource",
            "https://api.example/",
        ),
    ] {
        let (mut simulation, one, _) = signed_in();
        let exchange = exchange.scopes(["read", "write"]);
        simulation.run(one.session.exchange(exchange)).unwrap();
        let form = simulation.world.provider.requests.borrow().last().cloned().unwrap();
        assert_eq!(form["grant_type"], EXCHANGE);
        assert_eq!(form[name], value);
        assert_eq!(form["scope"], "read write");
        assert_eq!(target(&mut simulation, &one).as_deref(), Some(value));
    }
}

#[test]
fn scopes_that_are_not_told_are_those_that_were_asked_for() {
    for (exchange, scopes) in [
        (acme(), ["openid", "profile"]),
        (
            TokenExchange::audience("orders").scopes(["read", "write"]),
            ["read", "write"],
        ),
    ] {
        let (mut simulation, one, _) = signed_in();
        simulation.world.provider.leaves_scope_out.set(true);
        simulation.run(one.session.exchange(exchange)).unwrap();
        let state = one.session.state();
        assert_eq!(state.signed_in().unwrap().scopes(), scopes);
    }
}

#[test]
fn after_a_refresh_it_is_made_anew_once_for_all_tabs() {
    let (mut simulation, one, two) = signed_in();
    switch(&mut simulation, &one).unwrap();
    simulation.deliver(&[&two]);
    simulation.pass(3600.0);
    let calls = join_all([&one, &two].into_iter().flat_map(|tab| (0..50).map(|_| tab.token())));
    let answers = simulation.run(calls);
    let expected = answers[0].clone().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref() == Ok(&expected)));
    let provider = &simulation.world.provider;
    assert_eq!(
        provider.access.borrow()[&expected].grant.target.as_deref(),
        Some("acme")
    );
    assert_eq!((provider.refreshes(), provider.requests_of_type(SWITCH)), (1, 2));
}

#[test]
fn two_audiences_that_are_wanted_at_once_use_each_refresh_token_once() {
    let (mut simulation, one, two) = signed_in();
    // All tokens have expired. Each call needs a token to exchange, and one refresh is enough for both.
    simulation.pass(3600.0);
    let wanted = ["orders", "invoices"].map(TokenExchange::audience);
    let [orders, invoices] = wanted.clone();
    let both = join_all([one.session.exchange(orders), two.session.exchange(invoices)]);
    assert_eq!(simulation.run(both), [Ok(()), Ok(())]);
    simulation.deliver(&[&one, &two]);
    let provider = &simulation.world.provider;
    assert_eq!((provider.refreshes(), provider.requests_of_type(EXCHANGE)), (1, 2));
    // The last exchange counts in all tabs, also after the next refresh.
    assert!(wanted.contains(&acting(&one).unwrap()));
    assert_eq!(acting(&one), acting(&two));
    let before = target(&mut simulation, &one);
    simulation.pass(3600.0);
    assert_eq!(target(&mut simulation, &two), before);
    assert_eq!(simulation.world.provider.refreshes(), 2);
}

#[test]
fn a_refusal_leaves_the_tokens_as_they_were() {
    let (mut simulation, one, _) = signed_in();
    for error in ["access_denied", "invalid_grant"] {
        simulation.world.provider.refuses_exchange.set(Some(error));
        let refused = switch(&mut simulation, &one);
        assert!(matches!(
            refused,
            Err(SessionError::Token(TokenError::Provider { error: found, .. })) if found == error
        ));
        assert_eq!(simulation.run(one.token()).unwrap(), "access-1");
        assert_eq!(one.subject().as_deref(), Some("alice"));
    }
    simulation.world.provider.refuses_exchange.set(None);
    assert_eq!(switch(&mut simulation, &one), Ok(()));
}

#[test]
fn an_organisation_that_is_lost_is_no_sign_out() {
    let (mut simulation, one, two) = signed_in();
    switch(&mut simulation, &one).unwrap();
    simulation.deliver(&[&two]);
    simulation.world.provider.refuses_exchange.set(Some("invalid_grant"));
    simulation.pass(3600.0);
    // The user would not want the next call to go to another organisation silently.
    assert!(simulation.run(one.token()).is_err());
    assert_eq!(one.subject().as_deref(), Some("alice"));
    simulation.run(one.session.end_exchange()).unwrap();
    simulation.deliver(&[&two]);
    for tab in [&one, &two] {
        assert_eq!(target(&mut simulation, tab), None);
    }
    assert_eq!(simulation.world.provider.refreshes(), 1);
}

#[test]
fn a_network_that_fails_in_between_loses_no_rotation() {
    let (mut simulation, one, _) = signed_in();
    switch(&mut simulation, &one).unwrap();
    simulation.pass(3600.0);
    simulation
        .world
        .provider
        .refuses_exchange
        .set(Some("temporarily_unavailable"));
    assert!(simulation.run(one.token()).is_err());
    for _ in 0..5 {
        simulation.pass(120.0);
        assert!(simulation.run(one.token()).is_err());
    }
    assert_eq!(
        simulation.world.provider.refreshes(),
        1,
        "only the exchange is tried again"
    );
    simulation.world.provider.refuses_exchange.set(None);
    simulation.pass(120.0);
    assert_eq!(target(&mut simulation, &one).as_deref(), Some("acme"));
    assert!(simulation.world.provider.reused.borrow().is_empty());
}

#[test]
fn there_is_a_way_back_from_tokens_with_a_refresh_token_of_their_own() {
    let (mut simulation, one, _) = signed_in();
    simulation.world.provider.exchange_refreshes.set(true);
    switch(&mut simulation, &one).unwrap();
    simulation.pass(3600.0);
    assert_eq!(target(&mut simulation, &one).as_deref(), Some("acme"));
    simulation.run(one.session.end_exchange()).unwrap();
    assert_eq!(target(&mut simulation, &one), None);

    switch(&mut simulation, &one).unwrap();
    let token = simulation.run(one.token()).unwrap();
    simulation.run(one.session.sign_out_here());
    assert!(
        !simulation.world.provider.access.borrow().contains_key(&token),
        "it is revoked as well"
    );
}

#[test]
fn what_is_exchanged_is_fresh() {
    let (mut simulation, one, _) = signed_in();
    simulation.pass(3000.0);
    switch(&mut simulation, &one).unwrap();
    // The token of the organisation is still valid, and its subject token has expired.
    simulation.pass(1200.0);
    assert_eq!(simulation.world.provider.refreshes(), 0);
    let other = TokenExchange::organization("other");
    simulation.run(one.session.exchange(other)).unwrap();
    assert_eq!(target(&mut simulation, &one).as_deref(), Some("other"));
    assert_eq!(simulation.world.provider.refreshes(), 1);
}

#[test]
fn without_a_session_or_a_network_nothing_is_exchanged() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    assert_eq!(switch(&mut simulation, &tab), Err(SessionError::SignedOut(None)));
    simulation.sign_in(&tab, "alice");
    simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
    assert!(matches!(switch(&mut simulation, &tab), Err(SessionError::Network(_))));
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
}

#[test]
fn who_gives_an_exchange_up_loses_no_rotation() {
    let (mut simulation, one, two) = signed_in();
    simulation.pass(3600.0);
    simulation.world.answers_held_back.set(true);
    {
        let mut exchange = std::pin::pin!(one.session.exchange(acme()));
        let mut context = std::task::Context::from_waker(futures::task::noop_waker_ref());
        while simulation.world.waiting.borrow().is_empty() {
            assert!(exchange.as_mut().poll(&mut context).is_pending());
            simulation.settle();
        }
        // The provider has rotated the refresh token, and no call waits for it any more.
    }
    simulation.release();
    simulation.deliver(&[&two]);
    for tab in [&one, &two] {
        assert_eq!(target(&mut simulation, tab).as_deref(), Some("acme"));
    }
    simulation.pass(3600.0);
    assert!(simulation.run(two.token()).is_ok());
    assert!(simulation.world.provider.reused.borrow().is_empty());
}

#[test]
fn a_sign_out_while_an_exchange_is_under_way_wins() {
    let (mut simulation, one, two) = signed_in();
    simulation.world.answers_held_back.set(true);
    let session = two.session.clone();
    let exchanged = simulation.start(async move { session.exchange(TokenExchange::organization("acme")).await });
    simulation.world.answers_held_back.set(false);
    simulation.run(one.session.sign_out_here());
    simulation.release();
    let signed_out = SessionError::SignedOut(Some(SignOutReason::SignedOut));
    assert_eq!(exchanged.take(), Some(Err(signed_out)));
    assert!(simulation.world.vault.borrow().is_empty());
    assert!(two.signed_out());
}

#[test]
fn a_tab_that_could_not_read_what_another_kept_loses_nothing_of_it() {
    for back in [false, true] {
        let (mut simulation, one, two) = signed_in();
        switch(&mut simulation, &two).unwrap();
        if back {
            simulation.run(two.session.end_exchange()).unwrap();
        }
        simulation.pass(3600.0);
        simulation.world.storage_denied.set(true);
        simulation.world.answers_held_back.set(true);
        let session = one.session.clone();
        let refreshed = simulation.start(async move { session.access_token().await });
        simulation.world.storage_denied.set(false);
        simulation.release();
        assert!(refreshed.take().unwrap().is_ok());
        simulation.deliver(&[&two]);
        for tab in [&one, &two] {
            let expected = (!back).then_some("acme");
            assert_eq!(target(&mut simulation, tab).as_deref(), expected);
        }
        assert_eq!(simulation.world.provider.refreshes(), 1);
    }
}

#[test]
fn an_exchange_that_failed_is_not_tried_again_at_once() {
    let (mut simulation, one, _) = signed_in();
    switch(&mut simulation, &one).unwrap();
    simulation.pass(3600.0);
    let refuses = &simulation.world.provider.refuses_exchange;
    refuses.set(Some("temporarily_unavailable"));
    let tried = |simulation: &Simulation| simulation.world.provider.requests.borrow().len();
    assert!(matches!(simulation.run(one.token()), Err(SessionError::Token(_))));
    let before = tried(&simulation);
    let paused = simulation.run(one.token());
    assert!(matches!(paused, Err(SessionError::BackingOff { .. })), "{paused:?}");
    assert_eq!(tried(&simulation), before);
    simulation.world.provider.refuses_exchange.set(None);
    simulation.pass(1.1);
    assert_eq!(target(&mut simulation, &one).as_deref(), Some("acme"));
}
