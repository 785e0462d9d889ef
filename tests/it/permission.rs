//! 32, 35 and 46: policies, and their challenges.

use std::time::Duration;

use http::StatusCode;
use pixygate::{
    Reason,
    gate::{Policies, Policy},
    test_support::at,
};
use serde_json::{Value, json};

use crate::world::{World, explaining, refusal, refused, send, status, with_token, wrap};

#[tokio::test]
async fn scopes_are_compared_whole_and_named_in_the_challenge() {
    let world = World::new().await;
    let policy = Policy::signed_in().scope("readonly").any_scope(["a", "b"]);
    let app = world.app(Policies::new().route("GET", "/api/a", policy));
    let ask = |scope: &str| with_token("GET", "/api/a", &world.token().scope(scope).sign());
    assert_eq!(status(&app, ask("readonly b")).await, StatusCode::OK);
    for scope in ["read a", "readonlyx a", "READONLY a", "readonly", "a", ""] {
        let response = send(&app, ask(scope)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{scope}");
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("error=\"insufficient_scope\""),
            "{challenge}"
        );
        assert!(challenge.contains("scope=\"readonly"), "{challenge}");
        assert_eq!(refusal(response).await.reason, Reason::InsufficientScope);
    }
}

#[tokio::test]
async fn roles_and_claims_are_asked_for() {
    let world = World::new().await;
    let policy = Policy::signed_in()
        .role("buyer")
        .any_role(["eu", "us"])
        .any_claim("tier", ["gold", "silver"]);
    let app = world.app(Policies::new().route("GET", "/api/a", policy));
    let ask = |roles: Value, tier: &str| {
        with_token(
            "GET",
            "/api/a",
            &world.token().claim("groups", roles).claim("tier", tier).sign(),
        )
    };
    assert_eq!(
        status(&app, ask(json!(["buyer", "us"]), "silver")).await,
        StatusCode::OK
    );
    for (roles, tier) in [
        (json!(["buyer"]), "gold"),
        (json!(["us"]), "gold"),
        (json!(["buyer", "us"]), "tin"),
        (json!("buyers"), "gold"),
    ] {
        assert_eq!(refused(&app, ask(roles, tier)).await, Reason::InsufficientScope);
    }
}

#[tokio::test]
async fn two_requirements_of_one_kind_must_both_hold() {
    let world = World::new().await;
    let age = |seconds| Duration::from_secs(seconds);
    let policy = Policy::signed_in()
        .scope("read")
        .scope("write")
        .any_acr(["mfa", "hwk"])
        .any_acr(["hwk", "pwd"])
        .claim("tier", "gold")
        .claim("tier", "eu")
        .max_age(age(300))
        .max_age(age(600));
    let app = world.app(Policies::new().route("GET", "/api/a", policy));
    let good = || {
        let token = world.token().scope("read write").claim("acr", "hwk");
        token.claim("tier", json!(["gold", "eu"])).claim("auth_time", at(-300))
    };
    assert_eq!(
        status(&app, with_token("GET", "/api/a", &good().sign())).await,
        StatusCode::OK
    );
    let (scope, authentication) = (Reason::InsufficientScope, Reason::InsufficientUserAuthentication);
    for (token, reason) in [
        (good().scope("read"), scope),
        (good().scope("write"), scope),
        (good().claim("acr", "mfa"), authentication),
        (good().claim("acr", "pwd"), authentication),
        (good().claim("tier", "gold"), scope),
        (good().claim("tier", json!(["eu"])), scope),
        (good().claim("auth_time", at(-301)), authentication),
    ] {
        assert_eq!(refused(&app, with_token("GET", "/api/a", &token.sign())).await, reason);
    }
}

#[tokio::test]
async fn a_step_up_is_asked_for_with_what_is_required() {
    let world = World::new().await;
    let policy = Policy::signed_in()
        .any_acr(["mfa", "hwk"])
        .max_age(Duration::from_secs(300));
    let app = world.app(Policies::new().route("GET", "/api/a", policy));
    let ask = |acr: &str, age: i64| {
        with_token(
            "GET",
            "/api/a",
            &world.token().claim("acr", acr).claim("auth_time", at(-age)).sign(),
        )
    };
    assert_eq!(status(&app, ask("mfa", 300)).await, StatusCode::OK);
    assert_eq!(status(&app, ask("hwk", 0)).await, StatusCode::OK);
    assert_eq!(status(&app, ask("mfa", -60)).await, StatusCode::OK);
    for weak in [
        ask("pwd", 0),
        ask("mfa", 301),
        // A sign-in in the future would count as recent for that time.
        ask("mfa", -61),
        ask("mfa2", 0),
        with_token("GET", "/api/a", &world.token().sign()),
    ] {
        let response = send(&app, weak).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        for part in [
            "error=\"insufficient_user_authentication\"",
            "acr_values=\"mfa hwk\"",
            "max_age=\"300\"",
        ] {
            assert!(challenge.contains(part), "{challenge}");
        }
        assert_eq!(refusal(response).await.reason, Reason::InsufficientUserAuthentication);
    }
}

#[tokio::test]
async fn a_cached_verdict_does_not_open_another_route() {
    let world = World::new().await;
    let policies = Policies::new()
        .route("GET", "/api/read", Policy::signed_in().scope("read"))
        .route("GET", "/api/write", Policy::signed_in().scope("write"));
    let app = world.app(policies);
    let token = world.token().scope("read").sign();
    for _ in 0..3 {
        assert_eq!(
            status(&app, with_token("GET", "/api/read", &token)).await,
            StatusCode::OK
        );
        assert_eq!(
            refused(&app, with_token("GET", "/api/write", &token)).await,
            Reason::InsufficientScope
        );
    }
}

/// A missing claim that the policy requires is named.
#[tokio::test]
async fn a_policy_names_the_claim_that_it_misses() {
    let world = World::new().await;
    for (policy, claim, name) in [
        (Policy::signed_in().scope("read"), "scope", "`scope`"),
        (Policy::signed_in().role("buyer"), "groups", "roles"),
        (Policy::signed_in().acr("mfa"), "acr", "acr"),
        (
            Policy::signed_in().max_age(Duration::from_secs(300)),
            "auth_time",
            "auth_time",
        ),
        (Policy::signed_in().claim("tier", "gold"), "tier", "`tier`"),
    ] {
        let policies = Policies::new().route("GET", "/api/a", policy);
        let app = wrap(explaining(world.gate(policies)));
        for token in [world.token(), world.token().claim(claim, json!(null))] {
            let detail = refusal(send(&app, with_token("GET", "/api/a", &token.sign())).await)
                .await
                .detail;
            let found = detail.unwrap().found;
            assert!(found.contains("no") && found.contains(name), "{claim}: {found}");
        }
    }
}
