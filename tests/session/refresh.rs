//! Refreshes: the token of a call is always fresh, and only the provider or the user ends the session.

use futures::future::join_all;
use pixygate::authorization::id_token::IdTokenError;
use pixygate::session::{AuthState, LockError, Remedy, SessionError, SignOutReason};
use serde_json::json;

use crate::provider::Behaviour;
use crate::world::{OpenTab, Simulation};

fn signed_in() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    (simulation, tab)
}

#[test]
fn a_fresh_token_is_used_and_a_stale_one_renewed() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3569.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-1", "31 seconds left");
    simulation.pass(2.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2", "29 seconds left");
    assert_eq!(simulation.world.provider.refreshes(), 1);
}

#[test]
fn a_tab_that_never_lets_go_of_the_lock_keeps_nobody_waiting() {
    let mut simulation = Simulation::new();
    let (stuck, tab) = (simulation.open(), simulation.open());
    simulation.sign_in(&stuck, "alice");
    simulation.run(tab.session.restore());
    simulation.pass(3600.0);
    simulation.world.held_back.set(true);
    let session = stuck.session.clone();
    simulation.start(async move { session.access_token().await });
    simulation.world.impatient.set(true);
    let error = simulation.run(tab.token()).unwrap_err();
    assert_eq!(error, SessionError::Locked(LockError));
    assert_eq!(error.remedy(), Remedy::TryAgain);
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    simulation.release();
    simulation.pass(2.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    assert_eq!(simulation.world.provider.refreshes(), 1);

    // Nor can a user be signed in or out halfway.
    let query = simulation.visit_provider(&tab, "bob");
    simulation.pass(3585.0);
    simulation.world.held_back.set(true);
    let session = stuck.session.clone();
    simulation.start(async move { session.access_token().await });
    simulation.world.held_back.set(false);
    let failure = simulation.run(tab.session.complete(&query)).unwrap_err();
    assert_eq!(failure.error, SessionError::Locked(LockError));
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    let refused = simulation
        .world
        .provider
        .access
        .borrow()
        .values()
        .any(|issued| issued.grant.subject == "bob");
    assert!(!refused, "what Bob got is revoked");
    simulation.run(tab.session.sign_out_here());
    assert!(tab.signed_out());
    simulation.release();
    simulation.deliver(&[&stuck]);
    assert!(stuck.signed_out());
}

#[test]
fn many_calls_in_many_tabs_make_one_request() {
    let (mut simulation, first) = signed_in();
    let tabs: Vec<_> = std::iter::once(first)
        .chain((1..5).map(|_| simulation.open()))
        .collect();
    for tab in &tabs {
        simulation.run(tab.session.restore());
    }
    simulation.pass(7200.0);
    let calls = join_all(tabs.iter().flat_map(|tab| (0..50).map(|_| tab.token())));
    let answers = simulation.run(calls);
    assert_eq!(answers.len(), 250);
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("access-2")));
    assert_eq!(simulation.world.provider.refreshes(), 1);
    assert_eq!(simulation.world.provider.valid_refresh_tokens(), 1);
}

#[test]
fn a_refresh_runs_to_its_end_when_nobody_waits_any_more() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(7200.0);
    simulation.world.held_back.set(true);
    {
        let mut call = Box::pin(tab.token());
        assert!(simulation.run(futures::future::poll_fn(|context| {
            std::task::Poll::Ready(call.as_mut().poll(context).is_pending())
        })));
        simulation.pool.run_until_stalled();
    }
    simulation.release();
    assert_eq!(simulation.world.provider.refreshes(), 1);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    assert_eq!(
        simulation.world.provider.refreshes(),
        1,
        "the rotated token was not lost"
    );
}

#[test]
fn without_rotation_the_old_refresh_token_stays() {
    let (mut simulation, tab) = signed_in();
    simulation.world.provider.rotates.replace(false);
    for number in 2..5 {
        simulation.pass(3600.0);
        assert_eq!(simulation.run(tab.token()).unwrap(), format!("access-{number}"));
    }
}

#[test]
fn the_network_and_a_broken_provider_sign_nobody_out() {
    for behaviour in [
        Behaviour::Unreachable,
        Behaviour::Broken(500),
        Behaviour::Broken(503),
        Behaviour::Broken(429),
    ] {
        let (mut simulation, tab) = signed_in();
        simulation.pass(3600.0);
        simulation.world.provider.behaviour.replace(behaviour.clone());
        let error = simulation.run(tab.token()).unwrap_err();
        assert_eq!(error.remedy(), Remedy::TryAgain, "{behaviour:?}");
        assert_eq!(tab.subject().as_deref(), Some("alice"));

        simulation.world.provider.behaviour.replace(Behaviour::Normal);
        let sent = simulation.world.provider.refreshes();
        assert!(
            matches!(simulation.run(tab.token()), Err(SessionError::BackingOff { .. })),
            "not at once again"
        );
        assert_eq!(simulation.world.provider.refreshes(), sent);
        simulation.pass(1.1);
        assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    }
}

#[test]
fn a_key_that_is_not_published_yet_loses_no_rotation() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3600.0);
    // The new ID token is signed with a key that the provider's key set lacks, for instance because of a cache.
    simulation.world.provider.header.replace(json!({ "kid": "second" }));
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    simulation.world.provider.header.replace(json!({}));
    simulation.pass(3600.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-3");
    assert!(simulation.world.provider.reused.borrow().is_empty());

    // With a published key and a wrong signature, the result differs.
    simulation.pass(3600.0);
    simulation.world.provider.forged.set(true);
    let error = simulation.run(tab.token()).unwrap_err();
    assert!(matches!(error, SessionError::IdToken(_)), "{error}");
    let ended = SessionError::SignedOut(Some(SignOutReason::EndedByProvider));
    simulation.world.provider.forged.set(false);
    for _ in 0..3 {
        simulation.pass(120.0);
        assert_eq!(simulation.run(tab.token()).unwrap_err(), ended);
    }
    let provider = &simulation.world.provider;
    assert!(provider.reused.borrow().is_empty(), "the old one is not used again");
    assert_eq!(provider.valid_refresh_tokens(), 0, "the new one is revoked");
    assert!(!provider.access.borrow().contains_key("access-4"));
}

#[test]
fn an_answer_that_the_browser_withholds_is_told_from_none() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3600.0);
    simulation.world.provider.rotates.replace(false);
    simulation.world.provider.behaviour.replace(Behaviour::Withheld);
    // Responses could be read before, so it is not an error of the configuration.
    let error = simulation.run(tab.token()).unwrap_err();
    assert_eq!(error.remedy(), Remedy::TryAgain);
    assert_eq!(tab.subject().as_deref(), Some("alice"), "and it signs nobody out");

    simulation.world.provider.behaviour.replace(Behaviour::Normal);
    simulation.pass(1.1);
    assert!(simulation.run(tab.token()).is_ok());

    // For the very first response, the result differs.
    for (behaviour, remedy) in [
        (Behaviour::Withheld, Remedy::Configuration),
        (Behaviour::Unreachable, Remedy::TryAgain),
    ] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        let query = simulation.visit_provider(&tab, "alice");
        simulation.world.provider.behaviour.replace(behaviour);
        let error = simulation.run(tab.session.complete(&query)).unwrap_err().error;
        assert_eq!(error.remedy(), remedy);
        let said = error.to_string();
        let tells = said.contains("https://app.example: allow that origin (CORS)");
        assert_eq!(tells, remedy == Remedy::Configuration, "{said}");
    }
}

#[test]
fn offline_during_a_refresh_is_no_sign_out() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3600.0);
    simulation.world.held_back.set(true);
    let session = tab.session.clone();
    let waiting = simulation.start(async move { session.access_token().await });
    simulation.world.offline.set(true);
    simulation.release();
    assert_eq!(waiting.take().unwrap().unwrap_err().remedy(), Remedy::TryAgain);
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    simulation.world.offline.set(false);
    tab.session.retry_now();
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    assert_eq!(simulation.world.provider.refreshes(), 1, "the first never arrived");
}

#[test]
fn back_online_the_next_call_does_not_wait() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3600.0);
    simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
    for _ in 0..10 {
        simulation.pass(120.0);
        assert!(simulation.run(tab.token()).is_err());
    }
    simulation.world.provider.behaviour.replace(Behaviour::Normal);
    assert!(simulation.run(tab.token()).is_err());
    tab.session.retry_now();
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
}

#[test]
fn the_pause_grows_until_a_refresh_succeeds_or_the_network_is_back() {
    type Between = fn(&mut Simulation, &OpenTab);
    let nothing = |_: &mut Simulation, _: &OpenTab| {};
    let success = |simulation: &mut Simulation, tab: &OpenTab| {
        simulation.world.provider.behaviour.replace(Behaviour::Normal);
        simulation.run(tab.token()).unwrap();
        simulation.pass(3600.0);
    };
    let network = |_: &mut Simulation, tab: &OpenTab| tab.session.retry_now();
    let ways: [(Between, bool); 3] = [(nothing, true), (success, false), (network, false)];
    for (between, pauses) in ways {
        let (mut simulation, tab) = signed_in();
        simulation.pass(3600.0);
        simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
        for _ in 0..4 {
            assert!(simulation.run(tab.token()).is_err());
            simulation.pass(60.0);
        }
        between(&mut simulation, &tab);
        simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
        assert!(simulation.run(tab.token()).is_err());
        simulation.world.provider.behaviour.replace(Behaviour::Normal);
        simulation.pass(1.1);
        assert_eq!(simulation.run(tab.token()).is_err(), pauses);
    }
}

#[test]
fn invalid_grant_ends_the_session_once_and_for_all() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3600.0);
    simulation
        .world
        .provider
        .behaviour
        .replace(Behaviour::Refuses("invalid_grant"));
    for _ in 0..3 {
        let error = simulation.run(tab.token()).unwrap_err();
        assert_eq!(error, SessionError::SignedOut(Some(SignOutReason::EndedByProvider)));
    }
    assert_eq!(simulation.world.provider.refreshes(), 1, "it is not asked again");
    for (_, text) in simulation.world.vault.borrow().values() {
        assert!(
            !text.contains("access-") && !text.contains("refresh-"),
            "no token is kept"
        );
    }
    simulation.run(tab.session.sign_out());
    assert!(
        tab.last_request().contains_key("id_token_hint"),
        "the provider can still be told who signs out"
    );
    assert!(simulation.world.vault.borrow().is_empty());
}

#[test]
fn some_providers_say_otherwise_that_a_refresh_token_is_no_longer_good() {
    for error in [
        "invalid_request",
        "interaction_required",
        "login_required",
        "consent_required",
    ] {
        let (mut simulation, tab) = signed_in();
        simulation.pass(3600.0);
        simulation.world.provider.behaviour.replace(Behaviour::Refuses(error));
        let ended = SessionError::SignedOut(Some(SignOutReason::EndedByProvider));
        assert_eq!(simulation.run(tab.token()), Err(ended), "{error}");
    }
}

#[test]
fn asleep_past_the_expiry_the_first_call_is_fresh() {
    let (mut simulation, tab) = signed_in();
    simulation.sleep(4000.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
}

#[test]
fn a_clock_set_back_makes_no_token_live_longer() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3590.0);
    simulation.world.clock_error.set(-3_600_000.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
}

#[test]
fn short_lived_tokens_are_used_and_renewed() {
    let mut simulation = Simulation::new();
    simulation.world.provider.expires_in.replace(10);
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    for _ in 0..60 {
        simulation.pass(1.0);
        simulation.run(tab.token()).unwrap();
    }
    assert_eq!(simulation.world.provider.refreshes(), 7, "every eight seconds");
}

#[test]
fn a_reload_does_not_reset_the_lifetime() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3500.0);
    drop(tab);
    simulation.world.monotonic.set(0.0);
    let tab = simulation.open();
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
    simulation.pass(80.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
}

#[test]
fn a_refused_token_is_replaced_once() {
    let (mut simulation, tab) = signed_in();
    let refused = simulation.run(tab.session.access_token()).unwrap();
    let first = simulation.run(tab.session.replace(&refused)).unwrap();
    let second = simulation.run(tab.session.replace(&refused)).unwrap();
    assert_eq!(first.secret(), "access-2");
    assert_eq!(second.secret(), "access-2", "another call has replaced it already");
    assert_eq!(simulation.world.provider.refreshes(), 1);
}

#[test]
fn a_refresh_may_not_change_the_person() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3600.0);
    simulation.world.provider.claims.replace(json!({ "sub": "mallory" }));
    assert_eq!(simulation.run(tab.token()).unwrap_err().remedy(), Remedy::Protocol);
    assert!(tab.signed_out(), "the refresh token of before may be used up");
}

#[test]
fn a_refresh_may_repeat_the_nonce_of_the_sign_in_and_bring_no_other() {
    let (mut simulation, tab) = signed_in();
    let nonce = tab.session.state().signed_in().unwrap().claims().nonce.clone();
    assert!(nonce.is_some());
    simulation.pass(3600.0);
    simulation.world.provider.claims.replace(json!({ "nonce": nonce }));
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");

    simulation.pass(3600.0);
    simulation
        .world
        .provider
        .claims
        .replace(json!({ "nonce": "of another sign-in" }));
    let error = simulation.run(tab.token()).unwrap_err();
    assert_eq!(error, SessionError::IdToken(IdTokenError::Nonce));
    assert!(tab.signed_out());
}

#[test]
fn a_provider_that_says_when_to_come_back_is_not_asked_before() {
    let (mut simulation, tab) = signed_in();
    simulation.pass(3600.0);
    simulation.world.provider.behaviour.replace(Behaviour::Busy(30));
    simulation.run(tab.token()).unwrap_err();
    // The page becomes visible several times.
    for _ in 0..3 {
        simulation.pass(9.0);
        tab.session.retry_now();
        let error = simulation.run(tab.token()).unwrap_err();
        assert!(matches!(error, SessionError::BackingOff { .. }), "{error}");
    }
    assert_eq!(simulation.world.provider.refreshes(), 1);
    simulation.world.provider.behaviour.take();
    simulation.pass(3.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
}

#[test]
fn without_a_refresh_token_the_session_ends_with_the_access_token() {
    let (mut simulation, tab) = signed_in();
    let kept = simulation.world.vault.borrow()["session"].clone();
    let mut record: serde_json::Value = serde_json::from_str(&kept.1).unwrap();
    record["Live"]["tokens"]["refresh_token"] = json!(null);
    record["Live"]["generation"] = json!(7);
    simulation
        .world
        .vault
        .borrow_mut()
        .insert("session".to_owned(), (kept.0, record.to_string()));
    simulation.run(tab.session.sync());
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
    simulation.pass(3600.0);
    assert_eq!(
        simulation.run(tab.token()),
        Err(SessionError::SignedOut(Some(SignOutReason::Expired)))
    );
    assert_eq!(tab.session.state(), AuthState::SignedOut(Some(SignOutReason::Expired)));
}
