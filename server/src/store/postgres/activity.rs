//! The record of what was done.

use std::fmt::Write as _;
use std::sync::Arc;

use app::api::{Bucket, Filter, Page, RecordId, RecordOwner};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{Postgres, lock, query};
use crate::store::activity::{Batch, CHUNK, Columns, SCAN, Since, bucket, first_at, key_of, page, since};
use crate::store::{StoreError, signed};

const COPY: &str = "COPY pixygate_activity (id, user_key, node, request_id, client, method, route, upstream, reason, expected, found, hint, \
                    status, bytes, took) FROM STDIN";

impl Postgres {
    pub(in crate::store) async fn write_activity(&self, batch: &Arc<Batch>) -> Result<(), StoreError> {
        let batch = batch.clone();
        self.within(&self.bulk, move |connection| {
            Box::pin(async move { write(connection, &batch).await })
        })
        .await
    }

    pub(in crate::store) async fn activity(
        &self,
        whose: &RecordOwner,
        filter: &Filter,
        before: Option<RecordId>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let columns = Columns::new(filter, before);
        let of_whom = whose.clone();
        let (records, older) = self
            .within(&self.bulk, move |connection| {
                Box::pin(async move { read(connection, &of_whom, columns, limit).await })
            })
            .await?;
        Ok(page(whose, records, older))
    }

    pub(in crate::store) async fn activity_since(
        &self,
        whose: &RecordOwner,
        columns: Columns,
        limit: u32,
    ) -> Result<Since, StoreError> {
        let of_whom = whose.clone();
        let (records, last) = self
            .within(&self.bulk, move |connection| {
                Box::pin(async move { read_since(connection, &of_whom, columns, limit).await })
            })
            .await?;
        Ok(since(whose, records, last, limit))
    }

    pub(in crate::store) async fn activity_sums(
        &self,
        whose: &RecordOwner,
        from: u64,
        minutes: u64,
        buckets: usize,
    ) -> Result<Vec<(usize, Bucket)>, StoreError> {
        let (key, first, minutes) = (key_of(whose), signed(from / 60), signed(minutes));
        let until = first + minutes * buckets as i64;
        // Numbers alone are put into it.
        let sql = format!(
            "SELECT (minute - {first}) / {minutes}, sum(allowed)::bigint, sum(denied)::bigint FROM pixygate_activity_sums
             WHERE user_key = {key} AND minute >= {first} AND minute < {until} GROUP BY 1"
        );
        self.within(&self.bulk, move |connection| {
            Box::pin(async move {
                let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
                let read =
                    |row: &PgRow| Ok::<_, sqlx::Error>(bucket((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)));
                Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
            })
        })
        .await
    }

    pub(in crate::store) async fn prune_activity(&self, before: u64) -> Result<u64, StoreError> {
        let first = first_at(before);
        self.delete(format!(
            "DELETE FROM pixygate_activity WHERE id IN (SELECT id FROM pixygate_activity WHERE id < {first} ORDER BY id LIMIT {CHUNK})"
        ))
        .await
    }

    pub(in crate::store) async fn prune_activity_sums(&self, before: u64) -> Result<u64, StoreError> {
        let (minute, day) = (before / 60, before / 86_400);
        let sums = self
            .delete(format!(
                "DELETE FROM pixygate_activity_sums WHERE (user_key, minute, node) IN
                 (SELECT user_key, minute, node FROM pixygate_activity_sums WHERE minute < {minute} LIMIT {CHUNK})"
            ))
            .await?;
        self.delete(format!("DELETE FROM pixygate_activity_users WHERE day < {day}"))
            .await?;
        let milliseconds = before * 1000;
        self.delete(format!("DELETE FROM pixygate_nodes WHERE seen_at < {milliseconds}"))
            .await?;
        Ok(sums)
    }

    /// Deletes, unless another node is deleting at this moment.
    pub(super) async fn delete(&self, sql: String) -> Result<u64, StoreError> {
        self.within(&self.bulk, move |connection| {
            Box::pin(async move {
                let mut transaction = connection.begin().await?;
                let free = query("SELECT pg_try_advisory_xact_lock($1)")
                    .bind(lock::RETENTION)
                    .fetch_one(&mut *transaction)
                    .await?;
                if !free.try_get::<bool, _>(0)? {
                    return Ok(0);
                }
                let deleted = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(deleted.rows_affected())
            })
        })
        .await
    }
}

async fn write(connection: &mut PgConnection, batch: &Batch) -> Result<(), StoreError> {
    let Some(first) = batch.rows.first() else { return Ok(()) };
    let mut transaction = connection.begin().await?;
    // The transaction was committed before, and the answer did not come.
    let written = query("SELECT 1 FROM pixygate_activity WHERE id = $1")
        .bind(first.id.0)
        .fetch_optional(&mut *transaction)
        .await?;
    if written.is_some() {
        return Ok(());
    }
    if !batch.users.is_empty() {
        let mut users: Vec<_> = batch.users.iter().collect();
        // In one order on all nodes: two that write the same users do not wait for each other in a circle.
        users.sort_by_key(|user| user.key);
        query(
            "INSERT INTO pixygate_activity_users AS known (user_key, issuer, subject, name, day)
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[])
             ON CONFLICT (user_key) DO UPDATE
             SET name = coalesce(excluded.name, known.name), day = greatest(excluded.day, known.day)",
        )
        .bind(users.iter().map(|user| user.key).collect::<Vec<_>>())
        .bind(users.iter().map(|user| storable(&user.issuer)).collect::<Vec<_>>())
        .bind(users.iter().map(|user| storable(&user.subject)).collect::<Vec<_>>())
        .bind(
            users
                .iter()
                .map(|user| user.name.as_deref().map(storable))
                .collect::<Vec<_>>(),
        )
        .bind(users.iter().map(|user| user.day).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
    }
    let mut copy = transaction.copy_in_raw(COPY).await?;
    copy.send(text(batch).into_bytes()).await?;
    copy.finish().await?;
    query(
        "INSERT INTO pixygate_activity_sums AS known (user_key, minute, node, allowed, denied)
         SELECT user_key, minute, $2, allowed, denied
         FROM unnest($1::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS new (user_key, minute, allowed, denied)
         ON CONFLICT (user_key, minute, node)
         DO UPDATE SET allowed = known.allowed + excluded.allowed, denied = known.denied + excluded.denied",
    )
    .bind(batch.sums.iter().map(|sum| sum.user).collect::<Vec<_>>())
    .bind(batch.node)
    .bind(batch.sums.iter().map(|sum| sum.minute).collect::<Vec<_>>())
    .bind(batch.sums.iter().map(|sum| sum.allowed).collect::<Vec<_>>())
    .bind(batch.sums.iter().map(|sum| sum.denied).collect::<Vec<_>>())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// The text format of COPY.
fn text(batch: &Batch) -> String {
    let mut text = String::with_capacity(batch.rows.len() * 160);
    for row in &batch.rows {
        // Writing to a string does not fail.
        let _ = write!(text, "{}\t{}\t{}\t", row.id, row.user, batch.node);
        escape(&mut text, Some(&row.request_id));
        escape(&mut text, row.client.as_deref());
        escape(&mut text, Some(&row.method));
        escape(&mut text, row.route.as_deref());
        escape(&mut text, row.upstream.as_deref());
        escape(&mut text, row.reason);
        escape(&mut text, row.expected.as_deref());
        escape(&mut text, row.found.as_deref());
        escape(&mut text, row.hint.as_deref());
        match row.status {
            Some(status) => _ = write!(text, "{status}\t"),
            None => text += "\\N\t",
        }
        let _ = writeln!(text, "{}\t{}", row.bytes, row.took);
    }
    text
}

/// One column and the tabulator behind it.
fn escape(text: &mut String, value: Option<&str>) {
    match value {
        None => text.push_str("\\N"),
        Some(value) => {
            for character in value.chars() {
                match character {
                    '\\' => text.push_str("\\\\"),
                    '\t' => text.push_str("\\t"),
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    '\0' => text.push(char::REPLACEMENT_CHARACTER),
                    other => text.push(other),
                }
            }
        }
    }
    text.push('\t');
}

/// PostgreSQL stores every character but one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Which of the records that are looked through match, with the names of their users and nodes.
async fn select(
    connection: &mut PgConnection,
    scanned: &str,
    order: &str,
    columns: Columns,
    limit: u32,
) -> Result<Vec<app::api::Record>, StoreError> {
    let sql = format!(
        "SELECT a.*, u.issuer, u.subject, u.name, n.name AS node_name FROM (
             SELECT * FROM ({scanned}) AS scanned
             WHERE ($1::boolean IS NULL OR (reason IS NOT NULL) = $1)
               AND ($2::text IS NULL OR reason = $2) AND ($3::text IS NULL OR upstream = $3)
               AND ($4::text IS NULL OR route = $4) AND ($5::text IS NULL OR method = $5)
             ORDER BY id {order} LIMIT {limit}
         ) AS a
         LEFT JOIN pixygate_activity_users AS u ON u.user_key = a.user_key
         LEFT JOIN pixygate_nodes AS n ON n.id = a.node"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .bind(columns.denied)
        .bind(columns.reason)
        .bind(columns.upstream)
        .bind(columns.route)
        .bind(columns.method)
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(record).collect::<Result<Vec<_>, _>>()?)
}

async fn read_since(
    connection: &mut PgConnection,
    whose: &RecordOwner,
    columns: Columns,
    limit: u32,
) -> Result<(Vec<app::api::Record>, Option<RecordId>), StoreError> {
    let of_whom = of_whom(whose);
    let Columns { least, most, .. } = columns;
    // Numbers alone are put into it; the rest are parameters.
    let scanned = |most: i64| {
        format!(
            "SELECT * FROM pixygate_activity WHERE {of_whom} id >= {least} AND id < {most} ORDER BY id LIMIT {SCAN}"
        )
    };
    // First: what is written after this is left for the next time.
    let sql = format!("SELECT max(id) FROM ({}) AS scanned", scanned(most));
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
    let Some(last) = row.try_get::<Option<i64>, _>(0)? else {
        return Ok((Vec::new(), None));
    };
    let records = select(connection, &scanned(last + 1), "ASC", columns, limit).await?;
    Ok((records, Some(RecordId(last))))
}

/// The condition that a record is of a user.
fn of_whom(whose: &RecordOwner) -> String {
    match whose {
        RecordOwner::User { .. } => format!("user_key = {} AND", key_of(whose)),
        RecordOwner::AllUsers => String::new(),
    }
}

async fn read(
    connection: &mut PgConnection,
    whose: &RecordOwner,
    columns: Columns,
    limit: u32,
) -> Result<(Vec<app::api::Record>, Option<RecordId>), StoreError> {
    let of_whom = of_whom(whose);
    let Columns { least, most, .. } = columns;
    // Numbers alone are put into it.
    let scanned = format!(
        "SELECT * FROM pixygate_activity WHERE {of_whom} id >= {least} AND id < {most} ORDER BY id DESC LIMIT {SCAN}"
    );
    let mut transaction = connection.begin().await?;
    let mut records = select(&mut transaction, &scanned, "DESC", columns, limit).await?;
    records.sort_by_key(|record| std::cmp::Reverse(record.id));
    let full = records.len() == limit as usize;
    let older = match records.last() {
        Some(last) if full => Some(last.id),
        _ => {
            let sql = format!("SELECT min(id) FROM ({scanned}) AS scanned HAVING count(*) = {SCAN}");
            let row = sqlx::raw_sql(AssertSqlSafe(sql))
                .fetch_optional(&mut *transaction)
                .await?;
            row.and_then(|row| row.try_get(0).ok()).map(RecordId)
        }
    };
    transaction.rollback().await?;
    Ok((records, older))
}

fn record(row: &PgRow) -> Result<app::api::Record, sqlx::Error> {
    crate::store::activity::record!(row)
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_means_something_to_copy_is_escaped() {
        let mut text = String::new();
        escape(&mut text, None);
        escape(&mut text, Some("a\tb\\N\r\n\0ü"));
        escape(&mut text, Some(""));
        assert_eq!(text, "\\N\ta\\tb\\\\N\\r\\n\u{fffd}ü\t\t");
    }
}
