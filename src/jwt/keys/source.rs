//! Loads the keys of one issuer from their source: metadata, a JWK set, a file.

use std::{sync::Arc, time::SystemTime};

use url::Url;

use super::{FetchError, KeysError, fetch::shown, key_set::KeySet};
use crate::{
    discovery::{Discovery, DiscoveryError, Documents},
    jwt::{KeySource, Trust, trust::difference},
};

pub(crate) struct Source {
    trust: Arc<Trust>,
    source: KeySource,
    documents: Documents,
    discovery: Option<Discovery>,
}

impl Source {
    pub(crate) fn new(trust: Arc<Trust>, source: KeySource, documents: Documents) -> Self {
        let discovery = match &source {
            KeySource::Discovery(location) => Some(Discovery::new(trust.clone(), location.clone(), documents.clone())),
            _ => None,
        };
        Self {
            trust,
            source,
            documents,
            discovery,
        }
    }

    /// Returns whether the keys are part of the configuration, so that there is nothing to fetch.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self.source, KeySource::Jwks(_) | KeySource::PublicKey(_))
    }

    /// Loads the keys. With `rediscover` the metadata are fetched as well: their `jwks_uri` may have changed while the old one
    /// still answers.
    pub(crate) async fn load(&self, rediscover: bool) -> Result<KeySet, KeysError> {
        let trust = &*self.trust;
        match &self.source {
            KeySource::Discovery(_) => {
                let Some(discovery) = &self.discovery else {
                    unreachable!("made together with the source");
                };
                let last = discovery.last();
                let known = last.is_some() && !rediscover;
                let metadata = match last {
                    Some(last) if known => last,
                    // The last metadata do while the new ones are out of reach.
                    last => discovery.fetch().await.or_else(|error| last.ok_or(error))?,
                };
                match self.fetch_discovered(&discovery.keys_url(&metadata)?).await {
                    // They may have moved.
                    Err(_) if known => {
                        let metadata = discovery.fetch().await?;
                        self.fetch_discovered(&discovery.keys_url(&metadata)?).await
                    }
                    set => set,
                }
            }
            KeySource::JwksUrl(url) => self.fetch_set(url).await,
            KeySource::JwksFile(path) => read("jwks_file", path)
                .await
                .and_then(|text| named("jwks_file", path, KeySet::from_json(text.as_bytes(), trust))),
            KeySource::PublicKeyFile(path) => read("public_key_file", path)
                .await
                .and_then(|text| named("public_key_file", path, KeySet::from_pem(&text, trust))),
            KeySource::Jwks(json) => named("jwks", "", KeySet::from_json(json.as_bytes(), trust)),
            KeySource::PublicKey(pem) => named("public_key", "", KeySet::from_pem(pem, trust)),
        }
    }

    /// Returns the keys that an earlier process stored, and when it fetched them.
    pub(crate) fn stored(&self) -> Option<(KeySet, SystemTime)> {
        let url = match &self.source {
            KeySource::JwksUrl(url) => url.clone(),
            _ => {
                let discovery = self.discovery.as_ref()?;
                discovery.keys_url(&*discovery.last()?).ok()?
            }
        };
        let stored = self.documents.stored(&url)?;
        let set = KeySet::from_json(&stored.body, &self.trust).ok()?;
        Some((set, stored.fetched_at))
    }

    /// A 404 is not a wrong setting where the metadata name the URL.
    async fn fetch_discovered(&self, url: &Url) -> Result<KeySet, KeysError> {
        self.fetch_set(url).await.map_err(|error| match error {
            KeysError::Fetch(missing @ FetchError::Status { status: 404, .. }) => KeysError::Document {
                url: shown(url),
                why: missing.to_string(),
            },
            error => error,
        })
    }

    async fn fetch_set(&self, url: &Url) -> Result<KeySet, KeysError> {
        let body = self.documents.get(url, &self.trust).await?;
        let set = KeySet::from_json(&body, &self.trust).map_err(|why| KeysError::Document { url: shown(url), why })?;
        self.documents.store(url, body);
        Ok(set)
    }
}

impl From<DiscoveryError> for KeysError {
    fn from(error: DiscoveryError) -> Self {
        match error {
            DiscoveryError::Fetch(error) => Self::Fetch(error),
            DiscoveryError::Issuer { expected, found, .. } => Self::Issuer {
                difference: difference(&expected, &found),
                hint: format!("write issuer = \"{found}\""),
                expected,
                found,
            },
            error => Self::Metadata(error),
        }
    }
}

async fn read(key: &'static str, path: &str) -> Result<String, KeysError> {
    let owned = path.to_owned();
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(owned)).await;
    let refuse = |why: String| KeysError::File {
        key,
        path: path.to_owned(),
        why,
    };
    text.map_err(|error| refuse(error.to_string()))?
        .map_err(|error| refuse(error.to_string()))
}

fn named(key: &'static str, path: &str, set: Result<KeySet, String>) -> Result<KeySet, KeysError> {
    set.map_err(|why| KeysError::File {
        key,
        path: path.to_owned(),
        why,
    })
}
