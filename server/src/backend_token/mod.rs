//! A JWT about the caller, signed by the gateway for one upstream and valid for a minute.
//!
//! 1. [`Keys`] holds the signing keys and rotates them: published, then signing, then retired.
//! 2. `key` signs, and writes the public key as a JWK.
//! 3. `claims` writes the claims.
//! 4. [`BackendTokens`] combines them, and caches a JWT with the verified token that it was made for.
//!
//! Nothing here verifies tokens of callers: the gate does not trust this issuer.

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
    /// The lifetime of a JWT.
    pub lifetime: Duration,
    /// Claims of the caller's token that the JWT contains, with their names in it.
    pub claims: ClaimNames,
}

/// Signs backend JWTs.
pub struct BackendTokens {
    settings: BackendTokenSettings,
    keys: Keys,
}

/// The cached JWTs of one caller, by audience. A caller rarely calls many upstreams within a minute.
#[derive(Default)]
struct Cached(Mutex<Vec<Entry>>);

struct Entry {
    audience: String,
    header: HeaderValue,
    /// The time until which it is used, in seconds since 1970.
    until: u64,
    /// The key that signed it. After a rotation it is not used any more, because its key may soon leave the key set.
    key_id: Arc<str>,
}

impl BackendTokens {
    /// Signs with the current key of `keys`.
    pub fn new(settings: BackendTokenSettings, keys: Keys) -> Self {
        Self { settings, keys }
    }

    /// Returns the signing keys.
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
