//! Verdicts that need no second signature check, by the fingerprint of the token. Only good ones are kept, so garbage evicts
//! nothing. Bounded in number and in bytes; what is asked for often stays (CLOCK).

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

use super::principal::Proven;

/// Identifies a token in the memory of this process, without holding it: the GMAC of the token (NIST SP 800-38D) under a random key.
///
/// Two different tokens share a fingerprint with a probability below 2^-115, whoever has chosen them: GMAC is a universal hash for
/// whoever does not know the key, and no fingerprint leaves the process. It is five times as fast as SHA-256
/// (docs/decisions/0013-what-a-call-costs.md).
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

    /// Its first bytes, which are as even as a hash.
    fn hash(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }

    /// Bytes that the index does not look at, so that shards and buckets are independent.
    fn shard(&self, shards: usize) -> usize {
        usize::from(self.0[15]) % shards
    }
}

/// What was proved about a token, and how long it stays so.
pub(crate) struct Verdict<T = Proven> {
    pub(crate) proven: Arc<T>,
    /// The epoch of the trust, and the count of its keys under which the signature was checked.
    pub(crate) epoch: u32,
    pub(crate) generation: u64,
    /// In seconds since 1970, the leeway included.
    pub(crate) valid_from: f64,
    pub(crate) valid_until: f64,
}

/// Also where what was proved cannot be cloned.
impl<T> Clone for Verdict<T> {
    fn clone(&self) -> Self {
        Self {
            proven: self.proven.clone(),
            ..*self
        }
    }
}

impl<T> Verdict<T> {
    pub(crate) fn is_current(&self, now: f64) -> bool {
        (self.valid_from..self.valid_until).contains(&now)
    }
}

pub(crate) struct Verdicts<T = Proven> {
    shards: Vec<RwLock<Shard<T>>>,
}

/// What can be kept.
pub(crate) trait Weighed {
    /// About so much memory.
    fn bytes(&self) -> usize;
}

struct Shard<T> {
    /// Where the slot of a fingerprint is, in four bytes: with many verdicts it is memory that is waited for.
    positions: HashTable<u32>,
    slots: Vec<Slot<T>>,
    hand: usize,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

/// A [`Verdict`] in one line of the processor's cache.
#[repr(align(64))]
struct Slot<T> {
    fingerprint: Fingerprint,
    proven: Arc<T>,
    valid_from: f64,
    valid_until: f64,
    generation: u32,
    epoch: u32,
    asked_for: AtomicBool,
}

/// One shard for each so many verdicts: threads seldom meet in one, and a small cache keeps its exact bound.
const PER_SHARD: usize = 64;
const MOST_SHARDS: usize = 16;
/// More than the verdict of an ordinary token takes.
const BYTES_PER_VERDICT: usize = 8 * 1024;

impl<T: Weighed> Verdicts<T> {
    /// At most so many; 0 keeps none.
    pub(crate) fn new(most: usize) -> Self {
        let count = if most == 0 {
            0
        } else {
            (most / PER_SHARD).clamp(1, MOST_SHARDS)
        };
        let shards = (0..count)
            .map(|index| {
                let most = most / count + usize::from(index < most % count);
                RwLock::new(Shard {
                    positions: HashTable::new(),
                    slots: Vec::new(),
                    hand: 0,
                    bytes: 0,
                    most,
                    most_bytes: most * BYTES_PER_VERDICT,
                })
            })
            .collect();
        Self { shards }
    }

    pub(crate) fn get(&self, fingerprint: &Fingerprint) -> Option<Verdict<T>> {
        let shard = self.shard(fingerprint)?.read();
        let slot = &shard.slots[shard.position(fingerprint)?];
        // Only a write when it changes: the line stays shared between readers.
        if !slot.asked_for.load(Ordering::Relaxed) {
            slot.asked_for.store(true, Ordering::Relaxed);
        }
        Some(Verdict {
            proven: slot.proven.clone(),
            epoch: slot.epoch,
            generation: slot.generation.into(),
            valid_from: slot.valid_from,
            valid_until: slot.valid_until,
        })
    }

    pub(crate) fn insert(&self, fingerprint: Fingerprint, verdict: &Verdict<T>) {
        let Some(shard) = self.shard(&fingerprint) else {
            return;
        };
        // A generation is a count of changed keys, or a second until 2106.
        let Ok(generation) = verdict.generation.try_into() else {
            return;
        };
        let slot = Slot {
            fingerprint,
            proven: verdict.proven.clone(),
            valid_from: verdict.valid_from,
            valid_until: verdict.valid_until,
            generation,
            epoch: verdict.epoch,
            asked_for: AtomicBool::new(false),
        };
        let bytes = slot.bytes();
        let mut shard = shard.write();
        shard.remove(&slot.fingerprint);
        if bytes > shard.most_bytes {
            return;
        }
        while shard.slots.len() >= shard.most || shard.bytes + bytes > shard.most_bytes {
            shard.evict_one();
        }
        // The bound of a shard is far below.
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
        size_of::<Self>() + self.proven.bytes()
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
        // The last one has taken its place.
        let last = slots.len();
        if let Some(moved) = slots.get(position)
            && let Some(at) = positions.find_mut(moved.fingerprint.hash(), |at| *at as usize == last)
        {
            *at = position as u32;
        }
    }

    /// Passes over what was asked for since the last time, once.
    fn evict_one(&mut self) {
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let Some(slot) = self.slots.get_mut(self.hand) else {
                return;
            };
            if std::mem::take(slot.asked_for.get_mut()) {
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
    use crate::jwt::principal::Claims;

    #[test]
    fn a_slot_is_one_line() {
        assert_eq!(size_of::<Slot<Proven>>(), 64);
    }

    fn verdict() -> Verdict {
        verdict_of(600)
    }

    fn verdict_of(claims: usize) -> Verdict {
        Verdict {
            proven: Arc::new(Proven {
                claims: Claims::new(vec![b' '; claims]),
                ..Proven::default()
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
    fn it_keeps_its_bound_and_what_is_asked_for() {
        for most in [1, 3, 100, 1000] {
            let verdicts = Verdicts::new(most);
            verdicts.insert(fingerprint_of(0), &verdict());
            for number in 1..most * 4 {
                if most > 1 {
                    assert!(verdicts.get(&fingerprint_of(0)).is_some(), "{most} {number}");
                }
                verdicts.insert(fingerprint_of(number), &verdict());
                assert!(verdicts.len() <= most);
            }
        }
    }

    #[test]
    fn what_is_removed_leaves_the_others_where_they_are_found() {
        let verdicts = Verdicts::new(1000);
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
    fn it_keeps_its_bytes() {
        let verdicts = Verdicts::new(10);
        for number in 0..1000 {
            verdicts.insert(fingerprint_of(number), &verdict_of(8192));
        }
        assert!(verdicts.len() <= 3);
        assert!(verdicts.get(&fingerprint_of(999)).is_some());
        verdicts.remove(&fingerprint_of(999));
        assert!(verdicts.get(&fingerprint_of(999)).is_none());
    }

    #[test]
    fn none_is_kept_when_it_is_off() {
        let verdicts = Verdicts::new(0);
        verdicts.insert(fingerprint_of(0), &verdict());
        assert!(verdicts.get(&fingerprint_of(0)).is_none());
    }
}
