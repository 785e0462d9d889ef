use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::{MIGRATIONS, Postgres, found, prepared};
use crate::store::migration::Found;
use crate::store::{Examined, Schema, StoreError};

/// Shorter than the doctor waits for one check, so that it is the store that is named.
const TIME_LIMIT: Duration = Duration::from_secs(4);

impl Postgres {
    pub(in crate::store) async fn examine(options: Box<PgConnectOptions>) -> Result<Examined, StoreError> {
        let examined = tokio::time::timeout(TIME_LIMIT, examine(&prepared(options))).await;
        examined.unwrap_or(Err(StoreError::NoAnswer(TIME_LIMIT)))
    }
}

async fn examine(options: &PgConnectOptions) -> Result<Examined, StoreError> {
    let mut connection = PgConnection::connect_with(options).await?;
    let asked = SystemTime::now();
    let sql = "SELECT to_regclass('pixygate_schema') IS NOT NULL, extract(epoch FROM clock_timestamp())::bigint";
    let row = sqlx::raw_sql(sql).fetch_one(&mut connection).await?;
    let clock_ahead = row.try_get::<i64, _>(1)? - seconds(asked);
    let found = match row.try_get::<bool, _>(0)? {
        true => found(&mut connection).await?,
        false => Found::default(),
    };
    let schema = Schema::of(found, MIGRATIONS);
    let write = match &schema {
        Ok(schema) => Some(try_to_write(&mut connection, *schema).await),
        Err(_) => None,
    };
    connection.close().await?;
    Ok(Examined {
        schema,
        write,
        clock_ahead: Some(clock_ahead),
    })
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

async fn try_to_write(connection: &mut PgConnection, schema: Schema) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let written = sqlx::raw_sql(schema.trial()).execute(&mut *transaction).await;
    transaction.rollback().await?;
    written?;
    Ok(())
}
