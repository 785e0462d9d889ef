//! The process is killed and started again, from the view of a user, an application and a resource server.

use std::fs::{self, File};
use std::io::Read as _;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey as _, JsonWebKeyId};
use serde_json::{Value, json};

use crate::process::{Folder, Running};
use crate::world::{ORIGIN, World, header_of};

/// Checks that a published key verifies the token, with an independent library.
async fn assert_verifies(world: &World, token: &str) {
    use base64::Engine as _;
    let jwks: CoreJsonWebKeySet = serde_json::from_value(world.get("/oauth2/jwks").await.json()).unwrap();
    let kid = JsonWebKeyId::new(header_of(token)["kid"].as_str().unwrap().to_owned());
    let key = jwks.keys().iter().find(|key| key.key_id() == Some(&kid)).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(signature)
        .unwrap();
    key.verify_signature(
        &CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        signed.as_bytes(),
        &signature,
    )
    .unwrap();
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// Issues tokens without a browser; `None` if the provider does not respond.
async fn minted(world: &World) -> Option<Value> {
    let request = world
        .request(Method::POST, &format!("{ORIGIN}/control/tokens"))
        .header("content-type", "application/json")
        .body(json!({"username": "alice"}).to_string().into())
        .unwrap();
    let answer = world.send(request).await;
    (answer.status == StatusCode::OK).then(|| answer.json())
}

#[tokio::test]
async fn a_kill_right_after_the_sign_in_signs_nobody_out() {
    let folder = Folder::new("killed");
    let running = folder.start(0);
    let before = running.world();
    let browser = before.browser();
    let back = browser.sign_in("alice", &before.authorization_request()).await;
    let first_code = back.callback("code");
    let first = before.redeem(&first_code, &[]).await.json();
    let second = before.refresh(text(&first, "refresh_token"), &[]).await.json();
    let keys = before.get("/oauth2/jwks").await.json();
    let waiting = before.browser();
    let page = waiting.begin(&before.authorization_request()).await;
    let pending_code = browser
        .authorize(&before.authorization_request())
        .await
        .callback("code");
    assert_ne!(pending_code, "");

    let port = running.kill();
    assert_eq!(
        before.get("/oauth2/jwks").await.status,
        StatusCode::BAD_GATEWAY,
        "nobody is there any more"
    );
    let running = folder.start(port);
    let after = running.world();

    assert_eq!(after.get("/oauth2/jwks").await.json(), keys);
    for tokens in [&first, &second] {
        let token = text(tokens, "access_token");
        assert_verifies(&after, token).await;
        assert_eq!(after.introspect(token).await["active"], true);
        assert_eq!(after.userinfo(token).await.json()["name"], "Alice Example");
    }

    // Single sign-on works in that browser only.
    let same = after.browser();
    *same.cookies.borrow_mut() = browser.cookies.borrow().clone();
    let back = same.authorize(&after.authorization_request()).await;
    assert_ne!(back.callback("code"), "", "nobody was asked");
    after.browser().begin(&after.authorization_request()).await;
    let still = after.browser();
    *still.cookies.borrow_mut() = waiting.cookies.borrow().clone();
    assert_ne!(
        still.password(&page, "bob").await.callback("code"),
        "",
        "a login page that was open can be filled in"
    );

    // A user who was on the way back to the application arrives.
    assert_eq!(after.redeem(&pending_code, &[]).await.status, StatusCode::OK);

    let third = after.refresh(text(&second, "refresh_token"), &[]).await.json();
    assert_ne!(third["refresh_token"], second["refresh_token"]);
    let fourth = after.refresh(text(&third, "refresh_token"), &[]).await;
    assert_eq!(fourth.status, StatusCode::OK, "{fourth:?}");
}

#[tokio::test]
async fn what_was_used_up_before_a_kill_stays_used_up() {
    let folder = Folder::new("used-up");
    let running = folder.start(0);
    let before = running.world();
    let code = before.code().await;
    let of_code = before.redeem(&code, &[]).await.json();
    let used = minted(&before).await.unwrap();
    let rotated = before.refresh(text(&used, "refresh_token"), &[]).await.json();
    let revoked = minted(&before).await.unwrap();
    let pairs = [("client_id", "pixygate"), ("token", text(&revoked, "refresh_token"))];
    before.post("/oauth2/revoke", &pairs).await;
    let bystander = minted(&before).await.unwrap();

    let running = folder.start(running.kill());
    let after = running.world();

    after.redeem(&code, &[]).await.assert_error(400, "invalid_grant");
    for refused in [&used, &revoked] {
        let answer = after.refresh(text(refused, "refresh_token"), &[]).await;
        answer.assert_error(400, "invalid_grant");
    }
    // Their second use revoked the tokens of the first one, as without a kill in between.
    for ended in [&of_code, &rotated] {
        let answer = after.refresh(text(ended, "refresh_token"), &[]).await;
        answer.assert_error(400, "invalid_grant");
    }
    let answer = after.refresh(text(&bystander, "refresh_token"), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// Requests tokens without a pause until the provider stops, and returns them.
async fn until_cut_off(world: Arc<World>, answered: tokio::sync::mpsc::UnboundedSender<()>) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(tokens) = minted(&world).await {
        all.push(tokens);
        // The receiver is closed once the kill has begun.
        answered.send(()).ok();
    }
    all
}

async fn kill_while_it_writes(running: Running, answers: usize) -> (u16, Vec<Value>) {
    let world = Arc::new(running.world());
    let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let asking: Vec<_> = (0..4)
        .map(|_| tokio::spawn(until_cut_off(world.clone(), sender.clone())))
        .collect();
    for _ in 0..answers {
        answered.recv().await.unwrap();
    }
    let port = running.kill();
    let mut given = Vec::new();
    for asking in asking {
        given.extend(asking.await.unwrap());
    }
    (port, given)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_it_writes_loses_nothing_that_was_answered() {
    let folder = Folder::new("writing");
    let mut running = folder.start(0);
    let keys = running.world().get("/oauth2/jwks").await.json();
    let mut given = Vec::new();
    for answers in [1, 2, 3, 5, 8, 13] {
        let (port, more) = kill_while_it_writes(running, answers).await;
        assert!(more.len() >= answers);
        given.extend(more);
        running = folder.start(port);
    }
    let world = running.world();
    assert_eq!(world.get("/oauth2/jwks").await.json(), keys);
    for tokens in &given {
        assert_eq!(world.introspect(text(tokens, "refresh_token")).await["active"], true);
    }
}

#[tokio::test]
async fn the_state_is_replaced_and_never_written_over() {
    let folder = Folder::new("replaced");
    let running = folder.start(0);
    let state = folder.state(running.port);
    let mut open = File::open(&state).unwrap();
    let old = fs::read_to_string(&state).unwrap();
    minted(&running.world()).await.unwrap();
    let mut seen = String::new();
    open.read_to_string(&mut seen).unwrap();
    // If the file were overwritten in place, this would be the new state or a part of it.
    assert_eq!(seen, old);
    assert_ne!(fs::read_to_string(&state).unwrap(), old);
}

#[tokio::test]
async fn half_a_state_beside_the_whole_one_does_no_harm() {
    let folder = Folder::new("beside");
    let running = folder.start(0);
    let tokens = minted(&running.world()).await.unwrap();
    let port = running.kill();
    let state = folder.state(port);
    let whole = fs::read(&state).unwrap();
    // The leftover of a kill during a write.
    fs::write(state.with_extension("json.new"), &whole[..whole.len() / 2]).unwrap();

    let running = folder.start(port);
    let world = running.world();
    let next = world.refresh(text(&tokens, "refresh_token"), &[]).await;
    assert_eq!(next.status, StatusCode::OK, "{next:?}");
    let running = folder.start(running.kill());
    let again = running.world().refresh(text(&next.json(), "refresh_token"), &[]).await;
    assert_eq!(again.status, StatusCode::OK, "it can be written as before: {again:?}");
}

#[tokio::test]
async fn a_broken_state_stops_the_start_and_says_what_to_do() {
    let folder = Folder::new("broken");
    let port = folder.start(0).kill();
    let state = folder.state(port);
    let whole = fs::read(&state).unwrap();
    let half = &whole[..whole.len() / 2];
    fs::write(&state, half).unwrap();

    let Err((code, said)) = folder.try_to_start(port) else {
        panic!("it serves with half a state");
    };
    assert_eq!(code, Some(1));
    let name = format!("target/dev-idp-{port}.json");
    for words in [name.as_str(), "cannot be understood", "remove it to start anew"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(
        fs::read(&state).unwrap(),
        half,
        "what may be of use to someone is left alone"
    );

    fs::remove_file(&state).unwrap();
    minted(&folder.start(port).world()).await.unwrap();
}
