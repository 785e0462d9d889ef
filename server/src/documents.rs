//! Cached metadata and keys of providers, so that a node can start while a provider is down.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pixygate::discovery::{DocumentStore, StoredDocument};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::store::{Document, Store, StoreError};

/// The pause before a failed write is tried again.
const PAUSE: Duration = Duration::from_secs(30);

/// Reads from memory, and writes to the store in the background.
#[derive(Debug)]
pub struct StoredDocuments {
    known: Mutex<Known>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Known {
    documents: HashMap<String, StoredDocument>,
    /// Documents that are not in the store yet.
    unwritten: HashSet<String>,
}

impl StoredDocuments {
    /// Loads the documents that an earlier process or another node has stored. The task writes new ones.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn load(store: Store) -> Result<(Arc<Self>, JoinHandle<()>), StoreError> {
        let document = |Document { url, body, fetched_at }| {
            let fetched_at = UNIX_EPOCH + Duration::from_secs(fetched_at);
            (url, StoredDocument { body, fetched_at })
        };
        let documents = store.documents().await?.into_iter().map(document).collect();
        let stored = Arc::new(Self {
            known: Mutex::new(Known {
                documents,
                unwritten: HashSet::new(),
            }),
            wake: Notify::new(),
        });
        let task = tokio::spawn(write(stored.clone(), store));
        Ok((stored, task))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the documents to write.
    fn take_unwritten(&self) -> Vec<Document> {
        let mut known = self.known();
        let unwritten = std::mem::take(&mut known.unwritten);
        let document = |url: String| {
            let StoredDocument { body, fetched_at } = known.documents.get(&url)?.clone();
            let fetched_at = fetched_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            Some(Document { url, body, fetched_at })
        };
        unwritten.into_iter().filter_map(document).collect()
    }
}

impl DocumentStore for StoredDocuments {
    fn load(&self, url: &str) -> Option<StoredDocument> {
        let mut document = self.known().documents.get(url).cloned()?;
        // The clock of the node that stored it may be ahead.
        document.fetched_at = document.fetched_at.min(SystemTime::now());
        Some(document)
    }

    fn store(&self, url: &str, document: StoredDocument) {
        let mut known = self.known();
        known.documents.insert(url.to_owned(), document);
        known.unwritten.insert(url.to_owned());
        drop(known);
        self.wake.notify_one();
    }
}

async fn write(stored: Arc<StoredDocuments>, store: Store) {
    loop {
        stored.wake.notified().await;
        let mut failed = false;
        for document in stored.take_unwritten() {
            let url = document.url.clone();
            if let Err(error) = store.store_document(document).await {
                tracing::debug!(%error, url, "a provider's document could not be stored; it is tried again later");
                stored.known().unwritten.insert(url);
                failed = true;
            }
        }
        if failed {
            tokio::time::sleep(PAUSE).await;
            stored.wake.notify_one();
        }
    }
}
