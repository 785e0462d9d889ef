//! Ended sessions. SQLite has one writer at a time, so ids are in the order of commits by themselves.

use pixygate::jwt::Ended;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::Sqlite;
use crate::store::{EndedRow, Floors, OnlyOnce, StoreError, signed, unsigned};

impl Sqlite {
    pub(in crate::store) async fn end(
        &self,
        ended: &Ended,
        until_now: bool,
        once: Option<OnlyOnce>,
    ) -> Result<Option<Ended>, StoreError> {
        let mut connection = self.writer.acquire().await?;
        let ended = end(&mut connection, ended, until_now, once).await;
        self.settle(connection, ended)
    }

    pub(in crate::store) async fn ended_from(&self, id: i64, limit: u32) -> Result<Vec<EndedRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, mark, issuer, subject, session_id, token_id, ended_at
             FROM pixygate_ended WHERE id >= ? ORDER BY id LIMIT ?",
        )
        .bind(id)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
    }

    pub(in crate::store) async fn ended_floors(&self) -> Result<Floors, StoreError> {
        let floors: Vec<(String, i64)> = sqlx::query_as("SELECT issuer, ended_at FROM pixygate_ended_floors")
            .fetch_all(&self.readers)
            .await?;
        Ok(floors.into_iter().map(|(issuer, at)| (issuer, unsigned(at))).collect())
    }

    pub(in crate::store) async fn prune_ended(&self, before: u64, now: u64) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        let pruned = prune(&mut connection, before, now).await;
        self.settle(connection, pruned)
    }
}

async fn end(
    connection: &mut SqliteConnection,
    ended: &Ended,
    until_now: bool,
    once: Option<OnlyOnce>,
) -> Result<Option<Ended>, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    if let Some(OnlyOnce { digest, until }) = once {
        let inserted =
            sqlx::query("INSERT INTO pixygate_logout_tokens (digest, until) VALUES (?, ?) ON CONFLICT DO NOTHING")
                .bind(digest.as_slice())
                .bind(signed(until))
                .execute(&mut *transaction)
                .await?;
        if inserted.rows_affected() == 0 {
            return Ok(None);
        }
    }
    let ended_at: i64 = sqlx::query_scalar(
        "INSERT INTO pixygate_ended (mark, issuer, subject, session_id, token_id, ended_at)
         VALUES (random(), ?, ?, ?, ?, max(?, iif(?, unixepoch(), 0))) RETURNING ended_at",
    )
    .bind(&ended.issuer)
    .bind(&ended.subject)
    .bind(&ended.session_id)
    .bind(&ended.token_id)
    .bind(signed(ended.before))
    .bind(until_now)
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let mut written = ended.clone();
    written.before = unsigned(ended_at);
    Ok(Some(written))
}

async fn prune(connection: &mut SqliteConnection, before: u64, now: u64) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(
        "INSERT INTO pixygate_ended_floors (issuer, ended_at)
         SELECT issuer, max(ended_at) FROM pixygate_ended
         WHERE ended_at < ? AND id < (SELECT max(id) FROM pixygate_ended) GROUP BY issuer
         ON CONFLICT (issuer) DO UPDATE SET ended_at = max(ended_at, excluded.ended_at)",
    )
    .bind(signed(before))
    .execute(&mut *transaction)
    .await?;
    sqlx::query("DELETE FROM pixygate_ended WHERE ended_at < ? AND id < (SELECT max(id) FROM pixygate_ended)")
        .bind(signed(before))
        .execute(&mut *transaction)
        .await?;
    sqlx::query("DELETE FROM pixygate_logout_tokens WHERE until < ?")
        .bind(signed(now))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

fn row(row: &SqliteRow) -> Result<EndedRow, sqlx::Error> {
    let mut ended = Ended::new(row.try_get::<String, _>("issuer")?, unsigned(row.try_get("ended_at")?));
    ended.subject = row.try_get("subject")?;
    ended.session_id = row.try_get("session_id")?;
    ended.token_id = row.try_get("token_id")?;
    Ok(EndedRow {
        id: row.try_get("id")?,
        mark: row.try_get("mark")?,
        ended,
    })
}
