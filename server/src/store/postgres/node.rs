//! The nodes that share the database.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{MIGRATIONS, Postgres, found, lock, query};
use crate::store::activity::SLOTS;
use crate::store::node::{Beat, LEASE_MILLISECONDS, Node, node};
use crate::store::{StoreError, signed};

/// Milliseconds since 1970 by the clock that all nodes share.
const NOW: &str = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

impl Postgres {
    pub(in crate::store) async fn register(&self, name: &str, version: &str) -> Result<i64, StoreError> {
        let (name, version) = (name.to_owned(), version.to_owned());
        self.within(&self.urgent, move |connection| {
            Box::pin(async move { register(connection, &name, &version).await })
        })
        .await
    }

    pub(in crate::store) async fn beat(&self, id: i64, revocation_age_seconds: u64) -> Result<Beat, StoreError> {
        // A simple query, and one round trip. Numbers alone are put into it.
        let age = signed(revocation_age_seconds);
        let sql = format!(
            "WITH renewed AS (
                 UPDATE pixygate_nodes SET seen_at = {NOW}, revocation_age_seconds = {age} WHERE id = {id} RETURNING 1
             )
             SELECT (SELECT count(*) FROM renewed),
                    (SELECT count(*) FROM pixygate_nodes WHERE seen_at > {NOW} - {LEASE_MILLISECONDS} AND id <> {id}),
                    floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        );
        self.within(&self.urgent, move |connection| {
            Box::pin(async move {
                let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
                let (renewed, others): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                found(connection).await?.check(MIGRATIONS)?;
                Ok(Beat {
                    live: u32::try_from(others + renewed).unwrap_or(u32::MAX),
                    now: Some(row.try_get(2)?),
                    known: renewed > 0,
                })
            })
        })
        .await
    }

    pub(in crate::store) async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let sql = format!(
            "SELECT id, name, version, seen_at, revocation_age_seconds FROM pixygate_nodes
             WHERE seen_at > {NOW} - {LEASE_MILLISECONDS} ORDER BY id"
        );
        self.within(&self.bulk, move |connection| {
            Box::pin(async move {
                let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
                rows.iter().map(|row| Ok(node!(row))).collect()
            })
        })
        .await
    }

    pub(in crate::store) async fn leave(&self, id: i64) -> Result<(), StoreError> {
        let sql = format!("UPDATE pixygate_nodes SET seen_at = 0 WHERE id = {id}");
        self.within(&self.urgent, move |connection| {
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
                Ok(())
            })
        })
        .await
    }
}

async fn register(connection: &mut PgConnection, name: &str, version: &str) -> Result<i64, StoreError> {
    let mut transaction = connection.begin().await?;
    query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock::NODES)
        .execute(&mut *transaction)
        .await?;
    loop {
        let sql = format!(
            "INSERT INTO pixygate_nodes (name, version, started_at, seen_at) VALUES ($1, $2, {NOW}, {NOW}) RETURNING id"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .bind(name)
            .bind(version)
            .fetch_one(&mut *transaction)
            .await?;
        let id: i64 = row.try_get(0)?;
        // Identifiers of records tell only so many nodes apart.
        let sql = format!(
            "SELECT count(*) FROM pixygate_nodes
             WHERE id % {SLOTS} = {id} % {SLOTS} AND id <> {id} AND seen_at > {NOW} - {LEASE_MILLISECONDS}"
        );
        let taken = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *transaction).await?;
        if taken.try_get::<i64, _>(0)? == 0 {
            transaction.commit().await?;
            return Ok(id);
        }
        let sql = format!("DELETE FROM pixygate_nodes WHERE id = {id}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
}
