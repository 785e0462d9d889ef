//! The gateway's own statement about a caller: a JWT for one upstream, valid for a minute.
//!
//! 1. [`Keys`] holds the signing keys and replaces them in time: published, then signing, then retired.
//! 2. `key` signs, and writes the public key as a JWK.
//! 3. `claims` writes what the JWT says.
//! 4. [`BackendTokens`] puts them together, and caches a JWT with the verified token that it was made for.
//!
//! Nothing here is used to verify tokens of callers: the gate does not trust this issuer.

mod claims;
mod key;
mod keys;
mod seal;
mod storage;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use pixygate::jwt::Principal;

pub use claims::ClaimNames;
pub use key::{SigningAlgorithm, SigningError};
pub use keys::{KeySet, Keys, Rotation};
pub use seal::Seal;
pub use storage::{KeyStorage, StorageError};

use crate::upstream::Assertions;

/// `[backend_jwt]`, validated.
#[derive(Clone, Debug)]
pub struct BackendTokenSettings {
    /// The header that carries the JWT.
    pub header: HeaderName,
    /// The `iss`: the address of this gateway.
    pub issuer: String,
    /// How long a JWT is valid.
    pub lifetime: Duration,
    /// Claims of the caller's token that the JWT has too, under their name or another.
    pub claims: ClaimNames,
}

/// Signs statements about callers.
pub struct BackendTokens {
    settings: BackendTokenSettings,
    keys: Keys,
}

/// The JWTs for one caller, by audience. Few upstreams are called by one caller within a minute.
#[derive(Default)]
struct Cached(Mutex<Vec<Entry>>);

struct Entry {
    audience: String,
    header: HeaderValue,
    /// Seconds since 1970.
    until: u64,
    /// The key that signed it. A key that is not used any more may be on its way out of the key set.
    key_id: Arc<str>,
}

impl BackendTokens {
    /// Signs with `keys`.
    pub fn new(settings: BackendTokenSettings, keys: Keys) -> Self {
        Self { settings, keys }
    }

    /// The keys that it signs with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    fn sign(&self, principal: &Principal, audience: &str, now: u64) -> Option<Entry> {
        let set = self.keys.current();
        let key = set.signing(now)?;
        let lifetime = self.settings.lifetime.as_secs();
        let claims = claims::write(&self.settings, principal, audience, now);
        let token = match key.sign(&claims) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(%error, "a backend JWT could not be signed");
                return None;
            }
        };
        let mut header = HeaderValue::from_str(&token).ok()?;
        header.set_sensitive(true);
        Some(Entry {
            audience: audience.to_owned(),
            header,
            until: now + lifetime * 3 / 4,
            key_id: key.id.clone(),
        })
    }
}

impl Assertions for BackendTokens {
    fn header(&self) -> &HeaderName {
        &self.settings.header
    }

    fn assertion(&self, principal: &Principal, upstream: &str) -> Option<HeaderValue> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let Some(Cached(entries)) = principal.derived(Cached::default) else {
            return self.sign(principal, upstream, now).map(|entry| entry.header);
        };
        let mut entries = entries.lock();
        let set = self.keys.current();
        let fresh = |entry: &&Entry| {
            let signs = set.signing(now).is_some_and(|key| key.id == entry.key_id);
            entry.audience == upstream && now < entry.until && signs
        };
        if let Some(entry) = entries.iter().find(fresh) {
            return Some(entry.header.clone());
        }
        let entry = self.sign(principal, upstream, now)?;
        let header = entry.header.clone();
        entries.retain(|entry| entry.audience != upstream && now < entry.until);
        entries.push(entry);
        Some(header)
    }
}

impl std::fmt::Debug for BackendTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendTokens")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
