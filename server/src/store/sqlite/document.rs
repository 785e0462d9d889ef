//! The last metadata and keys of providers.

use super::Sqlite;
use crate::store::{Document, StoreError, signed, unsigned};

impl Sqlite {
    pub(in crate::store) async fn documents(&self) -> Result<Vec<Document>, StoreError> {
        let rows: Vec<(String, Vec<u8>, i64)> = sqlx::query_as("SELECT url, body, fetched_at FROM pixygate_documents")
            .fetch_all(&self.readers)
            .await?;
        let document = |(url, body, fetched_at)| Document {
            url,
            body,
            fetched_at: unsigned(fetched_at),
        };
        Ok(rows.into_iter().map(document).collect())
    }

    pub(in crate::store) async fn store_document(&self, document: Document) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO pixygate_documents (url, body, fetched_at) VALUES (?, ?, ?)
             ON CONFLICT (url) DO UPDATE SET body = excluded.body, fetched_at = excluded.fetched_at
             WHERE fetched_at <= excluded.fetched_at",
        )
        .bind(document.url)
        .bind(document.body)
        .bind(signed(document.fetched_at))
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
