use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::TestIssuer;
use crate::jwt::{Fetch, FetchError, FetchFuture, FetchRequest};

/// A network with documents at addresses. What is not there answers 404. Clones share it.
#[derive(Clone, Debug)]
pub struct Documents {
    inner: Arc<Mutex<Network>>,
    /// Has no permits while fetches are held up.
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
    /// The metadata and keys of issuers.
    pub fn of<'a>(issuers: impl IntoIterator<Item = &'a TestIssuer>) -> Self {
        let documents = Self::default();
        for issuer in issuers {
            documents.publish(issuer);
        }
        documents
    }

    /// Puts an issuer's metadata and present keys at their addresses.
    pub fn publish(&self, issuer: &TestIssuer) {
        self.put(issuer.metadata_url(), &issuer.metadata());
        self.put(issuer.jwks_url(), &issuer.jwks());
    }

    /// Puts a document at an address.
    pub fn put(&self, url: impl Into<String>, document: &Value) {
        self.put_bytes(url, document.to_string());
    }

    /// Puts bytes at an address.
    pub fn put_bytes(&self, url: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.inner.lock().answers.insert(url.into(), Ok(bytes.into()));
    }

    /// Lets an address fail.
    pub fn fail(&self, url: impl Into<String>, error: FetchError) {
        self.inner.lock().answers.insert(url.into(), Err(error));
    }

    /// Lets nothing be reached, or everything again.
    pub fn set_down(&self, down: bool) {
        self.inner.lock().down = down;
    }

    /// Holds fetches up until [`release`](Self::release).
    pub fn hold(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets fetches go on.
    pub fn release(&self) {
        let missing = Semaphore::MAX_PERMITS - self.gate.available_permits();
        self.gate.add_permits(missing);
    }

    /// How often an address was asked for.
    pub fn asked(&self, url: &str) -> usize {
        self.inner.lock().asked.get(url).copied().unwrap_or_default()
    }

    /// How often any address was asked for.
    pub fn asked_in_all(&self) -> usize {
        self.inner.lock().asked.values().sum()
    }

    /// The forms that were posted.
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
