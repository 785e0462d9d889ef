//! The record of what was done.

use std::sync::Arc;

use app::api::{Bucket, Filter, Page, RecordId, RecordOwner};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Connection as _, Row as _, Sqlite as Engine, SqliteConnection};

use super::Sqlite;
use crate::store::activity::{
    Batch, CHUNK, Columns, Row, SCAN, Since, Sum, User, bucket, first_at, key_of, page, since,
};
use crate::store::{StoreError, signed};

/// Rows of one statement. One that is long saves the way to SQLite's thread and back; 32,766 parameters are its bound.
const ROWS: usize = 100;

/// The names of a record's user and node.
const NAMES: &str = "LEFT JOIN pixygate_activity_users AS u ON u.user_key = a.user_key
     LEFT JOIN pixygate_nodes AS n ON n.id = a.node";

/// The verdict of a filter on a record.
const MATCHES: &str = "(?5 IS NULL OR (a.reason IS NOT NULL) = ?5)
     AND (?6 IS NULL OR a.reason = ?6) AND (?7 IS NULL OR a.upstream = ?7)
     AND (?8 IS NULL OR a.route = ?8) AND (?9 IS NULL OR a.method = ?9)";

impl Sqlite {
    pub(in crate::store) async fn write_activity(&self, batch: &Arc<Batch>) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        let written = write(&mut connection, batch).await;
        self.settle(connection, written)
    }

    pub(in crate::store) async fn activity(
        &self,
        whose: &RecordOwner,
        filter: &Filter,
        before: Option<RecordId>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let columns = Columns::new(filter, before);
        let scanned = match whose {
            RecordOwner::User { .. } => {
                "SELECT * FROM pixygate_activity WHERE user_key = ?1 AND id >= ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4"
            }
            RecordOwner::AllUsers => {
                "SELECT * FROM pixygate_activity WHERE ?1 = 0 AND id >= ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4"
            }
        };
        let sql = format!(
            "SELECT a.*, u.issuer, u.subject, u.name, n.name AS node_name FROM ({scanned}) AS a
             {NAMES} WHERE {MATCHES} LIMIT ?10"
        );
        let rows = bind(sqlx::query(sqlx::AssertSqlSafe(sql)), whose, &columns)
            .bind(columns.denied)
            .bind(columns.reason)
            .bind(&columns.upstream)
            .bind(&columns.route)
            .bind(&columns.method)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        let mut records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        records.sort_by_key(|record| std::cmp::Reverse(record.id));
        let full = records.len() == limit as usize;
        let older = match records.last() {
            Some(last) if full => Some(last.id),
            _ => {
                let sql = format!("SELECT min(id) FROM ({scanned}) HAVING count(*) = ?4");
                bind(sqlx::query(sqlx::AssertSqlSafe(sql)), whose, &columns)
                    .fetch_optional(&self.readers)
                    .await?
                    .and_then(|row| row.try_get(0).ok())
                    .map(RecordId)
            }
        };
        Ok(page(whose, records, older))
    }

    pub(in crate::store) async fn activity_since(
        &self,
        whose: &RecordOwner,
        mut columns: Columns,
        limit: u32,
    ) -> Result<Since, StoreError> {
        let scanned = match whose {
            RecordOwner::User { .. } => {
                "SELECT * FROM pixygate_activity WHERE user_key = ?1 AND id >= ?2 AND id < ?3 ORDER BY id LIMIT ?4"
            }
            RecordOwner::AllUsers => {
                "SELECT * FROM pixygate_activity WHERE ?1 = 0 AND id >= ?2 AND id < ?3 ORDER BY id LIMIT ?4"
            }
        };
        // First: what is written after this is left for the next time.
        let sql = format!("SELECT max(id) FROM ({scanned})");
        let last = bind(sqlx::query(sqlx::AssertSqlSafe(sql)), whose, &columns)
            .fetch_one(&self.readers)
            .await?
            .try_get::<Option<i64>, _>(0)?;
        let Some(last) = last else {
            return Ok(Since::default());
        };
        columns.most = last + 1;
        let sql = format!(
            "SELECT a.*, u.issuer, u.subject, u.name, n.name AS node_name FROM (
                 SELECT * FROM ({scanned}) AS a WHERE {MATCHES} ORDER BY id LIMIT ?10
             ) AS a {NAMES}"
        );
        let rows = bind(sqlx::query(sqlx::AssertSqlSafe(sql)), whose, &columns)
            .bind(columns.denied)
            .bind(columns.reason)
            .bind(&columns.upstream)
            .bind(&columns.route)
            .bind(&columns.method)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        let records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        Ok(since(whose, records, Some(RecordId(last)), limit))
    }

    pub(in crate::store) async fn activity_sums(
        &self,
        whose: &RecordOwner,
        from: u64,
        minutes: u64,
        buckets: usize,
    ) -> Result<Vec<(usize, Bucket)>, StoreError> {
        let first = signed(from / 60);
        let minutes = signed(minutes);
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT (minute - ?2) / ?3, sum(allowed), sum(denied) FROM pixygate_activity_sums
             WHERE user_key = ?1 AND minute >= ?2 AND minute < ?2 + ?3 * ?4 GROUP BY 1",
        )
        .bind(key_of(whose))
        .bind(first)
        .bind(minutes)
        .bind(buckets as i64)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(bucket).collect())
    }

    pub(in crate::store) async fn prune_activity(&self, before: u64) -> Result<u64, StoreError> {
        let first = first_at(before);
        let deleted = sqlx::query(
            "DELETE FROM pixygate_activity WHERE id IN (SELECT id FROM pixygate_activity WHERE id < ? ORDER BY id LIMIT ?)",
        )
        .bind(first)
        .bind(CHUNK)
        .execute(&self.writer)
        .await?;
        Ok(deleted.rows_affected())
    }

    pub(in crate::store) async fn prune_activity_sums(&self, before: u64) -> Result<u64, StoreError> {
        let sums = sqlx::query(
            "DELETE FROM pixygate_activity_sums WHERE (user_key, minute, node) IN
             (SELECT user_key, minute, node FROM pixygate_activity_sums WHERE minute < ? LIMIT ?)",
        )
        .bind(signed(before / 60))
        .bind(CHUNK)
        .execute(&self.writer)
        .await?;
        sqlx::query("DELETE FROM pixygate_activity_users WHERE day < ?")
            .bind(signed(before / 86_400))
            .execute(&self.writer)
            .await?;
        sqlx::query("DELETE FROM pixygate_nodes WHERE seen_at < ?")
            .bind(signed(before * 1000))
            .execute(&self.writer)
            .await?;
        Ok(sums.rows_affected())
    }
}

type Query<'q> = sqlx::query::Query<'q, Engine, SqliteArguments>;

/// The parameters of what is looked through.
fn bind<'q>(query: Query<'q>, whose: &RecordOwner, columns: &Columns) -> Query<'q> {
    query
        .bind(key_of(whose))
        .bind(columns.least)
        .bind(columns.most)
        .bind(SCAN)
}

async fn write(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let Some(first) = batch.rows.first() else { return Ok(()) };
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // The transaction was committed before, and the answer did not come.
    let written: Option<i64> = sqlx::query_scalar("SELECT id FROM pixygate_activity WHERE id = ?")
        .bind(first.id.0)
        .fetch_optional(&mut *transaction)
        .await?;
    if written.is_some() {
        return Ok(());
    }
    for users in batch.users.chunks(ROWS) {
        insert_users(&mut transaction, users).await?;
    }
    for rows in batch.rows.chunks(ROWS) {
        insert_rows(&mut transaction, batch.node, rows).await?;
    }
    for sums in batch.sums.chunks(ROWS) {
        add_sums(&mut transaction, batch.node, sums).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Builds a statement with placeholders for so many rows. Only the statement of a full chunk is kept prepared.
fn statement<'q>(before: &str, columns: usize, rows: usize, after: &str) -> Query<'q> {
    let row = format!("({})", vec!["?"; columns].join(","));
    let sql = format!("{before} VALUES {} {after}", vec![row; rows].join(","));
    sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(rows == ROWS)
}

async fn insert_users(connection: &mut SqliteConnection, users: &[User]) -> Result<(), sqlx::Error> {
    let mut query = statement(
        "INSERT INTO pixygate_activity_users (user_key, issuer, subject, name, day)",
        5,
        users.len(),
        "ON CONFLICT (user_key) DO UPDATE SET name = ifnull(excluded.name, name), day = max(day, excluded.day)",
    );
    for user in users {
        query = query
            .bind(user.key)
            .bind(&user.issuer)
            .bind(&user.subject)
            .bind(&user.name)
            .bind(user.day);
    }
    query.execute(connection).await?;
    Ok(())
}

async fn add_sums(connection: &mut SqliteConnection, node: i64, sums: &[Sum]) -> Result<(), sqlx::Error> {
    let mut query = statement(
        "INSERT INTO pixygate_activity_sums (user_key, minute, node, allowed, denied)",
        5,
        sums.len(),
        "ON CONFLICT (user_key, minute, node)
         DO UPDATE SET allowed = allowed + excluded.allowed, denied = denied + excluded.denied",
    );
    for sum in sums {
        query = query
            .bind(sum.user)
            .bind(sum.minute)
            .bind(node)
            .bind(sum.allowed)
            .bind(sum.denied);
    }
    query.execute(connection).await?;
    Ok(())
}

async fn insert_rows(connection: &mut SqliteConnection, node: i64, rows: &[Row]) -> Result<(), sqlx::Error> {
    let mut query = statement(
        "INSERT INTO pixygate_activity (id, user_key, node, request_id, client, method, route, upstream, reason, expected, found, hint, \
         status, bytes, took)",
        15,
        rows.len(),
        "",
    );
    for row in rows {
        query = query
            .bind(row.id.0)
            .bind(row.user)
            .bind(node)
            .bind(&row.request_id)
            .bind(&row.client)
            .bind(&row.method)
            .bind(&row.route)
            .bind(&row.upstream)
            .bind(row.reason)
            .bind(&row.expected)
            .bind(&row.found)
            .bind(&row.hint)
            .bind(row.status)
            .bind(row.bytes)
            .bind(row.took);
    }
    query.execute(connection).await?;
    Ok(())
}

fn record(row: &SqliteRow) -> Result<app::api::Record, sqlx::Error> {
    crate::store::activity::record!(row)
}
