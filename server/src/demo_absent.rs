//! A production build has no demonstration.

use crate::config::{Config, UpstreamEntry};

pub(crate) fn upstream(_: &Config) -> Option<UpstreamEntry> {
    None
}

pub(crate) async fn serve(_: &Config) -> Option<tokio::task::JoinHandle<()>> {
    None
}
