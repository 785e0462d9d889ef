//! The cost of the store: `cargo bench -p server --bench store`. The figures in docs/scaling.md come from here.
//!
//! - writing the activity: CPU time of this process and of the machine for each record;
//! - reading it, with 1,000,000 records of 1,000 users over 30 days: pages of the list and the chart;
//! - a revocation from one node to the last of three, 100 times.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use app::api::{Decision, Filter, RecordOwner};
use pixygate::Reason;
use pixygate::jwt::Ended;
use server::revocation::{SharedRevocations, Timing};
use server::store::activity::{Batch, Row, Sum, User, record_id, user_key};
use server::store::{Store, StoreUrl};

#[path = "../tests/it/postgres.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod postgres;

const IDP: &str = "https://idp.example";
const RECORDS: u64 = 1_000_000;
const USERS: u64 = 1_000;
const DAYS: u64 = 30;

/// 1 November 2026, in seconds since 1970.
const FROM: u64 = 1_793_491_200;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}", folder.path().join("pixygate.db").display());
    println!("SQLite");
    measure(&file).await;
    match postgres::Cluster::start() {
        Some(cluster) => {
            println!("PostgreSQL");
            measure(&cluster.url()).await;
        }
        None => println!("PostgreSQL is not installed"),
    }
}

async fn open(url: &str) -> Store {
    let url: StoreUrl = url.parse().unwrap();
    Store::open(&url).await.unwrap()
}

async fn measure(url: &str) {
    let store = open(url).await;
    fill(&store).await;
    read(&store).await;
    revoke(url).await;
}

/// One in twenty requests is denied, one in a thousand for a rare reason.
fn batch(first: u64, rows: u64) -> Batch {
    let mut batch = Batch {
        node: 1,
        ..Batch::default()
    };
    let mut sums = std::collections::BTreeMap::<(i64, i64), (i64, i64)>::new();
    for number in first..first + rows {
        let microseconds = FROM * 1_000_000 + number * (DAYS * 86_400_000_000 / RECORDS);
        let subject = format!("5f0c2a1e-9d1b-4c55-8a5e-{:012}", number * 7919 % USERS);
        let user = user_key(IDP, &subject);
        let reason = match number {
            number if number % 1000 == 0 => Some(Reason::Revoked),
            number if number % 20 == 0 => Some(Reason::InsufficientScope),
            _ => None,
        };
        if number < USERS {
            batch.users.push(User {
                key: user,
                issuer: IDP.to_owned(),
                subject,
                name: Some("Alice Example".to_owned()),
                day: 0,
            });
        }
        for key in [0, user] {
            let sum = sums.entry((key, (microseconds / 60_000_000) as i64)).or_default();
            match reason {
                Some(_) => sum.1 += 1,
                None => sum.0 += 1,
            }
        }
        let detail = |text: &str| reason.map(|_| text.to_owned());
        batch.rows.push(Row {
            id: record_id(microseconds as i64, 1),
            user,
            request_id: format!("{number:016x}"),
            client: Some("web-shop".to_owned()),
            method: if number % 5 == 0 { "POST" } else { "GET" }.to_owned(),
            route: Some("/gw/orders/**".to_owned()),
            upstream: Some("orders".to_owned()),
            reason: reason.map(Reason::name),
            expected: detail("scope \"orders:write\""),
            found: detail("the scopes \"openid profile\""),
            hint: detail("ask for \"orders:write\" when signing in"),
            status: Some(reason.map_or(200, |reason| reason.status() as i16)),
            bytes: 512,
            took: 1234,
        });
    }
    let sum = |((user, minute), (allowed, denied))| Sum {
        user,
        minute,
        allowed,
        denied,
    };
    batch.sums = sums.into_iter().map(sum).collect();
    batch
}

async fn fill(store: &Store) {
    const ROWS: u64 = 2_000;
    let mut spent = (Duration::ZERO, Duration::ZERO);
    for number in 0..RECORDS / ROWS {
        let batch = Arc::new(batch(number * ROWS, ROWS));
        let (cpu, start) = (cpu_of_process(), Instant::now());
        store.write_activity(&batch).await.unwrap();
        spent.0 += cpu_of_process() - cpu;
        spent.1 += start.elapsed();
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / RECORDS as f64;
    println!(
        "  a record written, in batches of {ROWS}: {:.2} µs of CPU in this process, {:.2} µs until it is stored",
        each(spent.0),
        each(spent.1)
    );
}

/// Returns the user and system time of all threads.
fn cpu_of_process() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| {
        fields
            .get(place)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

async fn read(store: &Store) {
    let alice = RecordOwner::User {
        issuer: IDP.to_owned(),
        subject: format!("5f0c2a1e-9d1b-4c55-8a5e-{:012}", 7),
    };
    let none = Filter::default();
    let denied = Filter {
        decision: Some(Decision::Denied),
        ..none.clone()
    };
    let rare = Filter {
        reason: Some(Reason::Revoked),
        ..none.clone()
    };
    let absent = Filter {
        upstream: Some("payments".to_owned()),
        ..none.clone()
    };
    let old = Filter {
        until: Some(FROM + 86_400),
        ..none.clone()
    };
    for (name, whose, filter) in [
        ("everybody's, newest", &RecordOwner::AllUsers, &none),
        ("everybody's, of the first day", &RecordOwner::AllUsers, &old),
        ("everybody's, denied", &RecordOwner::AllUsers, &denied),
        ("everybody's, for a rare reason", &RecordOwner::AllUsers, &rare),
        (
            "everybody's, of a service that nobody called",
            &RecordOwner::AllUsers,
            &absent,
        ),
        ("one user's, newest", &alice, &none),
        ("one user's, for a rare reason", &alice, &rare),
    ] {
        let mut times = Vec::new();
        let mut before = None;
        for _ in 0..50 {
            let start = Instant::now();
            let page = store.activity(whose, filter, before, app::api::PAGE).await.unwrap();
            times.push(start.elapsed());
            before = page.older;
            if before.is_none() {
                break;
            }
        }
        report(&format!("page: {name}"), times);
    }
    for (name, whose, days) in [
        ("everybody's, 30 days", &RecordOwner::AllUsers, 30),
        ("everybody's, a day", &RecordOwner::AllUsers, 1),
        ("one user's, 30 days", &alice, 30),
    ] {
        let mut times = Vec::new();
        for _ in 0..20 {
            let start = Instant::now();
            store.activity_chart(whose, FROM, FROM + days * 86_400).await.unwrap();
            times.push(start.elapsed());
        }
        report(&format!("chart: {name}"), times);
    }
}

async fn revoke(url: &str) {
    let mut nodes = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let (revocations, follower) = SharedRevocations::load(open(url).await, Timing::default())
            .await
            .unwrap();
        nodes.push(revocations);
        tasks.extend(follower.spawn());
    }
    let mut times = Vec::new();
    for number in 0..100 {
        let before: Vec<_> = nodes.iter().map(SharedRevocations::entries).collect();
        let mut watches: Vec<_> = nodes.iter().map(SharedRevocations::watch).collect();
        let ended = Ended::new(IDP, 1).subject(format!("user-{number}"));
        // At varying times between two polls.
        tokio::time::sleep(Duration::from_millis(7 * (number % 70))).await;
        let start = Instant::now();
        nodes[0].end(&ended, false).await.unwrap();
        for (place, watch) in watches.iter_mut().enumerate() {
            while nodes[place].entries() == before[place] {
                watch.changed().await.unwrap();
            }
        }
        times.push(start.elapsed());
    }
    report("revocation, from the call to the last of three nodes", times);
    for task in tasks {
        task.abort();
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "  {what}: median {:.1} ms, worst {:.1} ms of {}",
        milliseconds(times[times.len() / 2]),
        milliseconds(times[times.len() - 1]),
        times.len()
    );
}
