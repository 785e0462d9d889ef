//! The authorization request: each valid form, and each invalid one next to it (RFC 6749, 4.1.2.1; RFC 7636; RFC 9126).

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::world::{ORIGIN, REDIRECT_URI, changed, form, world};

#[tokio::test]
async fn a_good_request_ends_with_code_state_and_iss_at_the_redirect_uri() {
    let world = world();
    let back = world.browser().sign_in("alice", &world.authorization_request()).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert!(back.location().starts_with(&format!("{REDIRECT_URI}?")));
    assert_eq!(back.callback("state"), "the-state");
    assert_eq!(back.callback("iss"), format!("{ORIGIN}/t/demo/oauth2/token"));
    assert_ne!(back.callback("session_state"), "");
    assert_eq!(world.redeem(&back.callback("code"), &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_request_may_come_as_a_form_and_with_parameters_that_are_only_hints() {
    let world = world();
    let request = changed(
        &world.authorization_request(),
        &[
            ("ui_locales", "de en"),
            ("login_hint", "bob"),
            ("response_mode", "query"),
            ("fidp", "x"),
        ],
    );
    let browser = world.browser();
    let answer = browser.post("/oauth2/authorize", &request).await;
    let answer = browser.get(answer.location()).await;
    browser.get(answer.location()).await.assert_page("value=\"bob\"");
}

#[tokio::test]
async fn a_form_of_another_page_finds_who_is_signed_in() {
    let world = world();
    let browser = world.browser();
    browser.sign_in("alice", &world.authorization_request()).await;
    // As browsers send it: `SameSite=Lax` cookies do not come with it.
    let headers = [("origin", "http://localhost:3000")];
    let answer = world
        .post_with("/oauth2/authorize", &world.authorization_request(), &headers)
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("set-cookie"), "", "the browser's own cookie stays");
    assert_ne!(browser.get(answer.location()).await.callback("code"), "");
    let mut doubled = world.authorization_request();
    doubled.push(("state", "again"));
    let answer = world.post_with("/oauth2/authorize", &doubled, &headers).await;
    browser
        .get(answer.location())
        .await
        .assert_callback_error("invalid_request");
}

#[tokio::test]
async fn a_redirect_uri_that_is_nearly_right_gets_a_page_and_no_redirect() {
    let world = world();
    for near in [
        "http://localhost:3000/callback/",
        "http://localhost:3000/Callback",
        "http://LOCALHOST:3000/callback",
        "http://localhost:3000/callback?",
        "http://localhost:3000/callback?next=/",
        "http://localhost:3000/callback#",
        "http://localhost:3001/callback",
        "http://localhost/callback",
        "http://user@localhost:3000/callback",
        "http://localhost:3000/a/../callback",
        "http://localhost:3000//callback",
        "http://localhost:3000/%63allback",
        "https://localhost:3000/callback",
        " http://localhost:3000/callback",
        "http://localhost:3000/callback.evil.example",
        "javascript:alert(1)",
    ] {
        let request = changed(&world.authorization_request(), &[("redirect_uri", near)]);
        world
            .browser()
            .authorize(&request)
            .await
            .assert_error_page("redirect_uri is not registered");
    }
    let request = changed(&world.authorization_request(), &[("redirect_uri", "")]);
    world
        .browser()
        .authorize(&request)
        .await
        .assert_error_page("no redirect_uri");
}

#[tokio::test]
async fn an_unknown_client_or_a_doubled_target_gets_a_page_and_no_redirect() {
    let world = world();
    let good = world.authorization_request();
    let page = world
        .browser()
        .authorize(&changed(&good, &[("client_id", "Pixygate")]))
        .await;
    page.assert_error_page("client_id is not registered");
    for (name, value, words) in [
        ("client_id", "pixygate", "more than one"),
        ("client_id", "other", "more than one"),
        ("redirect_uri", REDIRECT_URI, "more than one"),
        ("redirect_uri", "https://evil.example/", "more than one"),
    ] {
        let mut request = good.clone();
        request.push((name, value));
        world.browser().authorize(&request).await.assert_error_page(words);
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_rest_is_told_to_the_client() {
    let world = world();
    for (changes, error) in [
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("code_challenge_method", "s256")], "invalid_request"),
        (vec![("code_challenge", "too-short")], "invalid_request"),
        (vec![("response_type", "")], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "code id_token")], "unsupported_response_type"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("response_mode", "form_post")], "invalid_request"),
        (vec![("scope", "")], "invalid_scope"),
        (vec![("scope", "openid \"quoted\"")], "invalid_scope"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("prompt", "create")], "invalid_request"),
        (vec![("max_age", "-1")], "invalid_request"),
        (vec![("max_age", "soon")], "invalid_request"),
        (vec![("dpop_jkt", "short")], "invalid_request"),
        (vec![("request", "e30.e30.")], "request_not_supported"),
        (
            vec![("request_uri", "https://evil.example/r")],
            "request_uri_not_supported",
        ),
        (vec![("registration", "{}")], "registration_not_supported"),
        (vec![("id_token_hint", "e30.e30.e30")], "invalid_request"),
    ] {
        let answer = world
            .browser()
            .authorize(&changed(&world.authorization_request(), &changes))
            .await;
        answer.assert_callback_error(error);
        assert_eq!(answer.callback("state"), "the-state");
    }
}

#[tokio::test]
async fn a_doubled_parameter_is_refused() {
    let world = world();
    for name in ["scope", "nonce", "code_challenge", "prompt", "request"] {
        let mut request = world.authorization_request();
        request.extend([(name, "one"), (name, "two")]);
        world
            .browser()
            .authorize(&request)
            .await
            .assert_callback_error("invalid_request");
    }
    let mut request = world.authorization_request();
    request.push(("state", "another"));
    let answer = world.browser().authorize(&request).await;
    answer.assert_callback_error("invalid_request");
    assert_eq!(answer.callback("state"), "", "neither of two states can be told back");
}

#[tokio::test]
async fn a_scope_that_the_person_may_not_have_is_left_out() {
    let world = world();
    let request = changed(
        &world.authorization_request(),
        &[("scope", "openid orders:read orders:write unheard-of")],
    );
    let back = world.browser().sign_in("alice", &request).await;
    assert_eq!(
        world.redeem(&back.callback("code"), &[]).await.json()["scope"],
        "openid orders:read"
    );
    let back = world.browser().sign_in("admin", &request).await;
    assert_eq!(
        world.redeem(&back.callback("code"), &[]).await.json()["scope"],
        "openid orders:read orders:write"
    );
}

#[tokio::test]
async fn a_pushed_request_is_used_once_by_its_client_within_a_minute() {
    let world = world();
    let push = async || {
        let answer = world.post("/oauth2/par", &world.authorization_request()).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(answer.json()["expires_in"], 60);
        answer.json()["request_uri"].as_str().unwrap().to_owned()
    };
    let uri = push().await;
    let request = [("client_id", "pixygate"), ("request_uri", uri.as_str())];
    let back = world.browser().sign_in("alice", &request).await;
    assert_eq!(back.callback("state"), "the-state");
    assert_eq!(world.redeem(&back.callback("code"), &[]).await.status, StatusCode::OK);
    world
        .browser()
        .authorize(&request)
        .await
        .assert_error_page("pushed request");

    let uri = push().await;
    let other = [("client_id", "resource-server"), ("request_uri", uri.as_str())];
    world
        .browser()
        .authorize(&other)
        .await
        .assert_error_page("pushed request");

    let uri = push().await;
    world.advance(61).await;
    world
        .browser()
        .authorize(&[("client_id", "pixygate"), ("request_uri", &uri)])
        .await
        .assert_error_page("expired");
}

#[tokio::test]
async fn a_push_is_checked_at_once() {
    let world = world();
    let good = world.authorization_request();
    for (changes, error) in [
        (vec![("code_challenge", "")], "invalid_request"),
        (
            vec![("redirect_uri", "http://localhost:3000/callback/")],
            "invalid_request",
        ),
        (
            vec![("request_uri", "urn:ietf:params:oauth:request_uri:x")],
            "request_uri_not_supported",
        ),
        (vec![("scope", "")], "invalid_scope"),
    ] {
        world
            .post("/oauth2/par", &changed(&good, &changes))
            .await
            .assert_error(400, error);
    }
    world
        .post("/oauth2/par", &changed(&good, &[("client_id", "nobody")]))
        .await
        .assert_error(401, "invalid_client");
    let mut doubled = good.clone();
    doubled.push(("request", "x"));
    doubled.push(("request", "y"));
    world
        .post("/oauth2/par", &doubled)
        .await
        .assert_error(400, "invalid_request");
    assert_eq!(world.get("/oauth2/par").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_client_that_has_to_push_may_not_do_without() {
    let world = world();
    world.change_client(json!({"par_required": true})).await;
    world
        .browser()
        .authorize(&world.authorization_request())
        .await
        .assert_callback_error("invalid_request");
    let uri = world.post("/oauth2/par", &world.authorization_request()).await.json()["request_uri"].clone();
    let request = form(&[("client_id", "pixygate"), ("request_uri", uri.as_str().unwrap())]);
    let answer = world.browser().get(&format!("/oauth2/authorize?{request}")).await;
    assert!(answer.location().contains("/signin/"));
}

#[tokio::test]
async fn an_unknown_tenant_is_not_found() {
    let world = world();
    let answer = world.get(&format!("{ORIGIN}/t/nowhere/oauth2/jwks")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = world
        .send(
            world
                .request(Method::GET, "/oauth2/nothing")
                .body(axum::body::Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
