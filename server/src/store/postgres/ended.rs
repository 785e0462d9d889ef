//! Ended sessions.

use pixygate::jwt::Ended;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{Postgres, lock, query};
use crate::store::{EndedRow, Floors, OnlyOnce, StoreError, signed, unsigned};

impl Postgres {
    pub(in crate::store) async fn end(
        &self,
        ended: &Ended,
        until_now: bool,
        once: Option<OnlyOnce>,
    ) -> Result<Option<Ended>, StoreError> {
        let work = ended.clone();
        self.within(&self.urgent, move |connection| {
            Box::pin(end(connection, work, until_now, once))
        })
        .await
    }

    pub(in crate::store) async fn ended_from(&self, id: i64, limit: u32) -> Result<Vec<EndedRow>, StoreError> {
        // A simple query: one round trip, and no transaction. Numbers alone are put into it.
        let sql = format!(
            "SELECT id, mark, issuer, subject, session_id, token_id, ended_at
             FROM pixygate_ended WHERE id >= {id} ORDER BY id LIMIT {limit}"
        );
        self.within(&self.urgent, move |connection| {
            Box::pin(async move {
                let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
                Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
            })
        })
        .await
    }

    pub(in crate::store) async fn ended_floors(&self) -> Result<Floors, StoreError> {
        self.within(&self.urgent, |connection| {
            Box::pin(async move {
                let rows = sqlx::raw_sql("SELECT issuer, ended_at FROM pixygate_ended_floors")
                    .fetch_all(connection)
                    .await?;
                let floor = |row: &PgRow| Ok::<_, sqlx::Error>((row.try_get(0)?, unsigned(row.try_get(1)?)));
                Ok(rows.iter().map(floor).collect::<Result<_, _>>()?)
            })
        })
        .await
    }

    pub(in crate::store) async fn prune_ended(&self, before: u64, now: u64) -> Result<(), StoreError> {
        self.within(&self.urgent, move |connection| Box::pin(prune(connection, before, now)))
            .await
    }
}

async fn end(
    connection: &mut PgConnection,
    ended: Ended,
    until_now: bool,
    once: Option<OnlyOnce>,
) -> Result<Option<Ended>, StoreError> {
    let mut transaction = connection.begin().await?;
    // Held until after the commit, so that ids become visible in their order: a reader that has seen one has seen all before it.
    query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock::ENDED)
        .execute(&mut *transaction)
        .await?;
    // A database may be set up to confirm commits that a crash can lose.
    sqlx::raw_sql(
        "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
    )
    .execute(&mut *transaction)
    .await?;
    if let Some(OnlyOnce { digest, until }) = once {
        let inserted =
            query("INSERT INTO pixygate_logout_tokens (digest, until) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(digest.to_vec())
                .bind(signed(until))
                .execute(&mut *transaction)
                .await?;
        if inserted.rows_affected() == 0 {
            return Ok(None);
        }
    }
    let row = query(
        "INSERT INTO pixygate_ended (mark, issuer, subject, session_id, token_id, ended_at)
         VALUES (
             ('x' || substr(md5(random()::text || clock_timestamp()::text), 1, 16))::bit(64)::bigint, $1, $2, $3, $4,
             greatest($5, CASE WHEN $6 THEN floor(extract(epoch FROM clock_timestamp()))::bigint END)
         ) RETURNING ended_at",
    )
    .bind(ended.issuer.clone())
    .bind(ended.subject.clone())
    .bind(ended.session_id.clone())
    .bind(ended.token_id.clone())
    .bind(signed(ended.before))
    .bind(until_now)
    .fetch_one(&mut *transaction)
    .await?;
    let mut written = ended;
    written.before = unsigned(row.try_get(0)?);
    transaction.commit().await?;
    Ok(Some(written))
}

async fn prune(connection: &mut PgConnection, before: u64, now: u64) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    // Nobody inserts meanwhile, and nobody else prunes: what is summed up is what is deleted.
    query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock::ENDED)
        .execute(&mut *transaction)
        .await?;
    query(
        "INSERT INTO pixygate_ended_floors AS floors (issuer, ended_at)
         SELECT issuer, max(ended_at) FROM pixygate_ended
         WHERE ended_at < $1 AND id < (SELECT max(id) FROM pixygate_ended) GROUP BY issuer
         ON CONFLICT (issuer) DO UPDATE SET ended_at = greatest(floors.ended_at, excluded.ended_at)",
    )
    .bind(signed(before))
    .execute(&mut *transaction)
    .await?;
    query("DELETE FROM pixygate_ended WHERE ended_at < $1 AND id < (SELECT max(id) FROM pixygate_ended)")
        .bind(signed(before))
        .execute(&mut *transaction)
        .await?;
    query("DELETE FROM pixygate_logout_tokens WHERE until < $1")
        .bind(signed(now))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

fn row(row: &PgRow) -> Result<EndedRow, sqlx::Error> {
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
