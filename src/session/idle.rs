//! Idle sign-out: ends a session that is not used.

use super::{HistoryEntry, Platform, Session, SignOutReason};

/// How long before the end of the session the warning starts, in milliseconds. For a short idle time, half of it.
const WARNING_MS: f64 = 60_000.0;

/// Whether the user is active.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Idle {
    /// The user is active. Without activity a warning is due in this many milliseconds.
    Active(f64),
    /// The user may be away. The session ends in this many seconds.
    Warning(u32),
    /// The session is over.
    Expired,
}

impl Idle {
    /// `timeout` is the idle time after which the session ends, `idle_for` the time since the last activity, both in milliseconds.
    pub(super) fn new(timeout: f64, idle_for: f64) -> Self {
        let left = timeout - idle_for;
        let warning = WARNING_MS.min(timeout / 2.0);
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
    /// Signs out an idle user, as [`Session::sign_out`] does. All tabs and the next page show the reason. Only the reason, the ID token and
    /// the organisation that the user acted for stay stored.
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
        // Otherwise a refresh in flight could store its tokens over the end of the session. If the lock times out, continue.
        let lock = self.lock_tokens().await;
        self.sync_locked().await;
        let Some(record) = self.record().filter(|record| Some(&record.id) == idle.as_ref()) else {
            // Another tab has ended the session already, or another user has signed in.
            return;
        };
        self.end(SignOutReason::Idle).await;
        drop(lock);
        self.revoke(&record.tokens).await;
        if let Some(tokens) = record.acting.as_ref().and_then(|acting| acting.tokens.as_ref()) {
            self.revoke(tokens).await;
        }
        let platform = &self.0.platform;
        // If the provider is down, stay: this page shows why the user is signed out, and the browser's error page would not.
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
