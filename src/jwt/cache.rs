//! Verdicts that need no second signature check, by the SHA-256 of the token. Only good ones are kept, so garbage evicts
//! nothing. Bounded in number and in bytes; what is asked for often stays (CLOCK).

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::RwLock;

use super::principal::Proven;

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenDigest(pub(crate) [u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    /// Its first bytes: what the map knows it by.
    fn prefix(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }

    /// Bytes that the map does not look at first, so that shards and buckets are independent.
    fn shard(&self, shards: usize) -> usize {
        usize::from(self.0[31]) % shards
    }
}

/// A digest is already as even as a hash; and who wants to crowd a bucket needs good tokens for it.
#[derive(Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// What was proved about a token, and how long it stays so.
#[derive(Clone)]
pub(crate) struct Verdict {
    pub(crate) proven: Arc<Proven>,
    /// The position of the trust, and the count of its keys under which the signature was checked.
    pub(crate) trust: usize,
    pub(crate) generation: u64,
    /// In seconds since 1970, the leeway included.
    pub(crate) valid_from: f64,
    pub(crate) valid_until: f64,
}

pub(crate) struct Verdicts {
    shards: Vec<RwLock<Shard>>,
}

#[derive(Default)]
struct Shard {
    /// By prefix, and small: with many verdicts it is memory that is waited for. Of two digests with one prefix, which nobody can
    /// make, the later stays.
    positions: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

struct Slot {
    digest: TokenDigest,
    verdict: Verdict,
    bytes: usize,
    asked_for: AtomicBool,
}

/// One shard for each so many verdicts: threads seldom meet in one, and a small cache keeps its exact bound.
const PER_SHARD: usize = 64;
const MOST_SHARDS: usize = 16;
/// More than the verdict of an ordinary token takes.
const BYTES_PER_VERDICT: usize = 8 * 1024;

impl Verdicts {
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
                    most,
                    most_bytes: most * BYTES_PER_VERDICT,
                    ..Shard::default()
                })
            })
            .collect();
        Self { shards }
    }

    pub(crate) fn get(&self, digest: &TokenDigest) -> Option<Verdict> {
        let shard = self.shard(digest)?.read();
        let slot = shard.slots.get(*shard.positions.get(&digest.prefix())? as usize)?;
        if slot.digest != *digest {
            return None;
        }
        // Only a write when it changes: the line stays shared between readers.
        if !slot.asked_for.load(Ordering::Relaxed) {
            slot.asked_for.store(true, Ordering::Relaxed);
        }
        Some(slot.verdict.clone())
    }

    pub(crate) fn insert(&self, digest: TokenDigest, verdict: Verdict, token_bytes: usize) {
        let Some(shard) = self.shard(&digest) else {
            return;
        };
        // Parsed claims take about three times the bytes of the token.
        let bytes = token_bytes * 3 + 512;
        let mut shard = shard.write();
        shard.remove(digest.prefix());
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
        shard.positions.insert(digest.prefix(), position);
        shard.slots.push(Slot {
            digest,
            verdict,
            bytes,
            asked_for: AtomicBool::new(false),
        });
        shard.bytes += bytes;
    }

    pub(crate) fn remove(&self, digest: &TokenDigest) {
        if let Some(shard) = self.shard(digest) {
            shard.write().remove(digest.prefix());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().slots.len()).sum()
    }

    fn shard(&self, digest: &TokenDigest) -> Option<&RwLock<Shard>> {
        (!self.shards.is_empty()).then(|| &self.shards[digest.shard(self.shards.len())])
    }
}

impl Shard {
    fn remove(&mut self, prefix: u64) {
        if let Some(position) = self.positions.get(&prefix).copied() {
            self.remove_at(position as usize);
        }
    }

    fn remove_at(&mut self, position: usize) {
        let slot = self.slots.swap_remove(position);
        let place = self.positions.remove(&slot.digest.prefix());
        self.bytes -= slot.bytes;
        if let (Some(moved), Some(place)) = (self.slots.get(position), place) {
            self.positions.insert(moved.digest.prefix(), place);
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

    fn verdict() -> Verdict {
        Verdict {
            proven: Arc::default(),
            trust: 0,
            generation: 0,
            valid_from: 0.0,
            valid_until: 1.0,
        }
    }

    fn digest_of(number: usize) -> TokenDigest {
        TokenDigest::of(&number.to_string())
    }

    #[test]
    fn it_keeps_its_bound_and_what_is_asked_for() {
        for most in [1, 3, 100, 1000] {
            let verdicts = Verdicts::new(most);
            verdicts.insert(digest_of(0), verdict(), 600);
            for number in 1..most * 4 {
                if most > 1 {
                    assert!(verdicts.get(&digest_of(0)).is_some(), "{most} {number}");
                }
                verdicts.insert(digest_of(number), verdict(), 600);
                assert!(verdicts.len() <= most);
            }
        }
    }

    #[test]
    fn it_keeps_its_bytes() {
        let verdicts = Verdicts::new(10);
        for number in 0..1000 {
            verdicts.insert(digest_of(number), verdict(), 8192);
        }
        assert!(verdicts.len() <= 3);
        assert!(verdicts.get(&digest_of(999)).is_some());
        verdicts.remove(&digest_of(999));
        assert!(verdicts.get(&digest_of(999)).is_none());
    }

    #[test]
    fn none_is_kept_when_it_is_off() {
        let verdicts = Verdicts::new(0);
        verdicts.insert(digest_of(0), verdict(), 600);
        assert!(verdicts.get(&digest_of(0)).is_none());
    }
}
