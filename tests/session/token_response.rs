//! Token responses of real providers: unused members are ignored, and an error names the wrong member.

use pixygate::authorization::TokenError;
use pixygate::authorization::id_token::IdTokenError;
use pixygate::session::{SessionError, SignOutReason};
use serde_json::{Value, json};

use crate::provider::ABSENT;
use crate::world::{OpenTab, Simulation};

/// Wrong values of a member.
pub(crate) fn mutations() -> Vec<Value> {
    vec![
        json!(ABSENT),
        json!(null),
        json!(""),
        json!(0),
        json!(12),
        json!(-1),
        json!("text"),
        json!([]),
        json!(["one", "two"]),
        json!({ "a": 1 }),
        json!(true),
    ]
}

/// Signs in with a token response that has this member.
fn sign_in(member: &str, value: &Value) -> (Simulation, OpenTab, Result<(), SessionError>) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = simulation.visit_provider(&tab, "alice");
    simulation.world.provider.response.replace(json!({ member: value }));
    let outcome = simulation.run(tab.session.complete(&query));
    let outcome = outcome.map(drop).map_err(|failure| failure.error);
    assert_eq!(tab.subject().is_some(), outcome.is_ok());
    (simulation, tab, outcome)
}

fn signed_in() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    simulation.pass(3600.0);
    (simulation, tab)
}

#[test]
fn a_member_of_a_sign_in_decides_only_where_it_is_used() {
    for value in mutations() {
        for member in ["expires_in", "refresh_token", "scope", "not_before_policy"] {
            assert_eq!(sign_in(member, &value).2, Ok(()), "{member}: {value}");
        }
        let is_text = value == json!("text");
        let expected = match is_text {
            true => Err(IdTokenError::TokenType("text".to_owned()).into()),
            false => Ok(()),
        };
        assert_eq!(sign_in("token_type", &value).2, expected, "{value}");

        let error = sign_in("id_token", &value).2.unwrap_err();
        let is_missing = error == SessionError::IdToken(IdTokenError::Missing);
        assert_eq!(is_missing, !is_text, "{value}: {error}");

        let error = sign_in("access_token", &value).2.unwrap_err();
        let names_it = error.to_string().contains("`access_token` is ");
        // A string is another access token than that of the ID token.
        assert_eq!(names_it, !is_text, "{value}: {error}");
    }
}

#[test]
fn a_lifetime_is_understood_as_a_number_or_as_text() {
    for (value, seconds) in [
        (json!("3599"), Some(3599.0)),
        (json!(" 300 "), Some(300.0)),
        (json!(299.5), Some(299.5)),
        (json!("299.5"), Some(299.5)),
        (json!(300), Some(300.0)),
        (json!("soon"), None),
        (json!(-1), None),
        (json!(null), None),
    ] {
        let (_, tab, outcome) = sign_in("expires_in", &value);
        assert_eq!(outcome, Ok(()));
        // It is due one minute before the token expires.
        let due = seconds.map(|seconds| (seconds - 60.0) * 1000.0);
        assert_eq!(tab.session.refresh_due_in(), due, "{value}");
    }
}

#[test]
fn scopes_are_a_text_or_a_list() {
    for (value, scopes) in [
        (json!("openid orders:read"), ["openid", "orders:read"]),
        (json!(["openid", "orders:read"]), ["openid", "orders:read"]),
        // The scopes of the request.
        (json!(""), ["openid", "profile"]),
        (json!([]), ["openid", "profile"]),
        (json!({}), ["openid", "profile"]),
    ] {
        let (_, tab, outcome) = sign_in("scope", &value);
        assert_eq!(outcome, Ok(()));
        assert_eq!(tab.session.state().signed_in().unwrap().scopes(), scopes, "{value}");
    }
}

#[test]
fn a_member_of_a_refresh_decides_only_where_it_is_used() {
    for value in mutations() {
        for member in ["expires_in", "scope", "id_token", "token_type", "not_before_policy"] {
            if member == "token_type" && value == json!("text") {
                continue;
            }
            let (mut simulation, tab) = signed_in();
            simulation.world.provider.response.replace(json!({ member: value }));
            assert_eq!(
                simulation.run(tab.token()).as_deref(),
                Ok("access-2"),
                "{member}: {value}"
            );
            simulation.world.provider.response.replace(json!({}));
            let next = simulation.run(tab.session.replace_now()).unwrap();
            assert_eq!(next.secret(), "access-3", "{member}: {value}");
            assert!(simulation.world.provider.reused.borrow().is_empty());
        }
    }
}

#[test]
fn a_new_refresh_token_is_stored_whatever_else_cannot_be_read() {
    for value in mutations().into_iter().filter(|value| *value != json!("text")) {
        let (mut simulation, tab) = signed_in();
        simulation
            .world
            .provider
            .response
            .replace(json!({ "access_token": value }));
        let error = simulation.run(tab.token()).unwrap_err();
        assert!(
            matches!(&error, SessionError::Token(TokenError::Malformed { status: 200, .. })),
            "{error}"
        );
        assert!(error.to_string().contains("`access_token` is "), "{error}");
        // A page that is opened now continues from there.
        let other = simulation.open();
        simulation.world.provider.response.replace(json!({}));
        assert_eq!(simulation.run(other.token()).as_deref(), Ok("access-3"), "{value}");
        assert_eq!(simulation.run(tab.token()).as_deref(), Ok("access-3"));
        assert!(simulation.world.provider.reused.borrow().is_empty(), "{value}");
        assert_eq!(simulation.world.provider.valid_refresh_tokens(), 1);
    }
}

#[test]
fn a_new_refresh_token_is_stored_before_the_key_of_the_id_token_is_fetched() {
    let (mut simulation, tab) = signed_in();
    let rotated = |simulation: &Simulation| simulation.world.vault.borrow()["session"].1.contains("refresh-2");
    simulation.world.provider.header.replace(json!({ "kid": "second" }));
    simulation.world.answers_held_back.set(true);
    let session = tab.session.clone();
    let waiting = simulation.start(async move { session.access_token().await.map(drop) });
    // The response arrives, and the request for the keys is held.
    simulation.world.held_back.set(true);
    simulation.world.answers_held_back.set(false);
    for answer in simulation.world.waiting.take() {
        answer.send(()).unwrap();
    }
    simulation.settle();
    assert!(waiting.borrow().is_none());
    assert!(rotated(&simulation));
    simulation.close(tab);
    simulation.release();
    simulation.world.provider.header.replace(json!({}));
    let tab = simulation.open();
    assert_eq!(simulation.run(tab.token()).as_deref(), Ok("access-3"));
    assert!(simulation.world.provider.reused.borrow().is_empty());
}

#[test]
fn a_refresh_that_brings_nothing_that_can_be_read_ends_after_a_second_one() {
    let (mut simulation, tab) = signed_in();
    simulation.world.provider.rotates.replace(false);
    simulation
        .world
        .provider
        .response
        .replace(json!({ "access_token": {} }));
    assert!(simulation.run(tab.token()).is_err());
    assert!(tab.subject().is_some());
    simulation.pass(1.1);
    let ended = simulation.run(tab.token()).unwrap_err();
    let SessionError::SignedOut(Some(SignOutReason::RefreshRejected(detail))) = ended else {
        panic!("{ended}")
    };
    assert!(detail.contains("`access_token` is an object"), "{detail}");
}
