//! The tables through time: made, migrated, met by an older server.

use server::store::{Store, StoreError, StoreUrl};

use super::{Engine, on_both, open};

on_both!(
    several_nodes_that_start_at_once_make_the_tables_once,
    a_newer_schema_is_used_as_long_as_it_allows_it
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
