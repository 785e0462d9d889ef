//! The generic cell rate algorithm: one time stamp per caller, no counters to reset.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
    time::Duration,
};

use hashbrown::{HashTable, hash_table};
use parking_lot::Mutex;

use super::Rate;

const SHARDS: usize = 16;
/// More callers at once than one node serves. Beyond it, the callers with the fewest calls are forgotten.
const MAX_PER_SHARD: usize = 16_384;

/// The number of nodes that share the callers. Each node counts by itself, so it allows its part of a rate.
#[derive(Clone)]
pub(crate) struct Nodes(Arc<dyn Fn() -> u32 + Send + Sync>);

impl Nodes {
    pub(crate) fn new(count: impl Fn() -> u32 + Send + Sync + 'static) -> Self {
        Self(Arc::new(count))
    }
}

impl Default for Nodes {
    fn default() -> Self {
        Self::new(|| 1)
    }
}

/// Limits the calls of each caller.
pub(crate) struct Limiter {
    rate: Rate,
    nodes: Nodes,
    hasher: RandomState,
    shards: Vec<Mutex<HashTable<Entry>>>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// The hash of the caller, under a key of this process.
    caller: u64,
    /// When the caller's calls so far would have been made at the allowed rate, in seconds since 1970.
    until: f64,
}

impl Limiter {
    pub(crate) fn new(rate: Rate, nodes: Nodes) -> Self {
        Self {
            rate,
            nodes,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Counts a call. Too many are an error, with the time to wait.
    pub(crate) fn count(&self, caller: impl Hash, now: f64) -> Result<(), Duration> {
        self.consider(caller, now, true)
    }

    /// Returns what [`count`](Self::count) would, without counting.
    pub(crate) fn peek(&self, caller: impl Hash, now: f64) -> Result<(), Duration> {
        self.consider(caller, now, false)
    }

    fn consider(&self, caller: impl Hash, now: f64, count: bool) -> Result<(), Duration> {
        let caller = self.hasher.hash_one(caller);
        let period = self.rate.period.as_secs_f64();
        let nodes = f64::from((self.nodes.0)().max(1));
        // At least one call in the period, however many nodes there are.
        let step = (period * nodes / f64::from(self.rate.count.get())).min(period);
        // Bits that the table does not use.
        let mut shard = self.shards[(caller >> 32) as usize % SHARDS].lock();
        if count && shard.len() >= MAX_PER_SHARD {
            forget_half(&mut shard);
        }
        match shard.entry(caller, |entry| entry.caller == caller, |entry| entry.caller) {
            hash_table::Entry::Occupied(mut entry) => {
                let Entry { until, .. } = entry.get_mut();
                // It is never ahead by more than the period, unless the clock was set back.
                *until = until.min(now + period);
                let next = until.max(now) + step;
                let wait = next - period - now;
                // Tolerates rounding, which would reject the last call of a full burst.
                if wait > 1e-6 {
                    return Err(Duration::from_secs_f64(wait));
                }
                if count {
                    *until = next;
                }
            }
            hash_table::Entry::Vacant(entry) => {
                if count {
                    let until = now + step;
                    entry.insert(Entry { caller, until });
                }
            }
        }
        Ok(())
    }
}

/// Forgets the half with the fewest calls. Half at once, so that a flood of callers does not pay for each.
fn forget_half(shard: &mut HashTable<Entry>) {
    let mut times: Vec<f64> = shard.iter().map(|entry| entry.until).collect();
    let mut excess = times.len() / 2;
    let (_, &mut middle, _) = times.select_nth_unstable_by(excess, f64::total_cmp);
    shard.retain(|entry| {
        let forgotten = excess > 0 && entry.until <= middle;
        excess -= usize::from(forgotten);
        !forgotten
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn limiter(rate: &str) -> Limiter {
        Limiter::new(rate.parse().unwrap(), Nodes::default())
    }

    #[test]
    fn nodes_that_share_callers_divide_the_rate() {
        let live = Arc::new(AtomicU32::new(1));
        let count = live.clone();
        let limit = Limiter::new(
            "6/m".parse().unwrap(),
            Nodes::new(move || count.load(Ordering::Relaxed)),
        );
        let allowed = |caller: &str| {
            std::iter::repeat_with(|| limit.count(caller, 100.0))
                .take_while(Result::is_ok)
                .count()
        };
        for (nodes, expected) in [(1, 6), (2, 3), (3, 2), (6, 1), (100, 1), (0, 6)] {
            live.store(nodes, Ordering::Relaxed);
            assert_eq!(allowed(&format!("caller-{nodes}")), expected, "{nodes}");
        }
        // A node that leaves gives its part back.
        live.store(2, Ordering::Relaxed);
        assert_eq!(allowed("alice"), 3);
        live.store(1, Ordering::Relaxed);
        assert_eq!(limit.count("alice", 110.0), Ok(()));
    }

    #[test]
    fn a_burst_of_the_count_then_one_for_each_step() {
        let limit = limiter("5/s");
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
    fn a_clock_that_is_set_back_delays_a_call_by_a_step_at_most() {
        let limit = limiter("5/s");
        for _ in 0..5 {
            assert_eq!(limit.count("alice", 9000.0), Ok(()));
        }
        let wait = limit.count("alice", 100.0).unwrap_err();
        assert!(wait.as_secs_f64() < 0.201, "{wait:?}");
        assert_eq!(limit.count("alice", 100.21), Ok(()));
        assert!(limit.peek("alice", 100.21).is_err(), "the rate itself is as before");
    }

    #[test]
    fn memory_is_bounded() {
        let limit = limiter("1/h");
        for caller in 0..SHARDS * MAX_PER_SHARD * 2 {
            assert_eq!(limit.count(caller, 100.0), Ok(()));
        }
        assert!(limit.shards.iter().all(|shard| shard.lock().len() <= MAX_PER_SHARD));
    }

    #[test]
    fn a_flood_of_callers_does_not_free_a_caller_that_is_limited() {
        let limit = limiter("2/h");
        for _ in 0..2 {
            assert_eq!(limit.count("mallory", 100.0), Ok(()));
        }
        for caller in 0..SHARDS * MAX_PER_SHARD * 2 {
            assert_eq!(limit.count(caller, 100.0), Ok(()));
        }
        assert!(limit.peek("mallory", 100.0).is_err());
        assert_eq!(limit.peek("alice", 100.0), Ok(()));
    }
}
