//! What this node shares with others: the store, and everything that is built on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::activity::{Activity, Recording};
use crate::config::{Config, Console};
use crate::documents::StoredDocuments;
use crate::heartbeat::{self, Presence};
use crate::revocation::SharedRevocations;
use crate::store::{Store, StoreError};

/// The parts. Clones share them.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub store: Store,
    /// The sessions that have ended, on any node.
    pub revocations: SharedRevocations,
    /// This node among the others.
    pub presence: Presence,
    /// The record of what was done.
    pub activity: Activity,
    /// The last metadata and keys of providers.
    pub documents: Arc<StoredDocuments>,
    /// Makes the nonces of DPoP proofs, so that nodes accept each other's.
    pub(crate) nonce_key: [u8; 32],
    console: Console,
}

/// What keeps the parts up to date.
#[derive(Debug)]
pub struct Upkeep {
    /// They run until they are aborted.
    pub tasks: Vec<JoinHandle<()>>,
    recording: Recording,
}

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("The store {url} cannot be used: {source}\n    hint      {}", hint(.source))]
pub struct SharedError {
    url: String,
    source: StoreError,
}

fn hint(error: &StoreError) -> &'static str {
    match error {
        StoreError::Newer { .. } => {
            "a newer server has changed it; start that version, or restore the store from before"
        }
        StoreError::File { .. } => "write a file under [store] url whose folder exists and can be written",
        _ => "see that the database runs, and that name, user and password under [store] url are right",
    }
}

impl Shared {
    /// Opens the store and reads what this node must know.
    ///
    /// # Errors
    ///
    /// When the store cannot be used: no token could be accepted.
    pub async fn open(config: &Config) -> Result<(Self, Upkeep), SharedError> {
        let failed = |source| SharedError {
            url: config.store.url.to_string(),
            source,
        };
        let store = Store::open(&config.store.url).await.map_err(failed)?;
        let (revocations, follower) = SharedRevocations::load(store.clone(), config.store.timing())
            .await
            .map_err(failed)?;
        let name = heartbeat::name(config.server.listen);
        let presence = Presence::register(&store, name).await.map_err(failed)?;
        let (activity, recording, retention) =
            Activity::start(store.clone(), presence.clone(), config.activity.settings());
        let (documents, write_documents) = StoredDocuments::load(store.clone()).await.map_err(failed)?;
        let nonce_key = store.shared_key("gate.dpop_nonce").await.map_err(failed)?;
        let mut tasks = follower.spawn();
        tasks.extend([
            presence.spawn(store.clone(), revocations.clone()),
            retention,
            write_documents,
        ]);
        let shared = Self {
            store,
            revocations,
            presence,
            activity,
            documents,
            nonce_key,
            console: administrators(config),
        };
        Ok((shared, Upkeep { tasks, recording }))
    }

    /// Returns who may see and end what is not theirs.
    pub(crate) fn administrators(&self) -> &Console {
        &self.console
    }

    /// Writes what waits, and takes this node out of the others' count. Call it when no more requests come.
    pub async fn close(&self, upkeep: Upkeep) {
        upkeep.recording.stop().await;
        for task in upkeep.tasks {
            task.abort();
        }
        self.presence.leave(&self.store).await;
        // A connection that hangs must not hold up the end.
        let closed = tokio::time::timeout(Duration::from_secs(5), self.store.close()).await;
        if closed.is_err() {
            tracing::warn!("the connections to the store did not close in time");
        }
    }
}

/// The embedded provider, for development, has a group for administrators.
fn administrators(config: &Config) -> Console {
    let mut console = config.console.clone();
    if config.provider.is_none() && console == Console::default() {
        console.admin_roles.push("admins".to_owned());
    }
    console
}
