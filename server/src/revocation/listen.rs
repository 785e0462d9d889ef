//! A wake-up from PostgreSQL. sqlx's listener gives up on a connection that was reset, and PgBouncer in transaction mode accepts
//! LISTEN and delivers nothing, so nothing depends on it.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::postgres::PgPoolOptions;

use super::SharedRevocations;
use crate::store::{ENDED_CHANNEL, Postgres};

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_secs(5);

/// A connection is replaced after this time: one that died without a word would be quiet forever.
const LIFETIME: Duration = Duration::from_secs(300);

pub(super) async fn listen(postgres: Postgres, shared: SharedRevocations) {
    loop {
        let ended = tokio::time::timeout(LIFETIME, wake(&postgres, &shared)).await;
        if let Ok(Err(error)) = ended {
            tracing::debug!(%error, "no notifications of the store; it is polled");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn wake(postgres: &Postgres, shared: &SharedRevocations) -> Result<(), sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PAUSE)
        .connect_lazy_with((*postgres.options()).clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(ENDED_CHANNEL).await?;
    loop {
        listener.recv().await?;
        shared.0.wake.notify_one();
    }
}
