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

/// What a caller has left of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Calls that are allowed at once.
    pub(crate) calls: u32,
    /// Seconds until all of them are there again.
    pub(crate) seconds: u32,
}

impl Left {
    /// Nothing is left, for so long.
    pub(crate) fn nothing(wait: Duration) -> Self {
        Self {
            calls: 0,
            seconds: wait.as_secs_f64().ceil().max(1.0) as u32,
        }
    }

    /// `used` is the time that the calls so far take at the rate.
    fn new(used: f64, period: f64, step: f64) -> Self {
        let used = used.max(0.0);
        Self {
            // Tolerates rounding, which would take a call from a burst.
            calls: ((period - used) / step + 1e-6).max(0.0) as u32,
            seconds: used.ceil() as u32,
        }
    }
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

    /// Returns the rate that it allows.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Counts a call, and returns what is left. Too many are an error, with the time to wait.
    pub(crate) fn count(&self, caller: impl Hash, now: f64) -> Result<Left, Duration> {
        self.consider(caller, now, true)
    }

    /// Returns what [`count`](Self::count) would, without counting.
    pub(crate) fn peek(&self, caller: impl Hash, now: f64) -> Result<Left, Duration> {
        self.consider(caller, now, false)
    }

    fn consider(&self, caller: impl Hash, now: f64, count: bool) -> Result<Left, Duration> {
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
        let until = match shard.entry(caller, |entry| entry.caller == caller, |entry| entry.caller) {
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
                *until
            }
            hash_table::Entry::Vacant(entry) => {
                let until = if count { now + step } else { now };
                if count {
                    entry.insert(Entry { caller, until });
                }
                until
            }
        };
        Ok(Left::new(until - now, period, step))
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
        assert!(limit.count("alice", 110.0).is_ok());
    }

    #[test]
    fn a_burst_of_the_count_then_one_for_each_step() {
        let limit = limiter("5/s");
        for _ in 0..5 {
            assert!(limit.count("alice", 100.0).is_ok());
        }
        let wait = limit.count("alice", 100.0).unwrap_err();
        assert!((wait.as_secs_f64() - 0.2).abs() < 0.001, "{wait:?}");
        assert!(limit.count("bob", 100.0).is_ok());
        assert!(limit.count("alice", 100.21).is_ok());
        assert!(limit.peek("alice", 100.21).is_err());
        assert!(limit.peek("alice", 101.5).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_delays_a_call_by_a_step_at_most() {
        let limit = limiter("5/s");
        for _ in 0..5 {
            assert!(limit.count("alice", 9000.0).is_ok());
        }
        let wait = limit.count("alice", 100.0).unwrap_err();
        assert!(wait.as_secs_f64() < 0.201, "{wait:?}");
        assert!(limit.count("alice", 100.21).is_ok());
        assert!(limit.peek("alice", 100.21).is_err(), "the rate itself is as before");
    }

    #[test]
    fn what_is_left_goes_down_with_each_call_and_comes_back_with_time() {
        let limit = limiter("5/m");
        let left = |calls, seconds| Ok(Left { calls, seconds });
        assert_eq!(limit.peek("alice", 100.0), left(5, 0));
        assert_eq!(limit.count("alice", 100.0), left(4, 12));
        assert_eq!(limit.count("alice", 100.0), left(3, 24));
        assert_eq!(limit.peek("alice", 100.0), left(3, 24));
        assert_eq!(limit.peek("alice", 112.0), left(4, 12));
        for _ in 0..3 {
            assert!(limit.count("alice", 100.0).is_ok());
        }
        let wait = limit.count("alice", 100.5).unwrap_err();
        assert_eq!(Left::nothing(wait), Left { calls: 0, seconds: 12 });
        assert_eq!(limit.peek("bob", 100.5), left(5, 0));
    }

    #[test]
    fn memory_is_bounded() {
        let limit = limiter("1/h");
        for caller in 0..SHARDS * MAX_PER_SHARD * 2 {
            assert!(limit.count(caller, 100.0).is_ok());
        }
        assert!(limit.shards.iter().all(|shard| shard.lock().len() <= MAX_PER_SHARD));
    }

    #[test]
    fn a_flood_of_callers_does_not_free_a_caller_that_is_limited() {
        let limit = limiter("2/h");
        for _ in 0..2 {
            assert!(limit.count("mallory", 100.0).is_ok());
        }
        for caller in 0..SHARDS * MAX_PER_SHARD * 2 {
            assert!(limit.count(caller, 100.0).is_ok());
        }
        assert!(limit.peek("mallory", 100.0).is_err());
        assert!(limit.peek("alice", 100.0).is_ok());
    }
}
