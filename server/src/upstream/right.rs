//! Streams end when the right to them ends: at the token's `exp`, or within a second of its revocation.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use pixygate::jwt::{Principal, Revocations};

/// Between two looks at all live streams. A revocation on another node takes up to half a second to arrive here.
const INTERVAL: Duration = Duration::from_millis(200);

/// A call may be accepted shortly after `exp`, because of the trust's leeway. Its answer has this long.
const AFTER_EXPIRY: u64 = 30;

/// So that a look at many streams does not hold up new ones.
const SHARDS: usize = 16;

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Expired,
    Revoked,
    /// The server is stopping.
    Stopping,
}

impl End {
    /// The `reason` of a rejection.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Stopping => "stopping",
        }
    }
}

/// The streams that are open, and whose they are. Clones share them.
#[derive(Clone)]
pub struct Streams(Arc<Shared>);

struct Shared {
    revocations: Arc<dyn Revocations>,
    next: AtomicU64,
    shards: [Mutex<HashMap<u64, Live>>; SHARDS],
}

struct Live {
    /// A public path has none.
    principal: Option<Principal>,
    until: u64,
    signal: Arc<Signal>,
}

impl Streams {
    /// Starts a task that ends streams for as long as a clone lives.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(revocations: Arc<dyn Revocations>) -> Self {
        let streams = Self(Arc::new(Shared {
            revocations,
            next: AtomicU64::new(0),
            shards: Default::default(),
        }));
        let shared = Arc::downgrade(&streams.0);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(shared) = shared.upgrade() else { return };
                shared.end_those_without_right(now());
            }
        });
        streams
    }

    /// Returns the number of open streams that lasted long enough to be watched.
    pub fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Returns whether no stream is watched.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends every stream, because the server is stopping.
    pub fn stop(&self) {
        for shard in &self.0.shards {
            for live in shard.lock().values() {
                live.signal.end(End::Stopping);
            }
        }
    }

    /// Ends every stream, and resolves when none is left, or after two seconds.
    pub async fn stopped(&self) {
        self.stop();
        let ended = async {
            while !self.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), ended).await;
    }

    pub(crate) fn watch(&self, principal: Option<Principal>) -> Watched {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let signal = Arc::new(Signal::default());
        let until = principal.as_ref().map_or(u64::MAX, |principal| {
            let (expires, now) = (principal.expires_at(), now());
            if expires > now { expires } else { now + AFTER_EXPIRY }
        });
        let live = Live {
            principal,
            until,
            signal: signal.clone(),
        };
        self.0.shard(id).lock().insert(id, live);
        Watched {
            streams: self.clone(),
            id,
            signal,
        }
    }
}

impl Shared {
    fn shard(&self, id: u64) -> &Mutex<HashMap<u64, Live>> {
        &self.shards[id as usize % SHARDS]
    }

    fn end_those_without_right(&self, now: u64) {
        for shard in &self.shards {
            for live in shard.lock().values() {
                let Some(principal) = &live.principal else { continue };
                if live.until <= now {
                    live.signal.end(End::Expired);
                } else if self.revocations.is_revoked(principal) {
                    live.signal.end(End::Revoked);
                }
            }
        }
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// One open stream. Dropping it ends the watch.
pub(crate) struct Watched {
    streams: Streams,
    id: u64,
    signal: Arc<Signal>,
}

impl Watched {
    /// Is ready when the stream must end.
    pub(crate) fn poll_end(&self, context: &mut Context<'_>) -> Poll<End> {
        if let Some(end) = self.signal.get() {
            return Poll::Ready(end);
        }
        self.signal.waker.register(context.waker());
        // It may have ended before the waker was there.
        self.signal.get().map_or(Poll::Pending, Poll::Ready)
    }

    pub(crate) async fn end(&self) -> End {
        std::future::poll_fn(|context| self.poll_end(context)).await
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.streams.0.shard(self.id).lock().remove(&self.id);
    }
}

#[derive(Default)]
struct Signal {
    state: AtomicU8,
    waker: AtomicWaker,
}

impl Signal {
    fn end(&self, end: End) {
        let state = match end {
            End::Expired => 1,
            End::Revoked => 2,
            End::Stopping => 3,
        };
        if self.state.swap(state, Ordering::Release) != state {
            self.waker.wake();
        }
    }

    fn get(&self) -> Option<End> {
        match self.state.load(Ordering::Acquire) {
            1 => Some(End::Expired),
            2 => Some(End::Revoked),
            3 => Some(End::Stopping),
            _ => None,
        }
    }
}
