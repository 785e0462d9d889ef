//! Used DPoP proofs of nodes that share callers: one suite for each memory that nodes can share.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::StatusCode;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use pixygate::gate::binding::{ProofId, ReplayCheck, ReplayStore as _};
use pixygate::jwt::Algorithm;
use pixygate::test_support::TestKey;
use serde_json::{Value, json};
use server::replay::SharedReplays;
use server::store::Store;

use super::{Engine, open};
use crate::house::{self, House, header, request};
use crate::postgres::Cluster;
use crate::proxy::Proxy;
#[cfg(feature = "valkey")]
use crate::valkey::Server;

const NOW: u64 = 1_800_000_000;

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where nodes share proofs.
enum Memory {
    Postgres(Cluster),
    #[cfg(feature = "valkey")]
    Valkey(Server),
}

impl Memory {
    fn port(&self) -> u16 {
        match self {
            Self::Postgres(cluster) => cluster.port(),
            #[cfg(feature = "valkey")]
            Self::Valkey(server) => server.port(),
        }
    }

    /// A node that reaches it at a port.
    async fn node_through(&self, port: u16) -> SharedReplays {
        let (store, valkey) = match self {
            Self::Postgres(cluster) => (open(&cluster.url_through(port)).await, None),
            #[cfg(feature = "valkey")]
            Self::Valkey(_) => (
                open("sqlite::memory:").await,
                Some(format!("valkey://127.0.0.1:{port}").parse().unwrap()),
            ),
        };
        let (replays, prune) = SharedReplays::new(&store, valkey);
        if let Some(prune) = prune {
            prune.abort();
        }
        replays
    }

    async fn node(&self) -> SharedReplays {
        self.node_through(self.port()).await
    }

    /// The configuration of a node.
    fn settings(&self) -> String {
        match self {
            Self::Postgres(cluster) => format!("[store]\nurl = \"{}\"\n", cluster.url()),
            #[cfg(feature = "valkey")]
            Self::Valkey(server) => format!(
                "[store]\nurl = \"sqlite::memory:\"\ndpop_replay_url = \"valkey://127.0.0.1:{}\"\n",
                server.port()
            ),
        }
    }

    fn stop(&mut self) {
        match self {
            Self::Postgres(cluster) => cluster.stop(),
            #[cfg(feature = "valkey")]
            Self::Valkey(server) => server.stop(),
        }
    }

    fn start_again(&mut self) {
        match self {
            Self::Postgres(cluster) => cluster.start_again(),
            #[cfg(feature = "valkey")]
            Self::Valkey(server) => server.start_again(),
        }
    }
}

/// Makes each test one for PostgreSQL, and one for Valkey where the feature is on.
macro_rules! on_each {
    ($($name:ident),+ $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(cluster) = crate::postgres::Cluster::start() {
                    super::$name(super::Memory::Postgres(cluster)).await;
                }
            })+
        }

        #[cfg(feature = "valkey")]
        mod valkey {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(server) = crate::valkey::Server::start() {
                    super::$name(super::Memory::Valkey(server)).await;
                }
            })+
        }
    };
}

on_each!(
    a_proof_that_one_node_took_is_a_replay_at_every_other,
    while_the_database_is_down_a_proof_is_not_taken_for_fresh,
    broken_connections_cost_no_call,
    a_silent_server_is_noticed_within_the_limit,
    calls_with_a_proof_are_503_while_it_is_down_and_others_are_not,
);

fn proof(first: u8) -> ProofId {
    let mut proof = [0; 32];
    proof[0] = first;
    ProofId::new([7; 32], proof)
}

/// Proofs until one is fresh.
async fn until_fresh(node: &SharedReplays) {
    let recovers = async {
        for first in 100.. {
            if node.record(proof(first), NOW, NOW + 60).await == ReplayCheck::Fresh {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, recovers).await.unwrap();
}

async fn a_proof_that_one_node_took_is_a_replay_at_every_other(memory: Memory) {
    let (one, other) = (memory.node().await, memory.node().await);
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Fresh);
    assert_eq!(other.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Replayed);
    assert_eq!(other.record(proof(2), NOW, NOW + 60).await, ReplayCheck::Fresh);
    // Of many nodes at once, one takes it.
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let node = memory.node().await;
        nodes.spawn(async move { node.record(proof(3), NOW, NOW + 60).await });
    }
    let checks = nodes.join_all().await;
    assert_eq!(
        checks.iter().filter(|check| **check == ReplayCheck::Fresh).count(),
        1,
        "{checks:?}"
    );
}

async fn while_the_database_is_down_a_proof_is_not_taken_for_fresh(mut memory: Memory) {
    let one = memory.node().await;
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Fresh);
    memory.stop();
    assert_eq!(one.record(proof(2), NOW, NOW + 60).await, ReplayCheck::Unavailable);
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Replayed);
    memory.start_again();
    until_fresh(&one).await;
    // The one of before the outage, too, which the server was asked for and does not know.
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Replayed);
}

async fn broken_connections_cost_no_call(memory: Memory) {
    let proxy = Proxy::to(memory.port()).await;
    let (near, far) = (memory.node().await, memory.node_through(proxy.port()).await);
    for round in 1..5 {
        assert_eq!(far.record(proof(round), NOW, NOW + 60).await, ReplayCheck::Fresh);
        assert_eq!(near.record(proof(round), NOW, NOW + 60).await, ReplayCheck::Replayed);
        proxy.reset();
    }
}

async fn a_silent_server_is_noticed_within_the_limit(memory: Memory) {
    let proxy = Proxy::to(memory.port()).await;
    let far = memory.node_through(proxy.port()).await;
    assert_eq!(far.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Fresh);
    proxy.silence(true);
    let asked = tokio::time::timeout(PATIENCE / 3, far.record(proof(2), NOW, NOW + 60));
    assert_eq!(asked.await.unwrap(), ReplayCheck::Unavailable);
    proxy.silence(false);
    until_fresh(&far).await;
}

async fn calls_with_a_proof_are_503_while_it_is_down_and_others_are_not(mut memory: Memory) {
    let house = House::with(&memory.settings()).await;
    let other = house.node(&memory.settings()).await;
    let key = TestKey::generate(Algorithm::ES256, "dpop");
    let wanted = json!({ "username": "alice", "client_id": "pixygate", "dpop_jkt": key.thumbprint() });
    let tokens = house.control("tokens?tenant=demo", wanted).await;
    let bound = tokens["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {}", house.access_token().await);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let call = async |node: &House, id: &str| {
        let proof = key.proof("GET", "http://localhost:3000/api/whoami", bound);
        let call = request("/api/whoami")
            .header(AUTHORIZATION, format!("DPoP {bound}"))
            .header("dpop", proof.jti(id).claim("iat", now).sign());
        let response = node.send(call.body(Body::empty()).unwrap()).await;
        let waits = !header(response.headers(), RETRY_AFTER.as_str()).is_empty();
        let status = response.status();
        (status, waits, house::json(response).await["reason"].take())
    };
    let accepted = (StatusCode::OK, false, Value::Null);
    assert_eq!(call(&house, "1").await, accepted);
    let replayed = (StatusCode::UNAUTHORIZED, false, json!("invalid_dpop_proof"));
    assert_eq!(call(&other, "1").await, replayed, "at another node");
    assert_eq!(call(&other, "2").await, accepted);

    memory.stop();
    let unavailable = (StatusCode::SERVICE_UNAVAILABLE, true, json!("keys_unavailable"));
    for node in [&house, &other] {
        assert_eq!(call(node, "3").await, unavailable);
        assert_eq!(node.call("/api/whoami", &bearer).await.status(), StatusCode::OK);
    }
    memory.start_again();
    let recovers = async {
        for id in 4.. {
            if call(&house, &id.to_string()).await == accepted {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, recovers).await.unwrap();
}

/// A proof that is not accepted any more anywhere need not be known; before, it must be.
#[tokio::test(flavor = "multi_thread")]
async fn old_proofs_are_removed() {
    let Some(engine) = Engine::postgres() else { return };
    let Store::Postgres(postgres) = engine.open().await else {
        unreachable!()
    };
    for first in 1..4 {
        assert!(postgres.use_proof([first; 32], NOW + 60).await.unwrap());
    }
    assert_eq!(postgres.prune_proofs(NOW + 61).await.unwrap(), 0);
    assert_eq!(postgres.prune_proofs(NOW + 1_000).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_with_a_file_needs_no_shared_memory() {
    let engine = Engine::sqlite();
    let (one, _) = SharedReplays::new(&engine.open().await, None);
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Fresh);
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Replayed);
}
