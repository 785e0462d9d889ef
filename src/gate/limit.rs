//! How often somebody may call (the generic cell rate algorithm: one time for each of them, no counters to reset).

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::Duration,
};

use hashbrown::{HashTable, hash_table::Entry};
use parking_lot::Mutex;

use super::Rate;

const SHARDS: usize = 16;
/// More callers at once than one node serves; beyond it those are forgotten that have the least against them.
const MOST_PER_SHARD: usize = 16_384;

pub(crate) struct Limit {
    rate: Rate,
    hasher: RandomState,
    spread: Vec<Mutex<HashTable<Spread>>>,
}

#[derive(Clone, Copy)]
struct Spread {
    /// The hash of the caller, under a key of this process.
    caller: u64,
    /// Until when their calls so far are spread, in seconds since 1970.
    until: f64,
}

impl Limit {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            hasher: RandomState::new(),
            spread: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Counts a call; refuses it, with the time to wait, when there were too many.
    pub(crate) fn count(&self, caller: impl Hash, now: f64) -> Result<(), Duration> {
        self.consider(caller, now, true)
    }

    /// Whether a call would be refused, without counting it.
    pub(crate) fn peek(&self, caller: impl Hash, now: f64) -> Result<(), Duration> {
        self.consider(caller, now, false)
    }

    fn consider(&self, caller: impl Hash, now: f64, count: bool) -> Result<(), Duration> {
        let caller = self.hasher.hash_one(caller);
        let period = self.rate.period.as_secs_f64();
        let step = period / f64::from(self.rate.count.get());
        // Bits that the table does not look at.
        let mut spread = self.spread[(caller >> 32) as usize % SHARDS].lock();
        if count && spread.len() >= MOST_PER_SHARD {
            forget_half(&mut spread);
        }
        match spread.entry(caller, |one| one.caller == caller, |one| one.caller) {
            Entry::Occupied(mut entry) => {
                let Spread { until, .. } = entry.get_mut();
                // Nobody is ahead by more than the period, unless the clock was set back since.
                *until = until.min(now + period);
                let next = until.max(now) + step;
                let wait = next - period - now;
                // A hair of tolerance, or the last call of a full burst would fall to rounding.
                if wait > 1e-6 {
                    return Err(Duration::from_secs_f64(wait));
                }
                if count {
                    *until = next;
                }
            }
            Entry::Vacant(entry) => {
                if count {
                    let until = now + step;
                    entry.insert(Spread { caller, until });
                }
            }
        }
        Ok(())
    }
}

/// The half whose calls are spread the least far. A half at a time, so that a flood of callers does not pay for each.
fn forget_half(spread: &mut HashTable<Spread>) {
    let mut ends: Vec<f64> = spread.iter().map(|one| one.until).collect();
    let mut excess = ends.len() / 2;
    let (_, &mut middle, _) = ends.select_nth_unstable_by(excess, f64::total_cmp);
    spread.retain(|one| {
        let forgotten = excess > 0 && one.until <= middle;
        excess -= usize::from(forgotten);
        !forgotten
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_the_count_then_one_for_each_step() {
        let limit = Limit::new("5/s".parse().unwrap());
        for _ in 0..5 {
            assert_eq!(limit.count("alice", 100.0), Ok(()));
        }
        let wait = limit.count("alice", 100.0).unwrap_err();
        assert!((wait.as_secs_f64() - 0.2).abs() < 0.001, "{wait:?}");
        assert_eq!(limit.count("bob", 100.0), Ok(()));
        assert_eq!(limit.count("alice", 100.21), Ok(()));
        assert!(limit.peek("alice", 100.21).is_err());
        assert_eq!(limit.peek("alice", 101.5), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nobody_up_for_longer_than_a_step() {
        let limit = Limit::new("5/s".parse().unwrap());
        for _ in 0..5 {
            assert_eq!(limit.count("alice", 9000.0), Ok(()));
        }
        let wait = limit.count("alice", 100.0).unwrap_err();
        assert!(wait.as_secs_f64() < 0.201, "{wait:?}");
        assert_eq!(limit.count("alice", 100.21), Ok(()));
        assert!(limit.peek("alice", 100.21).is_err(), "the rate itself is as before");
    }

    #[test]
    fn it_stays_within_its_bounds() {
        let limit = Limit::new("1/h".parse().unwrap());
        for caller in 0..SHARDS * MOST_PER_SHARD * 2 {
            assert_eq!(limit.count(caller, 100.0), Ok(()));
        }
        assert!(limit.spread.iter().all(|shard| shard.lock().len() <= MOST_PER_SHARD));
    }

    #[test]
    fn a_flood_of_callers_frees_none_that_is_refused() {
        let limit = Limit::new("2/h".parse().unwrap());
        for _ in 0..2 {
            assert_eq!(limit.count("mallory", 100.0), Ok(()));
        }
        for caller in 0..SHARDS * MOST_PER_SHARD * 2 {
            assert_eq!(limit.count(caller, 100.0), Ok(()));
        }
        assert!(limit.peek("mallory", 100.0).is_err());
        assert_eq!(limit.peek("alice", 100.0), Ok(()));
    }
}
