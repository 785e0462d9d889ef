//! 76, over HTTP: several servers with one provider and one store.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app::api::{Filter, RecordOwner};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::{FutureExt as _, StreamExt as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

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

/// Signs the token's user out everywhere.
async fn end_sessions(node: &House, tokens: &Value) {
    let end = request("/api/sessions/end").method(Method::POST).header(
        AUTHORIZATION,
        format!("Bearer {}", tokens["access_token"].as_str().unwrap()),
    );
    let end = end.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let ended = node.send(end.body(Body::empty()).unwrap()).await;
    assert_eq!(ended.status(), StatusCode::OK);
}

/// Returns when the first call was made that is rejected, counted from `start`. The answer itself is held back for up to a second
/// (`Revocations::hold`).
async fn rejected_from(node: &House, tokens: &Value, start: Instant) -> Duration {
    let mut learned = node.started.state.shared.revocations.watch();
    let wait = async {
        loop {
            let asked = start.elapsed();
            if call(node, tokens).await == (401, json!("revoked")) {
                return asked;
            }
            learned.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap()
}

/// From the sign-out at one node until the last of three rejects the user's token. The median of three, so that one pause of a busy machine
/// is no failure.
async fn a_sign_out_everywhere_takes_less_than_a_second(engine: &Engine) {
    let store = format!("[store]\nurl = \"{}\"\n", engine.url());
    let first = House::with(&store).await;
    let (second, third) = (first.node(&store).await, first.node(&store).await);
    let mut times = Vec::new();
    for username in ["alice", "bob", "admin"] {
        let wanted = json!({ "username": username, "client_id": "pixygate" });
        let tokens = first.control("tokens?tenant=demo", wanted).await;
        for node in [&first, &second, &third] {
            accepted(node, &tokens).await;
        }
        let start = Instant::now();
        end_sessions(&first, &tokens).await;
        let (one, two, three) = tokio::join!(
            rejected_from(&first, &tokens, start),
            rejected_from(&second, &tokens, start),
            rejected_from(&third, &tokens, start)
        );
        times.push(one.max(two).max(three));
    }
    times.sort();
    assert!(times[1] < Duration::from_secs(1), "{times:?}");
}

/// An update of one node has changed the store in a way that the other does without, and then in one that it does not.
async fn nodes_of_two_versions_share_a_store_as_long_as_they_can(engine: &Engine) {
    let store = format!("[store]\nurl = \"{}\"\n", engine.url());
    let older = House::with(&store).await;
    let before = older.tokens("demo").await;
    accepted(&older, &before).await;
    let tables = [
        "ended",
        "ended_floors",
        "logout_tokens",
        "nodes",
        "activity",
        "activity_users",
        "activity_sums",
        "documents",
        "values",
    ];
    let columns: String = tables
        .iter()
        .map(|table| format!("ALTER TABLE pixygate_{table} ADD COLUMN later text;"))
        .collect();
    engine
        .execute(&format!(
            "BEGIN; {columns} CREATE TABLE pixygate_later (id bigint);
             INSERT INTO pixygate_schema (version, needs, applied_at) VALUES (901, 1, 0); COMMIT"
        ))
        .await;
    let newer = older.node(&store).await;
    for node in [&older, &newer] {
        accepted(node, &before).await;
        until_ready(node, true).await;
    }
    end_sessions(&older, &before).await;
    until_revoked(&newer, &before).await;
    for node in [&older, &newer] {
        let activity = &node.started.state.shared.activity;
        let written = async {
            while activity.written() < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, written).await.unwrap();
        assert_eq!(activity.dropped(), 0);
    }
    // Both are listed.
    assert_eq!(older.started.state.shared.store.nodes().await.unwrap().len(), 2);

    engine
        .execute("INSERT INTO pixygate_schema (version, needs, applied_at) VALUES (902, 902, 0)")
        .await;
    let body = until_ready(&older, false).await;
    assert_eq!(
        (&body["checks"]["schema"], &body["checks"]["store"]),
        (&json!(false), &json!(true))
    );
    engine.execute("DELETE FROM pixygate_schema WHERE version = 902").await;
    until_ready(&older, true).await;
}

/// At one node; every other rejects the user's tokens, and cuts their streams.
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
    end_sessions(&first, &alices).await;
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
    a_sign_out_everywhere_takes_less_than_a_second,
    nodes_of_two_versions_share_a_store_as_long_as_they_can,
);

/// Two nodes answer calls all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stops_and_starts_under_load_costs_no_call_and_no_record() {
    let Some(Engine::Postgres(mut cluster)) = Engine::postgres() else {
        return;
    };
    let settings = format!("[store]\nurl = \"{}\"\n[gate]\nrate_limit = \"\"\n", cluster.url());
    let first = House::with(&settings).await;
    let second = first.node(&settings).await;
    let bearer = format!("Bearer {}", first.access_token().await);
    let answered = Arc::new(Mutex::new(Vec::new()));
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for node in [&first, &second, &first, &second] {
        let (router, bearer) = (node.started.router.clone(), bearer.clone());
        let (answered, over) = (answered.clone(), over.clone());
        callers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let call = request("/api/whoami")
                    .header(AUTHORIZATION, &bearer)
                    .body(Body::empty());
                let response = router.clone().oneshot(call.unwrap()).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                let id = house::header(response.headers(), server::REQUEST_ID).to_owned();
                // A call is over, and recorded, when its body is read.
                house::text(response).await;
                answered.lock().unwrap().push(id);
                tokio::task::yield_now().await;
            }
        });
    }
    let more = async |calls: usize| {
        let until = answered.lock().unwrap().len() + calls;
        let wait = async {
            while answered.lock().unwrap().len() < until {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    };
    more(100).await;
    cluster.stop();
    more(500).await;
    cluster.start_again();
    more(100).await;
    over.store(true, Ordering::Relaxed);
    callers.join_all().await;

    for node in [&first, &second] {
        until_ready(node, true).await;
        let activity = &node.started.state.shared.activity;
        assert_eq!(activity.dropped(), 0);
    }
    let mut expected = std::mem::take(&mut *answered.lock().unwrap());
    expected.sort();
    let store = &first.started.state.shared.store;
    let recorded = async {
        loop {
            let (mut ids, mut before) = (Vec::new(), None);
            loop {
                let page = store
                    .activity(&RecordOwner::AllUsers, &Filter::default(), before, 500)
                    .await
                    .unwrap();
                ids.extend(page.records.into_iter().map(|record| record.request_id));
                before = page.older;
                if before.is_none() {
                    break;
                }
            }
            ids.sort();
            assert!(ids.windows(2).all(|two| two[0] != two[1]), "recorded twice");
            if ids == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, recorded).await.unwrap();
}

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
