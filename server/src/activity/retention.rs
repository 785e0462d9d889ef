//! What is older than `activity.retention_days` is deleted, in small transactions that hold nobody up.

use std::time::{Duration, SystemTime};

use crate::store::{Store, StoreError};

/// Between two looks. The first is shortly after the start.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Before the first look, so that a start does not compete with it.
const FIRST: Duration = Duration::from_secs(60);

/// Between two transactions.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn keep_to(store: Store, retention: Duration) {
    tokio::time::sleep(FIRST).await;
    loop {
        let before = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_sub(retention);
        if let Err(error) = prune(&store, before.as_secs()).await {
            tracing::warn!(%error, "old activity could not be deleted; it is tried again later");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn prune(store: &Store, before: u64) -> Result<(), StoreError> {
    while store.prune_activity(before).await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    while store.prune_activity_sums(before).await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
