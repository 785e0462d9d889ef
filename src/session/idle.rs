//! Ending a session that nobody uses.

use super::{HistoryEntry, Platform, Session, SignOutReason};

/// How long the warning is shown before the session ends, in milliseconds, or half of a shorter time.
const WARNING: f64 = 60_000.0;

/// How things stand with a person who may have gone away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Idle {
    /// They are there; so many milliseconds from now a warning is due if nothing happens.
    Active(f64),
    /// They may be gone: the session ends in so many seconds.
    Warning(u32),
    /// They are.
    Expired,
}

impl Idle {
    /// `after` and `since` are milliseconds: after how long the session ends, and how long nothing happened.
    pub(super) fn new(after: f64, since: f64) -> Self {
        let left = after - since;
        let warning = WARNING.min(after / 2.0);
        if left <= 0.0 {
            Self::Expired
        } else if left <= warning {
            Self::Warning((left / 1000.0).ceil() as u32)
        } else {
            Self::Active(left - warning)
        }
    }
}

impl<P: Platform> Session<P> {
    /// Signs out because nobody seems to be there: as [`Session::sign_out`] does, but every tab, and the next page, is told
    /// why. Of what is kept, only that and the ID token stay.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// use pixygate::session::{AuthState, SignOutReason};
    ///
    /// session.sign_out_idle().await;
    /// assert_eq!(session.state(), AuthState::SignedOut(Some(SignOutReason::Idle)));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn sign_out_idle(&self) {
        self.restore().await;
        let idle = self.sign_in_id();
        // A refresh that is under way would keep its tokens over the end. One that never ends does not.
        let lock = self.lock_tokens().await;
        self.sync_locked().await;
        let Some(record) = self.record().filter(|record| Some(&record.id) == idle.as_ref()) else {
            // Another tab was first, or another user has signed in.
            return;
        };
        self.end(SignOutReason::Idle).await;
        drop(lock);
        self.revoke(&record.tokens).await;
        if let Some(tokens) = record.acting.as_ref().and_then(|acting| acting.tokens.as_ref()) {
            self.revoke(tokens).await;
        }
        let platform = &self.0.platform;
        // Without an answer this page says why it is signed out, which the browser's error page would not.
        if let Some(url) = self.end_session_url(Some(record.tokens.id_token().as_str()))
            && self.probe().await.is_none()
        {
            platform.navigate(&url, HistoryEntry::Replace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Idle;

    #[test]
    fn warns_and_ends() {
        assert_eq!(Idle::new(600_000.0, 0.0), Idle::Active(540_000.0));
        assert_eq!(Idle::new(600_000.0, 540_000.0), Idle::Warning(60));
        assert_eq!(Idle::new(600_000.0, 599_001.0), Idle::Warning(1));
        assert_eq!(Idle::new(600_000.0, 600_000.0), Idle::Expired);
        assert_eq!(
            Idle::new(10_000.0, 4_000.0),
            Idle::Active(1_000.0),
            "a short time warns for half of it"
        );
        assert_eq!(Idle::new(600_000.0, 1e12), Idle::Expired, "after a long sleep");
    }
}
