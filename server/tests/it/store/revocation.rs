//! Nodes that share a store, and what happens to them when the store, or the way to it, breaks.

use std::time::Duration;

use pixygate::Reason;
use pixygate::jwt::{Algorithm, Ended, Revocations as _, Validator};
use pixygate::test_support::{Documents, TestClock, TestIssuer, at};
use server::revocation::{SharedRevocations, Timing};
use server::store::Store;
use tokio::task::JoinHandle;

use super::{Engine, on_both, open};
use crate::proxy::Proxy;

const IDP: &str = "https://idp.example";

/// Far more than anything here takes; it ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

on_both!(
    what_ends_at_one_node_ends_at_all,
    a_node_that_starts_later_knows_what_ended,
    a_restored_store_is_read_anew,
    what_is_old_is_pruned_and_stays_rejected,
);

/// A gate's validator on a store of its own connections.
struct Node {
    issuer: TestIssuer,
    validator: Validator,
    clock: TestClock,
    revocations: SharedRevocations,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    async fn new(url: &str) -> Self {
        Self::with(open(url).await, Timing::default()).await
    }

    async fn with(store: Store, timing: Timing) -> Self {
        let (revocations, follower) = SharedRevocations::load(store, timing).await.unwrap();
        let issuer = TestIssuer::new(IDP, [Algorithm::ES256]);
        let clock = TestClock::default();
        let validator = Validator::builder([issuer.trust("orders")])
            .fetch(Documents::of([&issuer]))
            .clock(clock.clone())
            .revocations(revocations.clone())
            .build()
            .unwrap();
        validator.load().await.unwrap();
        Self {
            issuer,
            validator,
            clock,
            revocations,
            tasks: follower.spawn(),
        }
    }

    async fn call(&self, subject: &str) -> Result<(), Reason> {
        let token = self.issuer.token().subject(subject).sign();
        let result = self.validator.validate(&token, self.clock.time()).await;
        result.map(drop).map_err(|rejection| rejection.reason())
    }

    /// Waits until the node has learned something that makes the call end so.
    async fn until(&self, subject: &str, expected: Result<(), Reason>) {
        let mut learned = self.revocations.watch();
        let wait = async {
            while self.call(subject).await != expected {
                learned.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }

    /// Waits until the store's state is as expected.
    async fn until_reachable(&self, expected: bool) {
        let wait = async {
            while self.revocations.is_reachable() != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }

    async fn end(&self, subject: &str) -> Result<(), server::store::StoreError> {
        self.revocations.end(&all_of(subject), false).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// All sessions of a subject, at the time at which test tokens are issued.
fn all_of(subject: &str) -> Ended {
    Ended::new(IDP, at(0) as u64).subject(subject)
}

pub(crate) async fn what_ends_at_one_node_ends_at_all(engine: &Engine) {
    let url = engine.url();
    let nodes = [Node::new(&url).await, Node::new(&url).await, Node::new(&url).await];
    for node in &nodes {
        assert_eq!(node.call("alice").await, Ok(()));
    }
    nodes[1].end("alice").await.unwrap();
    assert_eq!(
        nodes[1].call("alice").await,
        Err(Reason::Revoked),
        "at once, where it was recorded"
    );
    for node in &nodes {
        node.until("alice", Err(Reason::Revoked)).await;
        assert_eq!(node.call("bob").await, Ok(()));
    }
}

async fn a_node_that_starts_later_knows_what_ended(engine: &Engine) {
    let url = engine.url();
    let first = Node::new(&url).await;
    first.end("alice").await.unwrap();
    // Others are written while it starts: it has read them, or reads them next.
    let writer = tokio::spawn(async move {
        for number in 0..20 {
            first.end(&format!("user-{number}")).await.unwrap();
        }
        first
    });
    let second = Node::new(&url).await;
    assert_eq!(second.call("alice").await, Err(Reason::Revoked));
    let first = writer.await.unwrap();
    for number in 0..20 {
        second.until(&format!("user-{number}"), Err(Reason::Revoked)).await;
    }
    assert_eq!(first.revocations.entries(), second.revocations.entries());
}

/// A store that was restored from a backup, or whose standby was behind when it took over, has given ids to others.
async fn a_restored_store_is_read_anew(engine: &Engine) {
    let node = Node::new(&engine.url()).await;
    for subject in ["lost-1", "lost-2"] {
        node.end(subject).await.unwrap();
    }
    node.until("lost-2", Err(Reason::Revoked)).await;
    let restart_ids = match engine {
        Engine::Sqlite(_) => "UPDATE sqlite_sequence SET seq = 0;",
        _ => "ALTER TABLE pixygate_ended ALTER COLUMN id RESTART WITH 1;",
    };
    let mut sql = format!("BEGIN; DELETE FROM pixygate_ended; {restart_ids}");
    for subject in ["a", "b", "c"] {
        sql += &format!(
            "INSERT INTO pixygate_ended (mark, issuer, subject, ended_at) VALUES (7, '{IDP}', '{subject}', {});",
            at(0)
        );
    }
    engine.execute(&(sql + "COMMIT;")).await;
    for subject in ["a", "b", "c"] {
        node.until(subject, Err(Reason::Revoked)).await;
    }
    assert_eq!(
        node.call("lost-1").await,
        Err(Reason::Revoked),
        "it was ended, whatever the store says"
    );
    assert_eq!(node.call("bob").await, Ok(()));
}

async fn what_is_old_is_pruned_and_stays_rejected(engine: &Engine) {
    let timing = Timing {
        prune: Duration::from_millis(10),
        ..Timing::default()
    };
    let url = engine.url();
    // Pruning goes by the clock of the machine, to which the dates of test tokens lie ahead.
    let old = 1_000_000_000;
    let first = Node::new(&url).await;
    first
        .revocations
        .end(&Ended::new(IDP, old).subject("alice"), false)
        .await
        .unwrap();
    first.end("bob").await.unwrap();
    let store = open(&url).await;
    let pruning = Node::with(store.clone(), timing).await;
    let pruned = async {
        while store.ended_from(0, 10).await.unwrap().len() > 1 || pruning.revocations.entries() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, pruned).await.unwrap();
    assert_eq!(store.ended_floors().await.unwrap(), [(IDP.to_owned(), old)]);
    let later = Node::new(&url).await;
    for node in [&pruning, &later] {
        let token = |issued: u64| node.issuer.token().claim("iat", issued).sign();
        for (issued, revoked) in [(old, true), (old + 1, false)] {
            let result = node.validator.validate(&token(issued), node.clock.time()).await;
            let reason = result.err().map(|rejection| rejection.reason());
            assert_eq!(reason, revoked.then_some(Reason::Revoked), "{issued}");
        }
        assert_eq!(node.call("bob").await, Err(Reason::Revoked));
    }
}

/// A node reads the store while a revocation is written and not yet committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_while_a_revocation_commits_learns_it() {
    use sqlx::Connection as _;

    let Some(engine) = Engine::postgres() else { return };
    let url = engine.url();
    let other = open(&url).await;
    let mut committing = sqlx::PgConnection::connect(&url).await.unwrap();
    // What `Store::end` does, up to its commit.
    let sql = format!(
        "BEGIN; SELECT pg_advisory_xact_lock({});
         INSERT INTO pixygate_ended (mark, issuer, subject, ended_at) VALUES (7, '{IDP}', 'alice', {})",
        0x7069_7879_0000_0002_i64,
        at(0)
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut committing)
        .await
        .unwrap();
    let later = tokio::spawn(async move { other.end(&all_of("bob"), false, None).await });
    let waits = async {
        loop {
            let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(&mut committing).await.unwrap();
            if count == 1 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap();
    let node = Node::new(&url).await;
    for subject in ["alice", "bob"] {
        assert_eq!(node.call(subject).await, Ok(()), "it is not committed");
    }
    sqlx::raw_sql("COMMIT").execute(&mut committing).await.unwrap();
    later.await.unwrap().unwrap();
    for subject in ["alice", "bob"] {
        node.until(subject, Err(Reason::Revoked)).await;
    }
}

/// The listener is one of the connections that are reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_connections_are_reset_goes_on() {
    let Some(engine) = Engine::postgres() else { return };
    let Engine::Postgres(cluster) = &engine else {
        unreachable!()
    };
    let proxy = Proxy::to(cluster.port()).await;
    let near = Node::new(&engine.url()).await;
    let far = Node::new(&cluster.url_through(proxy.port())).await;
    for round in 0..3 {
        proxy.reset();
        let subject = format!("user-{round}");
        near.end(&subject).await.unwrap();
        far.until(&subject, Err(Reason::Revoked)).await;
    }
    assert_eq!(far.call("alice").await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_news_of_the_store_calls_go_on_for_a_while_and_then_are_503() {
    let Some(engine) = Engine::postgres() else { return };
    let Engine::Postgres(mut cluster) = engine else {
        unreachable!()
    };
    let timing = Timing {
        max_age: Duration::from_secs(4),
        poll: Duration::from_millis(100),
        ..Timing::default()
    };
    let node = Node::with(open(&cluster.url()).await, timing).await;
    cluster.stop();
    node.until_reachable(false).await;
    assert_eq!(node.call("alice").await, Ok(()));
    assert!(node.end("bob").await.is_err(), "nobody is told that it is recorded");
    assert_eq!(
        node.call("bob").await,
        Err(Reason::Revoked),
        "this node knows it all the same"
    );
    let stale = async {
        while node.revocations.is_current() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, stale).await.unwrap();
    assert_eq!(node.call("alice").await, Err(Reason::KeysUnavailable));
    cluster.start_again();
    node.until_reachable(true).await;
    assert_eq!(node.call("alice").await, Ok(()));
    node.end("carol").await.unwrap();
}

/// A firewall that drops packets: no error comes, only silence.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_silent_is_noticed_and_left() {
    let Some(engine) = Engine::postgres() else { return };
    let Engine::Postgres(cluster) = &engine else {
        unreachable!()
    };
    let proxy = Proxy::to(cluster.port()).await;
    let near = Node::new(&engine.url()).await;
    let far = Node::new(&cluster.url_through(proxy.port())).await;
    proxy.silence(true);
    far.until_reachable(false).await;
    assert!(far.end("alice").await.is_err());
    near.end("bob").await.unwrap();
    assert_eq!(far.call("bob").await, Ok(()));
    proxy.silence(false);
    proxy.reset();
    far.until("bob", Err(Reason::Revoked)).await;
    far.until_reachable(true).await;
}
