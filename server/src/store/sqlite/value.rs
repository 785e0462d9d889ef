//! Values that nodes agree on.

use super::Sqlite;
use crate::store::{StoreError, Value, signed, unsigned};

impl Sqlite {
    pub(in crate::store) async fn value(&self, name: &str) -> Result<Option<Value>, StoreError> {
        let row: Option<(i64, Vec<u8>)> = sqlx::query_as("SELECT version, content FROM pixygate_values WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        let value = |(version, content)| Value {
            version: unsigned(version),
            content,
        };
        Ok(row.map(value))
    }

    pub(in crate::store) async fn replace_value(&self, name: &str, value: Value) -> Result<bool, StoreError> {
        let sql = match value.version {
            0 => "INSERT INTO pixygate_values (name, version, content) VALUES (?1, ?2 + 1, ?3) ON CONFLICT DO NOTHING",
            _ => "UPDATE pixygate_values SET version = version + 1, content = ?3 WHERE name = ?1 AND version = ?2",
        };
        let written = sqlx::query(sql)
            .bind(name)
            .bind(signed(value.version))
            .bind(value.content)
            .execute(&self.writer)
            .await?;
        Ok(written.rows_affected() == 1)
    }
}
