//! The state that this node shares with others: the store, and everything that is built on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::activity::{Activity, Recording};
use crate::config::{Config, Console};
use crate::documents::StoredDocuments;
use crate::findings::Code;
use crate::heartbeat::{self, Presence};
use crate::revocation::SharedRevocations;
use crate::store::{Store, StoreError};

/// The shared state. Clones share it.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub store: Store,
    /// The sessions that have ended, on any node.
    pub revocations: SharedRevocations,
    /// This node's entry among the nodes.
    pub presence: Presence,
    /// The activity log.
    pub activity: Activity,
    /// The last metadata and keys of providers.
    pub documents: Arc<StoredDocuments>,
    /// The key of DPoP nonces, so that nodes accept each other's.
    pub(crate) nonce_key: [u8; 32],
    console: Console,
}

/// The background tasks of the shared state.
#[derive(Debug)]
pub struct BackgroundTasks {
    /// They run until they are aborted.
    pub tasks: Vec<JoinHandle<()>>,
    recording: Recording,
}

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: The store {url} cannot be used: {source}\n    hint      {}", code(.source), hint(.source))]
pub struct SharedError {
    url: String,
    source: StoreError,
}

fn code(error: &StoreError) -> Code {
    match error {
        StoreError::Newer { .. } => Code::StoreNewer,
        _ => Code::StoreUnreachable,
    }
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
    /// If the store cannot be used: without it no token could be accepted.
    pub async fn open(config: &Config) -> Result<(Self, BackgroundTasks), SharedError> {
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
        Ok((shared, BackgroundTasks { tasks, recording }))
    }

    /// Returns the settings that name the administrators.
    pub(crate) fn administrators(&self) -> &Console {
        &self.console
    }

    /// Writes queued records, and removes this node's entry. Call it after the last request.
    pub async fn close(&self, background: BackgroundTasks) {
        background.recording.stop().await;
        for task in background.tasks {
            task.abort();
        }
        self.presence.leave(&self.store).await;
        // A connection that hangs must not delay the end.
        let closed = tokio::time::timeout(Duration::from_secs(5), self.store.close()).await;
        if closed.is_err() {
            tracing::warn!("the connections to the store did not close in time");
        }
    }
}

/// The embedded provider, for development, has a group of administrators.
fn administrators(config: &Config) -> Console {
    let mut console = config.console.clone();
    if config.provider.is_none() && console == Console::default() {
        console.admin_roles.push("admins".to_owned());
    }
    console
}
