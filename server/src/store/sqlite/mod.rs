//! One file, or the memory of this process.

mod activity;
mod document;
mod ended;
mod examine;
mod node;
mod value;

use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite as Engine, SqliteConnection, SqlitePool};

use super::StoreError;
use super::migration::{self, Found, Migration};
use super::url::SqlitePlace;

const MIGRATIONS: &[Migration] = &[
    Migration {
        sql: include_str!("migrations/0001-ended.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0002-activity.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0003-shared.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0004-values.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0005-revocation-age.sql"),
        needs: 1,
    },
];

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement waits for a connection: longer than the one before it may wait for another process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that only read. Pages of the console and the poll for revocations share them.
const READERS: u32 = 4;

/// A SQLite database in WAL mode: readers see a snapshot and never wait for the writer.
#[derive(Clone, Debug)]
pub struct Sqlite {
    /// One connection: SQLite has one writer at a time anyway.
    writer: SqlitePool,
    readers: SqlitePool,
    /// Whether the database outlives its connections.
    is_file: bool,
}

impl Sqlite {
    pub(super) async fn open(place: &SqlitePlace) -> Result<Self, StoreError> {
        let options = match place {
            SqlitePlace::Memory => SqliteConnectOptions::new().in_memory(true),
            SqlitePlace::File(path) => {
                create(path)?;
                SqliteConnectOptions::new()
                    .filename(path)
                    .journal_mode(SqliteJournalMode::Wal)
            }
        };
        let options = options
            // A revocation must survive a loss of power once the provider has its 200.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = |most: u32| {
            SqlitePoolOptions::new()
                .max_connections(most)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                // A memory database is gone with its connection.
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        migrate(&writer).await?;
        let readers = match place {
            SqlitePlace::Memory => writer.clone(),
            SqlitePlace::File(_) => pool(READERS).connect_with(options.read_only(true)).await?,
        };
        let is_file = matches!(place, SqlitePlace::File(_));
        Ok(Self {
            writer,
            readers,
            is_file,
        })
    }

    /// Closes the connection of a transaction that failed. Where the disk is full, SQLite ends the transaction by itself; for sqlx it would
    /// stay open, and no other could be begun on the connection.
    fn settle<T>(
        &self,
        mut connection: PoolConnection<Engine>,
        result: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if result.is_err() && self.is_file {
            connection.close_on_drop();
        }
        result
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Makes an empty file that only its owner can read: it will name users. The files beside it get the same rights from SQLite.
fn create(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|source| StoreError::File {
        path: path.display().to_string(),
        source,
    })
}

/// Reads which migrations were applied.
async fn found(connection: &mut SqliteConnection) -> Result<Found, StoreError> {
    let sql = "SELECT ifnull(max(version), 0), ifnull(max(needs), 0) FROM pixygate_schema";
    let (version, needs) = sqlx::query_as(sql).fetch_one(connection).await?;
    Ok(Found { version, needs })
}

async fn migrate(writer: &SqlitePool) -> Result<(), StoreError> {
    // Another process may do the same at this moment; the lock is the database's.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let exists: bool = sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'pixygate_schema'")
        .fetch_one(&mut *transaction)
        .await?;
    if !exists {
        sqlx::raw_sql(migration::CREATE).execute(&mut *transaction).await?;
    }
    for (number, migration) in found(&mut transaction).await?.missing(MIGRATIONS)? {
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO pixygate_schema (version, needs, applied_at) VALUES (?, ?, unixepoch())")
            .bind(number)
            .bind(migration.needs)
            .execute(&mut *transaction)
            .await?;
        tracing::info!(number, "the store was migrated");
    }
    transaction.commit().await?;
    Ok(())
}
