use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::TestIssuer;
use crate::jwt::{Fetch, FetchError, FetchFuture, FetchRequest};

/// A network of documents, by URL. Other URLs answer 404. Clones share the documents.
#[derive(Clone, Debug)]
pub struct Documents {
    inner: Arc<Mutex<Network>>,
    /// Has no permits while fetches are held.
    gate: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Network {
    answers: HashMap<String, Result<Vec<u8>, FetchError>>,
    asked: HashMap<String, usize>,
    posted: Vec<String>,
    down: bool,
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            inner: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }
}

impl Documents {
    /// Publishes the metadata and keys of issuers.
    pub fn of<'a>(issuers: impl IntoIterator<Item = &'a TestIssuer>) -> Self {
        let documents = Self::default();
        for issuer in issuers {
            documents.publish(issuer);
        }
        documents
    }

    /// Publishes an issuer's metadata and current keys.
    pub fn publish(&self, issuer: &TestIssuer) {
        self.put(issuer.metadata_url(), &issuer.metadata());
        self.put(issuer.jwks_url(), &issuer.jwks());
    }

    /// Publishes a document.
    pub fn put(&self, url: impl Into<String>, document: &Value) {
        self.put_bytes(url, document.to_string());
    }

    /// Publishes bytes.
    pub fn put_bytes(&self, url: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.inner.lock().answers.insert(url.into(), Ok(bytes.into()));
    }

    /// Makes fetches of a URL fail.
    pub fn fail(&self, url: impl Into<String>, error: FetchError) {
        self.inner.lock().answers.insert(url.into(), Err(error));
    }

    /// Makes every fetch fail, or work again.
    pub fn set_down(&self, down: bool) {
        self.inner.lock().down = down;
    }

    /// Holds fetches until [`release`](Self::release).
    pub fn hold(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets held fetches continue.
    pub fn release(&self) {
        let missing = Semaphore::MAX_PERMITS - self.gate.available_permits();
        self.gate.add_permits(missing);
    }

    /// Returns how often a URL was fetched.
    pub fn asked(&self, url: &str) -> usize {
        self.inner.lock().asked.get(url).copied().unwrap_or_default()
    }

    /// Returns how often any URL was fetched.
    pub fn asked_in_all(&self) -> usize {
        self.inner.lock().asked.values().sum()
    }

    /// Returns the forms that were posted.
    pub fn posted(&self) -> Vec<String> {
        self.inner.lock().posted.clone()
    }
}

impl Fetch for Documents {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            let url = request.url.to_string();
            {
                let mut network = self.inner.lock();
                *network.asked.entry(url.clone()).or_default() += 1;
                network.posted.extend(request.post.map(|post| post.form.to_owned()));
            }
            let unreachable = |why: &str| FetchError::Unreachable {
                url: url.clone(),
                why: why.into(),
            };
            let passage = self.gate.acquire().await;
            passage.map(drop).map_err(|_| unreachable("closed"))?;
            let network = self.inner.lock();
            if network.down {
                return Err(unreachable("the provider is down"));
            }
            match network.answers.get(&url) {
                Some(answer) => answer.clone(),
                None => Err(FetchError::Status { url, status: 404 }),
            }
        })
    }
}
