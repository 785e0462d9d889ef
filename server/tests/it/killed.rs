//! A server that is killed under load (SIGKILL): responses from some time before are recorded, exactly once.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app::api::{Filter, RecordOwner};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::house;
use crate::postgres::{free_port, signal};
use crate::store::{Engine, open};

crate::store::on_both!(a_server_that_is_killed_loses_at_most_the_last_second);

const CALLS: usize = 10_000;

/// The records of this last time may be lost: one second, and more on a busy machine.
const LOSS: Duration = Duration::from_secs(5);

/// A server process.
struct Server {
    process: Child,
    url: String,
    provider: String,
    _site: TempDir,
    _folder: TempDir,
}

impl Server {
    async fn start(store: &str) -> Self {
        let (site, folder) = (house::site(), tempfile::tempdir().unwrap());
        let (port, provider) = (free_port(), free_port());
        let process = Command::new(env!("CARGO_BIN_EXE_pixygate"))
            .current_dir(folder.path())
            .env_clear()
            .env("PIXYGATE_SITE", site.path())
            .env("PIXYGATE_SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("PIXYGATE_SERVER__PUBLIC_URL", format!("http://127.0.0.1:{port}"))
            .env("PIXYGATE_DEV_IDP__LISTEN", format!("127.0.0.1:{provider}"))
            .env("PIXYGATE_TELEMETRY__METRICS_LISTEN", "")
            .env("PIXYGATE_GATE__RATE_LIMIT", "")
            .env("PIXYGATE_STORE__URL", store)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            provider: format!("http://127.0.0.1:{provider}"),
            _site: site,
            _folder: folder,
        };
        let ready = async {
            let url = format!("{}/readyz", server.url);
            while !reqwest::get(&url)
                .await
                .is_ok_and(|response| response.status().is_success())
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ready).await.unwrap();
        server
    }

    async fn token(&self) -> String {
        let wanted = json!({ "username": "alice", "client_id": "pixygate" });
        let url = format!("{}/control/tokens?tenant=demo", self.provider);
        let tokens: Value = reqwest::Client::new()
            .post(url)
            .json(&wanted)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        signal(&self.process, "KILL");
        drop(self.process.wait());
    }
}

async fn a_server_that_is_killed_loses_at_most_the_last_second(engine: &Engine) {
    let server = Server::start(&engine.url()).await;
    let token = Arc::new(server.token().await);
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
    signal(&server.process, "KILL");
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
