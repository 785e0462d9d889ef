use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// `store.url`, validated.
#[derive(Clone)]
pub enum StoreUrl {
    /// `sqlite://FILE` or `sqlite::memory:`.
    Sqlite(SqlitePlace),
    /// `postgres://…`. Parameters as libpq has them: `sslmode`, `sslrootcert`, ….
    Postgres(Box<PgConnectOptions>),
}

/// Where SQLite stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlitePlace {
    /// In a file.
    File(PathBuf),
    /// In this process, until it ends.
    Memory,
}

/// A `store.url` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreUrlError(String);

impl StoreUrl {
    /// Returns the name of another file that belongs to the database. `None` where the database is not a file of this machine.
    pub fn beside(&self, suffix: &str) -> Option<PathBuf> {
        let Self::Sqlite(SqlitePlace::File(file)) = self else {
            return None;
        };
        let mut name = file.clone().into_os_string();
        name.push("-");
        name.push(suffix);
        Some(name.into())
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(url: &str) -> Result<Self, StoreUrlError> {
        if let Some(place) = url.strip_prefix("sqlite:") {
            let place = place.strip_prefix("//").unwrap_or(place);
            return match place {
                ":memory:" => Ok(Self::Sqlite(SqlitePlace::Memory)),
                "" => Err(StoreUrlError("no file name".to_owned())),
                _ if place.contains('?') => {
                    Err(StoreUrlError("parameters, which SQLite files take none of".to_owned()))
                }
                _ => Ok(Self::Sqlite(SqlitePlace::File(place.into()))),
            };
        }
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("postgres" | "postgresql") => match PgConnectOptions::from_str(url) {
                Ok(options) => Ok(Self::Postgres(Box::new(options))),
                // The text of the error may repeat the address, password included.
                Err(_) => Err(StoreUrlError("an address that cannot be read".to_owned())),
            },
            Some(other) if other.chars().all(|char| char.is_ascii_alphanumeric()) => {
                Err(StoreUrlError(format!("scheme {other:?}")))
            }
            _ => Err(StoreUrlError("no scheme".to_owned())),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Without user and password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(SqlitePlace::File(path)) => write!(f, "sqlite://{}", path.display()),
            Self::Sqlite(SqlitePlace::Memory) => f.write_str("sqlite::memory:"),
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or(options.get_username());
                write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_its_engine_and_shows_no_password() {
        for (url, shown) in [
            ("sqlite://pixygate.db", "sqlite://pixygate.db"),
            (
                "sqlite:///var/lib/pixygate/state.db",
                "sqlite:///var/lib/pixygate/state.db",
            ),
            ("sqlite:state.db", "sqlite://state.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            (
                "postgres://me:secret@db.example/gate",
                "postgres://db.example:5432/gate",
            ),
            (
                "postgresql://me:secret@db.example:6432/gate?sslmode=require",
                "postgres://db.example:6432/gate",
            ),
        ] {
            let parsed: StoreUrl = url.parse().unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(format!("{parsed:?}"), shown);
        }
        for url in [
            "",
            "pixygate.db",
            "sqlite://",
            "sqlite://a.db?mode=ro",
            "mysql://me:secret@db/gate",
            "postgres://me:secret@[bad/x",
        ] {
            let error = url.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }
}
