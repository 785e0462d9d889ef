//! Used DPoP proofs, shared by nodes that share callers (RFC 9449, section 11.1).
//!
//! The memory of the node is asked first: it answers a replay at the same node without a round trip, and knows the node's own proofs
//! when the shared memory was lost in a crash of the database.

use std::time::Duration;

use pixygate::gate::binding::{LocalReplayStore, ProofId, ReplayCheck, ReplayFuture, ReplayStore};
use tokio::task::JoinHandle;

use crate::store::{Postgres, Store};

/// Between two removals of proofs that no gate would accept any more.
const PRUNE: Duration = Duration::from_secs(30);

/// Remembers proofs in the memory of this node, and in the store where nodes share one.
#[derive(Debug)]
pub struct SharedReplays {
    local: LocalReplayStore,
    /// `None` where the store is a file, which one node has for itself.
    shared: Option<Postgres>,
}

impl SharedReplays {
    /// Starts to remember. The task removes what is not needed any more.
    pub fn new(store: &Store) -> (Self, Option<JoinHandle<()>>) {
        let shared = match store {
            Store::Postgres(postgres) => Some(postgres.clone()),
            Store::Sqlite(_) => None,
        };
        let task = shared.clone().map(|postgres| tokio::spawn(prune(postgres)));
        let local = LocalReplayStore::default();
        (Self { local, shared }, task)
    }
}

impl ReplayStore for SharedReplays {
    fn record(&self, id: ProofId, now: u64, until: u64) -> ReplayFuture<'_> {
        Box::pin(async move {
            let here = self.local.record(id, now, until).await;
            let (ReplayCheck::Fresh, Some(shared)) = (here, &self.shared) else {
                return here;
            };
            match shared.use_proof(id.proof, until).await {
                Ok(true) => ReplayCheck::Fresh,
                Ok(false) => ReplayCheck::Replayed,
                Err(error) => {
                    tracing::debug!(%error, "a DPoP proof could not be looked up; its call is answered with 503");
                    ReplayCheck::Unavailable
                }
            }
        })
    }
}

async fn prune(postgres: Postgres) {
    loop {
        tokio::time::sleep(PRUNE).await;
        let now = crate::heartbeat::unix_microseconds() / 1_000_000;
        if let Err(error) = postgres.prune_proofs(now.unsigned_abs()).await {
            tracing::debug!(%error, "old proofs could not be removed; it is tried again later");
        }
    }
}
