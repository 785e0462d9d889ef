//! Used DPoP proofs, shared by nodes that share callers (RFC 9449, section 11.1).
//!
//! The memory of the node is asked first: it answers a replay at the same node without a round trip, and knows the node's own proofs
//! when the shared memory was lost in a crash of the database.
//!
//! The shared memory is a table in PostgreSQL, or `valkey` where `store.dpop_replay_url` names a server.

#[cfg(feature = "valkey")]
mod valkey;
#[cfg(not(feature = "valkey"))]
#[path = "valkey_absent.rs"]
mod valkey;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pixygate::gate::binding::{LocalReplayStore, ProofId, ReplayCheck, ReplayFuture, ReplayStore};
use tokio::task::JoinHandle;

use crate::store::{Postgres, Store};
pub use valkey::Valkey;

/// Between two removals of proofs that no gate would accept any more.
const PRUNE: Duration = Duration::from_secs(30);

/// A call waits for the shared memory at most so long. Later it is answered with 503.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(1);

/// The clock of one node may be ahead of another's, which still accepts the proof.
pub(crate) const MARGIN: Duration = Duration::from_secs(180);

/// Remembers proofs in the memory of this node, and in one that nodes share.
#[derive(Debug)]
pub struct SharedReplays {
    local: LocalReplayStore,
    shared: Option<Memory>,
    /// Whether the last proof could not be looked up, so that an outage is logged once.
    failing: AtomicBool,
}

#[derive(Clone, Debug)]
enum Memory {
    Postgres(Postgres),
    Valkey(Valkey),
}

impl SharedReplays {
    /// Starts to remember, in `valkey` where it is given. The task removes what is not needed any more.
    pub fn new(store: &Store, valkey: Option<Valkey>) -> (Self, Option<JoinHandle<()>>) {
        let (shared, task) = match (valkey, store) {
            (Some(valkey), _) => (Some(Memory::Valkey(valkey)), None),
            (None, Store::Postgres(postgres)) => {
                let task = tokio::spawn(prune(postgres.clone()));
                (Some(Memory::Postgres(postgres.clone())), Some(task))
            }
            // One node has a file for itself.
            (None, Store::Sqlite(_)) => (None, None),
        };
        let replays = Self {
            local: LocalReplayStore::default(),
            shared,
            failing: AtomicBool::new(false),
        };
        (replays, task)
    }

    fn log(&self, error: Option<&dyn std::fmt::Display>) {
        let failed_before = self.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !failed_before => {
                tracing::error!(%error, "used DPoP proofs cannot be looked up; calls with a proof are answered with 503");
            }
            None if failed_before => tracing::info!("used DPoP proofs can be looked up again"),
            _ => {}
        }
    }
}

impl ReplayStore for SharedReplays {
    fn record(&self, id: ProofId, now: u64, until: u64) -> ReplayFuture<'_> {
        Box::pin(async move {
            let here = self.local.record(id, now, until).await;
            let (ReplayCheck::Fresh, Some(shared)) = (here, &self.shared) else {
                return here;
            };
            let is_fresh = match shared {
                Memory::Postgres(postgres) => postgres.use_proof(id.proof, until).await.map_err(|e| e.to_string()),
                Memory::Valkey(valkey) => {
                    // It counts the time itself: its clock does not matter.
                    let accepted = Duration::from_secs(until.saturating_sub(now) + 1);
                    valkey
                        .use_proof(id.proof, accepted + MARGIN)
                        .await
                        .map_err(|e| e.to_string())
                }
            };
            self.log(is_fresh.as_ref().err().map(|error| error as _));
            match is_fresh {
                Ok(true) => ReplayCheck::Fresh,
                Ok(false) => ReplayCheck::Replayed,
                Err(_) => ReplayCheck::Unavailable,
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
