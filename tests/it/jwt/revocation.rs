//! 76: access tokens after a session has ended at the provider.

use http::StatusCode;
use pixygate::{Reason, jwt::LocalRevocations, test_support::at};

use tokio::time::Instant;

use crate::{
    logout::{LogoutFixture, refused as refused_logout},
    world::{refused, signed_in, status, with_token},
};

#[tokio::test(start_paused = true)]
async fn tokens_of_an_ended_session_are_rejected_and_others_accepted() {
    type Named = (Option<&'static str>, Option<&'static str>);
    // Subject and session of the logout token. Then, whether it revokes: Alice's tokens of session s1, of s2, of no session, and Bob's.
    let cases: [(Named, [bool; 4]); 3] = [
        ((Some("alice"), Some("s1")), [true, false, true, false]),
        ((Some("alice"), None), [true, true, true, false]),
        ((None, Some("s1")), [true, false, false, false]),
    ];
    for ((subject, session), expected) in cases {
        let fixture = LogoutFixture::new().await;
        let token = || fixture.world.token();
        let calls = [
            token().claim("sid", "s1"),
            token().claim("sid", "s2"),
            token(),
            token().subject("bob").claim("sid", "s3"),
        ];
        for call in &calls {
            assert_eq!(fixture.call(call).await, Ok(()));
        }
        let mut logout = fixture.logout("1").without("sub");
        for (claim, value) in [("sub", subject), ("sid", session)] {
            logout = match value {
                Some(value) => logout.claim(claim, value),
                None => logout,
            };
        }
        fixture.post_accepted_logout(&logout.sign()).await;
        // All four are cached.
        assert_eq!(fixture.world.validator.cached_tokens(), 4);
        for (call, refused) in calls.iter().zip(expected) {
            let expected = if refused { Err(Reason::Revoked) } else { Ok(()) };
            assert_eq!(
                fixture.call(call).await,
                expected,
                "{subject:?} {session:?} {}",
                call.claims_json()
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_is_accepted() {
    let fixture = LogoutFixture::new().await;
    let issued = |seconds: f64| fixture.world.token().claim("iat", 1_800_000_000_f64 + seconds);
    let logout = fixture.logout("1").claim("iat", at(10));
    fixture.world.clock.advance(20);
    assert_eq!(fixture.call(&issued(10.0)).await, Ok(()));
    fixture.post_accepted_logout(&logout.sign()).await;
    for before in [0.0, 9.0, 10.0, 10.9] {
        assert_eq!(fixture.call(&issued(before)).await, Err(Reason::Revoked), "{before}");
    }
    for after in [11.0, 20.0] {
        assert_eq!(fixture.call(&issued(after)).await, Ok(()), "{after}");
    }
    // A logout token with an earlier `iat` changes nothing.
    fixture
        .post_accepted_logout(&fixture.logout("2").claim("iat", at(5)).sign())
        .await;
    assert_eq!(fixture.call(&issued(10.0)).await, Err(Reason::Revoked));
    assert_eq!(fixture.call(&issued(11.0)).await, Ok(()));
    // A token without `iat` may be older than the logout.
    let undated = fixture.world.token().without("iat");
    assert_eq!(fixture.call(&undated).await, Err(Reason::Revoked));
    assert_eq!(fixture.call(&undated.clone().subject("bob")).await, Ok(()));
}

/// `iat` counts whole seconds, and a client without `sid` fetches a new token as soon as one is rejected. The response is delayed, so that
/// the new token has a later `iat`.
#[tokio::test(start_paused = true)]
async fn the_rejection_waits_for_the_end_of_the_second() {
    let fixture = LogoutFixture::new().await;
    let token = |session: &str| match session {
        "" => fixture.world.token(),
        session => fixture.world.token().claim("sid", session),
    };
    fixture
        .post_accepted_logout(&fixture.logout("1").claim("sid", "s1").sign())
        .await;
    for (what, token, expected, milliseconds) in [
        ("the session itself", token("s1"), Err(Reason::Revoked), 0),
        (
            "an earlier token",
            token("").claim("iat", at(-1)),
            Err(Reason::Revoked),
            1000,
        ),
        ("another session", token("s2"), Ok(()), 0),
        ("later", token("").claim("iat", at(-1)), Err(Reason::Revoked), 0),
        ("one of the same second, later", token(""), Err(Reason::Revoked), 0),
    ] {
        let start = Instant::now();
        assert_eq!(fixture.call(&token).await, expected, "{what}");
        assert_eq!(start.elapsed().as_millis(), milliseconds, "{what}");
    }
    fixture.world.clock.advance(1);
    assert_eq!(fixture.call(&token("").claim("iat", at(1))).await, Ok(()));
    // A sign-in in the same second as the logout of all sessions.
    fixture
        .post_accepted_logout(&fixture.logout("2").claim("iat", at(1)).sign())
        .await;
    let start = Instant::now();
    assert_eq!(
        fixture.call(&token("s3").claim("iat", at(1))).await,
        Err(Reason::Revoked)
    );
    assert_eq!(start.elapsed().as_millis(), 1000);
}

#[tokio::test(start_paused = true)]
async fn dropped_records_are_replaced_by_their_date() {
    let fixture = LogoutFixture::with(LocalRevocations::new(4), |trust| trust).await;
    fixture.world.clock.advance(30);
    let person = |number: i64| format!("person-{number}");
    let token = |number: i64, issued: i64| {
        let token = fixture.world.token().subject(&person(number));
        token.claim("iat", at(issued)).claim("exp", at(300))
    };
    for number in 1..=5 {
        let logout = fixture.logout(&person(number)).subject(&person(number));
        fixture
            .post_accepted_logout(&logout.claim("iat", at(number)).sign())
            .await;
        // The newest record counts at once, even when the store is full.
        assert_eq!(fixture.call(&token(number, number)).await, Err(Reason::Revoked));
        assert_eq!(fixture.call(&token(number, number + 1)).await, Ok(()), "{number}");
    }
    // The first three records are dropped. Every token that is not newer than they are is rejected.
    for number in 1..=5 {
        assert_eq!(
            fixture.call(&token(number, number)).await,
            Err(Reason::Revoked),
            "{number}"
        );
    }
    assert_eq!(fixture.call(&token(9, 3)).await, Err(Reason::Revoked));
    assert_eq!(fixture.call(&token(9, 4)).await, Ok(()));
    assert_eq!(fixture.call(&token(1, 4)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_subject_from_another_claim_is_found_by_sub() {
    let fixture = LogoutFixture::with(LocalRevocations::default(), |mut trust| {
        trust.subject_claim = "email".into();
        trust
    })
    .await;
    let token = |subject: &str| fixture.world.token().subject(subject).claim("email", "a@example.com");
    fixture.post_accepted_logout(&fixture.logout("1").sign()).await;
    assert_eq!(fixture.call(&token("alice")).await, Err(Reason::Revoked));
    assert_eq!(fixture.call(&token("a@example.com")).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_alias_is_the_same_issuer() {
    let fixture = LogoutFixture::with(LocalRevocations::default(), |trust| {
        trust.alias("https://idp.example/v1")
    })
    .await;
    let token = fixture.world.token().claim("iss", "https://idp.example/v1");
    assert_eq!(fixture.call(&token).await, Ok(()));
    // A logout token must name the configured issuer.
    let aliased = fixture.logout("1").claim("iss", "https://idp.example/v1").sign();
    assert_eq!(
        refused_logout(fixture.post_logout(&aliased).await).await,
        Reason::IssuerNotTrusted
    );
    assert_eq!(fixture.call(&token).await, Ok(()));
    fixture.post_accepted_logout(&fixture.logout("1").sign()).await;
    assert_eq!(fixture.call(&token).await, Err(Reason::Revoked));
    assert_eq!(fixture.call(&token.subject("bob")).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_401_with_its_reason() {
    let fixture = LogoutFixture::new().await;
    let app = fixture.world.app(signed_in());
    let call = || with_token("GET", "/api/whoami", &fixture.world.token().sign());
    assert_eq!(status(&app, call()).await, StatusCode::OK);
    fixture.post_accepted_logout(&fixture.logout("1").sign()).await;
    assert_eq!(refused(&app, call()).await, Reason::Revoked);
}
