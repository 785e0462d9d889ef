use std::{future::Future, pin::Pin, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};

use super::binding::{LocalReplayStore, ProofId, ReplayCheck, ReplayStore as _};
use crate::jwt::{Ended, LocalRevocations, LogoutToken};

/// A future of [`LogoutRecorder`].
pub type LogoutFuture<'a> = Pin<Box<dyn Future<Output = LogoutRecord> + Send + 'a>>;

/// The outcome of recording a logout token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutRecord {
    /// It is recorded, as durably as the recorder promises: the provider gets its 200.
    Recorded,
    /// Its `jti` was recorded before: 400.
    Replayed,
    /// It could not be recorded: 503, and the provider may send the same token again.
    Unavailable,
}

/// Records the logout tokens that [`BackchannelLogout`](super::BackchannelLogout) has validated, each once. [`LocalLogouts`] does it in
/// memory; nodes that share a store need an implementation of their own.
pub trait LogoutRecorder: Send + Sync + 'static {
    /// Ends the session, unless the `jti` of the token was recorded before. `now` is in seconds since 1970.
    fn record<'a>(&'a self, logout: &'a LogoutToken, now: u64) -> LogoutFuture<'a>;
}

/// Records logout tokens in the memory of this process.
#[derive(Debug)]
pub struct LocalLogouts {
    revocations: Arc<LocalRevocations>,
    /// Used logout tokens; DPoP proofs have a store of their own.
    replays: LocalReplayStore,
}

impl LocalLogouts {
    /// Ends sessions in `revocations`, which must be those of the gate.
    pub fn new(revocations: Arc<LocalRevocations>) -> Self {
        Self {
            revocations,
            replays: LocalReplayStore::default(),
        }
    }
}

impl LogoutRecorder for LocalLogouts {
    fn record<'a>(&'a self, logout: &'a LogoutToken, now: u64) -> LogoutFuture<'a> {
        Box::pin(async move {
            let id = ProofId::new([0; 32], logout_digest(logout));
            match self.replays.record(id, now, logout.acceptable_until()).await {
                ReplayCheck::Fresh => {
                    self.revocations.end(&Ended::from(logout));
                    LogoutRecord::Recorded
                }
                ReplayCheck::Replayed => LogoutRecord::Replayed,
                ReplayCheck::Unavailable => LogoutRecord::Unavailable,
            }
        })
    }
}

/// Returns the SHA-256 of issuer and `jti`, which identifies a used logout token.
pub fn logout_digest(logout: &LogoutToken) -> [u8; 32] {
    let text = [logout.issuer(), logout.token_id()].join("\0");
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    id
}
