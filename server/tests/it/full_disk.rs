//! The file of the store cannot grow any more: the kernel refuses to write to it.

#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use app::api::{Filter, RecordOwner};
use http::StatusCode;

use crate::process::Server;
use crate::store::{Engine, open};

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bounds the size of the files that a process writes. 0 removes the bound.
fn limit(process: u32, bytes: u64) {
    let size = match bytes {
        0 => "unlimited".to_owned(),
        bytes => bytes.to_string(),
    };
    let set = Command::new("prlimit")
        .args(["--pid", &process.to_string(), &format!("--fsize={size}:")])
        .status();
    assert!(set.unwrap().success());
}

fn size(file: &Path) -> u64 {
    file.metadata().map(|file| file.len()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_no_call_and_loses_no_record() {
    let engine = Engine::sqlite();
    let Engine::Sqlite(folder) = &engine else {
        unreachable!()
    };
    let server = Server::start(&engine.url(), []).await;
    let (alice, bob) = (server.token("alice").await, server.token("bob").await);
    let mut calls = HashMap::new();
    let mut call = async |token: &str| {
        let (status, id) = server.call(token).await;
        calls.insert(id, 0);
        status
    };
    for _ in 0..20 {
        assert_eq!(call(&alice).await, StatusCode::OK);
    }
    // What is written goes to the log first.
    let log = size(&folder.path().join("pixygate.db-wal"));
    assert!(log > 0);
    limit(server.id(), log);
    // The calls go on, and nobody is told that a sign-out was recorded which was not.
    for _ in 0..200 {
        assert_eq!(call(&alice).await, StatusCode::OK);
    }
    assert_eq!(server.end_sessions(&bob).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        server.call(&bob).await.0,
        StatusCode::UNAUTHORIZED,
        "here it is in force"
    );
    let store = open(&engine.url()).await;
    assert_eq!(store.ended_from(0, 10).await.unwrap(), []);

    limit(server.id(), 0);
    assert_eq!(call(&alice).await, StatusCode::OK);
    let recorded = async {
        loop {
            let mut times = calls.clone();
            let page = store
                .activity(&RecordOwner::AllUsers, &Filter::default(), None, 500)
                .await;
            for record in page.unwrap().records {
                times.entry(record.request_id).and_modify(|times| *times += 1);
            }
            assert!(times.values().all(|times| *times <= 1));
            if times.values().all(|times| *times == 1) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, recorded).await.unwrap();
    assert_eq!(server.end_sessions(&alice).await, StatusCode::OK);
    assert_eq!(store.ended_from(0, 10).await.unwrap().len(), 1);
}
