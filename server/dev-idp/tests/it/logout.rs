//! Signing out: who may request it, the redirect, and the notified clients.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::routing::post;
use serde_json::{Value, json};

use crate::world::{Browser, ORIGIN, World, changed, claims, form, header_of, world};

const HOME: &str = "http://localhost:3000/";

async fn signed_in(world: &World) -> (Browser<'_>, Value) {
    let browser = world.browser();
    let back = browser.sign_in("alice", &world.authorization_request()).await;
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    (browser, tokens)
}

fn request(tokens: &Value) -> Vec<(&'static str, &str)> {
    vec![
        ("id_token_hint", tokens["id_token"].as_str().unwrap()),
        ("client_id", "pixygate"),
        ("post_logout_redirect_uri", HOME),
        ("state", "after"),
    ]
}

async fn logout(browser: &Browser<'_>, pairs: &[(&str, &str)]) -> crate::world::Answer {
    browser.get(&format!("/oidc/logout?{}", form(pairs))).await
}

#[tokio::test]
async fn with_a_hint_the_session_ends_at_once_with_all_that_it_gave() {
    let world = world();
    let (browser, tokens) = signed_in(&world).await;
    world.advance(7200).await;
    let answer = logout(&browser, &request(&tokens)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        answer.location(),
        format!("{HOME}?state=after"),
        "an old ID token is a good hint"
    );
    browser.begin(&world.authorization_request()).await;
    world
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_cookie_of_an_ended_session_is_worth_nothing() {
    let world = world();
    let (browser, tokens) = signed_in(&world).await;
    let before = browser.cookies.borrow().clone();
    logout(&browser, &request(&tokens)).await;
    *browser.cookies.borrow_mut() = before;
    browser.begin(&world.authorization_request()).await;
}

#[tokio::test]
async fn an_address_that_is_not_registered_is_never_followed() {
    let world = world();
    let (browser, tokens) = signed_in(&world).await;
    for near in [
        "http://localhost:3000",
        "http://localhost:3000//",
        "http://localhost:3000/?a",
        "http://localhost:3000/callback",
        "http://LOCALHOST:3000/",
        "https://evil.example/",
    ] {
        let pairs = changed(&request(&tokens), &[("post_logout_redirect_uri", near)]);
        logout(&browser, &pairs).await.assert_error_page("not registered");
    }
    let nobody = changed(&request(&tokens), &[("id_token_hint", ""), ("client_id", "")]);
    logout(&browser, &nobody)
        .await
        .assert_error_page("needs an id_token_hint or a client_id");
    let unknown = changed(&request(&tokens), &[("id_token_hint", ""), ("client_id", "nobody")]);
    logout(&browser, &unknown).await.assert_error_page("not registered");
    let other = changed(&request(&tokens), &[("client_id", "resource-server")]);
    logout(&browser, &other).await.assert_error_page("not the one");
    let broken = tokens["id_token"].as_str().unwrap().replace('.', "x.");
    for hint in ["rubbish", tokens["access_token"].as_str().unwrap(), &broken] {
        logout(&browser, &changed(&request(&tokens), &[("id_token_hint", hint)]))
            .await
            .assert_error_page("id_token_hint");
    }
    let mut doubled = request(&tokens);
    doubled.push(("state", "again"));
    logout(&browser, &doubled).await.assert_error_page("more than once");
    assert_ne!(
        browser.authorize(&world.authorization_request()).await.callback("code"),
        "",
        "still signed in"
    );
}

#[tokio::test]
async fn without_a_hint_the_person_is_asked() {
    let world = world();
    let (browser, _) = signed_in(&world).await;
    let pairs = [
        ("client_id", "pixygate"),
        ("post_logout_redirect_uri", HOME),
        ("state", "after"),
    ];
    let page = logout(&browser, &pairs).await;
    page.assert_page("Sign out?");
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' http://localhost:3000;")
    );
    let sid = page
        .body
        .split("name=\"sid\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();

    let stay = changed(&pairs, &[("answer", "stay"), ("sid", &sid)]);
    browser.post("/oidc/logout", &stay).await.assert_page("still signed in");
    let forged = changed(&pairs, &[("answer", "sign_out"), ("sid", "guessed")]);
    browser
        .post("/oidc/logout", &forged)
        .await
        .assert_error_page("not sent from this page");
    assert_ne!(
        browser.authorize(&world.authorization_request()).await.callback("code"),
        "",
        "still signed in"
    );

    let good = changed(&pairs, &[("answer", "sign_out"), ("sid", &sid)]);
    assert_eq!(
        browser.post("/oidc/logout", &good).await.location(),
        format!("{HOME}?state=after")
    );
    browser.begin(&world.authorization_request()).await;
}

#[tokio::test]
async fn a_hint_of_another_person_is_no_order() {
    let world = world();
    let (_, tokens) = signed_in(&world).await;
    let bob = world.browser();
    bob.sign_in("bob", &world.authorization_request()).await;
    logout(&bob, &request(&tokens)).await.assert_page("Sign out?");
}

#[tokio::test]
async fn without_an_address_a_page_says_that_it_is_done() {
    let world = world();
    let (browser, tokens) = signed_in(&world).await;
    let hint = [("id_token_hint", tokens["id_token"].as_str().unwrap())];
    logout(&browser, &hint).await.assert_page("You are signed out");
    logout(&browser, &[]).await.assert_page("You are signed out");
    assert_eq!(
        logout(&browser, &request(&tokens)).await.location(),
        format!("{HOME}?state=after"),
        "twice does no harm"
    );
}

#[tokio::test]
async fn a_form_of_another_page_is_sent_on_so_that_the_cookies_come() {
    let world = world();
    let (browser, tokens) = signed_in(&world).await;
    // As browsers send it: `SameSite=Lax` cookies do not come with it.
    let answer = world
        .post_with(
            "/oidc/logout",
            &request(&tokens),
            &[("origin", "http://localhost:3000")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("set-cookie"), "", "the form alone signs nobody out");
    assert_ne!(
        browser.authorize(&world.authorization_request()).await.callback("code"),
        "",
        "still signed in"
    );
    let end = browser.get(answer.location()).await;
    assert_eq!(end.location(), format!("{HOME}?state=after"));
    assert!(end.header("set-cookie").contains("Max-Age=0"));
    browser.begin(&world.authorization_request()).await;
}

#[tokio::test]
async fn a_cookie_stays_where_no_session_was_ended() {
    let world = world();
    let (browser, _) = signed_in(&world).await;
    let answer = world.get("/oidc/logout").await;
    answer.assert_page("You are signed out");
    assert_eq!(answer.header("set-cookie"), "");
    let forged = world.post("/oidc/logout", &[("answer", "sign_out")]).await;
    forged.assert_page("You are signed out");
    assert_eq!(forged.header("set-cookie"), "");
    assert_ne!(
        browser.authorize(&world.authorization_request()).await.callback("code"),
        ""
    );
}

#[tokio::test]
async fn a_hint_ends_its_session_when_the_cookie_has_gone() {
    let world = world();
    let (uri, mut hears) = listening_client().await;
    world.change_client(json!({"backchannel_logout_uri": uri})).await;
    let (_, tokens) = signed_in(&world).await;
    let (bystander, others) = signed_in(&world).await;
    let without_cookie = world.browser();
    for _ in 0..2 {
        let answer = logout(&without_cookie, &request(&tokens)).await;
        assert_eq!(answer.location(), format!("{HOME}?state=after"));
        assert_eq!(answer.header("set-cookie"), "");
    }
    let token = hears.recv().await.unwrap();
    let sid = |token: &str| claims(token)["sid"].clone();
    assert_eq!(sid(&token), sid(tokens["id_token"].as_str().unwrap()));
    world
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(
        world
            .refresh(others["refresh_token"].as_str().unwrap(), &[])
            .await
            .status,
        StatusCode::OK
    );
    logout(&bystander, &request(&others)).await;
    let next = hears.recv().await.unwrap();
    assert_eq!(
        sid(&next),
        sid(others["id_token"].as_str().unwrap()),
        "the client is told once of each"
    );
}

/// A client that waits for logout tokens. Returns its address and a receiver of the tokens.
async fn listening_client() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (told, hears) = tokio::sync::mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/backchannel-logout", listener.local_addr().unwrap());
    let hear = move |body: String| async move { told.send(body).map_err(|_| StatusCode::GONE) };
    let router = axum::Router::new().route("/backchannel-logout", post(hear));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (uri, hears)
}

#[tokio::test]
async fn clients_are_told_over_the_back_channel() {
    let world = world();
    let (uri, mut hears) = listening_client().await;
    world.change_client(json!({"backchannel_logout_uri": uri})).await;
    let (browser, tokens) = signed_in(&world).await;
    logout(&browser, &request(&tokens)).await;
    let body = hears.recv().await.unwrap();
    let token = body.strip_prefix("logout_token=").unwrap();
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    let told = claims(token);
    assert_eq!(header_of(token)["typ"], "logout+jwt");
    assert_eq!(told["iss"], format!("{ORIGIN}/t/demo/oauth2/token"));
    assert_eq!(told["aud"], "pixygate");
    assert_eq!((&told["sid"], &told["sub"]), (&id_token["sid"], &id_token["sub"]));
    assert!(told["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    assert!(told.get("nonce").is_none());
    assert!(told["jti"].is_string() && told["exp"].is_number());

    let (_, _) = signed_in(&world).await;
    world
        .control(axum::http::Method::POST, "sessions/end", json!({"username": "alice"}))
        .await;
    assert!(
        hears.recv().await.unwrap().starts_with("logout_token="),
        "ending it by control tells as well"
    );
}

#[tokio::test]
async fn a_person_ends_all_their_sessions_with_their_access_token() {
    let world = world();
    let (here, elsewhere) = (world.tokens().await, world.tokens().await);
    let text = |tokens: &Value, name: &str| tokens[name].as_str().unwrap().to_owned();
    let end = async |authorization: Option<String>| {
        let mut request = world.request(Method::DELETE, "/api/users/v1/me/sessions");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        world.send(request.body(Body::empty()).unwrap()).await
    };
    for refused in [None, Some("Bearer nobody-s".to_owned())] {
        assert_eq!(end(refused).await.status, StatusCode::UNAUTHORIZED);
    }
    let again = world.refresh(&text(&elsewhere, "refresh_token"), &[]).await;
    assert_eq!(again.status, StatusCode::OK, "what is refused ends nothing");
    let ended = end(Some(format!("Bearer {}", text(&here, "access_token")))).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    for token in [text(&here, "refresh_token"), text(&again.json(), "refresh_token")] {
        world.refresh(&token, &[]).await.assert_error(400, "invalid_grant");
    }
    let gone = end(Some(format!("Bearer {}", text(&here, "access_token")))).await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED);
    let sessions = world.control(Method::GET, "sessions", json!({})).await.json();
    assert_eq!(sessions, json!([]));
}
