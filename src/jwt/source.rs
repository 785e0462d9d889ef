//! Gets the keys of one issuer from where they are: metadata, a JWK set, a file.

use std::{sync::Arc, time::SystemTime};

use url::Url;

use super::{FetchError, KeySource, KeysError, Trust, conflict, fetch::shown, key_set::KeySet};
use crate::discovery::{Discovery, DiscoveryError, Documents};

pub(crate) struct Source {
    trust: Arc<Trust>,
    place: KeySource,
    documents: Documents,
    discovery: Option<Discovery>,
}

impl Source {
    pub(crate) fn new(trust: Arc<Trust>, place: KeySource, documents: Documents) -> Self {
        let discovery = match &place {
            KeySource::Discovery(location) => Some(Discovery::new(trust.clone(), location.clone(), documents.clone())),
            _ => None,
        };
        Self {
            trust,
            place,
            documents,
            discovery,
        }
    }

    /// Whether the keys stand in the configuration, so that there is nothing to fetch.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self.place, KeySource::Jwks(_) | KeySource::PublicKey(_))
    }

    /// Fetches the keys; with `anew` the metadata too, whose `jwks_uri` may have moved while the old place still answers.
    pub(crate) async fn load(&self, anew: bool) -> Result<KeySet, KeysError> {
        let trust = &*self.trust;
        match &self.place {
            KeySource::Discovery(_) => {
                let Some(discovery) = &self.discovery else {
                    unreachable!("made together with the place");
                };
                let last = discovery.last();
                let known = last.is_some() && !anew;
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

    /// The keys that an earlier process stored, and when they were fetched.
    pub(crate) fn stored(&self) -> Option<(KeySet, SystemTime)> {
        let url = match &self.place {
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

    /// No setting is wrong when the place that the metadata name has nothing.
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
                difference: conflict::difference(&expected, &found),
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
