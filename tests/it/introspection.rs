//! Opaque tokens: what to change at the provider, or the question to it (RFC 7662).

use pixygate::{
    Reason,
    jwt::{Secret, UnverifiedClaims},
    test_support::at,
};
use serde_json::{Value, json};

use crate::world::World;

const INTROSPECTION: &str = "https://idp.example/introspect";

async fn asking() -> World {
    World::with(
        |mut trust| {
            trust.introspection_url = INTROSPECTION.into();
            trust.introspection_client_id = "gate".into();
            trust.introspection_client_secret = Secret::new("hunter2");
            trust
        },
        |validator| validator,
    )
    .await
}

fn active() -> Value {
    json!({"active": true, "sub": "alice", "aud": "orders", "scope": "a", "exp": at(300), "client_id": "shop"})
}

#[tokio::test]
async fn an_opaque_token_is_recognised_and_the_way_out_is_named() {
    let world = World::new().await;
    for token in ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "ya29.a0AfH6SMC"] {
        let rejection = world.validator.validate(token, world.clock.time()).await.unwrap_err();
        assert_eq!(rejection.reason(), Reason::MalformedToken);
        assert_eq!(rejection.detail().found, "an opaque token");
        for provider in ["Asgardeo", "Auth0", "Zitadel", "introspection_url"] {
            assert!(
                rejection.detail().mend.contains(provider),
                "{}",
                rejection.detail().mend
            );
        }
        assert!(!rejection.to_string().contains(token));
    }
    let encrypted = UnverifiedClaims::decode("eyJhbGciOiJkaXIifQ..aXY.dGV4dA.dGFn").unwrap_err();
    assert!(encrypted.detail().mend.contains("Auth0"));
}

#[tokio::test]
async fn an_active_token_is_asked_about_once_in_a_while() {
    let world = asking().await;
    world.provider.put(INTROSPECTION, &active());
    for _ in 0..5 {
        let principal = world.validate("opaque").await.unwrap();
        assert_eq!(
            (principal.issuer(), principal.subject()),
            ("https://idp.example", "alice")
        );
        assert!(principal.has_scope("a"));
    }
    assert_eq!(world.provider.asked(INTROSPECTION), 1);
    assert_eq!(world.provider.posted(), ["token=opaque&token_type_hint=access_token"]);
    world.provider.put(INTROSPECTION, &json!({"active": false}));
    world.clock.advance(29);
    world.validate("opaque").await.unwrap();
    world.clock.advance(1);
    assert_eq!(world.validate("opaque").await, Err(Reason::Revoked));
    assert_eq!(world.validate("opaque").await, Err(Reason::Revoked));
    assert_eq!(world.provider.asked(INTROSPECTION), 2);
    // A JWT is never sent anywhere.
    world.validate(&world.token().sign()).await.unwrap();
    assert_eq!(world.validate("a.b.c").await, Err(Reason::MalformedToken));
    assert_eq!(world.provider.asked(INTROSPECTION), 2);
}

#[tokio::test]
async fn an_answer_is_checked_like_a_token() {
    for (change, reason) in [
        (json!({"aud": "other"}), Reason::AudienceMismatch),
        (json!({"iss": "https://other.example"}), Reason::IssuerNotTrusted),
        (json!({"exp": at(-61)}), Reason::Expired),
        (json!({"sub": null}), Reason::InvalidClaim),
        (json!({"active": "true"}), Reason::Revoked),
        (json!({"cnf": {"jkt": "abc"}}), Reason::DpopRequired),
    ] {
        let world = asking().await;
        let mut answer = active();
        for (name, value) in change.as_object().unwrap() {
            answer[name] = value.clone();
        }
        world.provider.put(INTROSPECTION, &answer);
        assert_eq!(world.validate("opaque").await, Err(reason), "{change}");
    }
    let world = asking().await;
    let mut endless = active();
    endless.as_object_mut().unwrap().remove("exp");
    world.provider.put(INTROSPECTION, &endless);
    world.validate("opaque").await.unwrap();
    world.provider.set_down(true);
    assert_eq!(world.validate("another").await, Err(Reason::KeysUnavailable));
}

#[tokio::test]
async fn invented_tokens_become_no_flood_of_questions_and_evict_no_good_answer() {
    let world = asking().await;
    world.provider.put(INTROSPECTION, &active());
    world.validate("good").await.unwrap();
    world.provider.put(INTROSPECTION, &json!({"active": false}));
    for number in 0..2000 {
        assert_eq!(
            world.validate(&format!("invented-{number}")).await,
            Err(Reason::Revoked)
        );
    }
    assert_eq!(world.provider.asked(INTROSPECTION), 2001);
    // Still answered from memory, for as long as its answer is believed.
    world.validate("good").await.unwrap();
    assert_eq!(world.provider.asked(INTROSPECTION), 2001);

    // Sixteen questions at once; whoever comes then is told to come again, and those with a known answer do not wait.
    world.provider.hold();
    let waiting: Vec<_> = (0..16)
        .map(|number| {
            let (validator, now) = (world.validator.clone(), world.clock.time());
            tokio::spawn(async move { validator.validate(&format!("at-once-{number}"), now).await })
        })
        .collect();
    while world.provider.asked(INTROSPECTION) < 2001 + 16 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.validate("one-more").await, Err(Reason::KeysUnavailable));
    world.validate("good").await.unwrap();
    world.provider.release();
    for question in waiting {
        assert_eq!(question.await.unwrap().unwrap_err().reason(), Reason::Revoked);
    }
    assert_eq!(world.validate("one-more").await, Err(Reason::Revoked));
}
