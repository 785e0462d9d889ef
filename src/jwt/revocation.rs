use std::{sync::Arc, time::Duration};

use super::Principal;

/// What was taken back before it expired. Asked for every token, from the cache too, so it must answer from memory.
/// [`LocalRevocations`](super::LocalRevocations) knows what a provider says by back-channel logout.
pub trait Revocations: Send + Sync + 'static {
    /// Whether the token, its session, its subject or its client was revoked. Compare with
    /// [`token_id`](Principal::token_id), [`session_id`](Principal::session_id), [`subject`](Principal::subject) and
    /// [`issued_at`](Principal::issued_at).
    fn is_revoked(&self, principal: &Principal) -> bool;

    /// How long the refusal of a revoked token is held back, where a token that its client fetches upon it could not be told
    /// from it yet. Not at all, unless an implementation says otherwise.
    fn hold(&self, principal: &Principal) -> Duration {
        let _ = principal;
        Duration::ZERO
    }

    /// Whether the answers are recent enough to rely on. While they are not, every token is answered with 503: an implementation
    /// that learns of revocations from elsewhere returns `false` when it has not been able to for too long.
    fn is_current(&self) -> bool {
        true
    }
}

/// Nothing is ever revoked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRevocations;

impl Revocations for NoRevocations {
    fn is_revoked(&self, _: &Principal) -> bool {
        false
    }
}

impl<R: Revocations + ?Sized> Revocations for Arc<R> {
    fn is_revoked(&self, principal: &Principal) -> bool {
        (**self).is_revoked(principal)
    }

    fn hold(&self, principal: &Principal) -> Duration {
        (**self).hold(principal)
    }

    fn is_current(&self) -> bool {
        (**self).is_current()
    }
}
