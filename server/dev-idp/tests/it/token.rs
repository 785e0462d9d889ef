//! Redeeming a code: the response, and each kind of failure.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha512};

use crate::world::{ORIGIN, REDIRECT_URI, START, VERIFIER, changed, claims, header_of, s256, world};

#[tokio::test]
async fn tokens_look_like_asgardeos() {
    let world = world();
    let code = world.code().await;
    let answer = world.redeem(&code, &[]).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["scope"], "openid profile email");

    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(header_of(access_token)["typ"], "at+jwt");
    assert_eq!(header_of(access_token)["alg"], "RS256");
    let access = claims(access_token);
    assert_eq!(access["iss"], format!("{ORIGIN}/t/demo/oauth2/token"));
    for (name, value) in [
        ("aud", "pixygate"),
        ("azp", "pixygate"),
        ("client_id", "pixygate"),
        ("scope", "openid profile email"),
        ("aut", "APPLICATION_USER"),
        ("org_name", "Demo"),
        ("name", "Alice Example"),
    ] {
        assert_eq!(access[name], value, "{name}");
    }
    assert_eq!(access["groups"][0], "staff");
    assert_eq!(
        (&access["iat"], &access["nbf"], &access["exp"]),
        (&START.into(), &START.into(), &(START + 3600).into())
    );
    for name in ["jti", "sub", "sid", "org_id"] {
        assert!(access[name].as_str().is_some_and(|it| !it.is_empty()), "{name}");
    }
    for name in ["nonce", "at_hash", "c_hash", "events"] {
        assert!(access.get(name).is_none(), "{name} is the mark of another token");
    }

    let id_token = claims(tokens["id_token"].as_str().unwrap());
    let half = |text: &str| {
        let whole = URL_SAFE_NO_PAD.decode(s256(text)).unwrap();
        URL_SAFE_NO_PAD.encode(&whole[..16])
    };
    assert_eq!(id_token["aud"], "pixygate");
    assert_eq!(id_token["nonce"], "the-nonce");
    assert_eq!(id_token["auth_time"], START);
    assert_eq!(id_token["acr"], "LOA1");
    assert_eq!(id_token["amr"][0], "pwd");
    assert_eq!(id_token["sid"], access["sid"]);
    assert_eq!(id_token["sub"], access["sub"]);
    assert_eq!(id_token["at_hash"], half(access_token));
    assert_eq!(id_token["c_hash"], half(&code));
    assert_eq!(id_token["email"], "alice@example.com");
}

#[tokio::test]
async fn the_hashes_are_of_the_kind_that_the_algorithm_signs_with() {
    let world = world();
    let half = |algorithm: &str, text: &str| {
        let whole = match algorithm {
            "EdDSA" => Sha512::digest(text).to_vec(),
            _ => Sha256::digest(text).to_vec(),
        };
        URL_SAFE_NO_PAD.encode(&whole[..whole.len() / 2])
    };
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        world.switch(json!({"signing_algorithm": algorithm})).await;
        let code = world.code().await;
        let tokens = world.redeem(&code, &[]).await.json();
        let id_token = tokens["id_token"].as_str().unwrap();
        assert_eq!(header_of(id_token)["alg"], algorithm);
        let access_token = tokens["access_token"].as_str().unwrap();
        assert_eq!(
            claims(id_token)["at_hash"],
            half(algorithm, access_token),
            "{algorithm}"
        );
        assert_eq!(claims(id_token)["c_hash"], half(algorithm, &code), "{algorithm}");
    }
}

#[tokio::test]
async fn scopes_decide_what_the_tokens_tell() {
    let world = world();
    let request = changed(&world.authorization_request(), &[("scope", "openid groups")]);
    let back = world.browser().sign_in("alice", &request).await;
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token["groups"][0], "staff");
    assert!(id_token.get("name").is_none() && id_token.get("email").is_none());
    assert!(claims(tokens["access_token"].as_str().unwrap()).get("name").is_none());

    let request = changed(&world.authorization_request(), &[("scope", "orders:read")]);
    let back = world.browser().sign_in("alice", &request).await;
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    assert!(tokens.get("id_token").is_none(), "without openid there is no ID token");
}

#[tokio::test]
async fn a_code_replayed_ends_what_it_gave() {
    let world = world();
    let code = world.code().await;
    let tokens = world.redeem(&code, &[]).await.json();
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(world.userinfo(access_token).await.status, StatusCode::OK);
    world.redeem(&code, &[]).await.assert_error(400, "invalid_grant");
    world.userinfo(access_token).await.assert_error(401, "invalid_token");
    world
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    let world = world();
    let (young, old) = (world.code().await, world.code().await);
    world.advance(59).await;
    assert_eq!(world.redeem(&young, &[]).await.status, StatusCode::OK);
    world.advance(1).await;
    world.redeem(&old, &[]).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_code_is_bound_to_verifier_redirect_uri_and_client() {
    let world = world();
    let code = world.code().await;
    let long = "v".repeat(129);
    for (changes, status, error) in [
        (vec![("code_verifier", "")], 400, "invalid_request"),
        (
            vec![("code_verifier", "another-verifier-of-forty-three-characters-or-more")],
            400,
            "invalid_grant",
        ),
        (vec![("code_verifier", "short")], 400, "invalid_grant"),
        (vec![("code_verifier", long.as_str())], 400, "invalid_grant"),
        (vec![("redirect_uri", "")], 400, "invalid_request"),
        (
            vec![("redirect_uri", "http://127.0.0.1:3000/callback")],
            400,
            "invalid_grant",
        ),
        (
            vec![("redirect_uri", "http://localhost:3000/callback/")],
            400,
            "invalid_grant",
        ),
        (
            vec![("client_id", "resource-server"), ("client_secret", "resource-server")],
            400,
            "invalid_grant",
        ),
        (
            vec![("client_id", "resource-server"), ("client_secret", "wrong")],
            401,
            "invalid_client",
        ),
        (vec![("client_id", "resource-server")], 401, "invalid_client"),
        (vec![("client_id", "nobody")], 401, "invalid_client"),
        (vec![("client_id", "")], 401, "invalid_client"),
        (
            vec![("client_secret", "a-public-client-has-none")],
            401,
            "invalid_client",
        ),
        (vec![("code", "never-given")], 400, "invalid_grant"),
        (vec![("code", "")], 400, "invalid_request"),
        (vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        (
            vec![("grant_type", "client_credentials")],
            400,
            "unsupported_grant_type",
        ),
        (vec![("grant_type", "")], 400, "invalid_request"),
    ] {
        world.redeem(&code, &changes).await.assert_error(status, error);
    }
    assert_eq!(
        world.redeem(&code, &[]).await.status,
        StatusCode::OK,
        "no wrong try uses the code up"
    );
}

#[tokio::test]
async fn a_token_request_is_a_form_whose_parameters_come_once() {
    let world = world();
    let code = world.code().await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "pixygate"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
        ("redirect_uri", REDIRECT_URI),
    ];
    let mut doubled = pairs.to_vec();
    doubled.push(("code", &code));
    world
        .post("/oauth2/token", &doubled)
        .await
        .assert_error(400, "invalid_request");
    let json = [("content-type", "application/json")];
    let request = world
        .request(axum::http::Method::POST, "/oauth2/token")
        .header(json[0].0, json[0].1);
    world
        .send(request.body("{}".into()).unwrap())
        .await
        .assert_error(400, "invalid_request");
    assert_eq!(world.get("/oauth2/token").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(world.post("/oauth2/token", &pairs).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_with_a_secret_may_send_it_in_the_header() {
    let world = world();
    let tokens = world.tokens().await;
    let token = tokens["access_token"].as_str().unwrap();
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let good = basic("resource-server:resource-server");
    let answer = world
        .post_with("/oauth2/introspect", &[("token", token)], &[("authorization", &good)])
        .await;
    assert_eq!(answer.json()["active"], true);
    for wrong in [
        basic("resource-server:wrong"),
        basic("resource-server"),
        "Bearer x".to_owned(),
    ] {
        let answer = world
            .post_with("/oauth2/introspect", &[("token", token)], &[("authorization", &wrong)])
            .await;
        answer.assert_error(401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic"));
    }
    let both = [("token", token), ("client_secret", "resource-server")];
    let answer = world
        .post_with("/oauth2/introspect", &both, &[("authorization", &good)])
        .await;
    answer.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn the_plain_tenant_has_its_base_as_issuer_and_its_own_keys() {
    let mut world = world();
    let demo = world.get("/oauth2/token/.well-known/openid-configuration").await.json();
    assert_eq!(demo["issuer"], format!("{ORIGIN}/t/demo/oauth2/token"));
    let elsewhere = world
        .get("/oauth2/oidcdiscovery/.well-known/openid-configuration")
        .await
        .json();
    assert_eq!(demo, elsewhere);
    assert_eq!(
        world.get("/.well-known/openid-configuration").await.status,
        StatusCode::NOT_FOUND
    );

    world.tenant = "plain";
    let plain = world.get("/.well-known/openid-configuration").await.json();
    assert_eq!(plain["issuer"], format!("{ORIGIN}/t/plain"));
    let under_token = world.get("/oauth2/token/.well-known/openid-configuration").await;
    assert_eq!(under_token.status, StatusCode::NOT_FOUND);
    let tokens = world.tokens().await;
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(access["iss"], plain["issuer"]);
    assert!(access.get("org_id").is_none() && access.get("aut").is_none());
}
