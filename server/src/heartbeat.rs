//! This node among the others: a row in the store that it renews. From it come the number of live nodes, by which rate limits are
//! divided, and the difference between this machine's clock and the store's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

use crate::revocation::SharedRevocations;
use crate::store::{Store, StoreError};

/// Between two signs. Three that are missed make a node count as gone.
const INTERVAL: Duration = Duration::from_secs(5);

/// A difference of clocks that is worth a warning: tokens are judged by this machine's clock, with `leeway_seconds`.
const CLOCK_WARNING: Duration = Duration::from_secs(5);

/// A measurement of the difference that took longer says too little, in microseconds.
const PRECISION: i64 = 500_000;

/// What this node knows of itself and the others. Clones share it.
#[derive(Clone, Debug)]
pub struct Presence(Arc<Known>);

#[derive(Debug)]
struct Known {
    node: AtomicI64,
    live: AtomicU32,
    /// What is to be added to this machine's clock, in microseconds.
    offset: AtomicI64,
    /// Whether a newer version changed the store in a way that this one does not understand.
    outdated: AtomicBool,
    name: String,
}

impl Presence {
    /// Registers the node.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn register(store: &Store, name: String) -> Result<Self, StoreError> {
        let node = store.register(&name, env!("CARGO_PKG_VERSION")).await?;
        let presence = Self(Arc::new(Known {
            node: AtomicI64::new(node),
            live: AtomicU32::new(1),
            offset: AtomicI64::new(0),
            outdated: AtomicBool::new(false),
            name,
        }));
        presence.beat(store, 0).await?;
        Ok(presence)
    }

    /// Renews the row until the task is aborted, with the age of `revocations`.
    pub fn spawn(&self, store: Store, revocations: SharedRevocations) -> JoinHandle<()> {
        let presence = self.clone();
        tokio::spawn(async move {
            let mut warned = false;
            loop {
                let beat = presence.beat(&store, revocations.age().as_secs()).await;
                if !matches!(beat, Err(StoreError::Database(_) | StoreError::NoAnswer(_))) {
                    let outdated = matches!(beat, Err(StoreError::Newer { .. }));
                    presence.0.outdated.store(outdated, Ordering::Relaxed);
                }
                match beat {
                    Ok(()) => {}
                    Err(error @ StoreError::Newer { .. }) => {
                        tracing::error!(%error, "the store was changed by a newer version: update this node");
                    }
                    Err(error) => tracing::debug!(%error, "the sign of life could not be written"),
                }
                let off = Duration::from_micros(presence.offset().unsigned_abs());
                if off > CLOCK_WARNING && !warned {
                    let seconds = off.as_secs();
                    tracing::warn!(
                        seconds,
                        "the clock of this machine differs from the store's: tokens are judged by it; set it right"
                    );
                }
                warned = off > CLOCK_WARNING;
                tokio::time::sleep(INTERVAL).await;
            }
        })
    }

    async fn beat(&self, store: &Store, revocation_age_seconds: u64) -> Result<(), StoreError> {
        let asked = unix_microseconds();
        let beat = store.beat(self.node(), revocation_age_seconds).await?;
        let answered = unix_microseconds();
        if let Some(now) = beat.now
            && answered - asked < PRECISION
        {
            // The store read its clock somewhere between the two.
            let offset = now - (asked + answered) / 2;
            self.0.offset.store(offset, Ordering::Relaxed);
        }
        if beat.known {
            self.0.live.store(beat.live.max(1), Ordering::Relaxed);
        } else {
            let node = store.register(&self.0.name, env!("CARGO_PKG_VERSION")).await?;
            self.0.node.store(node, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Takes the row back: the others divide by one less.
    pub async fn leave(&self, store: &Store) {
        if let Err(error) = store.leave(self.node()).await {
            tracing::debug!(%error, "the end of this node could not be written");
        }
    }

    /// Returns the number of this node.
    pub fn node(&self) -> i64 {
        self.0.node.load(Ordering::Relaxed)
    }

    /// Returns how many nodes are live, this one included.
    pub fn live(&self) -> u32 {
        self.0.live.load(Ordering::Relaxed)
    }

    /// Returns whether this node understands the store: no newer version has changed it too much.
    pub fn is_current(&self) -> bool {
        !self.0.outdated.load(Ordering::Relaxed)
    }

    /// Returns the difference to the store's clock, in microseconds.
    pub fn offset(&self) -> i64 {
        self.0.offset.load(Ordering::Relaxed)
    }
}

/// The time by this machine's clock, in microseconds since 1970.
pub(crate) fn unix_microseconds() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

/// Names this node: its machine and where it listens.
pub fn name(listen: std::net::SocketAddr) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    match host.trim() {
        "" => listen.to_string(),
        host => format!("{host}:{}", listen.port()),
    }
}
