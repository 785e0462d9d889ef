//! The interaction with the user: single sign-on, prompt, max_age, acr_values, consent, hints.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::world::{Answer, Browser, World, changed, claims, world, world_with};

async fn id_token(world: &World, back: &Answer) -> serde_json::Value {
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    claims(tokens["id_token"].as_str().unwrap())
}

async fn code_shown(browser: &Browser<'_>, page: &str) -> String {
    let body = browser.get(page).await.body;
    body.split("id=\"shown-code\">").nth(1).unwrap()[..6].to_owned()
}

#[tokio::test]
async fn someone_signed_in_is_not_asked_again() {
    let world = world();
    let browser = world.browser();
    browser.sign_in("alice", &world.authorization_request()).await;
    world.advance(500).await;
    let again = browser.authorize(&world.authorization_request()).await;
    let told = id_token(&world, &again).await;
    assert_eq!(
        told["auth_time"],
        crate::world::START,
        "single sign-on keeps the time of the sign-in"
    );
    world.advance(86_400).await;
    browser.begin(&world.authorization_request()).await;
}

#[tokio::test]
async fn prompt_none_never_asks() {
    let world = world();
    let browser = world.browser();
    let silent = changed(&world.authorization_request(), &[("prompt", "none")]);
    browser.authorize(&silent).await.assert_callback_error("login_required");
    browser.sign_in("alice", &world.authorization_request()).await;
    assert_ne!(browser.authorize(&silent).await.callback("code"), "");
    let stronger = changed(&silent, &[("acr_values", "LOA2")]);
    browser
        .authorize(&stronger)
        .await
        .assert_callback_error("interaction_required");
    world.advance(100).await;
    let fresh = changed(&silent, &[("max_age", "99")]);
    browser.authorize(&fresh).await.assert_callback_error("login_required");
    assert_ne!(
        browser
            .authorize(&changed(&silent, &[("max_age", "100")]))
            .await
            .callback("code"),
        ""
    );
    world.change_client(json!({"consent": true})).await;
    browser
        .authorize(&silent)
        .await
        .assert_callback_error("consent_required");
}

#[tokio::test]
async fn a_max_age_of_zero_asks_again_within_the_same_second() {
    let world = world();
    let browser = world.browser();
    browser.sign_in("alice", &world.authorization_request()).await;
    let silent = changed(&world.authorization_request(), &[("prompt", "none"), ("max_age", "0")]);
    browser.authorize(&silent).await.assert_callback_error("login_required");
    let second = changed(&silent, &[("max_age", "1")]);
    assert_ne!(browser.authorize(&second).await.callback("code"), "");
    let asked = changed(&world.authorization_request(), &[("max_age", "0")]);
    let page = browser.begin(&asked).await;
    assert_ne!(
        browser.password(&page, "alice").await.callback("code"),
        "",
        "and once is enough"
    );
}

#[tokio::test]
async fn prompt_login_and_max_age_ask_for_the_password_again() {
    let world = world();
    let browser = world.browser();
    let before = id_token(&world, &browser.sign_in("alice", &world.authorization_request()).await).await;
    world.advance(100).await;
    for (name, value) in [("prompt", "login"), ("max_age", "0"), ("max_age", "50")] {
        let page = browser
            .begin(&changed(&world.authorization_request(), &[(name, value)]))
            .await;
        browser.get(&page).await.assert_page("value=\"alice\"");
        let after = id_token(&world, &browser.password(&page, "alice").await).await;
        assert!(
            after["auth_time"].as_i64() > before["auth_time"].as_i64(),
            "{name}={value}"
        );
        assert_eq!(after["sid"], before["sid"], "the same person keeps the session");
        world.advance(100).await;
    }
}

#[tokio::test]
async fn an_account_is_chosen_or_replaced_by_another() {
    let world = world();
    let browser = world.browser();
    let alice = world
        .redeem(
            &browser
                .sign_in("alice", &world.authorization_request())
                .await
                .callback("code"),
            &[],
        )
        .await;
    let choose = changed(&world.authorization_request(), &[("prompt", "select_account")]);

    let page = browser.begin(&choose).await;
    browser.get(&page).await.assert_page("Alice Example");
    let back = browser.post(&page, &[("answer", "use_account")]).await;
    assert_eq!(id_token(&world, &back).await["preferred_username"], "alice");

    let page = browser.begin(&choose).await;
    browser.get(&format!("{page}?other")).await.assert_page("Password");
    let back = browser.password(&page, "bob").await;
    assert_eq!(id_token(&world, &back).await["preferred_username"], "bob");
    let access_token = alice.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        world.introspect(&access_token).await["active"],
        false,
        "the session before has ended"
    );
}

#[tokio::test]
async fn a_second_factor_raises_the_acr_and_each_code_works_once() {
    let world = world();
    let browser = world.browser();
    browser.sign_in("alice", &world.authorization_request()).await;
    let stronger = changed(
        &world.authorization_request(),
        &[("acr_values", "unheard-of LOA2 LOA1")],
    );
    let page = browser.begin(&stronger).await;
    browser.get(&page).await.assert_page("One-time code");
    let code = code_shown(&browser, &page).await;
    assert_eq!(
        code,
        world.control(Method::GET, "totp/alice", json!({})).await.json()["code"]
            .as_str()
            .unwrap()
    );
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let answer = browser
        .post(&page, &[("answer", "second_factor"), ("code", wrong)])
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let back = browser
        .post(&page, &[("answer", "second_factor"), ("code", &code)])
        .await;
    let strong = id_token(&world, &back).await;
    assert_eq!(strong["acr"], "LOA2");
    assert_eq!(strong["amr"], json!(["pwd", "otp", "mfa"]));
    assert_ne!(
        browser.authorize(&stronger).await.callback("code"),
        "",
        "the session stays strong"
    );

    let other = world.browser();
    let page = other.begin(&stronger).await;
    other.password(&page, "alice").await;
    let answer = other.post(&page, &[("answer", "second_factor"), ("code", &code)]).await;
    assert!(answer.body.contains("used before"), "{answer:?}");
}

#[tokio::test]
async fn many_wrong_codes_have_to_wait() {
    let world = world();
    let browser = world.browser();
    browser.sign_in("alice", &world.authorization_request()).await;
    let stronger = changed(&world.authorization_request(), &[("acr_values", "LOA2")]);
    let page = browser.begin(&stronger).await;
    let right = code_shown(&browser, &page).await;
    let send = async |code: &str| {
        browser
            .post(&page, &[("answer", "second_factor"), ("code", code)])
            .await
    };
    for _ in 0..5 {
        assert_eq!(send("no code").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let wait = send(&right).await;
    assert_eq!(wait.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(wait.body.contains("Too many wrong codes"), "{wait:?}");
    world.advance(1).await;
    assert_ne!(send(&right).await.callback("code"), "");
}

#[tokio::test]
async fn someone_without_a_second_factor_cannot_step_up() {
    let mut config = crate::world::config();
    config.tenants[0].users[1].totp_secret.clear();
    let world = world_with(config);
    let stronger = changed(&world.authorization_request(), &[("acr_values", "LOA2")]);
    let back = world.browser().sign_in("bob", &stronger).await;
    back.assert_callback_error("unmet_authentication_requirements");
}

#[tokio::test]
async fn consent_is_asked_once_and_can_be_refused() {
    let world = world();
    world.change_client(json!({"consent": true})).await;
    let browser = world.browser();
    let page = browser.begin(&world.authorization_request()).await;
    browser.password(&page, "alice").await.assert_page("Allow access?");
    let back = browser.post(&page, &[("answer", "cancel")]).await;
    back.assert_callback_error("access_denied");

    let page = browser.begin(&world.authorization_request()).await;
    browser.get(&page).await.assert_page("See your e-mail address");
    let back = browser.post(&page, &[("answer", "allow")]).await;
    assert_ne!(back.callback("code"), "");
    assert_ne!(
        browser.authorize(&world.authorization_request()).await.callback("code"),
        "",
        "it is remembered"
    );

    let more = changed(&world.authorization_request(), &[("scope", "openid orders:read")]);
    let page = browser.begin(&more).await;
    browser.get(&page).await.assert_page("orders:read");
    let again = changed(&world.authorization_request(), &[("prompt", "consent")]);
    let page = browser.begin(&again).await;
    browser.get(&page).await.assert_page("Allow access?");
}

#[tokio::test]
async fn a_step_that_was_not_shown_cannot_be_answered() {
    let world = world();
    world.change_client(json!({"consent": true})).await;
    let browser = world.browser();
    let page = browser.begin(&world.authorization_request()).await;
    for answer in ["allow", "use_account", "second_factor"] {
        browser
            .post(&page, &[("answer", answer), ("code", "000000")])
            .await
            .assert_page("Password");
    }
}

#[tokio::test]
async fn an_id_token_hint_names_who_may_answer() {
    let world = world();
    let browser = world.browser();
    let back = browser.sign_in("alice", &world.authorization_request()).await;
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    let hinted = changed(
        &world.authorization_request(),
        &[("id_token_hint", hint), ("prompt", "none")],
    );
    assert_ne!(browser.authorize(&hinted).await.callback("code"), "");
    let other = world.browser();
    other.sign_in("bob", &world.authorization_request()).await;
    other.authorize(&hinted).await.assert_callback_error("login_required");
    let access_token = tokens["access_token"].as_str().unwrap();
    let wrong = changed(&hinted, &[("id_token_hint", access_token)]);
    other.authorize(&wrong).await.assert_callback_error("invalid_request");
    let asked = changed(&hinted, &[("prompt", "")]);
    let page = other.begin(&asked).await;
    let answer = other.password(&page, "bob").await;
    assert!(answer.body.contains("somebody else"), "{answer:?}");
    assert_ne!(other.password(&page, "alice").await.callback("code"), "");
}
