use super::Principal;

/// What was taken back before it expired. Asked for every token, from the cache too, so it must answer from memory.
pub trait Revocations: Send + Sync + 'static {
    /// Whether the token, its session, its subject or its client was revoked. Compare with
    /// [`token_id`](Principal::token_id), [`session_id`](Principal::session_id), [`subject`](Principal::subject) and
    /// [`issued_at`](Principal::issued_at).
    fn is_revoked(&self, principal: &Principal) -> bool;
}

/// Nothing is ever revoked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRevocations;

impl Revocations for NoRevocations {
    fn is_revoked(&self, _: &Principal) -> bool {
        false
    }
}
