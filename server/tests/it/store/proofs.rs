//! Used DPoP proofs of nodes that share callers.

use std::time::Duration;

use pixygate::gate::binding::{ProofId, ReplayCheck, ReplayStore as _};
use server::replay::SharedReplays;
use server::store::Store;

use super::{Engine, open};

const NOW: u64 = 1_800_000_000;

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

async fn node(url: &str) -> (SharedReplays, Store) {
    let store = open(url).await;
    let (replays, prune) = SharedReplays::new(&store);
    if let Some(prune) = prune {
        prune.abort();
    }
    (replays, store)
}

fn proof(first: u8) -> ProofId {
    let mut proof = [0; 32];
    proof[0] = first;
    ProofId::new([7; 32], proof)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_one_node_took_is_a_replay_at_every_other() {
    let Some(engine) = Engine::postgres() else { return };
    let (one, store) = node(&engine.url()).await;
    let (other, _) = node(&engine.url()).await;
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Fresh);
    assert_eq!(other.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Replayed);
    assert_eq!(other.record(proof(2), NOW, NOW + 60).await, ReplayCheck::Fresh);
    // Of many nodes at once, one takes it.
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (node, _) = node(&engine.url()).await;
        nodes.spawn(async move { node.record(proof(3), NOW, NOW + 60).await });
    }
    let checks = nodes.join_all().await;
    assert_eq!(
        checks.iter().filter(|check| **check == ReplayCheck::Fresh).count(),
        1,
        "{checks:?}"
    );

    // Not accepted any more anywhere, it need not be known; before, it must be.
    let Store::Postgres(postgres) = store else {
        unreachable!()
    };
    assert_eq!(postgres.prune_proofs(NOW + 61).await.unwrap(), 0);
    assert_eq!(postgres.prune_proofs(NOW + 1_000).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_down_a_proof_is_not_taken_for_fresh() {
    let Some(Engine::Postgres(mut cluster)) = Engine::postgres() else {
        return;
    };
    let (one, _) = node(&cluster.url()).await;
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Fresh);
    cluster.stop();
    assert_eq!(one.record(proof(2), NOW, NOW + 60).await, ReplayCheck::Unavailable);
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Replayed);
    cluster.start_again();
    let recovers = async {
        for first in 3.. {
            if one.record(proof(first), NOW, NOW + 60).await == ReplayCheck::Fresh {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, recovers).await.unwrap();
    // The one of before the outage, too, which the database was asked for and does not know.
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_with_a_file_needs_no_shared_memory() {
    let engine = Engine::sqlite();
    let (one, _) = node(&engine.url()).await;
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Fresh);
    assert_eq!(one.record(proof(1), NOW, NOW + 60).await, ReplayCheck::Replayed);
}
