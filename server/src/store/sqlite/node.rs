//! The nodes that share the file: one, or two while one replaces the other.

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::{MIGRATIONS, Sqlite, found};
use crate::store::activity::SLOTS;
use crate::store::node::{Beat, LEASE_MILLISECONDS, Node, node};
use crate::store::{StoreError, signed};

const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS integer)";

impl Sqlite {
    pub(in crate::store) async fn register(&self, name: &str, version: &str) -> Result<i64, StoreError> {
        let mut connection = self.writer.acquire().await?;
        let registered = register(&mut connection, name, version).await;
        self.settle(connection, registered)
    }

    pub(in crate::store) async fn beat(&self, id: i64, revocation_age_seconds: u64) -> Result<Beat, StoreError> {
        let renew = format!("UPDATE pixygate_nodes SET seen_at = {NOW}, revocation_age_seconds = ? WHERE id = ?");
        let renewed = sqlx::query(sqlx::AssertSqlSafe(renew))
            .bind(signed(revocation_age_seconds))
            .bind(id)
            .execute(&self.writer)
            .await?;
        let count = format!("SELECT count(*) FROM pixygate_nodes WHERE seen_at > {NOW} - ?");
        let live: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .bind(LEASE_MILLISECONDS)
            .fetch_one(&self.readers)
            .await?;
        found(&mut *self.readers.acquire().await?).await?.check(MIGRATIONS)?;
        Ok(Beat {
            live: u32::try_from(live).unwrap_or(u32::MAX),
            now: None,
            known: renewed.rows_affected() > 0,
        })
    }

    pub(in crate::store) async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let live = format!(
            "SELECT id, name, version, seen_at, revocation_age_seconds FROM pixygate_nodes
             WHERE seen_at > {NOW} - ? ORDER BY id"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(live))
            .bind(LEASE_MILLISECONDS)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok(node!(row))).collect()
    }

    pub(in crate::store) async fn leave(&self, id: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE pixygate_nodes SET seen_at = 0 WHERE id = ?")
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

async fn register(connection: &mut SqliteConnection, name: &str, version: &str) -> Result<i64, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let insert = format!(
        "INSERT INTO pixygate_nodes (name, version, started_at, seen_at) VALUES (?, ?, {NOW}, {NOW}) RETURNING id"
    );
    let others =
        format!("SELECT count(*) FROM pixygate_nodes WHERE id % ?1 = ?2 % ?1 AND id <> ?2 AND seen_at > {NOW} - ?3");
    loop {
        let id: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(insert.as_str()))
            .bind(name)
            .bind(version)
            .fetch_one(&mut *transaction)
            .await?;
        // Identifiers of records tell only so many nodes apart.
        let taken: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(others.as_str()))
            .bind(SLOTS)
            .bind(id)
            .bind(LEASE_MILLISECONDS)
            .fetch_one(&mut *transaction)
            .await?;
        if taken == 0 {
            transaction.commit().await?;
            return Ok(id);
        }
        sqlx::query("DELETE FROM pixygate_nodes WHERE id = ?")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
    }
}
