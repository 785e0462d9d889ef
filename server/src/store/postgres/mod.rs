//! A server that several nodes share, directly or through PgBouncer.
//!
//! PgBouncer in transaction mode may give each transaction another connection. So every statement with parameters stands in an
//! explicit transaction and is prepared without a name, and nothing relies on the state of a session.

mod activity;
mod document;
mod ended;
mod examine;
mod node;
mod proof;
mod value;

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{Connection as _, PgConnection, PgPool, Row as _};

use super::StoreError;
use super::migration::{self, Found, Migration};

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

/// How long one operation may take. A server that vanished without a word is noticed by it.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How long an operation waits for a connection, a new one included.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections for what must not wait for anything else: revocations and heartbeat.
const URGENT: u32 = 3;

/// Connections for the activity: its writer, its pages and its retention.
const BULK: u32 = 6;

/// Connections for DPoP proofs, which calls wait for.
const PROOFS: u32 = 8;

/// The keys of advisory locks. The first half is "pixy" in ASCII, so that other users of the database do not meet them.
mod lock {
    pub(super) const MIGRATION: i64 = 0x7069_7879_0000_0001;
    pub(super) const ENDED: i64 = 0x7069_7879_0000_0002;
    pub(super) const NODES: i64 = 0x7069_7879_0000_0003;
    pub(super) const RETENTION: i64 = 0x7069_7879_0000_0004;
}

/// A PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Postgres {
    urgent: PgPool,
    bulk: PgPool,
    proofs: PgPool,
}

impl Postgres {
    pub(super) async fn open(options: Box<PgConnectOptions>) -> Result<Self, StoreError> {
        let options = prepared(options);
        let pool = |most| {
            PgPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .connect_lazy_with(options.clone())
        };
        let store = Self {
            urgent: pool(URGENT),
            bulk: pool(BULK),
            proofs: pool(PROOFS),
        };
        store
            .within(&store.urgent, |connection| Box::pin(migrate(connection)))
            .await?;
        Ok(store)
    }

    pub(super) async fn close(&self) {
        self.proofs.close().await;
        self.bulk.close().await;
        self.urgent.close().await;
    }

    /// Runs `work` on a connection, within [`TIME_LIMIT`]. A connection that fails or is late is closed and not used again.
    async fn within<T>(
        &self,
        pool: &PgPool,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut connection = pool.acquire().await?;
        let result = tokio::time::timeout(TIME_LIMIT, work(&mut connection)).await;
        let result = result.unwrap_or(Err(StoreError::NoAnswer(TIME_LIMIT)));
        let refused_by_server = matches!(&result, Err(StoreError::Database(sqlx::Error::Database(_))));
        if result.is_err() && !refused_by_server {
            connection.close_on_drop();
        }
        result
    }
}

fn prepared(options: Box<PgConnectOptions>) -> PgConnectOptions {
    options
        .application_name("pixygate")
        // PgBouncer refuses a connection that sets it, and no number here is a float.
        .extra_float_digits(None)
        // Statements without a name are never stored, see above.
        .statement_cache_capacity(0)
}

/// A statement without a name.
fn query(sql: &'static str) -> Query<'static, sqlx::Postgres, PgArguments> {
    sqlx::query(sql).persistent(false)
}

/// Reads which migrations were applied.
async fn found(connection: &mut PgConnection) -> Result<Found, StoreError> {
    let sql = "SELECT coalesce(max(version), 0), coalesce(max(needs), 0) FROM pixygate_schema";
    let row = sqlx::raw_sql(sql).fetch_one(connection).await?;
    Ok(Found {
        version: row.try_get(0)?,
        needs: row.try_get(1)?,
    })
}

async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock::MIGRATION)
        .execute(&mut *transaction)
        .await?;
    let exists = query("SELECT to_regclass('pixygate_schema') IS NOT NULL")
        .fetch_one(&mut *transaction)
        .await?;
    if !exists.try_get::<bool, _>(0)? {
        sqlx::raw_sql(migration::CREATE).execute(&mut *transaction).await?;
    }
    let found = found(&mut transaction).await?;
    for (number, migration) in found.missing(MIGRATIONS)? {
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await?;
        query("INSERT INTO pixygate_schema (version, needs, applied_at) VALUES ($1, $2, extract(epoch FROM now())::bigint)")
            .bind(number)
            .bind(migration.needs)
            .execute(&mut *transaction)
            .await?;
        tracing::info!(number, "the store was migrated");
    }
    transaction.commit().await?;
    Ok(())
}
