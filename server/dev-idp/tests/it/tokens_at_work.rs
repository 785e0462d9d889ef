//! Userinfo, introspection, revocation, token exchange.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::json;

use crate::world::{access_token, claims, world};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

#[tokio::test]
async fn a_token_of_someone_who_is_not_configured_any_more_is_invalid() {
    let world = world();
    let token = access_token(&world).await;
    assert_eq!(world.userinfo(&token).await.status, StatusCode::OK);
    let others = json!({"people": [{"username": "bob", "password": "bob"}]});
    world.control(Method::PUT, "tenants/demo", others).await;
    let answer = world.userinfo(&token).await;
    answer.assert_error(401, "invalid_token");
    assert!(
        answer
            .header("www-authenticate")
            .starts_with("Bearer error=\"invalid_token\""),
        "{answer:?}"
    );
}

#[tokio::test]
async fn userinfo_tells_what_the_scopes_open_and_only_to_a_good_token() {
    let world = world();
    let tokens = world.tokens().await;
    let token = tokens["access_token"].as_str().unwrap();
    let told = world.userinfo(token).await.json();
    assert_eq!(told["sub"], claims(tokens["id_token"].as_str().unwrap())["sub"]);
    assert_eq!(
        (&told["name"], &told["email"]),
        (&"Alice Example".into(), &"alice@example.com".into())
    );
    world
        .userinfo(&format!("{token}x"))
        .await
        .assert_error(401, "invalid_token");
    world
        .userinfo(tokens["id_token"].as_str().unwrap())
        .await
        .assert_error(401, "invalid_token");
    world.get("/oauth2/userinfo").await.assert_error(401, "invalid_token");
    let twice = world.request(Method::GET, "/oauth2/userinfo");
    let twice = twice
        .header(header::AUTHORIZATION, "Bearer a")
        .header(header::AUTHORIZATION, "Bearer b");
    world
        .send(twice.body(Body::empty()).unwrap())
        .await
        .assert_error(400, "invalid_request");
    world.advance(3600).await;
    let expired = world.userinfo(token).await;
    expired.assert_error(401, "invalid_token");
    assert!(
        expired
            .header("www-authenticate")
            .starts_with("Bearer error=\"invalid_token\"")
    );
}

#[tokio::test]
async fn userinfo_needs_the_scope_openid() {
    let world = world();
    let request = crate::world::changed(&world.authorization_request(), &[("scope", "profile")]);
    let back = world.browser().sign_in("alice", &request).await;
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    world
        .userinfo(tokens["access_token"].as_str().unwrap())
        .await
        .assert_error(403, "insufficient_scope");
}

#[tokio::test]
async fn introspection_is_for_clients_with_a_secret() {
    let world = world();
    let tokens = world.tokens().await;
    let access = world.introspect(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(
        (&access["active"], &access["username"]),
        (&true.into(), &"alice".into())
    );
    assert_eq!(access["scope"], "openid profile email");
    let refresh = world.introspect(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refresh["active"], true);
    assert_eq!(world.introspect("anything").await, serde_json::json!({"active": false}));
    let public = [
        ("client_id", "pixygate"),
        ("token", tokens["access_token"].as_str().unwrap()),
    ];
    world
        .post("/oauth2/introspect", &public)
        .await
        .assert_error(401, "invalid_client");
    world.advance(3600).await;
    assert_eq!(
        world.introspect(tokens["access_token"].as_str().unwrap()).await["active"],
        false
    );
}

#[tokio::test]
async fn an_access_token_is_revoked_alone_and_a_refresh_token_with_its_family() {
    let world = world();
    let tokens = world.tokens().await;
    let (access, refresh) = (
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    );
    let revoke = async |token: &str| {
        world
            .post("/oauth2/revoke", &[("client_id", "pixygate"), ("token", token)])
            .await
    };
    assert_eq!(revoke(access).await.status, StatusCode::OK);
    assert_eq!(world.introspect(access).await["active"], false);
    let second = world.refresh(refresh, &[]).await.json();
    let (access, refresh) = (
        second["access_token"].as_str().unwrap(),
        second["refresh_token"].as_str().unwrap(),
    );
    assert_eq!(revoke(refresh).await.status, StatusCode::OK);
    assert_eq!(world.introspect(access).await["active"], false);
    world.refresh(refresh, &[]).await.assert_error(400, "invalid_grant");
    assert_eq!(
        revoke("never-given").await.status,
        StatusCode::OK,
        "RFC 7009, section 2.2"
    );
    world
        .post("/oauth2/revoke", &[("client_id", "pixygate")])
        .await
        .assert_error(400, "invalid_request");
    world
        .post("/oauth2/revoke", &[("client_id", "nobody"), ("token", "x")])
        .await
        .assert_error(401, "invalid_client");
}

#[tokio::test]
async fn a_client_cannot_revoke_anothers_token() {
    let world = world();
    let tokens = world.tokens().await;
    let access = tokens["access_token"].as_str().unwrap();
    let other = [
        ("client_id", "resource-server"),
        ("client_secret", "resource-server"),
        ("token", access),
    ];
    assert_eq!(world.post("/oauth2/revoke", &other).await.status, StatusCode::OK);
    assert_eq!(world.introspect(access).await["active"], true);
}

#[tokio::test]
async fn an_access_token_is_exchanged_for_another_organization() {
    let world = world();
    let tokens = world.tokens().await;
    let access = tokens["access_token"].as_str().unwrap();
    let good = [
        ("grant_type", EXCHANGE),
        ("client_id", "pixygate"),
        ("subject_token", access),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", "branch"),
    ];
    let answer = world.post("/oauth2/token", &good).await.json();
    assert_eq!(answer["issued_token_type"], ACCESS_TOKEN);
    let switched = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(switched["org_name"], "Branch");
    assert_eq!(switched["sub"], claims(access)["sub"]);
    assert_eq!(claims(access)["org_name"], "Demo");

    let asgardeo = [
        ("grant_type", "organization_switch"),
        ("client_id", "pixygate"),
        ("token", access),
        ("switching_organization", switched["org_id"].as_str().unwrap()),
    ];
    let answer = world.post("/oauth2/token", &asgardeo).await.json();
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["org_handle"], "branch");

    for (name, value, error) in [
        ("audience", "nowhere", "invalid_target"),
        ("audience", "", "invalid_request"),
        ("subject_token", "never-given", "invalid_grant"),
        (
            "subject_token",
            tokens["refresh_token"].as_str().unwrap(),
            "invalid_grant",
        ),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:id_token",
            "invalid_request",
        ),
        ("subject_token_type", "", "invalid_request"),
        ("scope", "orders:write", "invalid_scope"),
        ("actor_token", "x", "invalid_request"),
    ] {
        let request = crate::world::changed(&good, &[(name, value)]);
        world.post("/oauth2/token", &request).await.assert_error(400, error);
    }
}
