use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::jwt::Clock;

/// The time at which every test begins, in seconds since 1970.
const BEGINNING: u64 = 1_800_000_000;

/// A clock that tests advance. Clones share the time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(BEGINNING)))
    }
}

impl TestClock {
    /// Returns the current time.
    pub fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    /// Advances the clock, in seconds.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the clock back, in seconds.
    pub fn set_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.time()
    }
}

/// Returns the date this many seconds after the beginning of every test, as a claim.
pub fn at(seconds: i64) -> i64 {
    BEGINNING as i64 + seconds
}
