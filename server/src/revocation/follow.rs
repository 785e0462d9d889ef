//! Reading by `id > seen`, forever. Ids are in the order of commits, so nothing is skipped.

use std::sync::atomic::Ordering;

use pixygate::jwt::Ended;
use tokio::time::Instant;

use super::{Follower, SharedRevocations, unix_now};
use crate::store::{EndedRow, StoreError};

/// Rows of one read.
const PAGE: u32 = 10_000;

impl Follower {
    pub(super) async fn follow(mut self) {
        let timing = self.shared.0.timing;
        let mut failing = false;
        loop {
            tokio::time::sleep(timing.poll).await;
            match self.poll().await {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("the store answers again");
                }
                Ok(()) => {}
                Err(error) if !failing => {
                    failing = true;
                    let max_age = timing.max_age.as_secs();
                    tracing::error!(%error, max_age, "the store cannot be read; after `max_age` seconds calls are answered with 503");
                }
                Err(error) => tracing::debug!(%error, "the store cannot be read"),
            }
        }
    }

    /// Reads everything that is new.
    pub(super) async fn poll(&mut self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let started = Instant::now();
        if !self.read_from_seen().await? {
            tracing::warn!(
                "the store is another than before, restored or failed over; all ended sessions are read again"
            );
            self.seen = None;
            self.floors_read = false;
            self.read_from_seen().await?;
        }
        let polled = started.duration_since(shared.0.start).as_millis();
        let polled = u64::try_from(polled).unwrap_or(u64::MAX);
        shared.0.polled.store(polled, Ordering::Release);
        Ok(())
    }

    /// Returns `false` when the row that was seen last is not there. It is never pruned, so the store has lost rows, and ids may have
    /// been given to others.
    async fn read_from_seen(&mut self) -> Result<bool, StoreError> {
        let store = self.shared.0.store.clone();
        loop {
            let from = self.seen.map_or(0, |(id, _)| id);
            let rows = store.ended_from(from, PAGE).await?;
            let whole_page = rows.len() == PAGE as usize;
            let mut rows = rows.into_iter();
            if let Some(seen) = self.seen {
                match rows.next() {
                    Some(EndedRow { id, mark, .. }) if (id, mark) == seen => {}
                    _ => return Ok(false),
                }
            }
            for EndedRow { id, mark, ended } in rows {
                self.shared.apply(&ended);
                self.seen = Some((id, mark));
            }
            if !whole_page {
                break;
            }
        }
        if !self.floors_read {
            for (issuer, before) in store.ended_floors().await? {
                self.shared.apply(&Ended::new(issuer, before));
            }
            self.floors_read = true;
        }
        Ok(true)
    }
}

/// Removes what is older than any token, from memory and from the store.
pub(super) async fn prune(shared: SharedRevocations) {
    loop {
        tokio::time::sleep(shared.0.timing.prune).await;
        let now = unix_now();
        let before = now.saturating_sub(shared.0.timing.keep.as_secs());
        shared.0.local.forget(before);
        if let Err(error) = shared.0.store.prune_ended(before, now).await {
            tracing::warn!(%error, "old ended sessions could not be removed; it is tried again later");
        }
    }
}
