//! Records as they are written and read.

use std::collections::HashSet;
use std::sync::Arc;

use app::api::{Bucket, Decision, Denial, Filter, Record, RecordId, RecordOwner};
use pixygate::Reason;
use server::store::Store;
use server::store::activity::{Batch, Row, Sum, User, record_id, user_key};

use super::{Engine, on_both};

const IDP: &str = "https://idp.example";

/// 1 December 2026, in seconds since 1970.
const NOON: u64 = 1_796_126_400;

on_both!(
    a_record_is_read_as_it_was_written,
    pages_show_each_record_once_newest_first,
    a_user_sees_their_own_and_nothing_else,
    filters_find_what_they_name,
    a_rare_kind_is_found_in_several_steps,
    a_batch_counts_once_however_often_it_is_written,
    sums_of_all_nodes_fall_into_buckets,
    what_is_old_is_deleted_and_the_rest_stays,
    nodes_count_each_other,
    what_is_new_is_read_oldest_first_and_once,
    live_nodes_are_listed,
);

/// A user's call, `seconds` after noon.
fn row(seconds: u64, subject: &str) -> Row {
    let at = (NOON + seconds) as i64 * 1_000_000;
    Row {
        id: record_id(at, 1),
        user: match subject {
            "" => 0,
            subject => user_key(IDP, subject),
        },
        request_id: format!("request-{seconds}"),
        client: None,
        method: "GET".to_owned(),
        route: Some("/api/whoami".to_owned()),
        upstream: None,
        reason: None,
        expected: None,
        found: None,
        hint: None,
        status: Some(200),
        bytes: 0,
        took: 0,
    }
}

fn denied(seconds: u64, subject: &str, reason: Reason) -> Row {
    Row {
        reason: Some(reason.name()),
        status: Some(reason.status() as i16),
        ..row(seconds, subject)
    }
}

fn user(subject: &str) -> User {
    User {
        key: user_key(IDP, subject),
        issuer: IDP.to_owned(),
        subject: subject.to_owned(),
        name: None,
        day: (NOON / 86_400) as i64,
    }
}

async fn write(store: &Store, rows: Vec<Row>) {
    let batch = Batch {
        node: 1,
        rows,
        users: ["alice", "bob"].map(user).to_vec(),
        sums: Vec::new(),
    };
    store.write_activity(&Arc::new(batch)).await.unwrap();
}

fn of(subject: &str) -> RecordOwner {
    RecordOwner::User {
        issuer: IDP.to_owned(),
        subject: subject.to_owned(),
    }
}

/// All pages.
async fn list(store: &Store, whose: &RecordOwner, filter: &Filter, limit: u32) -> Vec<Record> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let page = store.activity(whose, filter, before, limit).await.unwrap();
        assert!(page.records.len() <= limit as usize);
        all.extend(page.records);
        before = page.older;
        if before.is_none() {
            return all;
        }
    }
}

fn ids(records: &[Record]) -> Vec<RecordId> {
    records.iter().map(|record| record.id).collect()
}

pub(crate) async fn a_record_is_read_as_it_was_written(engine: &Engine) {
    let store = engine.open().await;
    let node = store.register("gate-1:3000", "0.1.0").await.unwrap();
    // Whatever an engine could take for something else.
    let odd = "tab\there, line\nbreak, back\\slash \\N, 'quote', \"quotes\", ü, 𝄞";
    let rich = Row {
        client: Some(odd.to_owned()),
        method: "POST".to_owned(),
        route: Some("/gw/orders/**".to_owned()),
        upstream: Some("orders".to_owned()),
        reason: Some("insufficient_scope"),
        expected: Some(odd.to_owned()),
        found: Some("nothing\0at all".to_owned()),
        hint: Some(String::new()),
        status: Some(403),
        bytes: i64::MAX,
        took: 1_234_567,
        ..row(1, "alice")
    };
    let poor = Row {
        route: None,
        status: None,
        ..row(0, "")
    };
    let mut alice = user("alice");
    alice.name = Some("Alice Example".to_owned());
    let batch = Batch {
        node,
        rows: vec![poor, rich],
        users: vec![alice.clone()],
        sums: Vec::new(),
    };
    store.write_activity(&Arc::new(batch)).await.unwrap();
    let records = list(&store, &RecordOwner::AllUsers, &Filter::default(), 10).await;
    let found = records[0].denial.as_ref().unwrap().found.clone();
    assert!(found.starts_with("nothing") && found.ends_with("at all"), "{found:?}");
    let expected = Record {
        id: record_id((NOON as i64 + 1) * 1_000_000, 1),
        at: (NOON + 1) * 1000,
        request_id: "request-1".to_owned(),
        issuer: Some(IDP.to_owned()),
        subject: Some("alice".to_owned()),
        name: Some("Alice Example".to_owned()),
        client: Some(odd.to_owned()),
        method: "POST".to_owned(),
        route: Some("/gw/orders/**".to_owned()),
        upstream: Some("orders".to_owned()),
        denial: Some(Denial {
            reason: Reason::InsufficientScope,
            expected: odd.to_owned(),
            found,
            hint: String::new(),
            code: Some("PXG217".to_owned()),
        }),
        status: Some(403),
        bytes: i64::MAX as u64,
        took: 1_234_567,
        node: Some("gate-1:3000".to_owned()),
    };
    assert_eq!(records[0], expected);
    let json = serde_json::to_value(&expected).unwrap();
    assert_eq!(
        json["id"],
        expected.id.to_string(),
        "text, because JavaScript rounds numbers of this size"
    );
    assert_eq!(serde_json::from_value::<Record>(json).unwrap(), expected);
    let nobody = &records[1];
    assert_eq!(
        (&nobody.subject, &nobody.route, nobody.status, &nobody.denial),
        (&None, &None, None, &None)
    );

    // The name that was seen last counts, and one that is missing changes nothing.
    for (name, shown) in [(Some("Alice B."), "Alice B."), (None, "Alice B.")] {
        alice.name = name.map(str::to_owned);
        let batch = Batch {
            node,
            rows: vec![row(shown.len() as u64 + u64::from(name.is_none()), "alice")],
            users: vec![alice.clone()],
            sums: Vec::new(),
        };
        store.write_activity(&Arc::new(batch)).await.unwrap();
        let records = list(&store, &of("alice"), &Filter::default(), 10).await;
        assert!(records.iter().all(|record| record.name.as_deref() == Some(shown)));
    }
}

pub(crate) async fn pages_show_each_record_once_newest_first(engine: &Engine) {
    let store = engine.open().await;
    write(&store, (0..25).map(|seconds| row(seconds, "alice")).collect()).await;
    for whose in [RecordOwner::AllUsers, of("alice")] {
        let page = store.activity(&whose, &Filter::default(), None, 10).await.unwrap();
        assert_eq!(page.records.len(), 10);
        // What comes meanwhile is newer, so the next pages are as they were.
        let newer = 100 + u64::from(whose == RecordOwner::AllUsers);
        write(&store, vec![row(newer, "alice")]).await;
        let mut rest = Vec::new();
        let mut before = page.older;
        while let Some(place) = before {
            let page = store
                .activity(&whose, &Filter::default(), Some(place), 10)
                .await
                .unwrap();
            rest.extend(page.records);
            before = page.older;
        }
        let all: Vec<_> = page.records.into_iter().chain(rest).collect();
        assert!(ids(&all).is_sorted_by(|one, other| one > other));
        let numbers: HashSet<_> = all.iter().map(|record| record.request_id.clone()).collect();
        assert_eq!(numbers.len(), all.len());
        assert!((0..25).all(|seconds| numbers.contains(&format!("request-{seconds}"))));
    }
}

async fn a_user_sees_their_own_and_nothing_else(engine: &Engine) {
    let store = engine.open().await;
    write(
        &store,
        vec![row(0, "alice"), row(1, "bob"), row(2, ""), row(3, "alice")],
    )
    .await;
    let found = async |whose: RecordOwner| {
        let records = list(&store, &whose, &Filter::default(), 10).await;
        records
            .iter()
            .map(|record| record.request_id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(of("alice")).await, ["request-3", "request-0"]);
    assert_eq!(found(of("bob")).await, ["request-1"]);
    assert_eq!(found(of("")).await, Vec::<String>::new());
    assert_eq!(
        found(RecordOwner::AllUsers).await,
        ["request-3", "request-2", "request-1", "request-0"]
    );
    let elsewhere = RecordOwner::User {
        issuer: "https://other.example".to_owned(),
        subject: "alice".to_owned(),
    };
    assert_eq!(found(elsewhere).await, Vec::<String>::new());
    // The same key under another name: two users whose digests collide see nothing of each other.
    let collision = format!(
        "UPDATE pixygate_activity_users SET subject = 'mallory' WHERE user_key = {}",
        user_key(IDP, "alice")
    );
    engine.execute(&collision).await;
    assert_eq!(found(of("alice")).await, Vec::<String>::new());
}

async fn filters_find_what_they_name(engine: &Engine) {
    let store = engine.open().await;
    let orders = Row {
        upstream: Some("orders".to_owned()),
        route: Some("/gw/orders/**".to_owned()),
        method: "POST".to_owned(),
        ..row(3, "alice")
    };
    write(
        &store,
        vec![
            row(0, "alice"),
            denied(1, "alice", Reason::InsufficientScope),
            denied(2, "alice", Reason::RateLimited),
            orders,
        ],
    )
    .await;
    let none = Filter::default();
    for (filter, expected) in [
        (
            Filter {
                decision: Some(Decision::Allowed),
                ..none.clone()
            },
            vec![3, 0],
        ),
        (
            Filter {
                decision: Some(Decision::Denied),
                ..none.clone()
            },
            vec![2, 1],
        ),
        (
            Filter {
                reason: Some(Reason::RateLimited),
                ..none.clone()
            },
            vec![2],
        ),
        (
            Filter {
                upstream: Some("orders".to_owned()),
                ..none.clone()
            },
            vec![3],
        ),
        (
            Filter {
                upstream: Some("order".to_owned()),
                ..none.clone()
            },
            vec![],
        ),
        (
            Filter {
                route: Some("/api/whoami".to_owned()),
                ..none.clone()
            },
            vec![2, 1, 0],
        ),
        (
            Filter {
                method: Some("POST".to_owned()),
                ..none.clone()
            },
            vec![3],
        ),
        (
            Filter {
                method: Some("' OR 1=1 --".to_owned()),
                ..none.clone()
            },
            vec![],
        ),
        (
            Filter {
                from: Some(NOON + 1),
                ..none.clone()
            },
            vec![3, 2, 1],
        ),
        (
            Filter {
                until: Some(NOON + 1),
                ..none.clone()
            },
            vec![0],
        ),
        (
            Filter {
                from: Some(NOON + 1),
                until: Some(NOON + 3),
                method: Some("GET".to_owned()),
                ..none.clone()
            },
            vec![2, 1],
        ),
        (none.clone(), vec![3, 2, 1, 0]),
    ] {
        let expected: Vec<_> = expected.iter().map(|seconds| format!("request-{seconds}")).collect();
        for whose in [RecordOwner::AllUsers, of("alice")] {
            let records = list(&store, &whose, &filter, 1).await;
            let found: Vec<_> = records.into_iter().map(|record| record.request_id).collect();
            assert_eq!(found, expected, "{filter:?}");
        }
    }
}

/// One request looks through a bounded number of records, and says where to go on.
async fn a_rare_kind_is_found_in_several_steps(engine: &Engine) {
    let store = engine.open().await;
    let mut rows: Vec<_> = (0..45_000).map(|seconds| row(seconds, "alice")).collect();
    rows[0] = denied(0, "alice", Reason::Revoked);
    for rows in rows.chunks(5_000) {
        write(&store, rows.to_vec()).await;
    }
    let filter = Filter {
        reason: Some(Reason::Revoked),
        ..Filter::default()
    };
    for whose in [RecordOwner::AllUsers, of("alice")] {
        let first = store.activity(&whose, &filter, None, 10).await.unwrap();
        assert_eq!(first.records, []);
        let second = store.activity(&whose, &filter, first.older, 10).await.unwrap();
        assert_eq!(second.records, []);
        assert!(second.older.unwrap() < first.older.unwrap());
        let third = store.activity(&whose, &filter, second.older, 10).await.unwrap();
        assert_eq!((third.records.len(), third.older), (1, None));
    }
}

async fn a_batch_counts_once_however_often_it_is_written(engine: &Engine) {
    let store = engine.open().await;
    let sum = |user, allowed| Sum {
        user,
        minute: (NOON / 60) as i64,
        allowed,
        denied: 0,
    };
    let batch = Arc::new(Batch {
        node: 1,
        rows: vec![row(0, "alice"), row(1, "alice")],
        users: vec![user("alice")],
        sums: vec![sum(0, 2), sum(user_key(IDP, "alice"), 2)],
    });
    for _ in 0..3 {
        store.write_activity(&batch).await.unwrap();
    }
    assert_eq!(
        list(&store, &RecordOwner::AllUsers, &Filter::default(), 10).await.len(),
        2
    );
    for whose in [RecordOwner::AllUsers, of("alice")] {
        let chart = store.activity_chart(&whose, NOON, NOON + 60).await.unwrap();
        assert_eq!(chart.buckets[59], Bucket { allowed: 2, denied: 0 });
    }
}

pub(crate) async fn sums_of_all_nodes_fall_into_buckets(engine: &Engine) {
    let store = engine.open().await;
    let alice = user_key(IDP, "alice");
    let minute = (NOON / 60) as i64;
    for (node, seconds) in [(1, 0), (2, 1), (1, 2)] {
        let sum = |user, minute, allowed, denied| Sum {
            user,
            minute,
            allowed,
            denied,
        };
        let batch = Batch {
            node,
            rows: vec![row(seconds, "alice")],
            users: Vec::new(),
            sums: vec![
                sum(0, minute, 10, 1),
                sum(0, minute + 59, 5, 0),
                sum(0, minute + 60, 7, 0),
                sum(alice, minute, 1, 1),
            ],
        };
        store.write_activity(&Arc::new(batch)).await.unwrap();
    }
    let bucket = |allowed, denied| Bucket { allowed, denied };
    let hour = store
        .activity_chart(&RecordOwner::AllUsers, NOON + 59, NOON + 3600)
        .await
        .unwrap();
    assert_eq!((hour.from, hour.width, hour.buckets.len()), (NOON, 60, 60));
    assert_eq!((hour.buckets[0], hour.buckets[59]), (bucket(30, 3), bucket(15, 0)));
    let day = store
        .activity_chart(&RecordOwner::AllUsers, NOON, NOON + 86_400)
        .await
        .unwrap();
    assert_eq!(day.width, 24 * 60);
    let all: u64 = day.buckets.iter().map(|bucket| bucket.allowed + bucket.denied).sum();
    assert_eq!(all, 3 * (10 + 1 + 5 + 7));
    let own = store.activity_chart(&of("alice"), NOON, NOON + 3600).await.unwrap();
    assert_eq!((own.buckets[0], own.buckets[59]), (bucket(3, 3), bucket(0, 0)));
    let empty = store.activity_chart(&of("bob"), NOON, 0).await.unwrap();
    assert!(empty.buckets.iter().all(|bucket| *bucket == Bucket::default()));
    // A day until now is no multiple of 60 minutes: it begins earlier, and the last bucket is that of now.
    let now = NOON + 30;
    let chart = store
        .activity_chart(&RecordOwner::AllUsers, now - 86_400, now)
        .await
        .unwrap();
    let end = chart.from + chart.width * chart.buckets.len() as u64;
    assert_eq!((chart.width, chart.until, end), (25 * 60, now, NOON + 60));
    assert_eq!(chart.buckets[59], bucket(30, 3));
    let forever = store.activity_chart(&RecordOwner::AllUsers, 0, u64::MAX).await.unwrap();
    assert_eq!(forever.until, u64::MAX);
}

pub(crate) async fn what_is_old_is_deleted_and_the_rest_stays(engine: &Engine) {
    let store = engine.open().await;
    let sum = |minute: u64| Sum {
        user: 0,
        minute: minute as i64,
        allowed: 1,
        denied: 0,
    };
    let day = |days: u64| User {
        day: (NOON / 86_400 + days) as i64,
        ..user(if days == 0 { "alice" } else { "bob" })
    };
    // More than one transaction deletes.
    let rows = (0..12_000).map(|seconds| row(seconds, "alice")).collect();
    let batch = Batch {
        node: 1,
        rows,
        users: vec![day(0), day(1)],
        sums: vec![sum(NOON / 60), sum(NOON / 60 + 1440)],
    };
    store.write_activity(&Arc::new(batch)).await.unwrap();
    write(&store, vec![row(86_400, "bob")]).await;
    let before = NOON + 11_000;
    let mut deleted = 0;
    let mut steps = 0;
    loop {
        match store.prune_activity(before).await.unwrap() {
            0 => break,
            rows => deleted += rows,
        }
        steps += 1;
    }
    assert_eq!(deleted, 11_000);
    assert!(steps > 1);
    assert_eq!(
        list(&store, &RecordOwner::AllUsers, &Filter::default(), 500)
            .await
            .len(),
        1_001
    );
    assert_eq!(store.prune_activity_sums(NOON + 86_400).await.unwrap(), 1);
    let rest = list(&store, &of("bob"), &Filter::default(), 10).await;
    assert_eq!(rest[0].subject.as_deref(), Some("bob"));
    let chart = store
        .activity_chart(&RecordOwner::AllUsers, NOON, NOON + 2 * 86_400)
        .await
        .unwrap();
    assert_eq!(chart.buckets.iter().map(|bucket| bucket.allowed).sum::<u64>(), 1);
}

pub(crate) async fn nodes_count_each_other(engine: &Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let first = one.register("one", "0.1.0").await.unwrap();
    assert_eq!(one.beat(first, 0).await.unwrap().live, 1);
    let second = other.register("two", "0.2.0").await.unwrap();
    assert_ne!(first, second);
    for (store, node) in [(&one, first), (&other, second)] {
        let beat = store.beat(node, 0).await.unwrap();
        assert_eq!((beat.live, beat.known), (2, true));
        assert_eq!(beat.now.is_some(), !matches!(engine, Engine::Sqlite(_)));
    }
    other.leave(second).await.unwrap();
    assert_eq!(one.beat(first, 0).await.unwrap().live, 1);
    // A node that was silent for too long is not counted, and comes back with its next sign.
    engine
        .execute("UPDATE pixygate_nodes SET seen_at = seen_at - 60000")
        .await;
    assert_eq!(other.beat(second, 7).await.unwrap().live, 1);
    assert_eq!(one.beat(first, 0).await.unwrap().live, 2);
    // Its row was removed: it must make itself a new one.
    engine.execute("DELETE FROM pixygate_nodes").await;
    assert!(!one.beat(first, 0).await.unwrap().known);
    // Numbers that identifiers of records could not tell apart are not given out at the same time.
    let third = one.register("three", "0.1.0").await.unwrap();
    let restart = match engine {
        Engine::Sqlite(_) => format!(
            "UPDATE sqlite_sequence SET seq = {} WHERE name = 'pixygate_nodes'",
            third + 1023
        ),
        _ => format!(
            "ALTER TABLE pixygate_nodes ALTER COLUMN id RESTART WITH {}",
            third + 1024
        ),
    };
    engine.execute(&restart).await;
    assert_eq!(one.register("four", "0.1.0").await.unwrap(), third + 1025);
}

pub(crate) async fn what_is_new_is_read_oldest_first_and_once(engine: &Engine) {
    let store = engine.open().await;
    let rows = (0..10).map(|second| match second % 3 {
        0 => row(second, "bob"),
        1 => denied(second, "alice", Reason::InsufficientScope),
        _ => row(second, "alice"),
    });
    write(&store, rows.collect()).await;
    let at = |seconds: u64| row(seconds, "").id;
    let read = async |whose: &RecordOwner, filter: &Filter, after: RecordId, until: RecordId| {
        let mut seen = Vec::new();
        let mut after = after;
        loop {
            let since = store.activity_since(whose, filter, after, until, 2).await.unwrap();
            assert!(since.records.len() <= 2);
            seen.extend(ids(&since.records));
            match since.last {
                Some(last) => after = last,
                None => return seen,
            }
        }
    };
    let all = Filter::default();
    let (first, end) = (RecordId(0), RecordId(i64::MAX));
    let expected: Vec<_> = (0..10).map(at).collect();
    assert_eq!(read(&RecordOwner::AllUsers, &all, first, end).await, expected);
    assert_eq!(
        read(&RecordOwner::AllUsers, &all, at(3), at(7)).await,
        [at(4), at(5), at(6)]
    );
    assert_eq!(read(&of("bob"), &all, first, end).await, [at(0), at(3), at(6), at(9)]);
    let only_denied = Filter {
        decision: Some(Decision::Denied),
        ..Filter::default()
    };
    assert_eq!(
        read(&of("alice"), &only_denied, first, end).await,
        [at(1), at(4), at(7)]
    );
    assert_eq!(read(&of("bob"), &only_denied, first, end).await, []);

    // Later records are behind the ones that were read, also when none of those matched.
    let since = store
        .activity_since(&of("alice"), &only_denied, at(7), end, 2)
        .await
        .unwrap();
    assert_eq!((since.records.len(), since.last), (0, Some(at(8))));
    write(&store, vec![denied(20, "alice", Reason::InsufficientScope)]).await;
    assert_eq!(read(&of("alice"), &only_denied, at(8), end).await, [at(20)]);
}

pub(crate) async fn live_nodes_are_listed(engine: &Engine) {
    let store = engine.open().await;
    let one = store.register("gate-1:3000", "0.1.0").await.unwrap();
    let two = store.register("gate-2:3000", "0.2.0").await.unwrap();
    let nodes = store.nodes().await.unwrap();
    let found: Vec<_> = nodes
        .iter()
        .map(|node| (node.id, node.name.as_str(), node.version.as_str()))
        .collect();
    assert_eq!(found, [(one, "gate-1:3000", "0.1.0"), (two, "gate-2:3000", "0.2.0")]);
    assert!(
        nodes.iter().all(|node| node.seen_at > NOON * 1000 - 86_400_000),
        "{nodes:?}"
    );
    // A node says how fresh its revocations are with each sign.
    store.beat(two, 7).await.unwrap();
    let ages: Vec<_> = store
        .nodes()
        .await
        .unwrap()
        .iter()
        .map(|node| node.revocation_age_seconds)
        .collect();
    assert_eq!(ages, [None, Some(7)]);
    store.leave(one).await.unwrap();
    let left: Vec<_> = store.nodes().await.unwrap().iter().map(|node| node.id).collect();
    assert_eq!(left, [two]);
}
