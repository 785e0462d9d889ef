//! Refreshes: rotation, reuse, expiry, scopes.

use axum::http::StatusCode;

use crate::world::{START, claims, world};

#[tokio::test]
async fn a_refresh_token_is_replaced_and_the_session_facts_stay() {
    let world = world();
    let first = world.tokens().await;
    world.advance(100).await;
    let second = world
        .refresh(first["refresh_token"].as_str().unwrap(), &[])
        .await
        .json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    let id_token = claims(second["id_token"].as_str().unwrap());
    assert_eq!(id_token["auth_time"], START);
    assert_eq!(id_token["iat"], START + 100);
    assert!(id_token.get("nonce").is_none() && id_token.get("c_hash").is_none());
    assert_eq!(id_token["sub"], claims(first["id_token"].as_str().unwrap())["sub"]);
    let third = world.refresh(second["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!(third.status, StatusCode::OK);
}

#[tokio::test]
async fn a_reused_refresh_token_ends_its_family_and_no_other() {
    let world = world();
    let bystander = world.tokens().await;
    let first = world.tokens().await;
    let old = first["refresh_token"].as_str().unwrap();
    let second = world.refresh(old, &[]).await.json();
    world.refresh(old, &[]).await.assert_error(400, "invalid_grant");
    world
        .refresh(second["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
    world
        .userinfo(second["access_token"].as_str().unwrap())
        .await
        .assert_error(401, "invalid_token");
    let answer = world.refresh(bystander["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_lives_for_a_day_from_its_making() {
    let world = world();
    let first = world.tokens().await;
    world.advance(86_399).await;
    let second = world
        .refresh(first["refresh_token"].as_str().unwrap(), &[])
        .await
        .json();
    world.advance(86_400).await;
    world
        .refresh(second["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn the_scope_can_be_narrowed_and_not_widened() {
    let world = world();
    let tokens = world.tokens().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    world
        .refresh(token, &[("scope", "openid orders:read")])
        .await
        .assert_error(400, "invalid_scope");
    let narrow = world.refresh(token, &[("scope", "openid")]).await.json();
    assert_eq!(narrow["scope"], "openid");
    let wide = world
        .refresh(narrow["refresh_token"].as_str().unwrap(), &[])
        .await
        .json();
    assert_eq!(
        wide["scope"], "openid profile email",
        "a narrow refresh does not narrow the grant"
    );
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_client() {
    let world = world();
    let tokens = world.tokens().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let other = [("client_id", "resource-server"), ("client_secret", "resource-server")];
    world.refresh(token, &other).await.assert_error(400, "invalid_grant");
    world
        .refresh("never-given", &[])
        .await
        .assert_error(400, "invalid_grant");
    world
        .refresh(tokens["access_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(world.refresh(token, &[]).await.status, StatusCode::OK);
}
