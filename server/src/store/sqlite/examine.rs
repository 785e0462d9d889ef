use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use super::{MIGRATIONS, Sqlite, found};
use crate::store::migration::Found;
use crate::store::url::SqlitePlace;
use crate::store::{Examined, Schema, StoreError};

/// How long the trial waits for a server that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

impl Sqlite {
    pub(in crate::store) async fn examine(place: &SqlitePlace) -> Result<Examined, StoreError> {
        let path = match place {
            SqlitePlace::File(path) if path.exists() => path,
            SqlitePlace::File(path) => return Ok(empty(try_to_create(path))),
            SqlitePlace::Memory => return Ok(empty(Ok(()))),
        };
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let exists: bool = sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'pixygate_schema'")
            .fetch_one(&mut connection)
            .await?;
        let found = match exists {
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
            clock_ahead: None,
        })
    }
}

fn empty(write: Result<(), StoreError>) -> Examined {
    Examined {
        schema: Schema::of(Found::default(), MIGRATIONS),
        write: Some(write),
        clock_ahead: None,
    }
}

/// Makes another file in the folder and removes it. The database itself stays absent: an empty one would look like one of a server.
fn try_to_create(path: &Path) -> Result<(), StoreError> {
    let mut probe = path.as_os_str().to_owned();
    probe.push(format!("-doctor-{}", std::process::id()));
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&probe);
    made.and_then(|_| std::fs::remove_file(&probe))
        .map_err(|source| StoreError::File {
            path: path.display().to_string(),
            source,
        })
}

async fn try_to_write(connection: &mut SqliteConnection, schema: Schema) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let written = sqlx::raw_sql(schema.trial()).execute(&mut *transaction).await;
    transaction.rollback().await?;
    written?;
    Ok(())
}
