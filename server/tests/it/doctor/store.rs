//! The store, looked at without changing it.

use server::doctor::{Options, Outcome, Report, examine};
use server::findings::Severity;
use server::store::Store;

use super::world::{assert_found, codes, limits, read};
use crate::store::{Engine, on_both};

on_both!(
    a_store_is_looked_at_and_not_changed,
    a_store_that_cannot_be_written_is_named
);

async fn looked_at(url: &str) -> Report {
    let names = ["store", "store-schema", "store-write", "store-clock"];
    let options = Options {
        only: names.map(str::to_owned).to_vec(),
        limits: limits(),
        ..Options::default()
    };
    let text = format!("[store]\nurl = \"{url}\"\n");
    examine("pixygate.toml", read(&text), &options, &|_| {}).await
}

fn outcome<'a>(report: &'a Report, check: &str) -> &'a Outcome {
    let found = report.checks.iter().find(|record| record.check == check);
    &found.unwrap_or_else(|| panic!("{check} in {report:#?}")).outcome
}

async fn a_store_is_looked_at_and_not_changed(engine: &Engine) {
    let url = engine.url();
    let empty = looked_at(&url).await;
    assert_found("no tables yet", &empty, &[]);
    assert_eq!(codes(&empty, Severity::Note), [""; 0]);
    assert_eq!(empty.checks.len(), 4);
    if let Engine::Sqlite(folder) = engine {
        let files = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(files.count(), 0, "the doctor makes no database");
    }

    // As a server sees it: the tables are made by its start, not by the doctor.
    let store = engine.open().await;
    assert_found("in use", &looked_at(&url).await, &[]);
    assert!(
        store.value("pixygate doctor").await.unwrap().is_none(),
        "the trial is taken back"
    );
    store.close().await;

    engine
        .execute("ALTER TABLE pixygate_nodes DROP COLUMN revocation_age_seconds; DELETE FROM pixygate_schema WHERE version = 5")
        .await;
    let older = looked_at(&url).await;
    assert_found("older", &older, &[]);
    assert_eq!(codes(&older, Severity::Note), ["PXG102"]);
    assert_eq!(
        codes(&looked_at(&url).await, Severity::Note),
        ["PXG102"],
        "the doctor migrates nothing"
    );
    engine.open().await.close().await;
    assert_eq!(
        codes(&looked_at(&url).await, Severity::Note),
        [""; 0],
        "the server does"
    );

    engine
        .execute("INSERT INTO pixygate_schema (version, needs, applied_at) VALUES (901, 1, 0)")
        .await;
    assert_found("newer, and usable", &looked_at(&url).await, &[]);
    engine
        .execute("INSERT INTO pixygate_schema (version, needs, applied_at) VALUES (902, 902, 0)")
        .await;
    let newer = looked_at(&url).await;
    assert_found("newer", &newer, &["PXG101"]);
    assert!(
        newer
            .worst()
            .unwrap()
            .place
            .contains("store.url (pixygate.toml, line 2)")
    );
    assert!(matches!(
        outcome(&newer, "store-write"),
        Outcome::NotChecked { because } if because.id() == "PXG101"
    ));
    assert_eq!(outcome(&newer, "store-clock"), &Outcome::Passed);
}

async fn a_store_that_cannot_be_written_is_named(engine: &Engine) {
    engine.open().await.close().await;
    let url = engine.url();
    // The tests may run as root, whom no permission of a file stops: the database refuses by itself.
    let (refuse, allow) = match engine {
        Engine::Sqlite(_) => (
            "CREATE TRIGGER refuse BEFORE INSERT ON pixygate_values BEGIN SELECT raise(ABORT, 'it is read only'); END",
            "DROP TRIGGER refuse",
        ),
        Engine::Postgres(_) | Engine::Bounced(..) => (
            "ALTER DATABASE postgres SET default_transaction_read_only = on",
            "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT",
        ),
    };
    engine.execute(refuse).await;
    let report = looked_at(&url).await;
    assert_found("read only", &report, &["PXG103"]);
    let worst = report.worst().unwrap();
    assert!(worst.found.replace('-', " ").contains("read only"), "{worst:?}");
    engine.execute(allow).await;
    assert_found("writable", &looked_at(&url).await, &[]);
}

#[tokio::test]
async fn a_place_without_a_database_is_named_and_no_secret_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(
        &file,
        "not a database, and long enough to be read as the head of one".repeat(20),
    )
    .unwrap();
    let port = crate::postgres::free_port();
    let missing = folder.path().join("missing/pixygate.db");
    for (what, url, expected) in [
        ("another file", format!("sqlite://{}", file.display()), "PXG100"),
        ("no folder", format!("sqlite://{}", missing.display()), "PXG103"),
        (
            "nobody listens",
            format!("postgres://pixygate:hunter2@127.0.0.1:{port}/gate"),
            "PXG100",
        ),
        (
            "no such name",
            "postgres://pixygate:hunter2@nobody.invalid/gate".to_owned(),
            "PXG100",
        ),
    ] {
        let report = looked_at(&url).await;
        assert_found(what, &report, &[expected]);
        assert!(!report.json().contains("hunter2"), "{what}: {}", report.json());
    }
    assert_found("in memory", &looked_at("sqlite::memory:").await, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_another_clock_is_named() {
    let Some(engine) = Engine::postgres() else { return };
    let url = engine.url();
    assert_found("the same clock", &looked_at(&url).await, &[]);
    // A function of the same name that is found first.
    engine
        .execute(
            "CREATE SCHEMA late; \
             CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql \
             AS $$ SELECT pg_catalog.clock_timestamp() + interval '90 seconds' $$; \
             ALTER DATABASE postgres SET search_path = late, pg_catalog, public",
        )
        .await;
    let report = looked_at(&url).await;
    assert_found("ahead", &report, &["PXG104"]);
    let found = &report.worst().unwrap().found;
    assert!(
        ["90 s ahead", "91 s ahead", "89 s ahead"]
            .iter()
            .any(|text| found.contains(text)),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_shown() {
    let Some(engine) = Engine::postgres() else { return };
    let url = engine.url().replace("pixygate@", "stranger:hunter2@");
    let report = looked_at(&url).await;
    assert_found("an unknown user", &report, &["PXG100"]);
    assert!(report.worst().unwrap().found.contains("stranger"), "{report:#?}");
    assert!(!report.json().contains("hunter2"));
    // The store itself says the same, with the same code.
    let url = url.parse().unwrap();
    assert!(!Store::open(&url).await.unwrap_err().to_string().contains("hunter2"));
}
