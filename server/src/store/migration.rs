//! The tables through time. Each engine has a list of migrations; the number of a migration is its place in the list, from 1.
//!
//! During a rolling update nodes of two versions share a store. A migration that only adds what older nodes do without says so
//! with `needs`: the oldest version of the schema that a node must know to work with the migrated store. Older nodes refuse to start,
//! and running ones report themselves as not ready.

use super::StoreError;

/// One step.
pub(super) struct Migration {
    /// Statements, separated by semicolons.
    pub(super) sql: &'static str,
    /// The oldest version of the schema that a node must know afterwards.
    pub(super) needs: i64,
}

/// The versions in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The newest applied migration; 0 in an empty store.
    pub(super) version: i64,
    /// The most that an applied migration needs.
    pub(super) needs: i64,
}

/// The table of applied migrations. The same in both engines.
pub(super) const CREATE: &str =
    "CREATE TABLE pixygate_schema (version bigint PRIMARY KEY, needs bigint NOT NULL, applied_at bigint NOT NULL)";

impl Found {
    /// Returns the migrations that are missing, with their numbers.
    ///
    /// # Errors
    ///
    /// When a newer migration needs more than this list has.
    pub(super) fn missing(
        self,
        migrations: &'static [Migration],
    ) -> Result<impl Iterator<Item = (i64, &'static Migration)>, StoreError> {
        self.check(migrations)?;
        let applied = usize::try_from(self.version).unwrap_or(0).min(migrations.len());
        Ok((1..).zip(migrations).skip(applied))
    }

    /// Checks that a node which knows these migrations can work with the store.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub(super) fn check(self, migrations: &[Migration]) -> Result<(), StoreError> {
        let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
        if self.needs > known {
            return Err(StoreError::Newer {
                found: self.version,
                needed: self.needs,
                known,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &[Migration] = &[
        Migration { sql: "1", needs: 1 },
        Migration { sql: "2", needs: 1 },
        Migration { sql: "3", needs: 3 },
    ];

    #[test]
    fn what_is_missing_is_applied_and_what_is_too_new_is_an_error() {
        let missing = |version, needs| {
            let found = Found { version, needs };
            let missing = found
                .missing(THREE)
                .map(|missing| missing.map(|(number, _)| number).collect::<Vec<_>>());
            missing.map_err(|error| error.to_string())
        };
        assert_eq!(missing(0, 0), Ok(vec![1, 2, 3]));
        assert_eq!(missing(2, 1), Ok(vec![3]));
        assert_eq!(missing(3, 3), Ok(vec![]));
        assert_eq!(
            missing(5, 3),
            Ok(vec![]),
            "newer, and nothing that this version does without"
        );
        let error = missing(5, 4).unwrap_err();
        assert_eq!(error, "schema 5 needs a server that knows schema 4; this one knows 3");
    }
}
