//! A node whose clock is two minutes ahead of the provider's, the store's and the other node's.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use app::api::{Filter, RecordOwner};
use http::StatusCode;

use crate::house::House;
use crate::postgres::free_port;
use crate::process::Server;
use crate::store::Engine;

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const AHEAD: u64 = 120;

/// The library that gives a process another time.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = folders
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI skips nothing: install libfaketime"
        );
        eprintln!("skipped: libfaketime is not installed here (Debian: apt-get install libfaketime)");
    }
    found
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_clock_is_ahead_signs_nobody_out_for_too_long_and_records_in_order() {
    let (Some(library), Some(engine)) = (faketime(), Engine::postgres()) else {
        return;
    };
    let right = House::with(&format!("[store]\nurl = \"{}\"\n", engine.url())).await;
    let (metrics, ahead) = (free_port(), format!("+{AHEAD}s"));
    let wrong = Server::start(
        &engine.url(),
        [
            (
                "PIXYGATE_PROVIDER__ISSUER",
                right.started.announcement.provider.as_str(),
            ),
            ("PIXYGATE_PROVIDER__CLIENT_ID", "pixygate"),
            ("PIXYGATE_TELEMETRY__METRICS_LISTEN", &format!("127.0.0.1:{metrics}")),
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME", &ahead),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ],
    )
    .await;
    let metrics = reqwest::get(format!("http://127.0.0.1:{metrics}/metrics")).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let offset = metrics
        .lines()
        .find_map(|line| line.strip_prefix("pixygate_clock_offset_seconds "));
    let offset: f64 = offset.unwrap().parse().unwrap();
    assert!((offset + AHEAD as f64).abs() < 5.0, "{offset}: the clock is not ahead");

    let at_right = async |token: &str| right.call("/api/whoami", &format!("Bearer {token}")).await.status();
    let token = right.access_token().await;
    assert_eq!(at_right(&token).await, StatusCode::OK);
    assert_eq!(wrong.call(&token).await.0, StatusCode::OK);

    // Signed out everywhere at the wrong node. By its own clock, tokens of the next two minutes would be rejected, too.
    assert_eq!(wrong.end_sessions(&token).await, StatusCode::OK);
    let ended = Instant::now();
    assert_eq!(wrong.call(&token).await.0, StatusCode::UNAUTHORIZED);
    let rejected = async {
        while at_right(&token).await != StatusCode::UNAUTHORIZED {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, rejected).await.unwrap();
    let signed_in_again = async {
        loop {
            let token = right.access_token().await;
            if wrong.call(&token).await.0 == StatusCode::OK {
                return token;
            }
        }
    };
    let again = tokio::time::timeout(PATIENCE, signed_in_again).await.unwrap();
    assert!(ended.elapsed() < Duration::from_secs(AHEAD / 2));
    assert_eq!(at_right(&again).await, StatusCode::OK);

    // Records of both have the time of the store.
    let store = engine.open().await;
    let (_, last) = wrong.call(&again).await;
    let recorded = async {
        loop {
            let page = store
                .activity(&RecordOwner::AllUsers, &Filter::default(), None, 500)
                .await
                .unwrap();
            if page.records.iter().any(|record| record.request_id == last) {
                return page.records;
            }
            tokio::task::yield_now().await;
        }
    };
    let records = tokio::time::timeout(PATIENCE, recorded).await.unwrap();
    let latest = (now() + 5) * 1000;
    assert!(records.iter().all(|record| record.at < latest), "{records:#?}");
    let nodes: std::collections::BTreeSet<_> = records.iter().map(|record| &record.node).collect();
    assert_eq!(nodes.len(), 2);
}
