//! What this node shares with others: the store, and everything that is built on it.

use std::sync::Arc;
use std::time::Duration;

use app::api::{
    Backend, BackendFuture, Chart, Configuration, Filter, Inspection, LiveLines, PAGE, Page, RecordId, Service,
    Unavailable, Whose,
};
use pixygate::Reason;
use pixygate::jwt::{Ended, Principal, Rejection};
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
        tasks.extend([presence.spawn(store.clone()), retention, write_documents]);
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

impl Backend for Shared {
    fn is_administrator(&self, caller: &Principal) -> bool {
        let Console {
            admin_roles,
            admin_scopes,
        } = &self.console;
        admin_roles.iter().any(|role| caller.has_role(role)) || admin_scopes.iter().any(|scope| caller.has_scope(scope))
    }

    fn activity(&self, whose: Whose, filter: Filter, before: Option<RecordId>) -> BackendFuture<'_, Page> {
        Box::pin(async move {
            let page = self.store.activity(&whose, &filter, before, PAGE).await;
            page.map_err(unavailable)
        })
    }

    fn chart(&self, whose: Whose, from: u64, until: u64) -> BackendFuture<'_, Chart> {
        Box::pin(async move {
            let chart = self.store.activity_chart(&whose, from, until).await;
            chart.map_err(unavailable)
        })
    }

    fn end(&self, ended: Ended) -> BackendFuture<'_, ()> {
        Box::pin(async move { self.revocations.end(&ended, true).await.map_err(unavailable) })
    }

    // The console's pages come next.

    fn own_token(&self, _: Principal) -> BackendFuture<'_, Inspection> {
        Box::pin(async { Err(Unavailable) })
    }

    fn inspect(&self, _: String, _: Option<(String, String)>) -> BackendFuture<'_, Inspection> {
        Box::pin(async { Err(Unavailable) })
    }

    fn services(&self, _: &Principal) -> Vec<Service> {
        Vec::new()
    }

    fn configuration(&self) -> BackendFuture<'_, Configuration> {
        Box::pin(async { Err(Unavailable) })
    }

    fn live(&self, _: &Principal, _: Whose, _: Filter, _: Option<RecordId>) -> Result<LiveLines, Rejection> {
        Err(Rejection::new(Reason::KeysUnavailable))
    }
}

fn unavailable(error: StoreError) -> Unavailable {
    tracing::error!(%error, "the store does not answer");
    Unavailable
}
