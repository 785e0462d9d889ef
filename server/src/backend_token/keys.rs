//! The signing keys over time. The state of a key depends only on the dates that are stored with it, so nodes that share the storage need no
//! other coordination:
//!
//! | published | ten minutes later | when the next key begins to sign | an hour later |
//! |---|---|---|---|
//! | in the key set | signs | does not sign any more | removed from the key set |

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::key::{SigningAlgorithm, SigningKey, StoredKey};
use super::storage::{KeyStorage, StorageError};

/// A key is published this many seconds before it signs. An upstream that fetches the key set as often as this has it in time.
const AHEAD: u64 = 600;

/// A key stays published this many seconds after it last signed: longer than its JWTs are valid, with room for clocks and caches.
const RETIRED: u64 = 3600;

/// The interval at which the storage is read.
const INTERVAL: Duration = Duration::from_secs(30);

/// The rotation of keys.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The algorithm of new keys.
    pub algorithm: SigningAlgorithm,
    /// The time for which a key signs.
    pub every: Duration,
}

/// All stored keys.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct KeySet {
    keys: Vec<StoredKey>,
}

impl KeySet {
    /// Adds the key that is due and removes expired ones. `None` if nothing changes.
    ///
    /// # Errors
    ///
    /// If a key cannot be generated.
    pub fn rotated(&self, rotation: Rotation, now: u64) -> Result<Option<Self>, super::SigningError> {
        let mut keys = self.keys.clone();
        keys.sort_by_key(|key| key.signs_from);
        match keys.last() {
            // The first key needs no time ahead: no upstream has a key set yet.
            None => keys.push(StoredKey::generate(rotation.algorithm, now, now)?),
            Some(last) => {
                let due = now + AHEAD >= last.signs_from.saturating_add(rotation.every.as_secs());
                if due || last.algorithm != rotation.algorithm {
                    keys.push(StoredKey::generate(rotation.algorithm, now, now + AHEAD)?);
                }
            }
        }
        let added = keys.len() > self.keys.len();
        let begins: Vec<u64> = keys.iter().map(|key| key.signs_from).collect();
        let mut position = 0;
        keys.retain(|_| {
            position += 1;
            let replaced = begins.get(position);
            replaced.is_none_or(|at| now < at.saturating_add(RETIRED))
        });
        let changed = added || keys.len() != self.keys.len();
        Ok(changed.then_some(Self { keys }))
    }

    /// Returns the publication and the first use of each key, oldest first.
    pub fn dates(&self) -> Vec<(u64, u64)> {
        self.keys.iter().map(|key| (key.published, key.signs_from)).collect()
    }
}

/// The keys in use, as read from their storage. Clones share them.
#[derive(Clone)]
pub struct Keys(Arc<Shared>);

struct Shared {
    storage: KeyStorage,
    rotation: Rotation,
    current: ArcSwap<Current>,
}

pub(super) struct Current {
    /// Oldest first.
    keys: Vec<SigningKey>,
    jwks: Value,
}

impl Current {
    fn read(set: &KeySet) -> Result<Self, StorageError> {
        let mut keys = set.keys.iter().map(SigningKey::read).collect::<Result<Vec<_>, _>>()?;
        keys.sort_by_key(|key| key.signs_from);
        let public: Vec<_> = keys.iter().map(SigningKey::jwk).collect();
        Ok(Self {
            jwks: json!({"keys": public}),
            keys,
        })
    }

    /// Returns the key that signs at this time.
    pub(super) fn signing(&self, now: u64) -> Option<&SigningKey> {
        self.keys.iter().rev().find(|key| key.signs_from <= now)
    }
}

impl Keys {
    /// Reads the stored keys, and generates the first one if there is none.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    pub async fn open(storage: KeyStorage, rotation: Rotation) -> Result<Self, StorageError> {
        let current = Current::read(&refreshed(&storage, rotation, now()).await?)?;
        Ok(Self(Arc::new(Shared {
            storage,
            rotation,
            current: ArcSwap::from_pointee(current),
        })))
    }

    /// Rotates keys for as long as it is polled. If the storage fails, the current keys stay in use.
    pub async fn rotate(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.refresh(now()).await {
                tracing::warn!(%error, "the keys of backend JWTs could not be read; the ones in memory stay in use");
            }
        }
    }

    async fn refresh(&self, now: u64) -> Result<(), StorageError> {
        let set = refreshed(&self.0.storage, self.0.rotation, now).await?;
        self.0.current.store(Arc::new(Current::read(&set)?));
        Ok(())
    }

    pub(super) fn current(&self) -> arc_swap::Guard<Arc<Current>> {
        self.0.current.load()
    }

    /// Returns the public keys (RFC 7517, section 5): current, next and recent ones.
    pub fn jwks(&self) -> Value {
        self.current().jwks.clone()
    }
}

/// Reads the stored keys, and stores the rotated ones if a change is due.
async fn refreshed(storage: &KeyStorage, rotation: Rotation, now: u64) -> Result<KeySet, StorageError> {
    // If another node rotates at the same moment, its keys are read instead.
    for _ in 0..3 {
        let (set, version) = storage.read().await?;
        let Some(rotated) = set.rotated(rotation, now)? else {
            return Ok(set);
        };
        if storage.replace(&rotated, version).await? {
            return Ok(rotated);
        }
    }
    Err(StorageError::Contended)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn rotation(algorithm: SigningAlgorithm) -> Rotation {
        Rotation {
            algorithm,
            every: Duration::from_secs(30 * DAY),
        }
    }

    #[test]
    fn a_key_is_published_ten_minutes_before_it_signs_and_an_hour_after() {
        let rotation = rotation(SigningAlgorithm::ES256);
        let start = 1_800_000_000;
        let mut set = KeySet::default().rotated(rotation, start).unwrap().unwrap();
        let first = Current::read(&set).unwrap().signing(start).unwrap().id.clone();
        assert!(set.rotated(rotation, start).unwrap().is_none());

        let change = start + 30 * DAY;
        assert!(set.rotated(rotation, change - AHEAD - 1).unwrap().is_none());
        set = set.rotated(rotation, change - AHEAD).unwrap().unwrap();
        let current = Current::read(&set).unwrap();
        assert_eq!(current.jwks["keys"].as_array().unwrap().len(), 2, "published");
        assert_eq!(current.signing(change - 1).unwrap().id, first);
        let second = current.signing(change).unwrap().id.clone();
        assert_ne!(second, first);

        assert!(set.rotated(rotation, change + RETIRED - 1).unwrap().is_none());
        set = set.rotated(rotation, change + RETIRED).unwrap().unwrap();
        let current = Current::read(&set).unwrap();
        assert_eq!(current.jwks["keys"][0]["kid"], *second);
        assert_eq!(set.keys.len(), 1);
    }

    #[test]
    fn a_change_of_algorithm_is_a_rotation_too() {
        let start = 1_800_000_000;
        let set = KeySet::default()
            .rotated(rotation(SigningAlgorithm::ES256), start)
            .unwrap()
            .unwrap();
        let other = rotation(SigningAlgorithm::EdDSA);
        let set = set.rotated(other, start + 5).unwrap().unwrap();
        let current = Current::read(&set).unwrap();
        assert_eq!(current.signing(start + 5).unwrap().jwk()["alg"], "ES256");
        assert_eq!(current.signing(start + 5 + AHEAD).unwrap().jwk()["alg"], "EdDSA");
        assert!(set.rotated(other, start + 6).unwrap().is_none());
    }
}
