//! Events become rows, in batches. A batch is one transaction: it is written whole or not at all, and written once even when the
//! answer to its commit is lost, because its first row is looked for before it is written again.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::{Activity, Event};
use crate::heartbeat::Presence;
use crate::store::activity::{Batch, Sum, User};
use crate::store::{Store, StoreError};

/// Between two batches. A process that is killed loses what came since the last one.
const INTERVAL: Duration = Duration::from_millis(250);

/// Rows of one transaction.
const ROWS: usize = 2_000;

/// Between attempts to write, doubled up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long the end of the process waits for a store that does not take the last batch.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Users that are known to be written, with their name and the day of it. Beyond it all are written once more.
const KNOWN: usize = 100_000;

pub(super) struct Writer {
    activity: Activity,
    store: Store,
    presence: Presence,
    events: mpsc::Receiver<Event>,
    /// Notifies those who show the activity as it happens.
    writes: watch::Sender<u64>,
    /// The time of the last row, in microseconds: the next one is later.
    last: i64,
    known: HashMap<i64, (u64, i64)>,
    names: RandomState,
}

impl Writer {
    pub(super) fn new(
        activity: Activity,
        store: Store,
        presence: Presence,
        events: mpsc::Receiver<Event>,
        writes: watch::Sender<u64>,
    ) -> Self {
        Self {
            activity,
            store,
            presence,
            events,
            writes,
            last: 0,
            known: HashMap::new(),
            names: RandomState::new(),
        }
    }

    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let activity = self.activity.clone();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = None;
        while stopping.is_none() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = activity.0.hurry.notified() => {}
                _ = &mut stop => {
                    stopping = Some(Instant::now() + STOP_LIMIT);
                    // From here on nothing is accepted; what is in the queue stays.
                    self.events.close();
                }
            }
            while let Some(batch) = self.next_batch() {
                self.write(batch, &mut stop, &mut stopping).await;
            }
        }
    }

    /// Takes what waits, at most one batch.
    fn next_batch(&mut self) -> Option<Batch> {
        let counts = &self.activity.0.counts;
        let mut rows = Vec::new();
        let mut users: BTreeMap<i64, User> = BTreeMap::new();
        let mut sums: BTreeMap<(i64, i64), (i64, i64)> = BTreeMap::new();
        let node = self.presence.node();
        while rows.len() < ROWS {
            let Ok(event) = self.events.try_recv() else { break };
            // The clock of the store counts, so that the order is right among nodes.
            self.last = (event.at + self.presence.offset()).max(self.last + 1);
            let (minute, denied) = (self.last / 60_000_000, event.rejection.is_some());
            let user = event.user();
            let key = user.as_ref().map_or(0, |user| user.key);
            for key in if key == 0 { vec![0] } else { vec![0, key] } {
                let sum = sums.entry((key, minute)).or_default();
                match denied {
                    true => sum.1 += 1,
                    false => sum.0 += 1,
                }
            }
            if let Some(user) = user.filter(|user| self.known.get(&user.key) != Some(&self.fingerprint(user))) {
                users.insert(user.key, user);
            }
            rows.push(event.into_row(self.last, node, key));
        }
        if rows.is_empty() {
            return None;
        }
        // Read after the events: what was left out before the last of them is in the sums with it.
        let uncounted = counts.uncounted.swap(0, Ordering::Relaxed);
        if uncounted > 0 {
            sums.entry((0, self.last / 60_000_000)).or_default().1 += i64::try_from(uncounted).unwrap_or(i64::MAX);
        }
        let sum = |((user, minute), (allowed, denied))| Sum {
            user,
            minute,
            allowed,
            denied,
        };
        Some(Batch {
            node,
            rows,
            users: users.into_values().collect(),
            sums: sums.into_iter().map(sum).collect(),
        })
    }

    fn fingerprint(&self, user: &User) -> (u64, i64) {
        (self.names.hash_one(&user.name), user.day)
    }

    /// Tries until the store has it. At the end of the process only for some time.
    async fn write(&mut self, batch: Batch, stop: &mut oneshot::Receiver<()>, stopping: &mut Option<Instant>) {
        let batch = Arc::new(batch);
        let rows = batch.rows.len() as u64;
        let counts = |activity: &Activity, written: bool| match written {
            true => activity.0.counts.written.fetch_add(rows, Ordering::Relaxed),
            false => activity.0.counts.dropped.fetch_add(rows, Ordering::Relaxed),
        };
        let mut pause = PAUSES.0;
        let mut failing = false;
        loop {
            let error = match self.store.write_activity(&batch).await {
                Ok(()) => {
                    if failing {
                        tracing::info!("the activity is recorded again");
                    }
                    counts(&self.activity, true);
                    self.writes.send_modify(|written| *written += rows);
                    self.remember(&batch.users);
                    return;
                }
                Err(error) => error,
            };
            if error.is_final() {
                tracing::error!(%error, rows, "records that the store does not take are dropped");
                counts(&self.activity, false);
                return;
            }
            if !failing {
                failing = true;
                tracing::error!(%error, "the activity cannot be recorded; it waits in memory, up to activity.queue");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = &mut *stop, if stopping.is_none() => {
                    *stopping = Some(Instant::now() + STOP_LIMIT);
                    self.events.close();
                }
            }
            if stopping.is_some_and(|until| Instant::now() > until) {
                tracing::error!(rows, "records are lost: the store did not take them before the end");
                counts(&self.activity, false);
                return;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn remember(&mut self, users: &[User]) {
        if self.known.len() + users.len() > KNOWN {
            self.known.clear();
        }
        for user in users {
            let fingerprint = self.fingerprint(user);
            self.known.insert(user.key, fingerprint);
        }
    }
}

impl StoreError {
    /// Whether the same would be refused again, however often it is tried.
    fn is_final(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return false;
        };
        // Classes 22 and 23 of SQL's error codes: the data are wrong, or contradict what is there.
        error
            .code()
            .is_some_and(|code| code.len() == 5 && (code.starts_with("22") || code.starts_with("23")))
            || matches!(
                error.kind(),
                sqlx::error::ErrorKind::UniqueViolation
                    | sqlx::error::ErrorKind::NotNullViolation
                    | sqlx::error::ErrorKind::CheckViolation
                    | sqlx::error::ErrorKind::ForeignKeyViolation
            )
    }
}
