//! Every switch and every lever of the control API, seen from outside.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{ORIGIN, REDIRECT_URI, START, World, changed, claims, form, header_of, world};

async fn access_token(world: &World) -> String {
    world.tokens().await["access_token"].as_str().unwrap().to_owned()
}

async fn kids(world: &World) -> Vec<String> {
    let jwks = world.get("/oauth2/jwks").await.json();
    jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

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
    world.switch(json!({"omit_refresh_token": true})).await;
    assert!(world.tokens().await.get("refresh_token").is_none());
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

#[tokio::test]
async fn keys_are_rotated_and_dropped() {
    let world = world();
    world.switch(json!({"signing_algorithm": "ES256"})).await;
    let before = header_of(&access_token(&world).await)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    let rotated = world
        .control(Method::POST, "keys/rotate", json!({"algorithm": "ES256"}))
        .await
        .json();
    let after = header_of(&access_token(&world).await)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(after, rotated["kid"].as_str().unwrap());
    assert_ne!(before, after);
    assert!(kids(&world).await.contains(&before) && kids(&world).await.contains(&after));
    world.control(Method::POST, "keys/drop", json!({"kid": before})).await;
    assert!(!kids(&world).await.contains(&before));
    world.control(Method::POST, "keys/drop", json!({"kid": after})).await;
    let code = world.code().await;
    world.redeem(&code, &[]).await.assert_error(400, "server_error");
}

#[tokio::test]
async fn a_session_is_ended_and_a_family_revoked() {
    let world = world();
    let browser = world.browser();
    browser.sign_in("alice", &world.authorization_request()).await;
    let tokens = world.tokens().await;
    let sessions = world.control(Method::GET, "sessions", json!({})).await.json();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    let families = world.control(Method::GET, "families", json!({})).await.json();
    let family = families
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["ended"].is_null())
        .unwrap()
        .clone();
    world
        .control(Method::POST, "families/revoke", json!({"family": family["family"]}))
        .await;
    world
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
    assert_ne!(
        browser.authorize(&world.authorization_request()).await.callback("code"),
        "",
        "the session stays"
    );
    world
        .control(Method::POST, "sessions/end", json!({"username": "alice"}))
        .await;
    browser.begin(&world.authorization_request()).await;
}

#[tokio::test]
async fn the_clock_is_shifted_for_tokens_and_the_date_header() {
    let world = world();
    let clock = world
        .control(Method::POST, "clock", json!({"shift": -3600}))
        .await
        .json();
    assert_eq!(
        (&clock["now"], &clock["shift"]),
        (&(START - 3600).into(), &(-3600).into())
    );
    assert_eq!(claims(&access_token(&world).await)["iat"], START - 3600);
    let date = httpdate::parse_http_date(world.get("/oauth2/jwks").await.header("date")).unwrap();
    let date = date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(i64::try_from(date).unwrap(), START - 3600);
}

#[tokio::test]
async fn tokens_without_a_browser() {
    let world = world();
    let wanted = json!({"username": "admin", "scope": "openid orders:write", "acr": "LOA2", "nonce": "n"});
    let tokens = world.control(Method::POST, "tokens", wanted).await.json();
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(
        (&access["scope"], &access["acr"]),
        (&"openid orders:write".into(), &"LOA2".into())
    );
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["nonce"], "n");
    assert_eq!(
        world
            .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn clients_people_and_settings_are_added_while_it_runs() {
    let world = world();
    let client = json!({"id": "spa", "name": "Another", "redirect_uris": ["http://localhost:5173/"]});
    world.control(Method::PUT, "clients", client).await;
    world
        .control(Method::PUT, "people", json!({"username": "carol", "password": "c"}))
        .await;
    world
        .control(Method::PUT, "tenants/demo", json!({"lifetimes": {"access_token": 10}}))
        .await;
    let request = changed(
        &world.authorization_request(),
        &[("client_id", "spa"), ("redirect_uri", "http://localhost:5173/")],
    );
    let browser = world.browser();
    let page = browser.begin(&request).await;
    let back = browser
        .post(
            &page,
            &[("answer", "sign_in"), ("username", "carol"), ("password", "c")],
        )
        .await;
    let redeem = [("client_id", "spa"), ("redirect_uri", "http://localhost:5173/")];
    assert_eq!(
        world.redeem(&back.callback("code"), &redeem).await.json()["expires_in"],
        10
    );

    let bad = world.request(Method::PUT, &format!("{ORIGIN}/control/clients"));
    let bad = bad.header(header::CONTENT_TYPE, "application/json");
    let body = json!({"id": "x", "redirect_uris": ["/relative"]}).to_string();
    let answer = world.send(bad.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("redirect_uris"));

    world.control(Method::POST, "reset", json!({})).await;
    world
        .browser()
        .authorize(&request)
        .await
        .assert_error_page("not registered");
}

#[tokio::test]
async fn the_last_requests_say_what_was_decided_and_hold_no_secret() {
    let world = world();
    let tokens = world.tokens().await;
    let code = world.code().await;
    world
        .redeem(
            &code,
            &[("code_verifier", "another-verifier-of-forty-three-characters-or-more")],
        )
        .await;
    let requests = world.control(Method::GET, "requests", json!({})).await;
    assert_eq!(
        requests.json()[0]["decision"],
        "refused: invalid_grant: code_verifier does not fit the code_challenge"
    );
    assert_eq!(requests.json()[0]["client_id"], "pixygate");
    for secret in [
        &code,
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    ] {
        assert!(!requests.body.contains(secret));
    }
}

#[tokio::test]
async fn an_unknown_switch_is_refused() {
    let world = world();
    for body in [json!({"dwon": true}), json!({"jwks": "bad"})] {
        let request = world.request(Method::PATCH, &format!("{ORIGIN}/control/switches"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let answer = world.send(request.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}

#[tokio::test]
async fn the_control_page_shows_everything_and_turns_the_switches() {
    let world = world();
    world.tokens().await;
    let page = world.get(&format!("{ORIGIN}/")).await;
    for words in [
        "Tenant demo",
        "Tenant plain",
        "alice",
        REDIRECT_URI,
        "Last requests",
        "Switches",
    ] {
        page.assert_page(words);
    }
    let turn = [
        ("do", "switches"),
        ("opaque_access_tokens", "on"),
        ("lifetimes.access_token", "7"),
        ("clock_shift", "60"),
    ];
    let post = async |pairs: &[(&str, &str)]| {
        let request = world.request(Method::POST, &format!("{ORIGIN}/control/form"));
        let request = request
            .header(header::ORIGIN, ORIGIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        world.send(request.body(Body::from(form(pairs))).unwrap()).await
    };
    assert_eq!(post(&turn).await.location(), "/");
    let switches = world.control(Method::GET, "switches", json!({})).await.json();
    assert_eq!(
        (
            &switches["opaque_access_tokens"],
            &switches["lifetimes"]["access_token"]
        ),
        (&true.into(), &7.into())
    );
    assert_eq!(world.control(Method::GET, "clock", json!({})).await.json()["shift"], 60);
    let wrong = post(&[("do", "switches"), ("lifetimes.access_token", "soon")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);

    let sessions = world.control(Method::GET, "sessions", json!({})).await.json();
    post(&[
        ("do", "end_session"),
        ("tenant", "demo"),
        ("value", sessions[0]["sid"].as_str().unwrap()),
    ])
    .await;
    assert_eq!(
        world.control(Method::GET, "sessions", json!({})).await.json(),
        json!([])
    );
    let before = kids(&world).await;
    post(&[("do", "rotate_key"), ("tenant", "demo"), ("value", "ES256")]).await;
    assert_eq!(kids(&world).await.len(), before.len() + 1);
    post(&[("do", "drop_key"), ("tenant", "demo"), ("value", &before[0])]).await;
    assert!(!kids(&world).await.contains(&before[0]));
    assert_eq!(post(&[("do", "reset")]).await.location(), "/");
    let switches = world.control(Method::GET, "switches", json!({})).await.json();
    assert_eq!(switches["opaque_access_tokens"], false);
}
