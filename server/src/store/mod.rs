//! The state that nodes share: SQLite in a file for one node, PostgreSQL for several.
//!
//! 1. [`Store::open`] connects, creates the tables and migrates them.
//! 2. `sqlite` and `postgres` hold the SQL of each engine, by subject.
//! 3. [`crate::revocation`] is built on it.
//!
//! No request waits for the store: nodes read it in the background and decide from memory.

pub mod activity;
mod error;
mod examined;
mod migration;
mod node;
mod postgres;
mod sqlite;
mod url;

use std::sync::Arc;

use app::api::{BUCKETS, Bucket, Chart, Filter, Page, RecordId, RecordOwner};
use pixygate::jwt::Ended;
use sha2::{Digest as _, Sha256};

use activity::{Batch, Columns, Since};
pub use error::StoreError;
pub use examined::{Examined, Schema};
pub use node::{Beat, Node};
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use url::{SqlitePlace, StoreUrl, StoreUrlError};

/// An open store. Clones share its connections.
#[derive(Clone, Debug)]
pub enum Store {
    /// One file.
    Sqlite(Sqlite),
    /// A server that several nodes share.
    Postgres(Postgres),
}

/// A recorded [`Ended`] with its place in the order of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRow {
    /// Ascending in the order of commits.
    pub id: i64,
    /// Random. Tells a row from one of the same `id` in a database that was restored or failed over.
    pub mark: i64,
    /// The tokens that are rejected.
    pub ended: Ended,
}

/// Every issuer's date that stands for the rows which were pruned, in seconds since 1970.
pub type Floors = Vec<(String, u64)>;

/// A logout token that must be recorded only once.
#[derive(Clone, Copy, Debug)]
pub struct OnlyOnce {
    /// The digest of its issuer and `jti`.
    pub digest: [u8; 32],
    /// How long it would be accepted, in seconds since 1970.
    pub until: u64,
}

/// Metadata or keys of a provider, as they were fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where they were fetched.
    pub url: String,
    /// The bytes.
    pub body: Vec<u8>,
    /// When, in seconds since 1970.
    pub fetched_at: u64,
}

/// A value that nodes agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Counts its changes; 0 where there is none yet.
    pub version: u64,
    /// The bytes.
    pub content: Vec<u8>,
}

/// Dispatches to the engine.
macro_rules! on_engine {
    ($store:expr, $engine:ident => $call:expr) => {
        match $store {
            Store::Sqlite($engine) => $call,
            Store::Postgres($engine) => $call,
        }
    };
}

impl Store {
    /// Connects, creates what is missing and migrates.
    ///
    /// # Errors
    ///
    /// When the store cannot be reached or written, or a newer version of the server has changed it in a way that this one does not
    /// understand.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Sqlite(place) => Sqlite::open(place).await.map(Self::Sqlite),
            StoreUrl::Postgres(options) => Postgres::open(options.clone()).await.map(Self::Postgres),
        }
    }

    /// Looks at a store without changing it: for the doctor.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, or is no database. What it lacks otherwise is in the [`Examined`].
    pub async fn examine(url: &StoreUrl) -> Result<Examined, StoreError> {
        match url {
            StoreUrl::Sqlite(place) => Sqlite::examine(place).await,
            StoreUrl::Postgres(options) => Postgres::examine(options.clone()).await,
        }
    }

    /// Records an [`Ended`] durably: it survives a crash once this returns. `before` is raised to the store's own time where
    /// `until_now` is set, so that the clock of one node does not matter. Returns the record as written, or `None` when `once` was
    /// recorded before, and then nothing is written.
    ///
    /// # Errors
    ///
    /// When it could not be written. It may have been if the connection broke at the end.
    pub async fn end(
        &self,
        ended: &Ended,
        until_now: bool,
        once: Option<OnlyOnce>,
    ) -> Result<Option<Ended>, StoreError> {
        on_engine!(self, engine => engine.end(ended, until_now, once).await)
    }

    /// Returns at most `limit` rows from `id` on, itself included, in the order of commits.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn ended_from(&self, id: i64, limit: u32) -> Result<Vec<EndedRow>, StoreError> {
        on_engine!(self, engine => engine.ended_from(id, limit).await)
    }

    /// Returns the dates of pruned rows. Read it after the rows, so that none is missed that is pruned meanwhile.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn ended_floors(&self) -> Result<Floors, StoreError> {
        on_engine!(self, engine => engine.ended_floors().await)
    }

    /// Removes ended sessions from before the date, leaving one date for each issuer, and logout tokens that are not acceptable any
    /// more at `now`. Both are in seconds since 1970. The newest row stays: readers recognize the table by it.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn prune_ended(&self, before: u64, now: u64) -> Result<(), StoreError> {
        on_engine!(self, engine => engine.prune_ended(before, now).await)
    }

    /// Writes records, once: a batch that was written before is left as it is.
    ///
    /// # Errors
    ///
    /// When nothing of it was written, as far as is known.
    pub async fn write_activity(&self, batch: &Arc<Batch>) -> Result<(), StoreError> {
        on_engine!(self, engine => engine.write_activity(batch).await)
    }

    /// Returns one page of records, newest first, older than `before` where it is given.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn activity(
        &self,
        whose: &RecordOwner,
        filter: &Filter,
        before: Option<RecordId>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        on_engine!(self, engine => engine.activity(whose, filter, before, limit).await)
    }

    /// Returns records behind `after` and before `until`, oldest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn activity_since(
        &self,
        whose: &RecordOwner,
        filter: &Filter,
        after: RecordId,
        until: RecordId,
        limit: u32,
    ) -> Result<Since, StoreError> {
        let columns = Columns::between(filter, after, until);
        on_engine!(self, engine => engine.activity_since(whose, columns, limit).await)
    }

    /// Returns the sums of the time between, in seconds since 1970, in [`BUCKETS`] of whole minutes. The last one has the minute of
    /// `until`; the first may begin before `from`.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn activity_chart(&self, whose: &RecordOwner, from: u64, until: u64) -> Result<Chart, StoreError> {
        let until = until.max(from.saturating_add(1));
        let end = until.div_ceil(60).saturating_mul(60);
        let minutes = (end - (from - from % 60)).div_ceil(60 * BUCKETS as u64);
        let from = end.saturating_sub(minutes.saturating_mul(60 * BUCKETS as u64));
        let sums = on_engine!(self, engine => engine.activity_sums(whose, from, minutes, BUCKETS).await)?;
        let mut buckets = vec![Bucket::default(); BUCKETS];
        for (place, sum) in sums {
            if let Some(bucket) = buckets.get_mut(place) {
                *bucket = sum;
            }
        }
        Ok(Chart {
            from,
            until,
            width: minutes * 60,
            buckets,
        })
    }

    /// Deletes some records from before the time, in seconds since 1970. Returns how many; 0 when none are left.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn prune_activity(&self, before: u64) -> Result<u64, StoreError> {
        on_engine!(self, engine => engine.prune_activity(before).await)
    }

    /// Deletes some sums from before the time, and the users and nodes of which nothing later is known. Returns the number of sums.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn prune_activity_sums(&self, before: u64) -> Result<u64, StoreError> {
        on_engine!(self, engine => engine.prune_activity_sums(before).await)
    }

    /// Makes a row for a node, and returns its number.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn register(&self, name: &str, version: &str) -> Result<i64, StoreError> {
        on_engine!(self, engine => engine.register(name, version).await)
    }

    /// Renews the row of a node, with the time since it read the revocations.
    ///
    /// # Errors
    ///
    /// When the store cannot be written, or a newer version has changed it in a way that this one does not understand.
    pub async fn beat(&self, node: i64, revocation_age_seconds: u64) -> Result<Beat, StoreError> {
        on_engine!(self, engine => engine.beat(node, revocation_age_seconds).await)
    }

    /// Returns the nodes that are live, in the order of their start.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        on_engine!(self, engine => engine.nodes().await)
    }

    /// Marks a node as gone.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn leave(&self, node: i64) -> Result<(), StoreError> {
        on_engine!(self, engine => engine.leave(node).await)
    }

    /// Returns every stored document.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn documents(&self) -> Result<Vec<Document>, StoreError> {
        on_engine!(self, engine => engine.documents().await)
    }

    /// Stores a document, unless a later one of its URL is there.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn store_document(&self, document: Document) -> Result<(), StoreError> {
        on_engine!(self, engine => engine.store_document(document).await)
    }

    /// Returns a value; `None` where there is none yet.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn value(&self, name: &str) -> Result<Option<Value>, StoreError> {
        on_engine!(self, engine => engine.value(name).await)
    }

    /// Stores a value unless it has changed since the version that it names, and returns whether it did.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn replace_value(&self, name: &str, value: Value) -> Result<bool, StoreError> {
        on_engine!(self, engine => engine.replace_value(name, value).await)
    }

    /// Returns a random key that all nodes share. The first that asks makes it.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written.
    pub async fn shared_key(&self, name: &str) -> Result<[u8; 32], StoreError> {
        loop {
            if let Some(value) = self.value(name).await? {
                return Ok(Sha256::digest(value.content).into());
            }
            let mut content = vec![0; 32];
            aws_lc_rs::rand::fill(&mut content)
                .map_err(|_| sqlx::Error::Protocol("the system has no random numbers".to_owned()))?;
            self.replace_value(name, Value { version: 0, content }).await?;
        }
    }

    /// Closes all connections, after what they are doing.
    pub async fn close(&self) {
        on_engine!(self, engine => engine.close().await);
    }
}

/// The databases know no unsigned numbers. Dates beyond their range do not occur.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
