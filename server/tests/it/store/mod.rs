//! The store and what is built on it. Tests that need no particular engine run on both.

pub(crate) mod activity;
mod documents;
pub(crate) mod ended;
mod proofs;
mod recording;
pub(crate) mod revocation;
pub(crate) mod schema;
mod values;

use server::store::{Store, StoreUrl};
use tempfile::TempDir;

use crate::pgbouncer::PgBouncer;
use crate::postgres::Cluster;

/// A place for stores.
pub(crate) enum Engine {
    Sqlite(TempDir),
    Postgres(Cluster),
    /// PostgreSQL through PgBouncer.
    Bounced(Cluster, PgBouncer),
}

impl Engine {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Option<Self> {
        Cluster::start().map(Self::Postgres)
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("pixygate.db").display()),
            Self::Postgres(cluster) => cluster.url(),
            Self::Bounced(_, bouncer) => bouncer.url(),
        }
    }

    pub(crate) async fn open(&self) -> Store {
        open(&self.url()).await
    }

    /// Runs statements beside the store.
    pub(crate) async fn execute(&self, sql: &str) {
        use sqlx::Connection as _;

        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(_) => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url()).await.unwrap();
                sql.execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres(cluster) | Self::Bounced(cluster, _) => {
                let mut connection = sqlx::PgConnection::connect(&cluster.url()).await.unwrap();
                sql.execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }
}

pub(crate) async fn open(url: &str) -> Store {
    let url: StoreUrl = url.parse().unwrap();
    Store::open(&url).await.unwrap()
}

/// Makes each test one for SQLite and one for PostgreSQL.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&crate::store::Engine::sqlite()).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(engine) = crate::store::Engine::postgres() {
                    super::$name(&engine).await;
                }
            })+
        }
    };
}
pub(crate) use on_both;
