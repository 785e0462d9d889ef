use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::jwt::{FETCH_SECONDS, FetchError};

/// After this number of failures in a row, the endpoint is left alone for a second, then for twice as long, up to a bound below
/// the time between the renewal and the end of an answer.
const TOLERATED_FAILURES: u32 = 3;
const MAX_PAUSE_SECONDS: f64 = 8.0;
/// How long a request waits for a permit.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Requests of one kind: a bound on how many are in flight, and a pause after several failures in a row. The kinds fail
/// separately, so that invented tokens that the endpoint cannot process do not delay renewals.
pub(super) struct Lane {
    permits: Semaphore,
    outage: Mutex<Outage>,
}

#[derive(Default)]
struct Outage {
    /// In a row.
    failures: u32,
    /// Until when no request is sent, in seconds since 1970.
    until: f64,
}

/// A request that may be sent.
pub(super) struct Turn<'a> {
    lane: &'a Lane,
    failures: u32,
    _permit: SemaphorePermit<'a>,
}

/// Why a request may not be sent.
pub(super) enum Closed {
    TooMany,
    /// The endpoint failed; the request may be retried after this time.
    Failing(Duration),
}

impl Lane {
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            permits: Semaphore::new(at_once),
            outage: Mutex::default(),
        }
    }

    /// Waits for a permit. After a pause, one request goes ahead of the others.
    pub(super) async fn enter(&self, now: f64) -> Result<Turn<'_>, Closed> {
        let permit = tokio::time::timeout(MAX_WAIT, self.permits.acquire()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Closed::TooMany);
        };
        let mut outage = self.outage.lock();
        if outage.failures >= TOLERATED_FAILURES {
            let wait = outage.until - now;
            // A longer wait means that the clock was set back.
            if wait > 0.0 && wait <= MAX_PAUSE_SECONDS {
                return Err(Closed::Failing(Duration::from_secs_f64(wait)));
            }
            outage.until = now + FETCH_SECONDS as f64;
        }
        Ok(Turn {
            lane: self,
            failures: outage.failures,
            _permit: permit,
        })
    }
}

impl Turn<'_> {
    /// Records the result. Requests that were in flight together count as one failure.
    pub(super) fn end(self, error: Option<&FetchError>, now: f64) {
        let mut outage = self.lane.outage.lock();
        match error {
            None => *outage = Outage::default(),
            // These are about the token, not about the endpoint.
            Some(FetchError::Status {
                status: 400 | 413 | 414 | 422 | 431,
                ..
            }) => {}
            Some(_) if outage.failures == self.failures => {
                outage.failures = self.failures.saturating_add(1);
                let doublings = outage.failures.saturating_sub(TOLERATED_FAILURES).min(8);
                outage.until = now + f64::from(1_u32 << doublings).min(MAX_PAUSE_SECONDS);
            }
            Some(_) => {}
        }
    }
}
