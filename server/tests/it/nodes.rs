//! 76, over HTTP: several servers with one provider and one store.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::house::{self, House};
use crate::logout::{Browser, accepted, call, revoked, told_house_with};
use crate::store::Engine;

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

async fn until_revoked(node: &House, tokens: &Value) {
    let mut learned = node.started.state.shared.revocations.watch();
    let wait = async {
        while call(node, tokens).await != (401, json!("revoked")) {
            learned.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

async fn until_ready(node: &House, expected: bool) -> Value {
    let wait = async {
        loop {
            let response = node.get("/readyz").await;
            let status = response.status();
            let body = house::json(response).await;
            if body["ready"] == expected {
                assert_eq!(status == StatusCode::OK, expected);
                return body;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap()
}

async fn a_session_that_ends_at_the_provider_ends_on_every_node(engine: &Engine) {
    let store = format!("[store]\nurl = \"{}\"\n", engine.url());
    let (first, url, mut answers) = told_house_with(&store).await;
    let nodes = [first.node(&store).await, first.node(&store).await];
    let (alice, bob) = (Browser::new(&first, &url), Browser::new(&first, &url));
    let (alices, bobs) = (alice.sign_in("alice").await, bob.sign_in("bob").await);
    for node in [&first, &nodes[0], &nodes[1]] {
        accepted(node, &alices).await;
    }
    first.control("sessions/end", json!({"username": "alice"})).await;
    assert_eq!(answers.recv().await.unwrap(), StatusCode::OK);
    revoked(&first, &alices).await;
    for node in &nodes {
        until_revoked(node, &alices).await;
        accepted(node, &bobs).await;
    }
    // Signed in again: accepted, on every node.
    let again = alice.sign_in("alice").await;
    for node in [&first, &nodes[0], &nodes[1]] {
        accepted(node, &again).await;
    }
}

crate::store::on_both!(a_session_that_ends_at_the_provider_ends_on_every_node);

/// The provider gets its 200 when the store has it, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_down_a_logout_is_503_and_readiness_says_so() {
    let Some(engine) = Engine::postgres() else { return };
    let store = format!("[store]\nurl = \"{}\"\n", engine.url());
    let Engine::Postgres(mut cluster) = engine else {
        unreachable!()
    };
    let (house, url, mut answers) = told_house_with(&store).await;
    assert_eq!(until_ready(&house, true).await["checks"]["store"], true);
    let browser = Browser::new(&house, &url);
    let (first, second) = (
        browser.sign_in("alice").await,
        Browser::new(&house, &url).sign_in("bob").await,
    );
    cluster.stop();
    let body = until_ready(&house, false).await;
    assert_eq!(
        (&body["checks"]["store"], &body["checks"]["revocations"]),
        (&json!(false), &json!(true))
    );
    accepted(&house, &first).await;
    house.control("sessions/end", json!({"username": "alice"})).await;
    let answer = tokio::time::timeout(PATIENCE, answers.recv()).await.unwrap();
    assert_eq!(answer, Some(StatusCode::SERVICE_UNAVAILABLE));
    revoked(&house, &first).await;
    accepted(&house, &second).await;
    cluster.start_again();
    until_ready(&house, true).await;
    house.control("sessions/end", json!({"username": "bob"})).await;
    assert_eq!(answers.recv().await.unwrap(), StatusCode::OK);
    let other = house.node(&store).await;
    revoked(&other, &second).await;
}
