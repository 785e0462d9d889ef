//! Gets the keys of one issuer from where they are: metadata, a JWK set, a file.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use url::Url;

use super::{
    Fetch, FetchError, FetchRequest, KeySource, KeysError, Trust, address, conflict, fetch::shown, key_set::KeySet,
};

pub(crate) struct Source {
    trust: Arc<Trust>,
    place: KeySource,
    fetch: Arc<dyn Fetch>,
    private_addresses: bool,
    /// What the metadata said last. Asked for again when a fetch from there fails.
    discovered: Mutex<Option<Url>>,
}

impl Source {
    pub(crate) fn new(trust: Arc<Trust>, place: KeySource, fetch: Arc<dyn Fetch>) -> Self {
        let private_addresses = trust.on_private_address();
        Self {
            trust,
            place,
            fetch,
            private_addresses,
            discovered: Mutex::new(None),
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
            KeySource::Discovery(metadata) => {
                let remembered = self.discovered.lock().clone();
                let known = remembered.is_some() && !anew;
                let jwks_url = match remembered {
                    Some(url) if known => url,
                    // What is remembered will do while the metadata are out of reach.
                    remembered => self.discover(metadata).await.or_else(|error| remembered.ok_or(error))?,
                };
                match self.fetch_set(&jwks_url).await {
                    Err(_) if known => {
                        *self.discovered.lock() = None;
                        let jwks_url = self.discover(metadata).await?;
                        self.fetch_set(&jwks_url).await
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

    async fn discover(&self, metadata: &Url) -> Result<Url, KeysError> {
        let body = self.get(metadata).await?;
        let refuse = |why: String| KeysError::Document {
            url: shown(metadata),
            why,
        };
        let document: Value =
            serde_json::from_slice(&body).map_err(|error| refuse(format!("it is not JSON ({error})")))?;
        let found = document
            .get("issuer")
            .and_then(Value::as_str)
            .ok_or_else(|| refuse("it names no `issuer`".into()))?;
        if found != self.trust.issuer {
            return Err(KeysError::Issuer {
                expected: self.trust.issuer.clone(),
                found: found.to_owned(),
                difference: conflict::difference(&self.trust.issuer, found),
                hint: format!("write issuer = \"{}\"", super::printable(found)),
            });
        }
        let place = document
            .get("jwks_uri")
            .and_then(Value::as_str)
            .ok_or_else(|| refuse("it has no `jwks_uri`".into()))?;
        let url = Url::parse(place).map_err(|_| refuse("its `jwks_uri` is no URL".into()))?;
        if url.scheme() != "https" && !(metadata.scheme() == "http" && address::is_loopback_host(&url)) {
            let why = "keys are fetched over https, and over http only on loopback addresses";
            return Err(FetchError::Forbidden {
                url: shown(metadata),
                to: shown(&url),
                why,
            }
            .into());
        }
        *self.discovered.lock() = Some(url.clone());
        Ok(url)
    }

    async fn fetch_set(&self, url: &Url) -> Result<KeySet, KeysError> {
        let body = self.get(url).await?;
        KeySet::from_json(&body, &self.trust).map_err(|why| KeysError::Document { url: shown(url), why })
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        if !self.private_addresses && address::is_private_host(url) {
            let why = "it is a private address, and the issuer is not configured on one";
            return Err(FetchError::Forbidden {
                url: shown(url),
                to: shown(url),
                why,
            });
        }
        self.fetch.fetch(FetchRequest::get(url, &self.trust)).await
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
