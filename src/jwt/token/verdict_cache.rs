//! Results of validation by the fingerprint of the token, so that the signature is verified once. Only accepted tokens are cached, so
//! invalid ones evict nothing. Bounded in number and in bytes; entries in use stay (CLOCK).

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use hashbrown::HashTable;
use parking_lot::RwLock;

use super::principal::ValidatedToken;

/// Identifies a token in the memory of this process, without holding it: the GMAC of the token (NIST SP 800-38D) under a random key.
///
/// Two different tokens share a fingerprint with a probability below 2^-115, even if an attacker chooses both: GMAC is a universal
/// hash to everyone without the key, and no fingerprint leaves the process. It is five times as fast as SHA-256
/// (docs/decisions/0006-what-a-call-costs.md).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 16]);

static KEY: LazyLock<LessSafeKey> = LazyLock::new(|| {
    let mut key = [0; 16];
    // It fails only when the operating system has no randomness, and nothing is safe then.
    let random = SystemRandom::new().fill(&mut key);
    random.expect("the operating system has randomness");
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("the key has the length of AES-128"))
});

impl Fingerprint {
    pub(crate) fn of(token: &str) -> Self {
        // A nonce hides the hash in tags that others see. These stay in the process.
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = KEY.seal_in_place_separate_tag(nonce, Aad::from(token), &mut []);
        let mut bytes = [0; 16];
        // It fails only for more than 2^61 bytes.
        bytes.copy_from_slice(tag.expect("a token is shorter").as_ref());
        Self(bytes)
    }

    /// Returns its first bytes. They are as uniform as a hash.
    fn hash(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }

    /// Uses bytes that [`hash`](Self::hash) does not, so that shards and buckets are independent.
    fn shard(&self, shards: usize) -> usize {
        usize::from(self.0[15]) % shards
    }
}

/// The result of validating a token, and how long it holds.
pub(crate) struct CachedVerdict<T = ValidatedToken> {
    pub(crate) value: Arc<T>,
    /// The epoch of the trust, and the generation of its keys that the signature was verified with.
    pub(crate) epoch: u32,
    pub(crate) generation: u64,
    /// In seconds since 1970, the leeway included.
    pub(crate) valid_from: f64,
    pub(crate) valid_until: f64,
}

/// Derived, it would need `T: Clone`.
impl<T> Clone for CachedVerdict<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            ..*self
        }
    }
}

impl<T> CachedVerdict<T> {
    pub(crate) fn is_current(&self, now: f64) -> bool {
        (self.valid_from..self.valid_until).contains(&now)
    }
}

pub(crate) struct VerdictCache<T = ValidatedToken> {
    shards: Vec<RwLock<Shard<T>>>,
}

/// A value that can be cached.
pub(crate) trait Weighed {
    /// Returns about how much memory it takes.
    fn bytes(&self) -> usize;
}

struct Shard<T> {
    /// The position of a fingerprint's slot, in four bytes, because memory access dominates with many entries.
    positions: HashTable<u32>,
    slots: Vec<Slot<T>>,
    hand: usize,
    bytes: usize,
    bound: usize,
    bound_bytes: usize,
}

/// A [`CachedVerdict`] in one cache line of the processor.
#[repr(align(64))]
struct Slot<T> {
    fingerprint: Fingerprint,
    value: Arc<T>,
    valid_from: f64,
    valid_until: f64,
    generation: u32,
    epoch: u32,
    used: AtomicBool,
}

/// A small cache has one shard and an exact bound; in a large one, threads rarely contend for a shard.
const PER_SHARD: usize = 64;
const MAX_SHARDS: usize = 16;
/// More than an ordinary entry takes.
const BYTES_PER_VERDICT: usize = 8 * 1024;

impl<T: Weighed> VerdictCache<T> {
    /// Caches at most `bound` entries. 0 turns the cache off.
    pub(crate) fn new(bound: usize) -> Self {
        let count = if bound == 0 {
            0
        } else {
            (bound / PER_SHARD).clamp(1, MAX_SHARDS)
        };
        let shards = (0..count)
            .map(|index| {
                let bound = bound / count + usize::from(index < bound % count);
                RwLock::new(Shard {
                    positions: HashTable::new(),
                    slots: Vec::new(),
                    hand: 0,
                    bytes: 0,
                    bound,
                    bound_bytes: bound * BYTES_PER_VERDICT,
                })
            })
            .collect();
        Self { shards }
    }

    pub(crate) fn get(&self, fingerprint: &Fingerprint) -> Option<CachedVerdict<T>> {
        let shard = self.shard(fingerprint)?.read();
        let slot = &shard.slots[shard.position(fingerprint)?];
        // Written only when it changes, so that the cache line stays shared between readers.
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(CachedVerdict {
            value: slot.value.clone(),
            epoch: slot.epoch,
            generation: slot.generation.into(),
            valid_from: slot.valid_from,
            valid_until: slot.valid_until,
        })
    }

    pub(crate) fn insert(&self, fingerprint: Fingerprint, verdict: &CachedVerdict<T>) {
        let Some(shard) = self.shard(&fingerprint) else {
            return;
        };
        // A generation is a count of changed keys, or a second until 2106.
        let Ok(generation) = verdict.generation.try_into() else {
            return;
        };
        let slot = Slot {
            fingerprint,
            value: verdict.value.clone(),
            valid_from: verdict.valid_from,
            valid_until: verdict.valid_until,
            generation,
            epoch: verdict.epoch,
            used: AtomicBool::new(false),
        };
        let bytes = slot.bytes();
        let mut shard = shard.write();
        shard.remove(&slot.fingerprint);
        if bytes > shard.bound_bytes {
            return;
        }
        while shard.slots.len() >= shard.bound || shard.bytes + bytes > shard.bound_bytes {
            shard.evict_one();
        }
        // The bound of a shard is far lower.
        let Ok(position) = u32::try_from(shard.slots.len()) else {
            return;
        };
        let hash = slot.fingerprint.hash();
        shard.slots.push(slot);
        let Shard { positions, slots, .. } = &mut *shard;
        positions.insert_unique(hash, position, |at| slots[*at as usize].fingerprint.hash());
        shard.bytes += bytes;
    }

    pub(crate) fn remove(&self, fingerprint: &Fingerprint) {
        if let Some(shard) = self.shard(fingerprint) {
            shard.write().remove(fingerprint);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().slots.len()).sum()
    }

    fn shard(&self, fingerprint: &Fingerprint) -> Option<&RwLock<Shard<T>>> {
        (!self.shards.is_empty()).then(|| &self.shards[fingerprint.shard(self.shards.len())])
    }
}

impl<T: Weighed> Slot<T> {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.value.bytes()
    }
}

impl<T: Weighed> Shard<T> {
    fn position(&self, fingerprint: &Fingerprint) -> Option<usize> {
        let position = self.positions.find(fingerprint.hash(), |at| {
            self.slots[*at as usize].fingerprint == *fingerprint
        })?;
        Some(*position as usize)
    }

    fn remove(&mut self, fingerprint: &Fingerprint) {
        if let Some(position) = self.position(fingerprint) {
            self.remove_at(position);
        }
    }

    fn remove_at(&mut self, position: usize) {
        let Self { positions, slots, .. } = self;
        if let Ok(entry) = positions.find_entry(slots[position].fingerprint.hash(), |at| *at as usize == position) {
            entry.remove();
        }
        self.bytes -= slots.swap_remove(position).bytes();
        // The last slot has taken its place.
        let last = slots.len();
        if let Some(moved) = slots.get(position)
            && let Some(at) = positions.find_mut(moved.fingerprint.hash(), |at| *at as usize == last)
        {
            *at = position as u32;
        }
    }

    /// Skips each slot that was used since the last time, once.
    fn evict_one(&mut self) {
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let Some(slot) = self.slots.get_mut(self.hand) else {
                return;
            };
            if std::mem::take(slot.used.get_mut()) {
                self.hand += 1;
            } else {
                return self.remove_at(self.hand);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::token::principal::Claims;

    #[test]
    fn a_slot_is_one_cache_line() {
        assert_eq!(size_of::<Slot<ValidatedToken>>(), 64);
    }

    fn verdict() -> CachedVerdict {
        verdict_of(600)
    }

    fn verdict_of(claims: usize) -> CachedVerdict {
        CachedVerdict {
            value: Arc::new(ValidatedToken {
                claims: Claims::new(vec![b' '; claims]),
                ..ValidatedToken::default()
            }),
            epoch: 0,
            generation: 0,
            valid_from: 0.0,
            valid_until: 1.0,
        }
    }

    fn fingerprint_of(number: usize) -> Fingerprint {
        Fingerprint::of(&number.to_string())
    }

    #[test]
    fn the_number_is_bounded_and_entries_in_use_stay() {
        for bound in [1, 3, 100, 1000] {
            let verdicts = VerdictCache::new(bound);
            verdicts.insert(fingerprint_of(0), &verdict());
            for number in 1..bound * 4 {
                if bound > 1 {
                    assert!(verdicts.get(&fingerprint_of(0)).is_some(), "{bound} {number}");
                }
                verdicts.insert(fingerprint_of(number), &verdict());
                assert!(verdicts.len() <= bound);
            }
        }
    }

    #[test]
    fn the_others_are_found_after_a_removal() {
        let verdicts = VerdictCache::new(1000);
        for number in 0..600 {
            verdicts.insert(fingerprint_of(number), &verdict());
        }
        for number in (0..600).step_by(3) {
            verdicts.remove(&fingerprint_of(number));
        }
        for number in 0..600 {
            assert_eq!(
                verdicts.get(&fingerprint_of(number)).is_some(),
                number % 3 != 0,
                "{number}"
            );
        }
        verdicts.insert(fingerprint_of(1), &verdict());
        assert_eq!(verdicts.len(), 400, "the same one twice is one");
    }

    #[test]
    fn the_bytes_are_bounded() {
        let verdicts = VerdictCache::new(10);
        for number in 0..1000 {
            verdicts.insert(fingerprint_of(number), &verdict_of(8192));
        }
        assert!(verdicts.len() <= 3);
        assert!(verdicts.get(&fingerprint_of(999)).is_some());
        verdicts.remove(&fingerprint_of(999));
        assert!(verdicts.get(&fingerprint_of(999)).is_none());
    }

    #[test]
    fn nothing_is_cached_when_it_is_off() {
        let verdicts = VerdictCache::new(0);
        verdicts.insert(fingerprint_of(0), &verdict());
        assert!(verdicts.get(&fingerprint_of(0)).is_none());
    }
}
