//! The pages: escaping of their content, and their headers.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::json;

use crate::world::{Answer, ORIGIN, changed, form, world};

#[tokio::test]
async fn a_wrong_password_is_refused_with_a_message_and_the_name_is_kept() {
    let world = world();
    let browser = world.browser();
    let page = browser.begin(&world.authorization_request()).await;
    for (username, password) in [
        ("alice", "bob"),
        ("alice", ""),
        ("nobody", "nobody"),
        ("", ""),
        ("ALICE", "alice"),
    ] {
        let answer = browser
            .post(
                &page,
                &[("answer", "sign_in"), ("username", username), ("password", password)],
            )
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{username}");
        assert!(answer.body.contains("role=\"alert\"") && answer.body.contains("do not belong together"));
        assert!(answer.body.contains(&format!("value=\"{username}\"")));
        assert!(!answer.body.contains("value=\"bob\""), "a password is never sent back");
    }
    assert_ne!(browser.password(&page, "alice").await.callback("code"), "");
}

#[tokio::test]
async fn many_wrong_passwords_have_to_wait() {
    let world = world();
    let browser = world.browser();
    let page = browser.begin(&world.authorization_request()).await;
    let wrong = [("answer", "sign_in"), ("username", "alice"), ("password", "guess")];
    for _ in 0..5 {
        assert_eq!(
            browser.post(&page, &wrong).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    assert_eq!(
        browser.password(&page, "alice").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let bystander = world.browser();
    assert_ne!(
        bystander
            .sign_in("bob", &world.authorization_request())
            .await
            .callback("code"),
        ""
    );
    world.advance(1).await;
    assert_eq!(
        browser.post(&page, &wrong).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    world.advance(1).await;
    let soon = browser.password(&page, "alice").await;
    assert_eq!(soon.status, StatusCode::TOO_MANY_REQUESTS, "the next wait is longer");
    world.advance(1).await;
    assert_ne!(browser.password(&page, "alice").await.callback("code"), "");
}

#[tokio::test]
async fn cancel_tells_the_client() {
    let world = world();
    let browser = world.browser();
    let page = browser.begin(&world.authorization_request()).await;
    let back = browser
        .post(&page, &[("answer", "cancel"), ("username", ""), ("password", "")])
        .await;
    back.assert_callback_error("access_denied");
    assert_eq!(back.callback("state"), "the-state");
    browser.get(&page).await.assert_error_page("already answered");
}

#[tokio::test]
async fn a_sign_in_belongs_to_the_browser_that_began_it() {
    let world = world();
    let browser = world.browser();
    let page = browser.begin(&world.authorization_request()).await;
    let other = world.browser();
    other.get(&page).await.assert_error_page("another browser");
    other
        .password(&page, "alice")
        .await
        .assert_error_page("another browser");
    other.begin(&world.authorization_request()).await;
    other
        .password(&page, "alice")
        .await
        .assert_error_page("another browser");
    assert_ne!(browser.password(&page, "alice").await.callback("code"), "");
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let world = world();
    let browser = world.browser();
    let page = browser.begin(&world.authorization_request()).await;
    let cookies: Vec<String> = browser
        .cookies
        .borrow()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let body = form(&[("answer", "sign_in"), ("username", "alice"), ("password", "alice")]);
    for origin in ["https://evil.example", "null", "http://127.0.0.1:3000"] {
        let request = world
            .request(Method::POST, &page)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = world.send(request.body(Body::from(body.clone())).unwrap()).await;
        answer.assert_error_page("not sent from this page");
    }
    assert_ne!(browser.password(&page, "alice").await.callback("code"), "");
}

#[tokio::test]
async fn a_sign_in_takes_no_longer_than_half_an_hour_and_is_answered_once() {
    let world = world();
    let browser = world.browser();
    let (late, used) = (
        browser.begin(&world.authorization_request()).await,
        browser.begin(&world.authorization_request()).await,
    );
    assert_ne!(browser.password(&used, "alice").await.callback("code"), "");
    browser
        .password(&used, "alice")
        .await
        .assert_error_page("already answered");
    world.advance(1800).await;
    browser.get(&late).await.assert_error_page("took too long");
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere_cannot_be_framed_and_escape_what_they_show() {
    let world = world();
    let browser = world.browser();
    let request = changed(
        &world.authorization_request(),
        &[("login_hint", "\"><script>alert(1)</script>")],
    );
    let page = browser.begin(&request).await;
    let answer = browser.get(&page).await;
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self' http://localhost:3000;"), "{policy}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.body.contains("<script"), "{}", answer.body);
    let style = world.get(&format!("{ORIGIN}/style.css")).await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    let cookies = browser.get("/oauth2/authorize").await;
    assert_eq!(cookies.status, StatusCode::BAD_REQUEST);
    let signed_in = browser.password(&page, "alice").await;
    let cookie = signed_in.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
}

/// The page has the common style.
#[track_caller]
fn assert_page_of_ours(answer: &Answer, status: u16, heading: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.body.contains(&format!("<h1>{heading}</h1>")), "{answer:?}");
    assert!(answer.body.contains("href=\"/style.css\""), "{answer:?}");
}

#[tokio::test]
async fn what_is_not_there_has_a_page_and_programs_get_none() {
    let world = world();
    for path in ["/nothing", "/t/demo", "/t/demo/oauth2/nothing", "/t/nobody/nothing"] {
        let answer = world.get(&format!("{ORIGIN}{path}")).await;
        assert_page_of_ours(&answer, 404, "There is no such page");
    }
    for path in ["/oauth2/authorize", "/signin/x", "/oidc/logout"] {
        let answer = world.get(&format!("{ORIGIN}/t/nobody{path}")).await;
        assert_page_of_ours(&answer, 404, "There is no such tenant");
        let known = world.get(path).await;
        assert_ne!(known.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/oauth2/jwks", "/oauth2/token/.well-known/openid-configuration"] {
        let answer = world.get(&format!("{ORIGIN}/t/nobody{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.body.contains('<'), "{answer:?}");
    }
}

#[tokio::test]
async fn a_provider_that_is_down_has_a_page_for_people() {
    let world = world();
    let browser = world.browser();
    let page = browser.begin(&world.authorization_request()).await;
    world.switch(json!({"down": true})).await;
    for path in [&page, "/oauth2/authorize", "/oidc/logout"] {
        let answer = browser.get(path).await;
        assert_page_of_ours(&answer, 503, "The provider is down");
        assert_eq!(answer.header("retry-after"), "1");
    }
    let json = world.get("/oauth2/jwks").await;
    json.assert_error(503, "temporarily_unavailable");
    world.switch(json!({"down": null})).await;
    assert_ne!(browser.password(&page, "alice").await.callback("code"), "");
}

#[tokio::test]
async fn a_session_cookie_planted_before_is_worth_nothing_after() {
    let world = world();
    let browser = world.browser();
    browser.sign_in("alice", &world.authorization_request()).await;
    let before = browser.cookies.borrow().clone();
    let page = browser
        .begin(&changed(&world.authorization_request(), &[("prompt", "login")]))
        .await;
    browser.password(&page, "alice").await;
    let planted = world.browser();
    *planted.cookies.borrow_mut() = before;
    planted.begin(&world.authorization_request()).await;
}
