//! The behaviour of another provider: metadata, keys, tokens and responses.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{ORIGIN, REDIRECT_URI, START, VERIFIER, claims, form, header_of, world};

fn profile() -> Value {
    json!({
        "issuer": "$base/realms/acme/",
        "client_id": "shop",
        "algorithm": "ES256",
        "metadata": {
            "issuer": "$base/realms/acme/",
            "authorization_endpoint": "$base/realms/acme/auth",
            "token_endpoint": "$base/realms/acme/token?policy=x",
            "jwks_uri": "$base/realms/acme/certs",
            "op_policy_uri": "",
        },
        "keys": [{"kid": "$kid", "x5t": "a"}, {"kid": "other", "use": "enc"}],
        "access_token": {
            "header": {"typ": "JWT", "x5t": "a"},
            "claims": {"iss": "$base/realms/acme/", "sub": "s-1", "azp": "shop", "typ": "Bearer", "nonce": "$nonce", "exp": "$text+300"},
        },
        "id_token": {
            "header": {},
            "claims": {"iss": "$base/realms/acme/", "sub": "s-1", "aud": ["shop"], "exp": "$now+300", "nonce": "$nonce", "at_hash": "$at_hash"},
        },
        "token_answer": {
            "access_token": "$access_token", "token_type": "Bearer", "expires_in": "300",
            "refresh_token": "$refresh_token", "id_token": "$id_token", "scope": null,
        },
        "refresh_answer": {"access_token": "$access_token", "token_type": "bearer", "id_token": "$id_token"},
        "refresh_error": {"status": 401, "body": {"error": "token_inactive"}, "cors": false},
    })
}

#[tokio::test]
async fn a_profile_is_taken_on_and_put_back() {
    let world = world();
    let before = world.get("/oauth2/token/.well-known/openid-configuration").await.json();
    world
        .control(Method::PUT, "switches", json!({"profile": profile()}))
        .await;

    let base = format!("{ORIGIN}/t/demo");
    let metadata = world.get("/realms/acme/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["issuer"], format!("{base}/realms/acme/"));
    assert_eq!(metadata["token_endpoint"], format!("{base}/realms/acme/token?policy=x"));
    assert_eq!(metadata["op_policy_uri"], "");
    let keys = world.get("/realms/acme/certs").await.json();
    assert_eq!(keys["keys"][0]["x5t"], "a");
    assert_eq!(keys["keys"][0]["crv"], "P-256");
    assert_eq!(
        (&keys["keys"][1]["kid"], &keys["keys"][1]["use"]),
        (&json!("other"), &json!("enc"))
    );

    let browser = world.browser();
    let request = form(&world.authorization_request());
    let asks = browser.get(&format!("/realms/acme/auth?{request}")).await;
    let back = browser.password(asks.location(), "alice").await;
    assert_eq!(back.callback("iss"), format!("{base}/realms/acme/"));
    let code = back.callback("code");
    let redeem = [
        ("grant_type", "authorization_code"),
        ("client_id", "pixygate"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let tokens = world.post("/realms/acme/token?policy=x", &redeem).await.json();
    assert_eq!((&tokens["expires_in"], &tokens["scope"]), (&json!("300"), &Value::Null));
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(header_of(access_token)["x5t"], "a");
    assert_eq!(header_of(access_token)["alg"], "ES256");
    let expected = json!({
        "iss": format!("{base}/realms/acme/"), "sub": "s-1", "azp": "pixygate", "typ": "Bearer", "nonce": "n-0S6_WzA2Mj",
        "exp": (START + 300).to_string(),
    });
    assert_eq!(claims(access_token), expected);
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token["aud"], json!(["pixygate"]));
    assert!(
        id_token["nonce"].is_string() && id_token["at_hash"].is_string(),
        "{id_token}"
    );

    let refresh = async |token: &str| {
        let pairs = [
            ("grant_type", "refresh_token"),
            ("client_id", "pixygate"),
            ("refresh_token", token),
        ];
        let origin = [("origin", "http://localhost:3000")];
        world.post_with("/realms/acme/token", &pairs, &origin).await
    };
    let refreshed = refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.header("access-control-allow-origin"), "http://localhost:3000");
    assert_eq!(refreshed.json()["token_type"], "bearer");
    assert_eq!(
        claims(refreshed.json()["id_token"].as_str().unwrap()).get("nonce"),
        None
    );
    let ended = refresh("unknown").await;
    assert_eq!(
        (ended.status, ended.json()["error"].clone()),
        (StatusCode::UNAUTHORIZED, json!("token_inactive"))
    );
    assert!(!ended.headers.contains_key("access-control-allow-origin"));

    world.control(Method::PUT, "switches", json!({})).await;
    let after = world.get("/oauth2/token/.well-known/openid-configuration").await.json();
    assert_eq!(after, before);
}
