//! The last metadata and keys of providers.

use sqlx::postgres::PgRow;
use sqlx::{Connection as _, Row as _};

use super::{Postgres, query};
use crate::store::{Document, StoreError, signed, unsigned};

impl Postgres {
    pub(in crate::store) async fn documents(&self) -> Result<Vec<Document>, StoreError> {
        self.within(&self.urgent, |connection| {
            Box::pin(async move {
                let sql = "SELECT url, body, fetched_at FROM pixygate_documents";
                let rows = sqlx::raw_sql(sql).fetch_all(connection).await?;
                let read = |row: &PgRow| {
                    Ok::<_, sqlx::Error>(Document {
                        url: row.try_get(0)?,
                        body: row.try_get(1)?,
                        fetched_at: unsigned(row.try_get(2)?),
                    })
                };
                Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
            })
        })
        .await
    }

    pub(in crate::store) async fn store_document(&self, document: Document) -> Result<(), StoreError> {
        self.within(&self.bulk, move |connection| {
            Box::pin(async move {
                let mut transaction = connection.begin().await?;
                query(
                    "INSERT INTO pixygate_documents AS known (url, body, fetched_at) VALUES ($1, $2, $3)
                     ON CONFLICT (url) DO UPDATE SET body = excluded.body, fetched_at = excluded.fetched_at
                     WHERE known.fetched_at <= excluded.fetched_at",
                )
                .bind(document.url)
                .bind(document.body)
                .bind(signed(document.fetched_at))
                .execute(&mut *transaction)
                .await?;
                transaction.commit().await?;
                Ok(())
            })
        })
        .await
    }
}
