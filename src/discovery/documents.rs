//! Documents of a provider: fetched now, or stored by an earlier process.

use std::sync::Arc;
use std::time::SystemTime;

use url::Url;

use crate::jwt::{Clock, Fetch, FetchError, FetchRequest, Trust, is_private_host, shown};

/// How the documents of providers are fetched and stored.
#[derive(Clone)]
pub(crate) struct Documents {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) store: Arc<dyn DocumentStore>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Documents {
    /// Fetches a document, within the limits of a trust.
    pub(crate) async fn get(&self, url: &Url, trust: &Trust) -> Result<Vec<u8>, FetchError> {
        if !trust.on_private_address() && is_private_host(url) {
            return Err(FetchError::Forbidden {
                url: shown(url),
                to: shown(url),
                why: "it is a private address, and the issuer is not configured on one",
            });
        }
        self.fetch.fetch(FetchRequest::get(url, trust)).await
    }

    /// Stores a document that was validated.
    pub(crate) fn store(&self, url: &Url, body: Vec<u8>) {
        let fetched_at = self.clock.now();
        self.store.store(url.as_str(), StoredDocument { body, fetched_at });
    }

    /// Returns the document that an earlier process stored.
    pub(crate) fn stored(&self, url: &Url) -> Option<StoredDocument> {
        self.store.load(url.as_str())
    }
}

/// Stores the last metadata and key sets of providers, so that a process can start while a provider is down.
///
/// Both methods are called while a request may wait, so an implementation keeps what it has in memory and writes in the
/// background. Protect the store like the configuration file: its content decides which tokens are accepted.
pub trait DocumentStore: Send + Sync + 'static {
    /// Returns the document last stored for a URL. Called while nothing newer could be fetched.
    fn load(&self, url: &str) -> Option<StoredDocument>;

    /// Stores a document that was fetched and validated.
    fn store(&self, url: &str, document: StoredDocument);
}

/// A document of a provider, and its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// The bytes, as they were fetched.
    pub body: Vec<u8>,
    /// When they were fetched.
    pub fetched_at: SystemTime,
}

/// Stores nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDocuments;

impl DocumentStore for NoDocuments {
    fn load(&self, _: &str) -> Option<StoredDocument> {
        None
    }

    fn store(&self, _: &str, _: StoredDocument) {}
}
