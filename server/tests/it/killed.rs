//! A server that is killed under load (SIGKILL): responses from some time before are recorded, exactly once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app::api::{Filter, RecordOwner};
use http::StatusCode;
use pixygate::jwt::Ended;

use crate::house::House;
use crate::logout::accepted;
use crate::process::Server;
use crate::store::{Engine, open};

crate::store::on_both!(a_server_that_is_killed_loses_at_most_the_last_second);

const CALLS: usize = 10_000;

/// The records of this last time may be lost: one second, and more on a busy machine.
const LOSS: Duration = Duration::from_secs(5);

async fn a_server_that_is_killed_loses_at_most_the_last_second(engine: &Engine) {
    let server = Server::start(&engine.url(), []).await;
    let token = Arc::new(server.token("alice").await);
    let answered = Arc::new(Mutex::new(HashMap::new()));
    let left = Arc::new(AtomicUsize::new(CALLS));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (url, token) = (format!("{}/api/whoami", server.url), token.clone());
        let (answered, left) = (answered.clone(), left.clone());
        callers.spawn(async move {
            let client = reqwest::Client::new();
            // Sends requests without end, so that the server is killed in the middle.
            loop {
                let Ok(response) = client.get(&url).bearer_auth(&*token).send().await else {
                    return;
                };
                let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
                assert_eq!(response.status(), 200);
                if response.bytes().await.is_err() {
                    return;
                }
                answered.lock().unwrap().insert(id, Instant::now());
                left.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }
    let enough = async {
        while left.load(Ordering::Relaxed) as isize > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), enough).await.unwrap();
    let killed = Instant::now();
    server.signal("KILL");
    callers.join_all().await;

    let store = open(&engine.url()).await;
    let mut recorded = HashMap::new();
    let mut before = None;
    loop {
        let page = store
            .activity(&RecordOwner::AllUsers, &Filter::default(), before, 500)
            .await
            .unwrap();
        for record in page.records {
            *recorded.entry(record.request_id).or_insert(0) += 1;
        }
        before = page.older;
        if before.is_none() {
            break;
        }
    }
    assert!(recorded.values().all(|times| *times == 1));
    let answered = std::mem::take(&mut *answered.lock().unwrap());
    assert!(answered.len() >= CALLS);
    for (id, at) in &answered {
        let before = killed.saturating_duration_since(*at);
        assert!(
            before < LOSS || recorded.contains_key(id),
            "lost, {before:?} before the end"
        );
    }
    // A batch is written together with its sums, or not at all.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let chart = store
        .activity_chart(&RecordOwner::AllUsers, now - 1800, now + 1800)
        .await
        .unwrap();
    let sum: u64 = chart.buckets.iter().map(|bucket| bucket.allowed + bucket.denied).sum();
    assert_eq!(sum, recorded.len() as u64);
}

/// One of two nodes is killed while both answer calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_under_load_holds_up_no_other() {
    let Some(engine) = Engine::postgres() else { return };
    let settings = format!("[store]\nurl = \"{}\"\n[gate]\nrate_limit = \"\"\n", engine.url());
    let survivor = House::with(&settings).await;
    let issuer = survivor.started.announcement.provider.clone();
    let variables = [
        ("PIXYGATE_PROVIDER__ISSUER", issuer.as_str()),
        ("PIXYGATE_PROVIDER__CLIENT_ID", "pixygate"),
    ];
    let killed = Server::start(&engine.url(), variables).await;
    let tokens = survivor.tokens("demo").await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let url = format!("{}/api/whoami", killed.url);
    let mut callers = tokio::task::JoinSet::new();
    let answered = Arc::new(AtomicUsize::new(0));
    for _ in 0..8 {
        let (url, bearer, answered) = (url.clone(), bearer.clone(), answered.clone());
        callers.spawn(async move {
            let client = reqwest::Client::new();
            while let Ok(response) = client.get(&url).header("authorization", &bearer).send().await {
                assert_eq!(response.status(), StatusCode::OK);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // The survivor answers all the time, before and after.
    let mut after = 0;
    let mut is_killed = false;
    while after < 200 {
        assert_eq!(survivor.call("/api/whoami", &bearer).await.status(), StatusCode::OK);
        if !is_killed && answered.load(Ordering::Relaxed) > 500 {
            killed.signal("KILL");
            is_killed = true;
        }
        after += usize::from(is_killed);
    }
    callers.join_all().await;

    // It holds no lock of the store: an end is recorded, and a node that starts knows it.
    let other = survivor.tokens("demo").await;
    let ended = Ended::new(&issuer, 0).token_id("somebody");
    survivor
        .started
        .state
        .shared
        .revocations
        .end(&ended, true)
        .await
        .unwrap();
    let third = survivor.node(&settings).await;
    assert_eq!(third.started.state.shared.revocations.entries(), 1);
    accepted(&third, &other).await;
    // When its lease is over the others divide rates without it.
    let live = async |expected: u32| {
        let presence = &survivor.started.state.shared.presence;
        let wait = async {
            while presence.live() != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap();
    };
    live(3).await;
    engine
        .execute(&format!(
            "UPDATE pixygate_nodes SET seen_at = seen_at - 15000 WHERE name LIKE '%:{}'",
            killed.url.rsplit(':').next().unwrap()
        ))
        .await;
    live(2).await;
}
