//! Errors of the token endpoint, and responses that cannot be read.

use pixygate::authorization::DpopMode;
use pixygate::session::{AuthState, Event, Remedy, SessionError, SignOutReason};

use crate::provider::Behaviour;
use crate::world::{OpenTab, Simulation};

fn with_stale_tokens() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    simulation.pass(3600.0);
    (simulation, tab)
}

fn not_renewed(tab: &OpenTab) -> Option<String> {
    match tab.session.state() {
        AuthState::SignedOut(Some(SignOutReason::RefreshRejected(detail))) => Some(detail),
        _ => None,
    }
}

#[test]
fn a_refusal_is_told_in_the_providers_words_and_the_second_ends_the_session() {
    let html = "<html><h1>Forbidden</h1></html>";
    for (status, body, words) in [
        (401, r#"{"error":"invalid_client"}"#, "`invalid_client`"),
        (
            400,
            r#"{"error":"unauthorized_client","error_description":"no refresh"}"#,
            "`unauthorized_client`: no refresh",
        ),
        (403, html, "403"),
        (400, "", "400"),
        (404, "Not Found", "404"),
        (400, r#"{"error":null}"#, "`error` is absent"),
    ] {
        let (mut simulation, tab) = with_stale_tokens();
        simulation
            .world
            .provider
            .behaviour
            .replace(Behaviour::Answers(status, body));
        let error = simulation.run(tab.token()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_ne!(error.remedy(), Remedy::TryAgain, "{error}");
        assert!(tab.subject().is_some(), "one refusal may be a mistake");

        // The page tries again by itself, and becomes visible in the meantime.
        assert!(tab.state.wakes_in.get().is_some_and(|pause| pause <= 1000.0));
        tab.session.retry_now();
        let error = simulation.run(tab.token()).unwrap_err();
        assert_eq!(error.remedy(), Remedy::SignIn);
        let detail = not_renewed(&tab).unwrap();
        assert!(detail.contains(words), "{detail}");
        assert!(SignOutReason::RefreshRejected(detail.clone()).may_keep_input());

        // Requests stop in all tabs, and the next page shows the reason.
        let sent = simulation.world.provider.requests.borrow().len();
        let reloaded = simulation.open();
        for tab in [&tab, &reloaded] {
            simulation.pass(120.0);
            simulation.run(tab.token()).unwrap_err();
            assert_eq!(not_renewed(tab).as_ref(), Some(&detail));
        }
        assert_eq!(simulation.world.provider.requests.borrow().len(), sent);
        simulation.world.provider.behaviour.take();
        simulation.sign_in(&tab, "alice");
        assert!(simulation.run(tab.token()).is_ok());
    }
}

#[test]
fn an_inactive_refresh_token_ends_the_session_at_once() {
    for error in ["token_inactive", "invalid_token"] {
        let (mut simulation, tab) = with_stale_tokens();
        simulation.world.provider.behaviour.replace(Behaviour::Refuses(error));
        let ended = SessionError::SignedOut(Some(SignOutReason::EndedByProvider));
        assert_eq!(simulation.run(tab.token()), Err(ended), "{error}");
    }
}

#[test]
fn two_refusals_with_a_success_between_them_end_nothing() {
    let (mut simulation, tab) = with_stale_tokens();
    for number in 2..5 {
        simulation
            .world
            .provider
            .behaviour
            .replace(Behaviour::Answers(403, "blocked"));
        simulation.run(tab.token()).unwrap_err();
        simulation.world.provider.behaviour.take();
        simulation.pass(1.1);
        assert_eq!(simulation.run(tab.token()), Ok(format!("access-{number}")));
        simulation.pass(3600.0);
    }
}

#[test]
fn nothing_that_may_pass_ends_the_session() {
    for behaviour in [
        Behaviour::Unreachable,
        Behaviour::Broken(500),
        Behaviour::Broken(503),
        Behaviour::Broken(408),
        Behaviour::Busy(1),
        Behaviour::Refuses("temporarily_unavailable"),
        // Nothing of this provider can be read: it may be down behind a proxy without CORS.
        Behaviour::Withheld,
    ] {
        let (mut simulation, tab) = with_stale_tokens();
        simulation.world.provider.rotates.replace(false);
        simulation.world.provider.behaviour.replace(behaviour.clone());
        for _ in 0..10 {
            let error = simulation.run(tab.token()).unwrap_err();
            assert_eq!(error.remedy(), Remedy::TryAgain, "{behaviour:?}: {error}");
            simulation.pass(120.0);
        }
        simulation.world.provider.behaviour.take();
        assert_eq!(tab.subject().as_deref(), Some("alice"));
        assert!(simulation.run(tab.token()).is_ok(), "{behaviour:?}");
    }
}

#[test]
fn a_session_that_is_dead_ends_although_its_refusal_cannot_be_read() {
    let (mut simulation, tab) = with_stale_tokens();
    simulation.world.provider.behaviour.replace(Behaviour::ErrorsWithheld);
    let error = simulation.run(tab.token()).unwrap_err();
    assert!(matches!(error, SessionError::CorsBlocked { .. }), "{error}");
    simulation.pass(1.1);
    simulation.run(tab.token()).unwrap_err();
    let detail = not_renewed(&tab).unwrap();
    assert!(
        detail.contains("withholds the answer from https://app.example"),
        "{detail}"
    );
}

#[test]
fn a_request_that_was_lost_is_not_taken_for_a_refusal() {
    let (mut simulation, tab) = with_stale_tokens();
    for _ in 0..3 {
        // The network works again when the response is withheld, and the error response to the probe can be read.
        simulation.world.held_back.set(true);
        let session = tab.session.clone();
        let waiting = simulation.start(async move { session.access_token().await });
        simulation.world.offline.set(true);
        let first: Vec<_> = simulation.world.waiting.take();
        for request in first {
            request.send(()).unwrap();
        }
        simulation.settle();
        simulation.world.offline.set(false);
        simulation.release();
        let error = waiting.take().unwrap().unwrap_err();
        assert!(matches!(error, SessionError::Network(_)), "{error}");
        simulation.pass(120.0);
    }
    assert_eq!(simulation.run(tab.token()).as_deref(), Ok("access-2"));
}

#[test]
fn a_sign_in_without_an_answer_says_what_may_be_wrong() {
    let attempt = |behaviour: Behaviour, dpop: DpopMode| {
        let mut simulation = Simulation::new();
        let mut client = simulation.world.provider.client();
        client.dpop = dpop;
        let tab = simulation.open_with(client);
        let query = simulation.visit_provider(&tab, "alice");
        simulation.world.provider.behaviour.replace(behaviour);
        simulation
            .run(tab.session.complete(&query))
            .map(drop)
            .map_err(|it| it.error)
    };
    assert_eq!(attempt(Behaviour::Normal, DpopMode::Required), Ok(()));
    let error = attempt(Behaviour::ProofWithheld, DpopMode::Required).unwrap_err();
    assert!(matches!(error, SessionError::DpopHeaderBlocked { .. }), "{error}");
    for words in ["`DPoP`", "provider.dpop", "https://app.example"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(error.remedy(), Remedy::Configuration);
    assert_eq!(attempt(Behaviour::ProofWithheld, DpopMode::Off), Ok(()));

    let error = attempt(Behaviour::Withheld, DpopMode::Off).unwrap_err();
    for words in ["(CORS)", "public client", "https://app.example"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(error.remedy(), Remedy::Configuration);
}

#[test]
fn a_failed_refresh_is_an_event_and_the_end_another() {
    let (mut simulation, tab) = with_stale_tokens();
    simulation
        .world
        .provider
        .behaviour
        .replace(Behaviour::Answers(403, "blocked"));
    tab.state.events.take();
    for _ in 0..2 {
        simulation.run(tab.token()).unwrap_err();
        simulation.pass(120.0);
    }
    let events = tab.state.events.borrow();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::RefreshFailed(_) => "failed",
            Event::Changed(AuthState::SignedOut(_)) => "ended",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["failed", "ended"]);
}
