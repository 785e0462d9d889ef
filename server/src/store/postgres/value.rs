//! Values that nodes agree on.

use sqlx::{Connection as _, Row as _};

use super::{Postgres, query};
use crate::store::{StoreError, Value, signed, unsigned};

impl Postgres {
    pub(in crate::store) async fn value(&self, name: &str) -> Result<Option<Value>, StoreError> {
        let name = name.to_owned();
        self.within(&self.urgent, move |connection| {
            Box::pin(async move {
                let mut transaction = connection.begin().await?;
                let row = query("SELECT version, content FROM pixygate_values WHERE name = $1")
                    .bind(name)
                    .fetch_optional(&mut *transaction)
                    .await?;
                transaction.rollback().await?;
                let Some(row) = row else { return Ok(None) };
                Ok(Some(Value {
                    version: unsigned(row.try_get(0)?),
                    content: row.try_get(1)?,
                }))
            })
        })
        .await
    }

    pub(in crate::store) async fn replace_value(&self, name: &str, value: Value) -> Result<bool, StoreError> {
        let name = name.to_owned();
        let sql = match value.version {
            0 => "INSERT INTO pixygate_values (name, version, content) VALUES ($1, $2 + 1, $3) ON CONFLICT DO NOTHING",
            _ => "UPDATE pixygate_values SET version = version + 1, content = $3 WHERE name = $1 AND version = $2",
        };
        self.within(&self.urgent, move |connection| {
            Box::pin(async move {
                let mut transaction = connection.begin().await?;
                let written = query(sql)
                    .bind(name)
                    .bind(signed(value.version))
                    .bind(value.content)
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                Ok(written.rows_affected() == 1)
            })
        })
        .await
    }
}
