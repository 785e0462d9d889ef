//! From the queue into the store: in time, whole, and what happens where the store or the queue does not allow it.

use std::time::Duration;

use app::api::{Chart, Filter, RecordOwner};
use http::Method;
use pixygate::Reason;
use pixygate::gate::RequestId;
use pixygate::jwt::Rejection;
use server::activity::{Activity, Event, Recording, Settings, WhenFull};
use server::heartbeat::Presence;
use server::store::Store;

use super::{Engine, on_both, open};
use crate::proxy::Proxy;

const NOON: u64 = 1_796_126_400;

/// Of the first event, in microseconds: far from the ends of a minute, since the time of a record is that of the store's clock.
const FIRST: i64 = (NOON as i64 + 30) * 1_000_000;

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

on_both!(
    the_end_of_the_process_loses_nothing,
    a_full_disk_stops_the_record_and_nothing_else,
    a_flood_of_strangers_is_counted_and_not_recorded,
);

const SETTINGS: Settings = Settings {
    retention: Duration::from_secs(86_400),
    queue: 1_000,
    when_full: WhenFull::Drop,
};

struct Node {
    store: Store,
    activity: Activity,
    recording: Recording,
}

impl Node {
    async fn new(url: &str) -> Self {
        Self::with(url, SETTINGS).await
    }

    async fn with(url: &str, settings: Settings) -> Self {
        let store = open(url).await;
        let presence = Presence::register(&store, "node".to_owned()).await.unwrap();
        let (activity, recording, retention) = Activity::start(store.clone(), presence, settings);
        retention.abort();
        Self {
            store,
            activity,
            recording,
        }
    }

    async fn until(&self, what: impl Fn(&Activity) -> bool) {
        let wait = async {
            while !what(&self.activity) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }
}

/// A call that was allowed, though nobody made it: a principal comes from a gate alone.
fn event(number: u64) -> Event {
    Event {
        at: FIRST + number as i64,
        request_id: RequestId::parse(&format!("request-{number}")).unwrap(),
        method: Method::GET,
        route: None,
        principal: None,
        rejection: None,
        status: Some(200),
        bytes: 1,
        took: 1,
    }
}

fn stranger(number: u64) -> Event {
    Event {
        rejection: Some(Rejection::new(Reason::MissingToken)),
        status: Some(401),
        ..event(number)
    }
}

async fn request_ids(store: &Store) -> Vec<String> {
    let mut ids = Vec::new();
    let mut before = None;
    loop {
        let page = store
            .activity(&RecordOwner::AllUsers, &Filter::default(), before, 500)
            .await
            .unwrap();
        ids.extend(page.records.into_iter().map(|record| record.request_id));
        before = page.older;
        if before.is_none() {
            ids.reverse();
            return ids;
        }
    }
}

fn expected(count: u64) -> Vec<String> {
    (0..count).map(|number| format!("request-{number}")).collect()
}

fn sum(chart: &Chart) -> (u64, u64) {
    let sum = |part: fn(&app::api::Bucket) -> u64| chart.buckets.iter().map(part).sum();
    (sum(|bucket| bucket.allowed), sum(|bucket| bucket.denied))
}

async fn the_end_of_the_process_loses_nothing(engine: &Engine) {
    let node = Node::new(&engine.url()).await;
    for number in 0..900 {
        node.activity.record(event(number));
    }
    node.recording.stop().await;
    assert_eq!((node.activity.written(), node.activity.dropped()), (900, 0));
    assert_eq!(request_ids(&node.store).await, expected(900));
    // What comes after the end is counted as lost.
    node.activity.record(event(900));
    assert_eq!((node.activity.written(), node.activity.dropped()), (900, 1));
}

/// Both engines answer an insert as they do when the disk is full.
async fn a_full_disk_stops_the_record_and_nothing_else(engine: &Engine) {
    let node = Node::new(&engine.url()).await;
    node.activity.record(event(0));
    node.until(|activity| activity.written() == 1).await;
    let (full, free) = match engine {
        Engine::Sqlite(_) => (
            "CREATE TRIGGER full BEFORE INSERT ON pixygate_activity BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END",
            "DROP TRIGGER full",
        ),
        _ => (
            "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END$$;
             CREATE TRIGGER full_disk BEFORE INSERT ON pixygate_activity FOR EACH ROW EXECUTE FUNCTION no_space()",
            "DROP TRIGGER full_disk ON pixygate_activity",
        ),
    };
    engine.execute(full).await;
    for number in 1..500 {
        node.activity.record(event(number));
    }
    // Revocations are written and read meanwhile.
    let ended = pixygate::jwt::Ended::new("https://idp.example", 1).subject("alice");
    node.store.end(&ended, false, None).await.unwrap();
    assert_eq!(node.store.ended_from(0, 10).await.unwrap().len(), 1);
    assert_eq!((node.activity.written(), node.activity.dropped()), (1, 0));
    engine.execute(free).await;
    node.until(|activity| activity.written() == 500).await;
    node.recording.stop().await;
    assert_eq!(request_ids(&node.store).await, expected(500));
}

async fn a_flood_of_strangers_is_counted_and_not_recorded(engine: &Engine) {
    let node = Node::new(&engine.url()).await;
    for number in 0..5_000 {
        node.activity.record(stranger(number));
    }
    // A call with a token finds room.
    node.activity.record(event(5_000));
    node.recording.stop().await;
    assert_eq!(node.activity.dropped(), 0);
    assert_eq!((node.activity.written(), node.activity.left_out()), (51, 4_950));
    let chart = node
        .store
        .activity_chart(&RecordOwner::AllUsers, NOON, NOON + 3600)
        .await
        .unwrap();
    assert_eq!(sum(&chart), (1, 5_000), "the sums have them all");
}

/// The database is stopped in the middle and started again. What fits into the queue is written then, once.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_store_loses_only_what_finds_no_room() {
    let Some(Engine::Postgres(mut cluster)) = Engine::postgres() else {
        return;
    };
    let node = Node::new(&cluster.url()).await;
    for number in 0..100 {
        node.activity.record(event(number));
    }
    node.until(|activity| activity.written() == 100).await;
    cluster.stop();
    node.activity.record(event(100));
    // The writer takes at most 2,000 into its hands, the queue holds 1,000, and the rest is counted.
    for number in 101..6_000 {
        node.activity.record(event(number));
    }
    let lost = node.activity.dropped();
    let kept = 6_000 - lost;
    assert!((1_100..=3_100).contains(&kept), "{kept}");
    cluster.start_again();
    node.until(|activity| activity.written() == kept).await;
    node.recording.stop().await;
    assert_eq!(request_ids(&node.store).await.len() as u64, kept);
    let chart = node
        .store
        .activity_chart(&RecordOwner::AllUsers, NOON, NOON + 3600)
        .await
        .unwrap();
    assert_eq!(sum(&chart), (kept, 0));
}

/// Each connection breaks again and again, also between a commit and its answer.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_lose_and_double_nothing() {
    let Some(Engine::Postgres(cluster)) = Engine::postgres() else {
        return;
    };
    let proxy = Proxy::to(cluster.port()).await;
    let node = Node::new(&cluster.url_through(proxy.port())).await;
    for round in 0..20 {
        for number in 0..30 {
            node.activity.record(event(round * 30 + number));
        }
        // The writer has taken them, and is about to write, or writing, or waiting for the answer to its commit.
        node.until(|activity| activity.waiting() == 0).await;
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        proxy.reset();
    }
    node.until(|activity| activity.written() >= 600).await;
    node.recording.stop().await;
    assert_eq!(request_ids(&open(&cluster.url()).await).await, expected(600));
    assert_eq!((node.activity.written(), node.activity.dropped()), (600, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_call_may_go_unrecorded_a_full_queue_says_so() {
    let Some(Engine::Postgres(mut cluster)) = Engine::postgres() else {
        return;
    };
    let settings = Settings {
        when_full: WhenFull::Refuse,
        queue: 64,
        ..SETTINGS
    };
    let node = Node::with(&cluster.url(), settings).await;
    cluster.stop();
    assert!(!node.activity.refuses());
    // Beside the queue the writer has some in its hands: more when it is quick.
    let mut recorded = 0;
    while !node.activity.refuses() {
        node.activity.record(event(recorded));
        recorded += 1;
        assert!(recorded <= 64 + 2_000, "the queue has a bound");
    }
    assert!(recorded >= 64);
    cluster.start_again();
    node.until(|activity| !activity.refuses()).await;
    node.recording.stop().await;
    assert_eq!((node.activity.written(), node.activity.dropped()), (recorded, 0));
}
