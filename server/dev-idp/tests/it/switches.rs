//! Every switch, over HTTP.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{START, World, access_token, claims, header_of, kids, world};

#[tokio::test]
async fn down_and_up_again() {
    let world = world();
    world.switch(json!({"down": true})).await;
    let answer = world.get("/oauth2/jwks").await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    world.switch(json!({"down": null})).await;
    assert_eq!(world.get("/oauth2/jwks").await.status, StatusCode::OK);
    world.switch(json!({"down_endpoints": ["jwks"]})).await;
    assert_eq!(world.get("/oauth2/jwks").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let elsewhere = world.get("/oauth2/token/.well-known/openid-configuration").await;
    assert_eq!(elsewhere.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn slow() {
    let world = world();
    world
        .switch(json!({"delay_ms": 5000, "delay_endpoints": ["jwks"]}))
        .await;
    let before = tokio::time::Instant::now();
    world.get("/oauth2/token/.well-known/openid-configuration").await;
    assert!(before.elapsed().as_secs() < 1);
    world.get("/oauth2/jwks").await;
    assert!(before.elapsed().as_secs() >= 5);
}

#[tokio::test]
async fn an_error_of_the_token_endpoint() {
    let world = world();
    let tokens = world.tokens().await;
    world.switch(json!({"token_error": "server_error"})).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    world.refresh(token, &[]).await.assert_error(400, "server_error");
    world.switch(json!({"token_error": null})).await;
    assert_eq!(
        world.refresh(token, &[]).await.status,
        StatusCode::OK,
        "nothing was used up"
    );
}

#[tokio::test]
async fn lifetimes() {
    let world = world();
    world
        .switch(json!({"lifetimes": {
            "access_token": 10, "id_token": 20, "refresh_token": 30, "code": 5, "session": 40,
        }}))
        .await;
    let browser = world.browser();
    let back = browser.sign_in("alice", &world.authorization_request()).await;
    let old = browser.authorize(&world.authorization_request()).await.callback("code");
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    assert_eq!(tokens["expires_in"], 10);
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["exp"], START + 10);
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["exp"], START + 20);
    world.advance(5).await;
    world.redeem(&old, &[]).await.assert_error(400, "invalid_grant");
    world.advance(25).await;
    world
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
    assert_ne!(
        browser.authorize(&world.authorization_request()).await.callback("code"),
        ""
    );
    world.advance(10).await;
    browser.begin(&world.authorization_request()).await;
}

#[tokio::test]
async fn opaque_access_tokens() {
    let world = world();
    world.switch(json!({"opaque_access_tokens": true})).await;
    let token = access_token(&world).await;
    assert!(!token.contains('.'));
    assert_eq!(world.userinfo(&token).await.json()["name"], "Alice Example");
    assert_eq!(world.introspect(&token).await["scope"], "openid profile email");
}

#[tokio::test]
async fn no_refresh_token() {
    let world = world();
    let before = world.tokens().await;
    world.switch(json!({"omit_refresh_token": true})).await;
    assert!(world.tokens().await.get("refresh_token").is_none());
    for _ in 0..2 {
        let answer = world.refresh(before["refresh_token"].as_str().unwrap(), &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "the old one goes on working");
        assert!(answer.json().get("refresh_token").is_none());
    }
}

#[tokio::test]
async fn no_rotation() {
    let world = world();
    world.switch(json!({"keep_refresh_token": true})).await;
    let tokens = world.tokens().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    for _ in 0..2 {
        let answer = world.refresh(token, &[]).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.json().get("refresh_token").is_none());
    }
}

#[tokio::test]
async fn other_claims_in_tokens() {
    let world = world();
    world
        .switch(json!({
            "access_token": {"iss": "https://other.example", "aud": "others", "typ": "JWT"},
            "id_token": {"iss": "https://other.example", "aud": "others", "nonce": "others", "typ": ""},
        }))
        .await;
    let tokens = world.tokens().await;
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(header_of(access_token)["typ"], "JWT");
    assert_eq!(claims(access_token)["iss"], "https://other.example");
    assert_eq!(claims(access_token)["aud"], "others");
    let id_token = tokens["id_token"].as_str().unwrap();
    assert!(header_of(id_token).get("typ").is_none());
    for (name, value) in [("iss", "https://other.example"), ("aud", "others"), ("nonce", "others")] {
        assert_eq!(claims(id_token)[name], value);
    }
}

#[tokio::test]
async fn another_callback() {
    let world = world();
    world
        .switch(json!({"callback_iss": "https://other.example", "callback_state": "others"}))
        .await;
    let back = world.browser().sign_in("alice", &world.authorization_request()).await;
    assert_eq!(
        (back.callback("iss"), back.callback("state")),
        ("https://other.example".into(), "others".into())
    );
    world.switch(json!({"callback_iss": ""})).await;
    let back = world.browser().sign_in("alice", &world.authorization_request()).await;
    assert!(!back.location().contains("iss="));
}

#[tokio::test]
async fn other_algorithms_each_with_its_key() {
    let world = world();
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        world.switch(json!({"signing_algorithm": algorithm})).await;
        let header = header_of(&access_token(&world).await);
        assert_eq!(header["alg"], algorithm);
        let jwks = world.get("/oauth2/jwks").await.json();
        let key = jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["kid"] == header["kid"])
            .unwrap()
            .clone();
        assert_eq!(key["alg"], algorithm);
        assert!(key.get("d").is_none(), "a private key is never published");
    }
    let jwks = world.get("/oauth2/jwks").await.json();
    let rsa: Vec<&Value> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["kty"] == "RSA")
        .collect();
    assert_eq!(rsa.len(), 2, "an RSA key is there for each of its algorithms");
    assert_eq!(rsa[0]["n"], rsa[1]["n"]);
    assert_ne!(rsa[0]["kid"], rsa[1]["kid"]);
}

#[tokio::test]
async fn a_jwks_that_helps_nobody() {
    let world = world();
    let good = kids(&world).await;
    world.switch(json!({"jwks": "empty"})).await;
    assert_eq!(world.get("/oauth2/jwks").await.json(), json!({"keys": []}));
    world.switch(json!({"jwks": "not_json"})).await;
    assert!(serde_json::from_str::<Value>(&world.get("/oauth2/jwks").await.body).is_err());
    world.switch(json!({"jwks": "spoiled"})).await;
    let spoiled = kids(&world).await;
    assert!(spoiled.len() > good.len() && spoiled.ends_with(&good));
    world.switch(json!({"jwks": "good"})).await;
    assert_eq!(kids(&world).await, good);
}

/// The names of the endpoints in the switches, each with a request that succeeds when the endpoint is up.
const ENDPOINTS: [(&str, Method, &str); 10] = [
    ("authorize", Method::GET, "/oauth2/authorize"),
    ("signin", Method::GET, "/signin/none"),
    ("token", Method::POST, "/oauth2/token"),
    ("jwks", Method::GET, "/oauth2/jwks"),
    ("userinfo", Method::GET, "/oauth2/userinfo"),
    ("revoke", Method::POST, "/oauth2/revoke"),
    ("introspect", Method::POST, "/oauth2/introspect"),
    ("par", Method::POST, "/oauth2/par"),
    ("logout", Method::GET, "/oidc/logout"),
    (
        "discovery",
        Method::GET,
        "/oauth2/oidcdiscovery/.well-known/openid-configuration",
    ),
];

/// Returns the names of the endpoints that are down.
async fn down(world: &World) -> Vec<&'static str> {
    let mut down = Vec::new();
    for (name, method, path) in ENDPOINTS {
        let request = world.request(method, path).body(axum::body::Body::empty()).unwrap();
        if world.send(request).await.status == StatusCode::SERVICE_UNAVAILABLE {
            down.push(name);
        }
    }
    down
}

#[tokio::test]
async fn each_endpoint_goes_down_by_its_name_and_all_of_them_together() {
    let world = world();
    assert_eq!(down(&world).await, Vec::<&str>::new());
    for (name, ..) in ENDPOINTS {
        world.switch(json!({"down_endpoints": [name]})).await;
        assert_eq!(down(&world).await, [name]);
    }
    world.switch(json!({"down": true, "down_endpoints": []})).await;
    assert_eq!(down(&world).await, ENDPOINTS.map(|(name, ..)| name));
}

#[tokio::test(start_paused = true)]
async fn everything_is_slow_when_no_endpoint_is_named() {
    let world = world();
    world.switch(json!({"delay_ms": 700})).await;
    for (name, method, path) in ENDPOINTS {
        let before = tokio::time::Instant::now();
        let request = world.request(method, path).body(axum::body::Body::empty()).unwrap();
        world.send(request).await;
        assert_eq!(before.elapsed().as_millis(), 700, "{name}");
    }
}

#[tokio::test]
async fn an_error_of_the_token_endpoint_uses_no_code_up() {
    let world = world();
    let code = world.code().await;
    world.switch(json!({"token_error": "invalid_client"})).await;
    world.redeem(&code, &[]).await.assert_error(400, "invalid_client");
    world.switch(json!({"token_error": null})).await;
    assert_eq!(world.redeem(&code, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_access_token_with_the_mark_of_an_id_token_or_without_a_type() {
    let world = world();
    world
        .switch(json!({"access_token": {"typ": "", "nonce": "others"}}))
        .await;
    let token = access_token(&world).await;
    assert!(header_of(&token).get("typ").is_none());
    assert_eq!(claims(&token)["nonce"], "others");
    world
        .switch(json!({"access_token": {"typ": null, "nonce": null}}))
        .await;
    let token = access_token(&world).await;
    assert_eq!(header_of(&token)["typ"], "at+jwt");
    assert!(claims(&token).get("nonce").is_none());
}

#[tokio::test]
async fn id_tokens_are_signed_with_the_other_algorithm_too() {
    let world = world();
    for algorithm in ["PS256", "ES256", "EdDSA", "RS256"] {
        world.switch(json!({"signing_algorithm": algorithm})).await;
        let tokens = world.tokens().await;
        assert_eq!(header_of(tokens["id_token"].as_str().unwrap())["alg"], algorithm);
    }
}

#[tokio::test]
async fn all_switches_at_once_turn_off_what_is_not_named() {
    let world = world();
    world.switch(json!({"opaque_access_tokens": true})).await;
    assert!(!access_token(&world).await.contains('.'));
    world
        .control(Method::PUT, "switches", json!({"omit_refresh_token": true}))
        .await;
    let tokens = world.tokens().await;
    assert!(tokens["access_token"].as_str().unwrap().contains('.'));
    assert!(tokens.get("refresh_token").is_none());
}
