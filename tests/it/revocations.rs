//! Revocations by an operator: one token, all sessions of a user, all tokens of an issuer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::body::Body;
use pixygate::{
    Reason,
    gate::{BackchannelLogout, LogoutFuture, LogoutRecord, LogoutRecorder, Policies},
    jwt::{Ended, LocalRevocations, LogoutToken, Principal, Revocations},
    test_support::at,
};

use crate::world::{World, refusal, request, send, signed_in, with_token};

async fn world() -> (World, Arc<LocalRevocations>) {
    let revocations = Arc::new(LocalRevocations::default());
    let world = World::with(|trust| trust, |validator| validator.revocations(revocations.clone())).await;
    (world, revocations)
}

fn at_issue() -> u64 {
    at(0) as u64
}

#[tokio::test(start_paused = true)]
async fn what_ended_is_rejected_and_its_neighbours_are_accepted() {
    let idp = "https://idp.example";
    for (ended, expected) in [
        (Ended::new(idp, at_issue()).token_id("t1"), [true, false, false, false]),
        (
            Ended::new(idp, at_issue()).token_id("t1").subject("bob"),
            [true, false, false, false],
        ),
        (
            Ended::new(idp, at_issue()).session_id("s1"),
            [true, false, false, false],
        ),
        (Ended::new(idp, at_issue()).subject("alice"), [true, true, false, false]),
        (Ended::new(idp, at_issue()), [true, true, true, false]),
        (Ended::new("https://other.example", at_issue()), [false; 4]),
    ] {
        let (world, revocations) = world().await;
        let token = |id: &str| world.token().claim("jti", id);
        let tokens = [
            token("t1").claim("sid", "s1"),
            token("t2").claim("sid", "s2"),
            token("t3").subject("bob"),
            token("t4").claim("iat", at(1)).claim("sid", "s4"),
        ];
        world.clock.advance(1);
        for token in &tokens {
            world.validate(&token.sign()).await.unwrap();
        }
        revocations.end(&ended);
        for (token, revoked) in tokens.iter().zip(expected) {
            let found = world.validate(&token.sign()).await.err();
            assert_eq!(
                found,
                revoked.then_some(Reason::Revoked),
                "{ended:?} {}",
                token.claims_json()
            );
        }
    }
}

/// The machine's clock is a minute behind the provider's.
#[tokio::test(start_paused = true)]
async fn the_end_of_all_sessions_ends_the_session_that_asked_for_it() {
    let (world, revocations) = world().await;
    let token = world.token().sign();
    let principal = world.validate(&token).await.unwrap();
    let ended = Ended::sessions_of(&principal, at_issue() - 60);
    assert_eq!((ended.before, ended.subject.as_deref()), (at_issue(), Some("alice")));
    assert_eq!(Ended::sessions_of(&principal, at_issue() + 60).before, at_issue() + 60);
    revocations.end(&ended);
    assert_eq!(world.validate(&token).await, Err(Reason::Revoked));
}

/// An operator sees the value of `trust.subject_claim`, and ends its sessions.
#[tokio::test(start_paused = true)]
async fn a_subject_from_another_claim_is_known_by_both_names() {
    for name in ["alice", "a@example.com"] {
        let revocations = Arc::new(LocalRevocations::default());
        let by_email = |mut trust: pixygate::jwt::Trust| {
            trust.subject_claim = "email".into();
            trust
        };
        let world = World::with(by_email, |validator| validator.revocations(revocations.clone())).await;
        let token = |email: &str| world.token().claim("email", email).subject(&email[..1]);
        let alice = world.token().claim("email", "a@example.com").sign();
        world.validate(&alice).await.unwrap();
        revocations.end(&Ended::new("https://idp.example", at_issue()).subject(name));
        assert_eq!(world.validate(&alice).await, Err(Reason::Revoked), "{name}");
        world.validate(&token("b@example.com").sign()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_end_becomes_a_date_and_never_comes_back() {
    let (world, revocations) = world().await;
    world.clock.advance(30);
    let idp = "https://idp.example";
    revocations.end(&Ended::new(idp, at_issue() + 3).subject("alice"));
    revocations.end(&Ended::new(idp, at_issue() + 5).token_id("t5"));
    revocations.end(&Ended::new(idp, at_issue() + 9).subject("bob"));
    assert_eq!(revocations.len(), 3);
    revocations.forget(at_issue() + 9);
    assert_eq!(revocations.len(), 1);
    let token = |subject: &str, issued: i64| world.token().subject(subject).claim("iat", at(issued)).sign();
    for (subject, issued, revoked) in [
        ("alice", 3, true),
        ("carol", 5, true),
        ("alice", 6, false),
        ("bob", 9, true),
        ("bob", 10, false),
    ] {
        let found = world.validate(&token(subject, issued)).await.err();
        assert_eq!(found, revoked.then_some(Reason::Revoked), "{subject} {issued}");
    }
    // No records are left, and the date stays.
    revocations.forget(u64::MAX);
    assert!(revocations.is_empty());
    assert_eq!(world.validate(&token("bob", 9)).await, Err(Reason::Revoked));
    assert_eq!(world.validate(&token("bob", 10)).await.map(drop), Ok(()));
}

struct Stale(Arc<AtomicBool>);

impl Revocations for Stale {
    fn is_revoked(&self, _: &Principal) -> bool {
        false
    }

    fn is_current(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn while_revocations_are_unknown_every_token_is_503() {
    let stale = Arc::new(AtomicBool::new(false));
    let revocations = Stale(stale.clone());
    let world = World::with(|trust| trust, |validator| validator.revocations(revocations)).await;
    let app = world.app(signed_in());
    let (cached, new) = (world.token().sign(), world.token().claim("jti", "2").sign());
    let call = |token: &str| with_token("GET", "/api/whoami", token);
    assert_eq!(send(&app, call(&cached)).await.status(), 200);
    stale.store(true, Ordering::Relaxed);
    for token in [&cached, &new] {
        let refusal = refusal(send(&app, call(token)).await).await;
        assert_eq!(refusal.reason, Reason::KeysUnavailable);
    }
    stale.store(false, Ordering::Relaxed);
    for token in [&cached, &new] {
        assert_eq!(send(&app, call(token)).await.status(), 200);
    }
}

/// Returns the record that the test has set.
struct Recorder(LogoutRecord);

impl LogoutRecorder for Recorder {
    fn record<'a>(&'a self, logout: &'a LogoutToken, _: u64) -> LogoutFuture<'a> {
        assert_eq!(logout.subject(), Some("alice"));
        Box::pin(std::future::ready(self.0))
    }
}

#[tokio::test]
async fn the_provider_gets_200_only_for_what_is_recorded() {
    let world = World::new().await;
    for (record, status) in [
        (LogoutRecord::Recorded, 200),
        (LogoutRecord::Replayed, 400),
        (LogoutRecord::Unavailable, 503),
    ] {
        let gate = world.gate(Policies::new()).build().unwrap();
        let logout = BackchannelLogout::with_recorder(&gate, world.issuer.issuer(), "shop", Recorder(record));
        let form = format!("logout_token={}", world.issuer.logout_token("shop").sign());
        let request = request("POST", "/backchannel-logout")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap();
        let response = logout.answer(request).await;
        assert_eq!(response.status(), status, "{record:?}");
        assert_eq!(response.headers().contains_key("retry-after"), status == 503);
    }
}
