use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::jwt::Clock;

/// When every test begins, in seconds since 1970.
const BEGINNING: u64 = 1_800_000_000;

/// A clock that goes when it is told to. Clones show the same time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(BEGINNING)))
    }
}

impl TestClock {
    /// What it shows.
    pub fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    /// Goes on by so many seconds.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Is set back by so many seconds.
    pub fn set_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.time()
    }
}

/// A date so many seconds from the beginning of every test, as claims have it.
pub fn at(seconds: i64) -> i64 {
    BEGINNING as i64 + seconds
}
