//! What this node shares with others: the store, and everything that is built on it.

use tokio::task::JoinHandle;

use crate::config;
use crate::revocation::SharedRevocations;
use crate::store::{Store, StoreError};

/// The parts. Clones share them.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The database.
    pub store: Store,
    /// The sessions that have ended, on any node.
    pub revocations: SharedRevocations,
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
    /// Opens the store and reads what this node must know. The returned tasks keep it up to date.
    ///
    /// # Errors
    ///
    /// When the store cannot be used: no token could be accepted.
    pub async fn open(config: &config::Store) -> Result<(Self, Vec<JoinHandle<()>>), SharedError> {
        let failed = |source| SharedError {
            url: config.url.to_string(),
            source,
        };
        let store = Store::open(&config.url).await.map_err(failed)?;
        let (revocations, follower) = SharedRevocations::load(store.clone(), config.timing())
            .await
            .map_err(failed)?;
        Ok((Self { store, revocations }, follower.spawn()))
    }
}
