//! 76, over HTTP: several servers with one provider and one store.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::{FutureExt as _, StreamExt as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::house::{self, House, request};
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
    // A new sign-in is accepted on every node.
    let again = alice.sign_in("alice").await;
    for node in [&first, &nodes[0], &nodes[1]] {
        accepted(node, &again).await;
    }
}

/// A service whose response never ends.
async fn endless() -> SocketAddr {
    let handler = || async {
        let first = futures_util::stream::iter([Ok::<_, Infallible>("data: 1\n\n")]);
        let events = Body::from_stream(first.chain(futures_util::stream::pending()));
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(events)
            .unwrap()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(handler);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn events(node: &House, tokens: &Value) -> Body {
    let token = tokens["access_token"].as_str().unwrap();
    let mut body = node.call("/gw/events/a", &format!("Bearer {token}")).await.into_body();
    assert_eq!(text(&mut body).await.as_deref(), Some("data: 1\n\n"));
    body
}

/// Returns the next part of a stream; `None` at its end.
async fn text(body: &mut Body) -> Option<String> {
    let data = body.frame().await?.unwrap().into_data().unwrap();
    Some(String::from_utf8(data.to_vec()).unwrap())
}

/// The user signs out at one node; all other nodes reject the user's tokens and end the user's streams.
async fn a_user_who_signs_out_everywhere_is_out_on_every_node(engine: &Engine) {
    let more = format!(
        "[store]\nurl = \"{}\"\n[[upstream]]\nname = \"events\"\ntarget = \"http://{}\"\n\
         [[upstream.route]]\npath = \"/**\"\n",
        engine.url(),
        endless().await
    );
    let first = House::with(&more).await;
    let nodes = [first.node(&more).await, first.node(&more).await];
    let token_of = async |username: &str| {
        let wanted = json!({ "username": username, "client_id": "pixygate" });
        first.control("tokens?tenant=demo", wanted).await
    };
    let (alices, others, bobs) = (token_of("alice").await, token_of("alice").await, token_of("bob").await);
    let (mut alice, mut bob) = (events(&nodes[1], &others).await, events(&nodes[1], &bobs).await);
    let end = request("/api/sessions/end").method(Method::POST).header(
        AUTHORIZATION,
        format!("Bearer {}", alices["access_token"].as_str().unwrap()),
    );
    let end = end.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let ended = first.send(end.body(Body::empty()).unwrap()).await;
    assert_eq!(ended.status(), StatusCode::OK);
    for node in [&first, &nodes[0], &nodes[1]] {
        until_revoked(node, &alices).await;
        until_revoked(node, &others).await;
        accepted(node, &bobs).await;
    }
    let last = tokio::time::timeout(PATIENCE, text(&mut alice)).await.unwrap().unwrap();
    assert!(last.contains("\"reason\":\"revoked\""), "{last}");
    assert_eq!(text(&mut alice).await, None);
    assert!(text(&mut bob).now_or_never().is_none(), "it goes on");
}

crate::store::on_both!(
    a_session_that_ends_at_the_provider_ends_on_every_node,
    a_user_who_signs_out_everywhere_is_out_on_every_node,
);

/// The provider gets its 200 only after the store has the logout.
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
