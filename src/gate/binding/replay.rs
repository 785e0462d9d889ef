use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use hashbrown::HashTable;
use parking_lot::Mutex;

/// A future of a [`ReplayStore`].
pub type ReplayFuture<'a> = Pin<Box<dyn Future<Output = ReplayCheck> + Send + 'a>>;

/// Whether a proof was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayCheck {
    /// It was not.
    Fresh,
    /// It was, so the request is rejected.
    Replayed,
    /// The store cannot tell, so the request is answered with 503.
    Unavailable,
}

/// Identifies a DPoP proof: the same `jti` under another key is another proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ProofId {
    /// The SHA-256 of the key (RFC 7638).
    pub key: [u8; 32],
    /// The SHA-256 of key and `jti`.
    pub proof: [u8; 32],
}

impl ProofId {
    /// Names a proof.
    pub fn new(key: [u8; 32], proof: [u8; 32]) -> Self {
        Self { key, proof }
    }
}

/// Remembers which DPoP proofs were used (RFC 9449, section 11.1). [`LocalReplayStore`] does it for one node; nodes that share their
/// callers must share a store.
pub trait ReplayStore: Send + Sync + 'static {
    /// Records the use of a proof and returns whether it was used before. Times are seconds since 1970; after `until` the proof is
    /// not accepted anyway.
    fn record(&self, id: ProofId, now: u64, until: u64) -> ReplayFuture<'_>;
}

/// Remembers used proofs in the memory of this process.
///
/// At most [`CAPACITY`](Self::CAPACITY) proofs are stored, unless [`with_capacity`](Self::with_capacity) says otherwise. One key may use as
/// much of it as is still free, so a caller that floods takes half at most, and its further calls are answered with 503 while those of
/// others are not.
#[derive(Debug)]
pub struct LocalReplayStore {
    shards: Vec<Mutex<Shard>>,
    stored: AtomicUsize,
    capacity: usize,
    /// When the shards were last swept, in buckets.
    swept: AtomicU64,
}

const SHARDS: usize = 64;
/// Proofs that are accepted until nearly the same time are forgotten together.
const BUCKET_SECONDS: u64 = 8;

/// All proofs of the keys that fall into one shard.
#[derive(Debug, Default)]
struct Shard {
    /// By the time until which their proofs are accepted.
    buckets: VecDeque<Bucket>,
    /// How many proofs of a key are stored.
    of_key: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Bucket {
    /// Its proofs are accepted before this time, in seconds since 1970.
    end: u64,
    /// Half of each hash. A caller who finds two proofs that share it has only made one of them unusable.
    proofs: HashTable<[u8; 16]>,
    of_key: HashMap<u64, usize>,
}

impl Default for LocalReplayStore {
    fn default() -> Self {
        Self::with_capacity(Self::CAPACITY)
    }
}

impl LocalReplayStore {
    /// How many proofs are stored at most: about 30,000 calls per second with proofs of one minute, in 70 MB.
    pub const CAPACITY: usize = 1 << 21;

    /// Stores at most this number of proofs.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            stored: AtomicUsize::new(0),
            capacity,
            swept: AtomicU64::new(0),
        }
    }

    /// Drops proofs that are no longer accepted, once per bucket, also in shards whose keys are not used any more.
    fn sweep(&self, now: u64) {
        let bucket = now / BUCKET_SECONDS;
        if self.swept.swap(bucket, Ordering::Relaxed) == bucket {
            return;
        }
        for shard in &self.shards {
            let forgotten = shard.lock().forget(now);
            self.stored.fetch_sub(forgotten, Ordering::Relaxed);
        }
    }

    fn check(&self, id: ProofId, now: u64, until: u64) -> ReplayCheck {
        let key = first_bytes(&id.key);
        let mut proof = [0; 16];
        proof.copy_from_slice(&id.proof[..16]);
        self.sweep(now);
        let mut shard = self.shards[usize::from(id.key[31]) % SHARDS].lock();
        if shard.contains(&proof) {
            return ReplayCheck::Replayed;
        }
        // Dynamic thresholds (Choudhury and Hahne): the share of one key shrinks as memory fills, so that no key can use all of it.
        let free = self.capacity.saturating_sub(self.stored.load(Ordering::Relaxed));
        if shard.of_key.get(&key).copied().unwrap_or_default() >= free {
            return ReplayCheck::Unavailable;
        }
        shard.insert(key, proof, until);
        self.stored.fetch_add(1, Ordering::Relaxed);
        ReplayCheck::Fresh
    }
}

impl ReplayStore for LocalReplayStore {
    fn record(&self, id: ProofId, now: u64, until: u64) -> ReplayFuture<'_> {
        Box::pin(std::future::ready(self.check(id, now, until)))
    }
}

impl Shard {
    /// Drops proofs that are no longer accepted, and returns their number.
    fn forget(&mut self, now: u64) -> usize {
        let mut forgotten = 0;
        while self.buckets.front().is_some_and(|bucket| bucket.end <= now) {
            let Some(bucket) = self.buckets.pop_front() else { break };
            forgotten += bucket.proofs.len();
            for (key, count) in bucket.of_key {
                if let Some(stored) = self.of_key.get_mut(&key) {
                    *stored -= count;
                    if *stored == 0 {
                        self.of_key.remove(&key);
                    }
                }
            }
        }
        forgotten
    }

    fn contains(&self, proof: &[u8; 16]) -> bool {
        let hash = first_bytes(proof);
        let mut buckets = self.buckets.iter();
        buckets.any(|bucket| bucket.proofs.find(hash, |known| known == proof).is_some())
    }

    fn insert(&mut self, key: u64, proof: [u8; 16], until: u64) {
        // A proof is accepted in the whole second `until`.
        let end = (until / BUCKET_SECONDS)
            .saturating_add(1)
            .saturating_mul(BUCKET_SECONDS);
        let position = match self.buckets.binary_search_by_key(&end, |bucket| bucket.end) {
            Ok(position) => position,
            Err(position) => {
                let (proofs, of_key) = (HashTable::new(), HashMap::new());
                self.buckets.insert(position, Bucket { end, proofs, of_key });
                position
            }
        };
        let bucket = &mut self.buckets[position];
        bucket
            .proofs
            .insert_unique(first_bytes(&proof), proof, |known| first_bytes(known));
        *bucket.of_key.entry(key).or_default() += 1;
        *self.of_key.entry(key).or_default() += 1;
    }
}

/// Uses the hash itself, which is already evenly distributed.
fn first_bytes(hash: &[u8]) -> u64 {
    hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> [u8; 32] {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_be_bytes());
        digest.as_ref().try_into().unwrap()
    }

    fn id(key: u64, proof: u64) -> ProofId {
        ProofId::new(hash(key), hash(proof))
    }

    #[test]
    fn a_proof_is_known_as_long_as_it_is_accepted() {
        let store = LocalReplayStore::default();
        assert_eq!(store.check(id(1, 1), 1000, 1060), ReplayCheck::Fresh);
        for now in 1000..=1060 {
            assert_eq!(store.check(id(1, 1), now, 1060), ReplayCheck::Replayed, "{now}");
            // Also when the same proof is said to be accepted for another time.
            assert_eq!(store.check(id(1, 1), now, now + 60), ReplayCheck::Replayed, "{now}");
            assert_eq!(store.check(id(1, now), now, now + 60), ReplayCheck::Fresh, "{now}");
        }
        assert_eq!(store.check(id(1, 1), 1060 + BUCKET_SECONDS, 1130), ReplayCheck::Fresh);
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_nothing() {
        let store = LocalReplayStore::default();
        assert_eq!(store.check(id(1, 1), 9000, 9060), ReplayCheck::Fresh);
        assert_eq!(store.check(id(1, 2), 1000, 1060), ReplayCheck::Fresh);
        assert_eq!(store.check(id(1, 1), 1000, 1060), ReplayCheck::Replayed);
    }

    #[test]
    fn memory_is_freed_when_proofs_are_past() {
        let store = LocalReplayStore::default();
        for number in 0..10_000 {
            let now = 1000 + number / 10;
            assert_eq!(store.check(id(number % 100, number), now, now + 60), ReplayCheck::Fresh);
        }
        // Whichever key is used next.
        assert_eq!(store.check(id(7, 20_000), 9000, 9060), ReplayCheck::Fresh);
        assert_eq!(store.stored.load(Ordering::Relaxed), 1);
        let keys: usize = store.shards.iter().map(|shard| shard.lock().of_key.len()).sum();
        assert_eq!(keys, 1);
    }

    #[test]
    fn a_key_that_floods_is_unavailable_and_others_are_not() {
        let store = LocalReplayStore::with_capacity(1000);
        let flood = |key: u64| {
            let proofs = (0..2000).map(|number| store.check(id(key, key * 10_000 + number), 1000, 1060));
            proofs.filter(|check| *check == ReplayCheck::Fresh).count()
        };
        assert_eq!(flood(1), 500);
        assert_eq!(flood(2), 250);
        assert_eq!(flood(3), 125);
        for key in 4..60 {
            assert_eq!(store.check(id(key, key), 1000, 1060), ReplayCheck::Fresh, "{key}");
        }
        assert_eq!(store.check(id(1, 1), 1000, 1060), ReplayCheck::Unavailable);
        assert_eq!(store.check(id(1, 10_000), 1000, 1060), ReplayCheck::Replayed);
        // The proofs are past a minute later.
        assert_eq!(store.check(id(1, 1), 1070, 1130), ReplayCheck::Fresh);
    }
}
