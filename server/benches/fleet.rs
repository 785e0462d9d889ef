//! How fast a revocation reaches 1,000 nodes, and what they cost the database: `cargo bench -p server --bench fleet`, about four minutes.
//! `PIXYGATE_NODES` sets another number, at most 1,024. The figures in docs/scaling.md come from here.
//!
//! The database is a real PostgreSQL. The nodes are tasks of this process that run the code of a node: `SharedRevocations`, which polls,
//! and `Presence`, which renews the node's row. They share 72 connections, where real nodes have one or two each. With relays, only those
//! poll the database; nodes poll the memory of their relay, and the network between the two is not simulated.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pixygate::jwt::Ended;
use server::heartbeat::Presence;
use server::revocation::{SharedRevocations, Timing};
use server::store::{EndedRow, Store};
use tokio::sync::mpsc;

#[path = "../tests/it/postgres.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod postgres;

use postgres::Cluster;

const IDP: &str = "https://idp.example";

/// Each has at most three connections for revocations and heartbeat; the server allows 100.
const STORES: usize = 24;

/// How long the cost is measured.
const WINDOW: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() {
    let nodes = std::env::var("PIXYGATE_NODES").map_or(1_000, |nodes| nodes.parse().unwrap());
    let Some(cluster) = Cluster::start() else {
        println!("PostgreSQL is not installed");
        return;
    };
    println!("{nodes} nodes, each polls the database every 500 ms");
    direct(&cluster, nodes).await;
    for poll in [POLL, POLL / 5] {
        let every = poll.as_millis();
        println!("{nodes} nodes, each polls one of 10 relays every {every} ms; those poll the database every 500 ms");
        relayed(&cluster, nodes, 10, poll).await;
    }
}

async fn stores(cluster: &Cluster, count: usize) -> Vec<Store> {
    let url = cluster.url().parse().unwrap();
    let mut stores = Vec::new();
    for _ in 0..count {
        stores.push(Store::open(&url).await.unwrap());
    }
    stores
}

async fn direct(cluster: &Cluster, count: usize) {
    let stores = stores(cluster, STORES).await;
    let (mut nodes, mut tasks) = (Vec::new(), Vec::new());
    for number in 0..count {
        let store = stores[number % STORES].clone();
        let (revocations, follower) = SharedRevocations::load(store, Timing::default()).await.unwrap();
        tasks.extend(follower.spawn());
        nodes.push(revocations);
    }
    cost(cluster, "polls").await;
    for (number, revocations) in nodes.iter().enumerate() {
        let store = stores[number % STORES].clone();
        let presence = Presence::register(&store, format!("node-{number}")).await.unwrap();
        tasks.push(presence.spawn(store, revocations.clone()));
    }
    cost(cluster, "polls and heartbeats").await;
    let (mut half, mut last) = (Vec::new(), Vec::new());
    for number in 0..100 {
        let ended = Ended::new(IDP, 1).subject(format!("user-{number}"));
        let learning: Vec<_> = nodes.iter().map(|node| (node, node.entries(), node.watch())).collect();
        between_polls(number).await;
        let start = Instant::now();
        nodes[0].end(&ended, false).await.unwrap();
        let learned = learning.into_iter().map(async |(node, before, mut watch)| {
            while node.entries() == before {
                watch.changed().await.unwrap();
            }
            start.elapsed()
        });
        let mut times = join_all(learned).await;
        times.sort();
        half.push(times[count / 2]);
        last.push(times[count - 1]);
    }
    report(half, last);
    for task in tasks {
        task.abort();
    }
    for store in stores {
        store.close().await;
    }
}

/// The memory of a relay: every row, in the order of commits.
type Rows = Arc<RwLock<Vec<EndedRow>>>;

async fn relayed(cluster: &Cluster, count: usize, relays: usize, poll: Duration) {
    let stores = stores(cluster, relays).await;
    let memories: Vec<Rows> = stores.iter().map(|_| Rows::default()).collect();
    let mut tasks = Vec::new();
    for (number, (store, rows)) in stores.iter().zip(&memories).enumerate() {
        tasks.push(tokio::spawn(relay(
            store.clone(),
            rows.clone(),
            POLL * number as u32 / relays as u32,
        )));
    }
    // What earlier runs have left is read before anything is measured.
    tokio::time::sleep(POLL * 4).await;
    let (learned, mut learns) = mpsc::unbounded_channel();
    for number in 0..count {
        let rows = memories[number % relays].clone();
        let phase = poll * number as u32 / count as u32;
        tasks.push(tokio::spawn(node(rows, phase, poll, learned.clone())));
    }
    cost(cluster, "polls of the relays").await;
    let (mut half, mut last) = (Vec::new(), Vec::new());
    for number in 0..50 {
        between_polls(number).await;
        let ended = Ended::new(IDP, 1).subject(format!("relayed-{number}"));
        let start = Instant::now();
        stores[0].end(&ended, false, None).await.unwrap();
        let mut times = Vec::new();
        while times.len() < count {
            times.push(learns.recv().await.unwrap() - start);
        }
        times.sort();
        half.push(times[count / 2]);
        last.push(times[count - 1]);
    }
    report(half, last);
    for task in tasks {
        task.abort();
    }
    for store in stores {
        store.close().await;
    }
}

/// Reads the database as a node does.
async fn relay(store: Store, rows: Rows, phase: Duration) {
    tokio::time::sleep(phase).await;
    loop {
        let seen = rows.read().unwrap().last().map_or(0, |row| row.id);
        let new = store.ended_from(seen + 1, 10_000).await.unwrap();
        rows.write().unwrap().extend(new);
        tokio::time::sleep(POLL).await;
    }
}

/// Reads its relay, and says when it learned of something.
async fn node(rows: Rows, phase: Duration, poll: Duration, learned: mpsc::UnboundedSender<Instant>) {
    tokio::time::sleep(phase).await;
    let mut seen = rows.read().unwrap().len();
    loop {
        tokio::time::sleep(poll).await;
        let known = rows.read().unwrap().len();
        if known > seen {
            learned.send(Instant::now()).unwrap();
        }
        seen = known;
    }
}

/// A moment that has nothing to do with those of the polls.
async fn between_polls(number: u64) {
    tokio::time::sleep(Duration::from_millis(7 * (number % 70))).await;
}

async fn cost(cluster: &Cluster, what: &str) {
    let pool = sqlx::PgPool::connect(&cluster.url()).await.unwrap();
    let transactions = async || -> i64 {
        let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
        sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
    };
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&pool)
        .await
        .unwrap();
    let server = stat(&backend.to_string()).unwrap()[1];
    let (cpu, commits, start) = (cpu_of(server), transactions().await, Instant::now());
    tokio::time::sleep(WINDOW).await;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = (cpu_of(server) - cpu).as_secs_f64();
    let commits = (transactions().await - commits) as f64;
    println!(
        "  {what}: {:.0} queries a second, PostgreSQL uses {:.1} % of a processor, {:.0} µs each",
        commits / seconds,
        100.0 * cpu / seconds,
        1e6 * cpu / commits
    );
    pool.close().await;
}

/// User and system time of the server: its first process, the children that it has, and those that have ended.
fn cpu_of(server: u64) -> Duration {
    let mut ticks = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let id = process.file_name();
        let id = id.to_str().unwrap_or_default();
        let Some(fields) = stat(id) else { continue };
        // User and system; the same of children that were waited for.
        let (own, ended) = (fields[11] + fields[12], fields[13] + fields[14]);
        if id == server.to_string() {
            ticks += own + ended;
        } else if fields[1] == server {
            ticks += own;
        }
    }
    Duration::from_millis(ticks * 10)
}

/// What the system says of a process, from its state on: the second field is its parent.
fn stat(id: &str) -> Option<Vec<u64>> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(|field| field.parse().unwrap_or(0)).collect())
}

fn report(half: Vec<Duration>, last: Vec<Duration>) {
    for (who, mut times) in [("half of the nodes", half), ("the last node", last)] {
        times.sort();
        println!(
            "  revocation, from the call until {who} rejects: median {:.0} ms, worst {:.0} ms of {}",
            times[times.len() / 2].as_secs_f64() * 1e3,
            times[times.len() - 1].as_secs_f64() * 1e3,
            times.len()
        );
    }
}
