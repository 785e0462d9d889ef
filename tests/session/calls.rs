//! Calls that are repeated with another token or nonce, and the origins that tokens are sent to.

use std::cell::Cell;

use pixygate::Reason;
use pixygate::authorization::{DpopMode, SignIn};
use pixygate::session::{AuthState, CallOutcome, Event, Remedy, SessionError};

use crate::api::Answer;
use crate::provider::Behaviour;
use crate::world::{OpenTab, Simulation};

const ORDERS: &str = "https://app.example/api/orders?page=2";

fn signed_in() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    (simulation, tab)
}

/// Signs in with tokens that are bound to the browser's key.
fn bound() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let tab = open_bound(&simulation);
    simulation.sign_in(&tab, "alice");
    (simulation, tab)
}

fn open_bound(simulation: &Simulation) -> OpenTab {
    let mut client = simulation.world.provider.client();
    client.dpop = DpopMode::Required;
    simulation.open_with(client)
}

fn status(called: Result<CallOutcome<Answer>, SessionError>) -> u16 {
    match called {
        Ok(CallOutcome::Response(answer)) => answer.status,
        other => panic!("expected an answer, got {other:?}"),
    }
}

fn statuses(simulation: &Simulation) -> Vec<u16> {
    simulation
        .world
        .api
        .seen
        .borrow()
        .iter()
        .map(|seen| seen.status)
        .collect()
}

#[test]
fn a_refused_token_is_replaced_and_the_call_made_again_with_its_body() {
    let (mut simulation, tab) = signed_in();
    assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "three apples"))), 200);
    assert_eq!(simulation.world.provider.refreshes(), 0);

    simulation
        .world
        .api
        .distrusts
        .borrow_mut()
        .insert("access-1".to_owned());
    assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "four apples"))), 200);
    assert_eq!(simulation.world.provider.refreshes(), 1);
    let seen = simulation.world.api.seen.borrow();
    let seen: Vec<_> = seen
        .iter()
        .map(|seen| (seen.body.as_str(), seen.access_token.as_str(), seen.status))
        .collect();
    assert_eq!(
        seen,
        [
            ("three apples", "access-1", 200),
            ("four apples", "access-1", 401),
            ("four apples", "access-2", 200)
        ]
    );
}

#[test]
fn it_is_made_again_once_only() {
    let (mut simulation, tab) = signed_in();
    simulation.world.api.distrusts_all.set(true);
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 401);
    assert_eq!(statuses(&simulation), [401, 401]);
    assert_eq!(simulation.world.provider.refreshes(), 1);
    assert_eq!(
        tab.subject().as_deref(),
        Some("alice"),
        "a refused call ends no session"
    );
}

#[test]
fn a_server_that_takes_no_token_does_not_make_every_call_a_refresh() {
    let (mut simulation, tab) = signed_in();
    simulation.world.api.distrusts_all.set(true);
    for _ in 0..20 {
        assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 401);
    }
    assert_eq!(simulation.world.provider.refreshes(), 1);

    simulation.world.api.distrusts_all.set(false);
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
    simulation
        .world
        .api
        .distrusts
        .borrow_mut()
        .insert("access-2".to_owned());
    assert_eq!(
        status(simulation.run(tab.call("GET", ORDERS, ""))),
        200,
        "now it helps again"
    );
    assert_eq!(simulation.world.provider.refreshes(), 2);
}

#[test]
fn many_refused_calls_share_one_new_token() {
    let (mut simulation, tab) = signed_in();
    simulation
        .world
        .api
        .distrusts
        .borrow_mut()
        .insert("access-1".to_owned());
    let calls = futures::future::join_all((0..50).map(|_| tab.call("GET", ORDERS, "")));
    for called in simulation.run(calls) {
        assert_eq!(status(called), 200);
    }
    assert_eq!(simulation.world.provider.refreshes(), 1);
    assert_eq!(simulation.world.api.seen.borrow().len(), 100);
}

#[test]
fn without_a_refresh_token_the_refusal_is_the_answer() {
    let mut simulation = Simulation::new();
    simulation.world.provider.gives_refresh_tokens.set(false);
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    simulation.world.api.distrusts_all.set(true);
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 401);
    assert_eq!(statuses(&simulation), [401]);
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    simulation.world.api.distrusts_all.set(false);
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
}

#[test]
fn when_no_new_token_can_be_had_the_call_says_so_and_the_session_stays() {
    let (mut simulation, tab) = signed_in();
    simulation.world.api.distrusts_all.set(true);
    simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
    let error = simulation.run(tab.call("GET", ORDERS, "")).unwrap_err();
    assert_eq!(error.remedy(), Remedy::TryAgain);
    assert_eq!(tab.subject().as_deref(), Some("alice"));
}

#[test]
fn a_call_without_a_session_is_not_made() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let error = simulation.run(tab.call("GET", ORDERS, "")).unwrap_err();
    assert_eq!(error, SessionError::SignedOut(None));
    assert!(simulation.world.api.seen.borrow().is_empty());
}

#[test]
fn offline_the_call_fails_and_the_session_stays() {
    let (mut simulation, tab) = signed_in();
    simulation.world.offline.set(true);
    let error = simulation.run(tab.call("GET", ORDERS, "")).unwrap_err();
    assert_eq!(error.remedy(), Remedy::TryAgain);
    assert!(matches!(tab.session.state(), AuthState::SignedIn(_)));
    simulation.world.offline.set(false);
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
}

#[test]
fn proofs_are_made_for_the_token_endpoint_and_for_every_call() {
    let (mut simulation, tab) = bound();
    for _ in 0..3 {
        assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "x"))), 200);
    }
    simulation.pass(3600.0);
    assert_eq!(status(simulation.run(tab.call("DELETE", ORDERS, ""))), 200);
    assert_eq!(simulation.world.provider.refreshes(), 1);
}

#[test]
fn a_device_ten_minutes_off_makes_proofs_that_hold() {
    for error in [-600_000.0, 600_000.0] {
        let mut simulation = Simulation::new();
        simulation.world.clock_error.set(error);
        let tab = open_bound(&simulation);
        simulation.sign_in(&tab, "alice");
        simulation.pass(1800.0);
        assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
    }
}

#[test]
fn a_clock_that_is_set_while_the_page_is_open_costs_one_more_attempt() {
    let (mut simulation, tab) = bound();
    simulation.world.clock_error.set(600_000.0);
    assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "x"))), 200);
    assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "x"))), 200);
    assert_eq!(statuses(&simulation), [401, 200, 200], "the time came with the refusal");
    assert_eq!(simulation.world.provider.refreshes(), 0);

    let sent = Cell::new(0);
    let challenge = [("WWW-Authenticate", "DPoP error=\"invalid_dpop_proof\"")];
    let never_content = tab.session.call("GET", ORDERS, async |_| {
        sent.set(sent.get() + 1);
        Ok(Answer::new(401, &challenge))
    });
    assert_eq!(status(simulation.run(never_content)), 401);
    assert_eq!(sent.get(), 2);
}

#[test]
fn another_origin_that_refuses_the_time_of_a_proof_gets_that_of_this_server() {
    for offline in [false, true] {
        let mut simulation = Simulation::new();
        let mut client = simulation.world.provider.client();
        client.dpop = DpopMode::Required;
        client.call_origins = vec!["https://api.example".to_owned()];
        let tab = simulation.open_with(client);
        simulation.sign_in(&tab, "alice");
        simulation.world.clock_error.set(600_000.0);
        simulation.world.no_time.set(offline);
        let called = simulation.run(tab.call("POST", "https://api.example/x", "x"));
        assert_eq!(status(called), if offline { 401 } else { 200 });
        assert_eq!(statuses(&simulation).len(), 2, "once more, and no oftener");
        assert_eq!(simulation.world.provider.refreshes(), 0);
    }
}

#[test]
fn a_call_is_made_as_who_made_it_or_not_at_all() {
    for (who, outcome) in [("bob", None), ("alice", Some(200))] {
        let (mut simulation, tab) = bound();
        let other = open_bound(&simulation);
        simulation.sign_in(&other, who);
        // This page has not noticed yet that its token is invalid.
        simulation.pass(3600.0);
        let called = simulation.run(tab.call("POST", ORDERS, "as Alice"));
        match outcome {
            None => assert!(matches!(called, Err(SessionError::AnotherUser)), "{called:?}"),
            Some(expected) => assert_eq!(status(called), expected),
        }
        assert_eq!(statuses(&simulation), Vec::from_iter(outcome));
        assert_eq!(tab.subject().as_deref(), Some(who));
        assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "again"))), 200);
    }
}

#[test]
fn an_origin_that_refuses_every_token_stops_no_other() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    client.call_origins = vec!["https://api.example".to_owned()];
    let tab = simulation.open_with(client);
    simulation.sign_in(&tab, "alice");
    let challenge = [("WWW-Authenticate", "Bearer error=\"invalid_token\"")];
    let refuse = async |_| Ok(Answer::new(401, &challenge));
    let refused = simulation.run(tab.session.call("GET", "https://api.example/x", refuse));
    assert_eq!(status(refused), 401);
    let token = simulation.run(tab.token()).unwrap();
    simulation.world.api.distrusts.borrow_mut().insert(token);
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
}

#[test]
fn a_header_that_another_origin_hides_is_named() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    client.call_origins = vec!["https://api.example".to_owned()];
    let tab = simulation.open_with(client);
    simulation.sign_in(&tab, "alice");
    let challenge = |text| ("WWW-Authenticate", text);
    let nonce = ("DPoP-Nonce", "one");
    let elsewhere = "https://api.example/x";
    for (url, status, headers, hidden) in [
        (elsewhere, 401, &[][..], Some("WWW-Authenticate")),
        (
            elsewhere,
            401,
            &[challenge("DPoP error=\"use_dpop_nonce\"")],
            Some("DPoP-Nonce"),
        ),
        (
            elsewhere,
            401,
            &[challenge("DPoP error=\"use_dpop_nonce\""), nonce],
            None,
        ),
        (elsewhere, 401, &[challenge("Bearer")], None),
        (elsewhere, 403, &[], None),
        (elsewhere, 200, &[], None),
        // This page can read every header of its own origin.
        (ORDERS, 401, &[], None),
    ] {
        tab.state.events.take();
        let answer = async |_| Ok(Answer::new(status, headers));
        simulation.run(tab.session.call("GET", url, answer)).unwrap();
        let events = tab.state.events.take();
        let named = events.iter().find_map(|event| match event {
            Event::HeaderNotExposed { origin, header } => Some((origin.as_str(), *header)),
            _ => None,
        });
        assert_eq!(
            named,
            hidden.map(|header| ("https://api.example", header)),
            "{url} {status} {headers:?}"
        );
    }
}

#[test]
fn the_time_of_another_origin_is_not_learned() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    client.call_origins = vec!["https://api.example".to_owned()];
    let tab = simulation.open_with(client);
    simulation.sign_in(&tab, "alice");
    let learned = tab.state.server_clock.get().server_time;
    simulation.pass(60.0);
    assert_eq!(
        status(simulation.run(tab.call("GET", "https://api.example/x", ""))),
        200
    );
    assert_eq!(tab.state.server_clock.get().server_time, learned);
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
    assert_ne!(tab.state.server_clock.get().server_time, learned);
}

#[test]
fn a_nonce_is_used_and_asked_for_once() {
    let (mut simulation, tab) = bound();
    simulation.world.api.nonce.replace(Some("one".to_owned()));
    assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "x"))), 200);
    assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "x"))), 200);
    assert_eq!(statuses(&simulation), [401, 200, 200], "it is kept");
    simulation.world.api.nonce.replace(Some("two".to_owned()));
    assert_eq!(status(simulation.run(tab.call("POST", ORDERS, "x"))), 200);
    assert_eq!(statuses(&simulation), [401, 200, 200, 401, 200]);
    assert_eq!(simulation.world.provider.refreshes(), 0, "the token was not to blame");

    let sent = Cell::new(0);
    let challenge = [
        ("WWW-Authenticate", "DPoP error=\"use_dpop_nonce\""),
        ("DPoP-Nonce", "another"),
    ];
    let never_content = tab.session.call("GET", ORDERS, async |_| {
        sent.set(sent.get() + 1);
        Ok(Answer::new(401, &challenge))
    });
    assert_eq!(status(simulation.run(never_content)), 401);
    assert_eq!(sent.get(), 2);
}

#[test]
fn the_nonce_of_one_server_is_not_shown_to_another() {
    let (mut simulation, tab) = bound();
    simulation.world.provider.nonce.replace(Some("provider".to_owned()));
    simulation.pass(3600.0);
    simulation.world.api.nonce.replace(Some("api".to_owned()));
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
    simulation.pass(3600.0);
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
    assert_eq!(statuses(&simulation), [401, 200, 200]);
    assert_eq!(
        simulation.world.provider.refreshes(),
        3,
        "the first was sent once more, with the nonce"
    );
}

#[test]
fn after_a_sign_out_the_next_person_has_another_key() {
    let (mut simulation, one) = bound();
    let two = open_bound(&simulation);
    simulation.run(two.token()).unwrap();
    let thumbprint = |tab: &OpenTab| tab.last_request()["dpop_jkt"].clone();
    let first = thumbprint(&one);
    simulation.run(one.session.sign_out());
    simulation.deliver(&[&two]);
    simulation.sign_in(&two, "bob");
    assert_ne!(thumbprint(&two), first);
    assert_eq!(status(simulation.run(two.call("GET", ORDERS, ""))), 200);
}

#[test]
fn where_nothing_can_be_kept_any_more_the_key_is_still_there() {
    let (mut simulation, tab) = bound();
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
    simulation.world.storage_denied.set(true);
    for refreshes in 1..=2 {
        simulation.pass(3600.0);
        assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
        assert_eq!(simulation.world.provider.refreshes(), refreshes);
    }
    assert!(!tab.session.is_stored());
    // A sign-in cannot begin, and the current session does not change.
    let error = simulation.run(tab.session.sign_in(&SignIn::default())).unwrap_err();
    assert!(matches!(error, SessionError::Storage(_)), "{error:?}");
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
}

#[test]
fn tokens_go_to_exact_origins_only() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    client.call_origins = vec!["https://api.example".to_owned(), "https://shop.example:8443".to_owned()];
    let tab = simulation.open_with(client);
    simulation.sign_in(&tab, "alice");
    for good in [
        "https://app.example/x",
        "https://api.example",
        "https://api.example/x?y#z",
        "https://api.example?y=/",
        "https://shop.example:8443/x",
    ] {
        assert_eq!(status(simulation.run(tab.call("GET", good, ""))), 200, "{good}");
    }
    let sent = simulation.world.api.seen.borrow().len();
    for bad in [
        "https://api.example.com.evil/x",
        "https://api.example.evil",
        "https://api.example@evil.example/x",
        "https://api.example:443@evil.example/x",
        "https://api.example:8443/x",
        "https://shop.example/x",
        "http://api.example/x",
        "http://app.example/x",
        "https://app.example:444/x",
        "https://API.example/x",
        "https://api.example\\@evil.example/x",
        "//api.example/x",
        "/x",
        "",
    ] {
        let error = simulation.run(tab.call("GET", bad, "")).unwrap_err();
        assert!(matches!(error, SessionError::ForeignOrigin(_)), "{bad}: {error:?}");
        assert_eq!(error.remedy(), Remedy::Configuration);
    }
    assert_eq!(simulation.world.api.seen.borrow().len(), sent, "nothing was sent");
}

#[test]
fn events_tell_of_calls_without_their_query() {
    let (mut simulation, tab) = signed_in();
    tab.state.events.take();
    assert_eq!(status(simulation.run(tab.call("GET", ORDERS, ""))), 200);
    simulation.world.offline.set(true);
    let error = simulation.run(tab.call("GET", ORDERS, "")).unwrap_err();
    let url = "https://app.example/api/orders".to_owned();
    let started = Event::CallStarted {
        method: "GET".to_owned(),
        url: url.clone(),
    };
    let finished = Event::CallFinished {
        url: url.clone(),
        status: 200,
    };
    let events = [started.clone(), finished, started, Event::CallFailed { url, error }];
    assert_eq!(tab.state.events.take(), events);
}

#[test]
fn a_clock_set_forward_while_the_page_is_open_stops_no_refresh() {
    let (mut simulation, tab) = bound();
    simulation.world.clock_error.set(7_200_000.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    assert_eq!(
        simulation.world.provider.refreshes(),
        2,
        "the first proof was of the future"
    );

    simulation.world.clock_error.set(0.0);
    simulation.pass(3600.0);
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-3");
    assert_eq!(simulation.world.provider.refreshes(), 3);
}

#[test]
fn a_token_is_replaced_only_where_another_may_pass() {
    let replaceable = [
        Reason::UnknownKey,
        Reason::BadSignature,
        Reason::Expired,
        Reason::NotYetValid,
        Reason::Revoked,
        Reason::MissingToken,
    ];
    let in_vain = [
        Reason::MalformedToken,
        Reason::TokenTooLarge,
        Reason::UnsupportedAlgorithm,
        Reason::IssuerNotTrusted,
        Reason::AudienceMismatch,
        Reason::WrongTokenType,
        Reason::MissingClaim,
        Reason::InvalidClaim,
        Reason::CertificateMismatch,
    ];
    let all = replaceable.map(|reason| (reason, 1)).into_iter();
    for (reason, refreshes) in all.chain(in_vain.map(|reason| (reason, 0))) {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        simulation.sign_in(&tab, "alice");
        simulation.world.api.distrusts_all.set(true);
        simulation.world.api.reason.set(Some(reason));
        let called = simulation
            .run(tab.call("GET", "https://app.example/api/orders", ""))
            .unwrap();
        assert!(
            matches!(called, CallOutcome::Response(Answer { status: 401, .. })),
            "{called:?}"
        );
        assert_eq!(simulation.world.provider.refreshes(), refreshes, "{reason:?}");
    }
}
