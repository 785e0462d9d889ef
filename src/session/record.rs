//! What is kept of a session, sealed, and how the tabs agree on it.

use serde::{Deserialize, Serialize};

use crate::authorization::TokenSet;

use super::{AuthState, Platform, Session, SessionError, SignOutReason, SignedIn, StorageError};

/// The slot of the session's record.
pub(super) const SESSION: &str = "session";

/// Raised when the record's form changes; a record of another form is discarded.
const SCHEMA: u32 = 1;

/// The tokens, and how often they were replaced, so that a tab sees when another one has newer ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) generation: u64,
    pub(super) tokens: TokenSet,
}

impl<P: Platform> Session<P> {
    /// What every sealed record is bound to: one made for another issuer, client or schema does not open.
    pub(super) fn binding(&self) -> String {
        let client = &self.0.client;
        format!("{SCHEMA}\n{}\n{}", client.provider.issuer, client.client_id)
    }

    /// The lock that a tab holds while it replaces the record.
    pub(super) fn lock_name(&self) -> String {
        format!("pixygate\n{}", self.binding())
    }

    /// Reads the kept session, once: at the start of the page.
    pub async fn restore(&self) {
        use futures_util::FutureExt as _;
        let restoring = self.0.restoring.borrow().clone();
        let restoring = restoring.unwrap_or_else(|| {
            let session = self.clone();
            let future: super::LocalFuture<()> = Box::pin(async move { session.look().await });
            self.0.restoring.borrow_mut().insert(future.shared()).clone()
        });
        restoring.await;
    }

    /// Looks at what is kept and takes it over: at the start, when another tab says so, and when the page wakes up.
    pub async fn look(&self) {
        let kept = self.load().await;
        if self.state() == AuthState::SigningOut {
            return;
        }
        match kept {
            Ok(Some(record)) => self.adopt(record),
            // A session that lives in memory only is not ended by its absence in storage.
            Ok(None) if self.0.kept.get() => self.sign_out_here(),
            Ok(None) | Err(_) if self.0.record.borrow().is_some() => {}
            Ok(None) | Err(_) => self.sign_out_here(),
        }
    }

    fn sign_out_here(&self) {
        let ended = self.0.record.take().is_some().then_some(SignOutReason::SignedOut);
        if !matches!(self.state(), AuthState::SignedOut(_)) {
            self.set_state(AuthState::SignedOut(ended));
        }
    }

    async fn load(&self) -> Result<Option<Record>, StorageError> {
        let text = self.0.platform.load(SESSION, &self.binding()).await?;
        Ok(text.and_then(|text| serde_json::from_slice(text.as_bytes()).ok()))
    }

    /// Takes over a record, unless it is the one that this tab has: that one also knows the monotonic clock.
    pub(super) fn adopt(&self, record: Record) {
        let same = self.0.record.borrow().as_ref().is_some_and(|own| {
            own.generation == record.generation
                && own.tokens.access_token().secret() == record.tokens.access_token().secret()
        });
        if !same {
            self.0.backoff.take();
            let person = SignedIn::new(&record.tokens);
            self.0.record.replace(Some(record));
            self.set_state(AuthState::SignedIn(person));
        }
    }

    /// Keeps new tokens and tells the other tabs. Where nothing can be kept the session lives on in memory.
    pub(super) async fn keep(&self, tokens: TokenSet) -> Result<(), SessionError> {
        let generation = self.0.record.borrow().as_ref().map_or(0, |record| record.generation) + 1;
        let record = Record { generation, tokens };
        let text = serde_json::to_string(&record).map_err(|error| StorageError(error.to_string()))?;
        let kept = self.0.platform.save(SESSION, &self.binding(), &text).await.is_ok();
        self.0.kept.set(kept);
        self.adopt(record);
        self.0.platform.tell_other_tabs();
        Ok(())
    }

    /// Ends the session in this tab and all others.
    pub(super) async fn end(&self, reason: SignOutReason) {
        self.0.record.take();
        self.0.nonces.take();
        self.0.platform.remove(SESSION).await;
        self.set_state(AuthState::SignedOut(Some(reason)));
        self.0.platform.tell_other_tabs();
    }
}
