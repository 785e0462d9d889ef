//! Rows of ended sessions, as nodes write and read them.

use std::collections::BTreeSet;

use pixygate::jwt::Ended;
use server::store::OnlyOnce;

use super::{Engine, on_both, open};

const IDP: &str = "https://idp.example";

on_both!(
    what_is_recorded_is_read_by_another_node_as_it_was,
    a_logout_token_is_recorded_once,
    the_end_of_now_has_the_date_of_the_store,
    pruning_leaves_one_date_for_each_issuer,
    concurrent_writers_are_read_without_a_gap,
);

async fn what_is_recorded_is_read_by_another_node_as_it_was(engine: &Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let all = [
        Ended::new(IDP, 1_800_000_000).subject("alice").session_id("s1"),
        Ended::new(IDP, 1_800_000_001).subject("'; DROP TABLE pixygate_ended; --"),
        Ended::new("https://other.example", 1_800_000_002).token_id("t1"),
        Ended::new(IDP, 1_800_000_003),
    ];
    for ended in &all {
        assert_eq!(one.end(ended, false, None).await.unwrap().as_ref(), Some(ended));
    }
    let rows = other.ended_from(0, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.ended.clone()).collect::<Vec<_>>(), all);
    assert!(rows.is_sorted_by_key(|row| row.id));
    let marks: BTreeSet<_> = rows.iter().map(|row| row.mark).collect();
    assert_eq!(marks.len(), all.len());
    // From a row on, itself included, and not more than asked for.
    assert_eq!(other.ended_from(rows[1].id, 2).await.unwrap(), rows[1..3]);
    assert_eq!(other.ended_from(rows[3].id + 1, 10).await.unwrap(), []);
    one.close().await;
    other.close().await;
    assert_eq!(
        engine.open().await.ended_from(0, 10).await.unwrap(),
        rows,
        "after a restart"
    );
}

pub(crate) async fn a_logout_token_is_recorded_once(engine: &Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let ended = Ended::new(IDP, 5).subject("alice");
    let token = |first: u8| {
        let mut digest = [0; 32];
        digest[0] = first;
        Some(OnlyOnce { digest, until: 100 })
    };
    assert!(one.end(&ended, false, token(1)).await.unwrap().is_some());
    assert!(other.end(&ended, false, token(1)).await.unwrap().is_none());
    assert_eq!(one.ended_from(0, 10).await.unwrap().len(), 1);
    assert!(other.end(&ended, false, token(2)).await.unwrap().is_some());
    // It would not be accepted any more, so it need not be known.
    one.prune_ended(0, 100).await.unwrap();
    assert!(other.end(&ended, false, token(1)).await.unwrap().is_none());
    one.prune_ended(0, 101).await.unwrap();
    assert!(other.end(&ended, false, token(1)).await.unwrap().is_some());
}

async fn the_end_of_now_has_the_date_of_the_store(engine: &Engine) {
    let store = engine.open().await;
    let ended = Ended::new(IDP, 5).subject("alice");
    let now = store.end(&ended, true, None).await.unwrap().unwrap();
    assert!(now.before > 1_700_000_000, "{now:?}");
    let ahead = Ended::new(IDP, 99_000_000_000).subject("alice");
    assert_eq!(store.end(&ahead, true, None).await.unwrap(), Some(ahead));
}

async fn pruning_leaves_one_date_for_each_issuer(engine: &Engine) {
    let store = engine.open().await;
    let other = "https://other.example";
    for (issuer, before) in [(IDP, 10), (IDP, 12), (other, 11), (IDP, 20), (other, 5)] {
        store
            .end(&Ended::new(issuer, before).subject("alice"), false, None)
            .await
            .unwrap();
    }
    assert_eq!(store.ended_floors().await.unwrap(), []);
    store.prune_ended(15, 0).await.unwrap();
    let dates = async || {
        let mut floors = store.ended_floors().await.unwrap();
        floors.sort();
        let rows = store.ended_from(0, 10).await.unwrap();
        (floors, rows.iter().map(|row| row.ended.before).collect::<Vec<_>>())
    };
    let floors = |idp, second| vec![(IDP.to_owned(), idp), (other.to_owned(), second)];
    // The newest row stays, whatever its date.
    assert_eq!(dates().await, (floors(12, 11), vec![20, 5]));
    store.prune_ended(30, 0).await.unwrap();
    assert_eq!(dates().await, (floors(20, 11), vec![5]));
    store
        .end(&Ended::new(IDP, 1).subject("bob"), false, None)
        .await
        .unwrap();
    store.prune_ended(30, 0).await.unwrap();
    assert_eq!(dates().await, (floors(20, 11), vec![1]), "a date never goes back");
}

/// Ids become visible in their order: a reader that goes on after the last id that it has seen misses nothing.
pub(crate) async fn concurrent_writers_are_read_without_a_gap(engine: &Engine) {
    const WRITERS: u64 = 6;
    const EACH: u64 = 40;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let url = engine.url();
        writers.spawn(async move {
            let store = open(&url).await;
            for number in 0..EACH {
                let subject = format!("{writer}-{number}");
                store
                    .end(&Ended::new(IDP, 1).subject(subject), false, None)
                    .await
                    .unwrap();
            }
        });
    }
    let reader = engine.open().await;
    let mut seen = Vec::new();
    let mut last = 0;
    while seen.len() < (WRITERS * EACH) as usize {
        for row in reader.ended_from(last + 1, 7).await.unwrap() {
            assert!(row.id > last);
            last = row.id;
            seen.push(row.ended.subject.unwrap());
        }
    }
    writers.join_all().await;
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
    assert_eq!(reader.ended_from(last + 1, 7).await.unwrap(), []);
}
