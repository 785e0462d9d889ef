//! The record of what was done: one row for each decision of the gate, who asked for what, and why it was denied.
//!
//! 1. [`Activity`] is an observer of the gate. It puts an [`Event`] into a bounded queue and never waits.
//! 2. `writer` turns events into rows and writes them in batches, four times a second.
//! 3. `retention` deletes what is older than `activity.retention_days`.
//!
//! Pages and charts are read through [`Store::activity`] and [`Store::activity_chart`].

mod admit;
mod event;
mod observer;
mod retention;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub(crate) use admit::admit;
pub use event::Event;

use crate::heartbeat::Presence;
use crate::store::Store;
use writer::Writer;

/// Denials without an accepted token that are recorded one by one, in a second on one node. Anybody can cause them, so they are bounded;
/// beyond it they are counted.
const ANONYMOUS_PER_SECOND: u64 = 50;

/// `[activity]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long records are stored.
    pub retention: Duration,
    /// Events that may wait to be written.
    pub queue: usize,
    /// What happens to an event that finds no room.
    pub when_full: WhenFull,
}

/// `activity.when_full`
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It is not recorded, and counted.
    Drop,
    /// Calls are answered with 503 as long as there is no room.
    Refuse,
}

/// Takes events. Clones share the queue.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<Event>,
    /// Wakes the writer before its time when the queue is half full.
    hurry: Notify,
    when_full: WhenFull,
    counts: Counts,
    /// The number of records that were written. The writer has the other end.
    wrote: watch::Receiver<u64>,
    /// The second, in the upper half, and the anonymous denials in it that were recorded.
    anonymous: AtomicU64,
}

/// What became of the events so far.
#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
    /// Anonymous denials that are still to be added to the sums.
    uncounted: AtomicU64,
    left_out: AtomicU64,
}

/// The writer's task.
#[derive(Debug)]
pub struct Recording {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Activity {
    /// Starts to write.
    pub fn start(store: Store, presence: Presence, settings: Settings) -> (Self, Recording, JoinHandle<()>) {
        let (sender, events) = mpsc::channel(settings.queue);
        let (writes, wrote) = watch::channel(0);
        let activity = Self(Arc::new(Queue {
            sender,
            hurry: Notify::new(),
            when_full: settings.when_full,
            counts: Counts::default(),
            wrote,
            anonymous: AtomicU64::new(0),
        }));
        let (stop, stopped) = oneshot::channel();
        let writer = Writer::new(activity.clone(), store.clone(), presence, events, writes);
        let task = tokio::spawn(writer.run(stopped));
        let retention = tokio::spawn(retention::keep_to(store, settings.retention));
        (activity, Recording { stop, task }, retention)
    }

    /// Puts an event into the queue, or counts it as dropped.
    pub fn record(&self, event: Event) {
        let queue = &*self.0;
        if event.is_anonymous() && !self.has_room_for_anonymous(event.at) {
            queue.counts.uncounted.fetch_add(1, Ordering::Relaxed);
            queue.counts.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if queue.sender.try_send(event).is_err() {
            queue.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if queue.sender.capacity() < queue.sender.max_capacity() / 2 {
            queue.hurry.notify_one();
        }
    }

    /// `at` is in microseconds since 1970.
    fn has_room_for_anonymous(&self, at: i64) -> bool {
        let second = (at / 1_000_000) as u64;
        let count = |current: u64| match current >> 32 == second & 0xffff_ffff {
            true if current & 0xffff_ffff >= ANONYMOUS_PER_SECOND => None,
            true => Some(current + 1),
            false => Some((second << 32) | 1),
        };
        self.0
            .anonymous
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count)
            .is_ok()
    }

    /// Whether calls are to be answered with 503, because they could not be recorded.
    pub fn refuses(&self) -> bool {
        self.0.when_full == WhenFull::Refuse && self.0.sender.capacity() == 0
    }

    /// Returns the events that wait to be written.
    pub fn waiting(&self) -> usize {
        self.0.sender.max_capacity() - self.0.sender.capacity()
    }

    /// Returns the records that were written.
    pub fn written(&self) -> u64 {
        self.0.counts.written.load(Ordering::Relaxed)
    }

    /// Returns what changes when records were written. It closes when the writer ends.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.wrote.clone()
    }

    /// Returns the events that were not recorded, because the queue was full or the store would not take them.
    pub fn dropped(&self) -> u64 {
        self.0.counts.dropped.load(Ordering::Relaxed)
    }

    /// Returns the denials without an accepted token that were counted and not recorded.
    pub fn left_out(&self) -> u64 {
        self.0.counts.left_out.load(Ordering::Relaxed)
    }
}

impl Recording {
    /// Writes what waits, and ends. Call it when no more requests come.
    pub async fn stop(self) {
        // Without a receiver the task is over already.
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the writer of the activity failed");
        }
    }
}
