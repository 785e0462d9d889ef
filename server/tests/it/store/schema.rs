//! The tables through time: made, migrated, met by an older server.

use app::api::{Filter, RecordOwner};
use server::store::{Store, StoreError, StoreUrl};

use super::{Engine, on_both, open};

on_both!(
    several_nodes_that_start_at_once_make_the_tables_once,
    a_newer_schema_is_used_as_long_as_it_allows_it,
    a_store_of_an_older_version_is_migrated_while_its_node_runs,
);

pub(crate) async fn several_nodes_that_start_at_once_make_the_tables_once(engine: &Engine) {
    let url = engine.url();
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let url = url.clone();
        nodes.spawn(async move { open(&url).await });
    }
    for store in nodes.join_all().await {
        assert_eq!(store.ended_from(0, 10).await.unwrap(), []);
    }
}

/// The migrations of the version before this one.
macro_rules! migrations {
    ($engine:literal) => {
        [
            include_str!(concat!("../../../src/store/", $engine, "/migrations/0001-ended.sql")),
            include_str!(concat!("../../../src/store/", $engine, "/migrations/0002-activity.sql")),
            include_str!(concat!("../../../src/store/", $engine, "/migrations/0003-shared.sql")),
            include_str!(concat!("../../../src/store/", $engine, "/migrations/0004-values.sql")),
        ]
    };
}

async fn a_store_of_an_older_version_is_migrated_while_its_node_runs(engine: &Engine) {
    let migrations = match engine {
        Engine::Sqlite(_) => migrations!("sqlite"),
        _ => migrations!("postgres"),
    };
    let mut sql =
        "CREATE TABLE pixygate_schema (version bigint PRIMARY KEY, needs bigint NOT NULL, applied_at bigint NOT NULL);"
            .to_owned();
    for (number, migration) in migrations.iter().enumerate() {
        sql += migration;
        sql += &format!(
            ";INSERT INTO pixygate_schema (version, needs, applied_at) VALUES ({}, 1, 0);",
            number + 1
        );
    }
    if let Engine::Sqlite(folder) = engine {
        std::fs::File::create(folder.path().join("pixygate.db")).unwrap();
        sql = format!("PRAGMA journal_mode = wal; {sql}");
    }
    engine.execute(&sql).await;
    // What the older node writes, before and after a newer one has migrated the store.
    let now = i64::MAX / 2;
    let older = async |number: i64| {
        engine
            .execute(&format!(
                "INSERT INTO pixygate_nodes (name, version, started_at, seen_at) VALUES ('older-{number}', '0.0.9', 0, 0);
                 UPDATE pixygate_nodes SET seen_at = {now} WHERE name = 'older-{number}';
                 INSERT INTO pixygate_ended (mark, issuer, subject, ended_at) VALUES ({number}, 'https://idp.example', 'user-{number}', 5);
                 INSERT INTO pixygate_activity (id, user_key, node, request_id, method, bytes, took)
                 VALUES ({number}, 0, 1, 'request-{number}', 'GET', 0, 0)"
            ))
            .await;
    };
    older(1).await;
    let store = engine.open().await;
    older(2).await;
    let ended = store.ended_from(0, 10).await.unwrap();
    let subjects: Vec<_> = ended.iter().map(|row| row.ended.subject.as_deref()).collect();
    assert_eq!(subjects, [Some("user-1"), Some("user-2")]);
    let page = store
        .activity(&RecordOwner::AllUsers, &Filter::default(), None, 10)
        .await
        .unwrap();
    let requests: Vec<_> = page.records.iter().map(|record| record.request_id.as_str()).collect();
    assert_eq!(requests, ["request-2", "request-1"]);
    let newer = store.register("newer", "0.1.0").await.unwrap();
    store.beat(newer, 3).await.unwrap();
    let nodes = store.nodes().await.unwrap();
    let ages: Vec<_> = nodes
        .iter()
        .map(|node| (node.name.as_str(), node.revocation_age_seconds))
        .collect();
    assert_eq!(ages, [("older-1", None), ("older-2", None), ("newer", Some(3))]);
}

async fn a_newer_schema_is_used_as_long_as_it_allows_it(engine: &Engine) {
    engine.open().await.close().await;
    let url: StoreUrl = engine.url().parse().unwrap();
    // An update of another node has added something that this version does without.
    engine
        .execute("INSERT INTO pixygate_schema (version, needs, applied_at) VALUES (901, 1, 0)")
        .await;
    Store::open(&url).await.unwrap().close().await;
    engine
        .execute("INSERT INTO pixygate_schema (version, needs, applied_at) VALUES (902, 902, 0)")
        .await;
    let error = Store::open(&url).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 902,
                needed: 902,
                ..
            }
        ),
        "{error}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_can_be_read_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let engine = Engine::sqlite();
    let store = engine.open().await;
    store
        .end(&pixygate::jwt::Ended::new("https://idp.example", 1), false, None)
        .await
        .unwrap();
    let Engine::Sqlite(folder) = &engine else {
        unreachable!()
    };
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["pixygate.db", "pixygate.db-shm", "pixygate.db-wal"]);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_an_error() {
    let error = Store::open(&"sqlite:///nowhere/pixygate.db".parse().unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/nowhere/pixygate.db"), "{error}");
    let port = crate::postgres::free_port();
    let url = format!("postgres://pixygate:secret@127.0.0.1:{port}/pixygate");
    let error = Store::open(&url.parse().unwrap()).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
