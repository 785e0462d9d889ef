//! The cost of the store: `cargo bench -p server --bench store`. The figures in docs/performance.md come from here.
//!
//! - a call with activity and revocation, and without: CPU time of everything but the callers;
//! - writing the activity: CPU time of this process and of the machine for each record;
//! - reading it, with 1,000,000 records of 1,000 users over 30 days: pages of the list and the chart;
//! - a revocation from one node to the last of three, 100 times.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use app::api::{Decision, Filter, RecordOwner};
use axum::Router;
use axum::routing::get;
use pixygate::Reason;
use pixygate::gate::{Gate, Policies, Policy};
use pixygate::jwt::{Algorithm, Ended, Validator};
use pixygate::test_support::{Documents, TestClock, TestIssuer};
use server::Limits;
use server::activity::{Activity, Recording, Settings, WhenFull};
use server::heartbeat::Presence;
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
    let of_calls = url.to_owned();
    // It has a runtime of its own.
    std::thread::spawn(move || calls(&of_calls)).join().unwrap();
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

const CALLERS: usize = 8;

/// Short, so that both halves of a pair see the same machine.
const HALF: Duration = Duration::from_secs(1);
const PAIRS: usize = 9;

/// A server whose gate records calls and knows what ended, and one whose gate does neither, called by turns.
fn calls(url: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let servers = runtime.block_on(Servers::start(url));
    for (name, every) in [
        ("as fast as eight callers can", Duration::ZERO),
        ("eight callers, each every 8 ms", Duration::from_millis(8)),
    ] {
        let (mut without, mut with, mut more) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let off = cost_of_a_call(servers.off, &servers.tokens, every);
            let on = cost_of_a_call(servers.on, &servers.tokens, every);
            without.push(off);
            with.push(on);
            more.push(100.0 * (on / off - 1.0));
        }
        println!(
            "  a call, {name}: {:.1} µs of CPU without activity and revocation, {:.1} µs with, {:.1} % more (quartiles {:.1} and {:.1})",
            quantile(&mut without, 0.5),
            quantile(&mut with, 0.5),
            quantile(&mut more, 0.5),
            quantile(&mut more, 0.25),
            quantile(&mut more, 0.75)
        );
    }
    let Servers {
        activity, recording, ..
    } = servers;
    runtime.block_on(recording.stop());
    println!(
        "  records of these calls: {} written, {} dropped",
        activity.written(),
        activity.dropped()
    );
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(part * (values.len() - 1) as f64).round() as usize]
}

struct Servers {
    off: SocketAddr,
    on: SocketAddr,
    tokens: Vec<String>,
    activity: Activity,
    recording: Recording,
}

impl Servers {
    async fn start(url: &str) -> Self {
        let issuer = TestIssuer::new(IDP, [Algorithm::ES256]);
        let store = open(url).await;
        let (revocations, follower) = SharedRevocations::load(store.clone(), Timing::default()).await.unwrap();
        follower.spawn();
        for number in 0..1_000 {
            let ended = Ended::new(IDP, 1_000_000_000 + number).subject(format!("ended-{number}"));
            revocations.end(&ended, false).await.unwrap();
        }
        let presence = Presence::register(&store, "bench".to_owned()).await.unwrap();
        presence.spawn(store.clone(), revocations.clone());
        let settings = Settings {
            retention: Duration::from_secs(86_400 * 365),
            queue: 16_384,
            when_full: WhenFull::Drop,
        };
        let (activity, recording, _) = Activity::start(store, presence, settings);
        let off = serve(&issuer, None).await;
        let on = serve(&issuer, Some((revocations, activity.clone()))).await;
        let token = |number: usize| {
            let token = issuer.token().subject(&format!("user-{number}")).claim("jti", number);
            token.claim("exp", 1_900_000_000).sign()
        };
        Self {
            off,
            on,
            tokens: (0..200).map(token).collect(),
            activity,
            recording,
        }
    }
}

async fn serve(issuer: &TestIssuer, shared: Option<(SharedRevocations, Activity)>) -> SocketAddr {
    let clock = TestClock::default();
    let validator = Validator::builder([issuer.trust("orders")])
        .fetch(Documents::of([issuer]))
        .clock(clock.clone());
    let validator = match &shared {
        Some((revocations, _)) => validator.revocations(revocations.clone()),
        None => validator,
    };
    let validator = validator.build().unwrap();
    validator.load().await.unwrap();
    let gate = Gate::builder()
        .validator(validator)
        .policies(Policies::new().route("GET", "/api/orders", Policy::signed_in()))
        .clock(clock)
        .public_url("https://shop.example")
        .rate_limit(Some("1000000/s".parse().unwrap()));
    let gate = match shared {
        Some((_, activity)) => gate.observer(activity),
        None => gate,
    };
    let router = Router::new().route("/api/orders", get(|| async { "orders" }));
    let router = gate.build().unwrap().wrap(router);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        max_connections: 100,
        keep_alive: Duration::from_secs(75),
        head: Duration::from_secs(30),
        write: Duration::from_secs(30),
        max_head_bytes: 65_536,
    };
    tokio::spawn(server::serve(listener, router, limits, std::future::pending()));
    address
}

/// Microseconds of CPU of this process for each call, without what the callers use.
fn cost_of_a_call(address: SocketAddr, tokens: &[String], every: Duration) -> f64 {
    let calls = AtomicU64::new(0);
    let cpu = cpu_of_tasks();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let calls = &calls;
            scope.spawn(move || {
                let mut connection = TcpStream::connect(address).unwrap();
                connection.set_nodelay(true).unwrap();
                let (start, mut made, mut answer) = (Instant::now(), 0, [0; 2048]);
                while start.elapsed() < HALF {
                    let token = &tokens[(caller + made as usize * CALLERS) % tokens.len()];
                    let request = format!(
                        "GET /api/orders HTTP/1.1\r\nhost: shop.example\r\nauthorization: Bearer {token}\r\n\r\n"
                    );
                    connection.write_all(request.as_bytes()).unwrap();
                    let mut length = 0;
                    while !answer[..length].ends_with(b"orders") {
                        length += connection.read(&mut answer[length..]).unwrap();
                    }
                    assert!(answer.starts_with(b"HTTP/1.1 200"));
                    made += 1;
                    if !every.is_zero() {
                        std::thread::sleep(every);
                    }
                }
                calls.fetch_add(made, Ordering::Relaxed);
            });
        }
        // Records that wait belong to these calls.
        std::thread::sleep(HALF + Duration::from_millis(500));
    });
    // The callers are over, so what they used is not in it.
    let cpu = cpu_of_tasks().saturating_sub(cpu);
    cpu as f64 / 1e3 / calls.load(Ordering::Relaxed) as f64
}

/// Nanoseconds on a processor of all threads that live.
fn cpu_of_tasks() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let time = |stat: String| stat.split(' ').next()?.parse::<u64>().ok();
    tasks
        .filter_map(|task| time(std::fs::read_to_string(task.path().join("schedstat")).ok()?))
        .sum()
}
