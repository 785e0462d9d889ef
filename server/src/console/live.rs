//! The activity as it happens: each stream reads the store when this node has written, and else every second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use app::api::{Filter, LiveLines, Record, RecordId, RecordOwner};
use futures_util::stream;
use parking_lot::Mutex;
use pixygate::Reason;
use pixygate::jwt::{Principal, Rejection};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Console;
use crate::heartbeat::{Presence, unix_microseconds};
use crate::store::Store;
use crate::store::activity::record_id;
use crate::upstream::Watched;

/// Streams of one user at once: some tabs. Over HTTP/1.1 a browser has six connections to an origin, and pages need some, too.
const OF_A_USER: usize = 4;

/// Streams on this node at once.
const ALL: usize = 1_000;

/// Records of one reading. More follow at once.
const RECORDS: u32 = 200;

/// Between two lines, so that a proxy or a reader sees that the stream lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Between two readings when this node has written nothing: another may have.
const POLL: Duration = Duration::from_secs(1);

/// After a reading that failed.
const PAUSE: Duration = Duration::from_secs(5);

/// How far a stream stays behind when several nodes write, in microseconds. A node writes four times a second, so what is older than
/// this is there from all of them, and the order is right.
const BEHIND: i64 = 1_000_000;

/// Counts the open streams. Clones share the counts.
#[derive(Clone, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<(String, String), usize>>>);

impl Places {
    /// Takes a place for a user.
    fn take(&self, caller: &Principal) -> Option<Place> {
        let user = (caller.issuer().to_owned(), caller.subject().to_owned());
        let mut open = self.0.lock();
        let all: usize = open.values().sum();
        let own = open.get(&user).copied().unwrap_or_default();
        if own >= OF_A_USER || all >= ALL {
            return None;
        }
        open.insert(user.clone(), own + 1);
        Some(Place {
            places: self.clone(),
            user,
        })
    }
}

/// One open stream.
struct Place {
    places: Places,
    user: (String, String),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.0.lock();
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

/// Begins a stream of lines.
///
/// # Errors
///
/// When the caller has as many as a user may have.
pub(super) fn lines(
    console: &Console,
    caller: &Principal,
    whose: RecordOwner,
    filter: Filter,
    after: Option<RecordId>,
) -> Result<LiveLines, Rejection> {
    let place = console.live.take(caller).ok_or_else(|| {
        Rejection::new(Reason::RateLimited)
            .expected(format!("at most {OF_A_USER} live streams of one user"))
            .found("one more")
            .hint("close other pages that show the activity")
            .retry_after(POLL)
    })?;
    let shared = &console.shared;
    let live = Live {
        after: after.unwrap_or_else(|| now(&shared.presence)),
        store: shared.store.clone(),
        presence: shared.presence.clone(),
        written: shared.activity.watch(),
        right: console.streams.watch(Some(caller.clone())),
        whose,
        filter,
        spoke: None,
        read_at: Instant::now(),
        _place: place,
    };
    Ok(Box::pin(stream::unfold(live, Live::next)))
}

/// The identifier that a record of this moment would have at least.
fn now(presence: &Presence) -> RecordId {
    record_id(unix_microseconds() + presence.offset(), 0)
}

struct Live {
    store: Store,
    presence: Presence,
    /// Changes when this node has written records.
    written: watch::Receiver<u64>,
    right: Watched,
    whose: RecordOwner,
    filter: Filter,
    after: RecordId,
    /// When the last line was sent.
    spoke: Option<Instant>,
    /// When the store is read again, unless this node writes before.
    read_at: Instant,
    _place: Place,
}

type Line<E> = Result<String, E>;

impl Live {
    /// Waits for the next lines. The stream ends when the right to it ends.
    async fn next<E>(mut self) -> Option<(Line<E>, Self)> {
        // The head of the answer goes out with the first line.
        if self.spoke.is_none() {
            return Some(self.line("\n".to_owned()));
        }
        loop {
            let spoke = self.spoke.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                _ = self.right.end() => return None,
                written = self.written.changed() => match written {
                    Ok(()) if self.presence.live() <= 1 => {}
                    // With several nodes it is read when it is old enough.
                    Ok(()) => continue,
                    // The writer is gone: the server stops.
                    Err(_) => return None,
                },
                () = tokio::time::sleep_until(self.read_at) => {}
                () = tokio::time::sleep_until(spoke + SIGN_OF_LIFE) => return Some(self.line("\n".to_owned())),
            }
            let lines = self.read().await;
            let wait = if lines.is_some() { POLL } else { PAUSE };
            self.read_at = Instant::now() + wait;
            if let Some(lines) = lines.filter(|lines| !lines.is_empty()) {
                // More may be there already.
                self.read_at = Instant::now();
                return Some(self.line(lines));
            }
        }
    }

    fn line<E>(mut self, line: String) -> (Line<E>, Self) {
        self.spoke = Some(Instant::now());
        (Ok(line), self)
    }

    /// Reads what is new, and goes on behind it. `None` when the store does not answer.
    async fn read(&mut self) -> Option<String> {
        let until = match self.presence.live() {
            0 | 1 => RecordId(i64::MAX),
            _ => record_id(unix_microseconds() + self.presence.offset() - BEHIND, 0),
        };
        let since = self
            .store
            .activity_since(&self.whose, &self.filter, self.after, until, RECORDS)
            .await;
        match since {
            Ok(since) => {
                self.after = since.last.unwrap_or(self.after);
                // Numbers and text always serialize.
                let json = |record: &Record| serde_json::to_string(record).unwrap_or_default() + "\n";
                Some(since.records.iter().map(json).collect())
            }
            Err(error) => {
                tracing::warn!(%error, "a live stream of the activity waits for the store");
                None
            }
        }
    }
}
