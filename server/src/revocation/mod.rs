//! Ended sessions and revoked tokens, in force on every node within a second.
//!
//! 1. [`SharedRevocations`] answers the gate from memory.
//! 2. `follow` reads from the store what any node has recorded, each 500 ms.
//! 3. Back-channel logout and the console record through [`SharedRevocations::end`], which returns when the store has it for good.

mod follow;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use pixygate::gate::{LogoutFuture, LogoutRecord, LogoutRecorder, logout_digest};
use pixygate::jwt::{Ended, LocalRevocations, LogoutToken, Principal, Revocations};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::store::{OnlyOnce, Store, StoreError};

/// More ended sessions than one issuer has in the time that they are kept: about 200 MB when all are there. Beyond it the earlier
/// half is replaced by one date.
const MAX_ENTRIES: usize = 1_000_000;

/// A provider waits some seconds for the answer to a logout token, and learns nothing from a connection that it gives up.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How nodes follow the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// `store.revocation_max_age_seconds`: how long tokens are accepted without news from the store.
    pub max_age: Duration,
    /// `store.revocation_keep_seconds`: how long an ended session is kept one by one.
    pub keep: Duration,
    /// Between two polls.
    pub poll: Duration,
    /// Between two removals of what is older than `keep`.
    pub prune: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(300),
            keep: Duration::from_secs(86_400),
            poll: Duration::from_millis(500),
            prune: Duration::from_secs(3600),
        }
    }
}

/// Everything that ended, as the store has it. Clones share it.
#[derive(Clone, Debug)]
pub struct SharedRevocations(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    timing: Timing,
    local: LocalRevocations,
    /// The beginning of the last successful poll, in milliseconds since `start`.
    polled: AtomicU64,
    start: Instant,
    /// Counts what was learned, for streams that end with their right.
    learned: watch::Sender<u64>,
}

impl SharedRevocations {
    /// Reads everything that the store has.
    ///
    /// # Errors
    ///
    /// When it cannot be read: no token could be accepted.
    pub async fn load(store: Store, timing: Timing) -> Result<(Self, Follower), StoreError> {
        let shared = Self(Arc::new(Shared {
            store,
            timing,
            local: LocalRevocations::new(MAX_ENTRIES),
            polled: AtomicU64::new(0),
            start: Instant::now(),
            learned: watch::Sender::new(0),
        }));
        let mut follower = Follower {
            shared: shared.clone(),
            seen: None,
            floors_read: false,
        };
        follower.poll().await?;
        Ok((shared, follower))
    }

    /// Rejects the tokens that `ended` names, on every node. `until_now` raises its date to the store's time. Returns once the store has
    /// it for good; this node rejects the tokens by then, the others within a second.
    ///
    /// # Errors
    ///
    /// When it could not be recorded. This node rejects the tokens nevertheless, until it is restarted.
    pub async fn end(&self, ended: &Ended, until_now: bool) -> Result<(), StoreError> {
        self.record(ended, until_now, None).await.map(drop)
    }

    /// Returns whether it is recorded now, and was not before.
    async fn record(&self, ended: &Ended, until_now: bool, once: Option<OnlyOnce>) -> Result<bool, StoreError> {
        // A task of its own: a caller that goes away takes nothing back.
        let (shared, to_write) = (self.clone(), ended.clone());
        let write = tokio::spawn(async move {
            let written = shared.0.store.end(&to_write, until_now, once).await?;
            if let Some(written) = &written {
                shared.apply(written);
            }
            Ok(written.is_some())
        });
        let late = Err(StoreError::NoAnswer(ANSWER_LIMIT));
        let result = match tokio::time::timeout(ANSWER_LIMIT, write).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => late,
        };
        result.inspect_err(|error| {
            let mut here = ended.clone();
            if until_now {
                here.before = here.before.max(unix_now());
            }
            self.apply(&here);
            tracing::error!(%error, "the end of a session could not be recorded; it is in force on this node only");
        })
    }

    fn apply(&self, ended: &Ended) {
        self.0.local.end(ended);
        self.0.learned.send_modify(|count| *count += 1);
    }

    /// Changes whenever something ended. A stream checks its own right again then.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.learned.subscribe()
    }

    /// Returns the time since the store was last heard of.
    pub fn age(&self) -> Duration {
        let polled = Duration::from_millis(self.0.polled.load(Ordering::Acquire));
        self.0.start.elapsed().saturating_sub(polled)
    }

    /// Returns whether the last polls succeeded: what readiness calls a reachable store.
    pub fn is_reachable(&self) -> bool {
        self.age() < self.0.timing.poll * 4
    }

    /// Returns the number of ended sessions, subjects and tokens that are remembered one by one.
    pub fn entries(&self) -> usize {
        self.0.local.len()
    }
}

impl Revocations for SharedRevocations {
    fn is_revoked(&self, principal: &Principal) -> bool {
        self.0.local.is_revoked(principal)
    }

    fn hold(&self, principal: &Principal) -> Duration {
        self.0.local.hold(principal)
    }

    fn is_current(&self) -> bool {
        self.age() <= self.0.timing.max_age
    }
}

impl LogoutRecorder for SharedRevocations {
    fn record<'a>(&'a self, logout: &'a LogoutToken, _: u64) -> LogoutFuture<'a> {
        let once = OnlyOnce {
            digest: logout_digest(logout),
            until: logout.acceptable_until(),
        };
        Box::pin(async move {
            match self.record(&Ended::from(logout), false, Some(once)).await {
                Ok(true) => LogoutRecord::Recorded,
                Ok(false) => LogoutRecord::Replayed,
                Err(_) => LogoutRecord::Unavailable,
            }
        })
    }
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or(Duration::ZERO).as_secs()
}

/// Reads what other nodes record.
#[derive(Debug)]
pub struct Follower {
    shared: SharedRevocations,
    /// The last row that was read: its `id` and `mark`.
    seen: Option<(i64, i64)>,
    /// Whether the dates of pruned rows were read.
    floors_read: bool,
}

impl Follower {
    /// Starts to follow the store, until the tasks are aborted.
    pub fn spawn(self) -> Vec<JoinHandle<()>> {
        let shared = self.shared.clone();
        vec![tokio::spawn(self.follow()), tokio::spawn(follow::prune(shared))]
    }
}
