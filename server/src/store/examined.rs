use super::StoreError;
use super::migration::{Found, Migration};

/// What a store is, seen without changing it.
#[derive(Debug)]
pub struct Examined {
    /// Its tables, or why this server cannot work with them.
    pub schema: Result<Schema, StoreError>,
    /// Whether it can be written; `None` where its tables are too new to try.
    pub write: Option<Result<(), StoreError>>,
    /// The seconds by which its clock is ahead of this machine's; `None` where it has no clock of its own.
    pub clock_ahead: Option<i64>,
}

/// The version of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The newest migration that was applied; 0 where there are no tables.
    pub found: i64,
    /// The newest that this server knows.
    pub known: i64,
}

impl Schema {
    /// # Errors
    ///
    /// When the tables need a newer server.
    pub(super) fn of(found: Found, migrations: &[Migration]) -> Result<Self, StoreError> {
        found.check(migrations)?;
        Ok(Self {
            found: found.version,
            known: i64::try_from(migrations.len()).unwrap_or(i64::MAX),
        })
    }

    /// A statement like those that the server makes with these tables: at its start while some are missing, then as long as it runs.
    /// It is rolled back.
    pub(super) fn trial(self) -> &'static str {
        match self.found < self.known {
            true => "CREATE TABLE pixygate_doctor (probe bigint)",
            false => "INSERT INTO pixygate_values (name, version, content) VALUES ('pixygate doctor', 0, '')",
        }
    }
}
