use std::{collections::HashSet, future::Future, pin::Pin};

use parking_lot::Mutex;

/// A future of [`Replays`].
pub type ReplayFuture<'a> = Pin<Box<dyn Future<Output = Use> + Send + 'a>>;

/// What is known of a proof's identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It was not used before.
    First,
    /// It was.
    Again,
    /// It cannot be told, so the call is refused with 503.
    Unknown,
}

/// Remembers which DPoP proofs were used (RFC 9449, section 11.1). [`LocalReplays`] does it for one node; nodes that share
/// their callers share an implementation.
pub trait Replays: Send + Sync + 'static {
    /// Records the use of a proof, by the SHA-256 of its key and identifier, until the given second since 1970.
    fn record(&self, proof: [u8; 32], now: u64, until: u64) -> ReplayFuture<'_>;
}

/// Remembers proofs in the memory of this process.
#[derive(Debug, Default)]
pub struct LocalReplays(Mutex<Generations>);

/// More proofs than one node checks in the time that they are kept.
const MOST: usize = 1_000_000;

/// Two sets: what was used lately, and what was used before that. A proof is kept for one whole turn at least, and a turn is
/// as long as the longest time that one was to be kept for.
#[derive(Debug, Default)]
struct Generations {
    current: HashSet<[u8; 32]>,
    previous: HashSet<[u8; 32]>,
    turn_at: u64,
    longest: u64,
}

impl Replays for LocalReplays {
    fn record(&self, proof: [u8; 32], now: u64, until: u64) -> ReplayFuture<'_> {
        let answer = self.0.lock().record(proof, now, until);
        Box::pin(std::future::ready(answer))
    }
}

impl Generations {
    fn record(&mut self, proof: [u8; 32], now: u64, until: u64) -> Use {
        self.longest = self.longest.max(until.saturating_sub(now));
        if now >= self.turn_at {
            // After a long silence both are past.
            let silent = now >= self.turn_at + self.longest;
            self.previous = std::mem::take(&mut self.current);
            if silent {
                self.previous.clear();
            }
            self.turn_at = now + self.longest;
        }
        if self.previous.contains(&proof) || self.current.contains(&proof) {
            return Use::Again;
        }
        if self.current.len() >= MOST {
            return Use::Unknown;
        }
        self.current.insert(proof);
        Use::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_known_for_as_long_as_it_could_be_used() {
        let mut seen = Generations::default();
        assert_eq!(seen.record([1; 32], 1000, 1120), Use::First);
        for now in 1000..1120 {
            assert_eq!(seen.record([1; 32], now, now + 120), Use::Again, "{now}");
        }
        assert_eq!(seen.record([2; 32], 1119, 1239), Use::First);
        for now in 1119..1239 {
            assert_eq!(seen.record([2; 32], now, now + 120), Use::Again, "{now}");
        }
        assert_eq!(seen.record([3; 32], 9999, 10119), Use::First);
        assert!(seen.previous.is_empty());
    }

    #[test]
    fn a_proof_that_is_kept_for_long_survives_the_turns_of_others() {
        let mut seen = Generations::default();
        assert_eq!(seen.record([0; 32], 1000, 1060), Use::First);
        assert_eq!(seen.record([1; 32], 1010, 1190), Use::First);
        for (number, now) in (1060..1190).enumerate() {
            let other = [2 + number as u8; 32];
            assert_eq!(seen.record(other, now, now + 60), Use::First);
            assert_eq!(seen.record([1; 32], now, now + 180), Use::Again, "{now}");
        }
        let longest = 180;
        assert_eq!(seen.record([1; 32], 1190 + 2 * longest, 9999), Use::First);
    }
}
