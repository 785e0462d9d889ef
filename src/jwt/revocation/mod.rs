//! Tokens that were revoked before they expired.

mod ended;
mod local;

use std::{sync::Arc, time::Duration};

use super::Principal;

pub use ended::Ended;
pub use local::LocalRevocations;

/// Says which tokens were revoked. Asked about every token, cached ones included, so it must answer from memory.
/// [`LocalRevocations`] records the sessions that a provider ends by back-channel logout.
pub trait Revocations: Send + Sync + 'static {
    /// Returns whether the token, its session, its subject or its client was revoked. Compare with
    /// [`token_id`](Principal::token_id), [`session_id`](Principal::session_id), [`subject`](Principal::subject) and
    /// [`issued_at`](Principal::issued_at).
    fn is_revoked(&self, principal: &Principal) -> bool;

    /// Returns how long to delay the rejection of a revoked token, where a token that the client fetches at once could not be
    /// told from the revoked one. Zero by default.
    fn hold(&self, principal: &Principal) -> Duration {
        let _ = principal;
        Duration::ZERO
    }

    /// Returns whether the answers are recent enough to rely on. While they are not, every token is answered with 503: an implementation
    /// that learns of revocations from elsewhere returns `false` when it has not been able to for too long.
    fn is_current(&self) -> bool {
        true
    }
}

/// Never revokes anything.
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
