//! The stored, encrypted record of a session, and how the tabs synchronize with it.

use serde_json::Value;

use crate::authorization::id_token::IdToken;
use crate::authorization::json::{self, Json};
use crate::authorization::{TokenExchange, TokenSet};

use super::platform::SaveMode;
use super::{AuthState, Event, LockError, Platform, Session, SignOutReason, SignedIn, StepUp, StorageError};

/// The slot of the session's record.
pub(super) const SESSION: &str = "session";

/// The version of the record's schema. A record of another version is discarded.
const SCHEMA: u32 = 2;

/// The content of the slot: a session, or the remains of one that the user did not end.
#[derive(Clone, Debug)]
pub(super) enum StoredSession {
    Live(Box<Record>),
    Ended(Box<Ended>),
}

/// The tokens of one sign-in. The generation counts how often they were replaced, so that a tab recognizes newer ones of another tab.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The `state` of the sign-in.
    pub(super) id: String,
    pub(super) generation: u64,
    pub(super) tokens: TokenSet,
    /// The exchanged tokens, when the user acts for another organisation.
    pub(super) acting: Option<Acting>,
    /// The step-ups for calls that have not succeeded since, so that no call requires the same one twice.
    pub(super) demanded: Vec<(String, StepUp)>,
    /// Whether the provider ignored `max_age`. The next sign-in with `max_age` then has `prompt=login` too.
    pub(super) ignores_max_age: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Acting {
    pub(super) exchange: TokenExchange,
    /// `None` until the first exchange of this sign-in succeeds. Until then no call is made.
    pub(super) tokens: Option<TokenSet>,
}

/// The identity of calls: the subject, and the organisation that the user acts for.
pub(super) type Whose = (String, Option<TokenExchange>);

/// An ended session: the reason, the ID token for a sign-out at the provider, and the organisation that the user acted for, for the next
/// sign-in.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    reason: SignOutReason,
    id_token: IdToken,
    acting: Option<TokenExchange>,
}

impl Json for StoredSession {
    fn read(value: Value) -> Option<Self> {
        let (name, value) = json::variant(value)?;
        match name.as_str() {
            "Live" => Json::read(value).map(Self::Live),
            "Ended" => Json::read(value).map(Self::Ended),
            _ => None,
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Live(record) => json::of_variant("Live", record.write()),
            Self::Ended(ended) => json::of_variant("Ended", ended.write()),
        }
    }
}

json::fields!(Record {
    id,
    generation,
    tokens,
    acting,
    demanded,
    ignores_max_age,
});

json::fields!(Acting { exchange, tokens });

json::fields!(Ended {
    reason,
    id_token,
    acting
});

/// Whether the record of this tab is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stored {
    #[default]
    Yes,
    /// Storage has an older record, of this generation, because the last one could not be stored.
    Behind(u64),
    /// No record of this session was ever stored, so its absence means nothing.
    Never,
}

/// A change that the storage needs. It is written under the lock, after another comparison.
pub(super) enum PendingWrite {
    /// Delete the stored session, which the user has ended.
    Deletion,
    /// Store the end of the stored session.
    End,
    /// Store the tokens of this tab.
    Tokens(Box<Record>),
}

impl Record {
    /// Returns the subject of the user.
    pub(super) fn subject(&self) -> &str {
        &self.tokens.id_token().claims().sub
    }

    pub(super) fn exchange(&self) -> Option<&TokenExchange> {
        self.acting.as_ref().map(|acting| &acting.exchange)
    }

    pub(super) fn whose(&self) -> Whose {
        (self.subject().to_owned(), self.exchange().cloned())
    }

    /// Returns whether the exchange has not succeeded yet, so that calls must not use [`Record::current`].
    pub(super) fn lacks_exchange(&self) -> bool {
        self.acting.as_ref().is_some_and(|acting| acting.tokens.is_none())
    }

    /// Returns the tokens for calls.
    pub(super) fn current(&self) -> &TokenSet {
        let acting = self.acting.as_ref().and_then(|acting| acting.tokens.as_ref());
        acting.unwrap_or(&self.tokens)
    }

    /// Measures the lifetimes of tokens from storage by this page's clock.
    fn rebase(&mut self, platform: &impl Platform) {
        let (now, server) = (platform.now(), platform.server_clock());
        self.tokens.rebase(now, &server);
        if let Some(tokens) = self.acting.as_mut().and_then(|acting| acting.tokens.as_mut()) {
            tokens.rebase(now, &server);
        }
    }
}

impl StoredSession {
    pub(super) fn id_token(&self) -> &IdToken {
        match self {
            Self::Live(record) => record.tokens.id_token(),
            Self::Ended(ended) => &ended.id_token,
        }
    }

    fn exchange(&self) -> Option<&TokenExchange> {
        match self {
            Self::Live(record) => record.exchange(),
            Self::Ended(ended) => ended.acting.as_ref(),
        }
    }
}

impl<P: Platform> Session<P> {
    /// Returns the authenticated data of every record. A record of another issuer, client or schema cannot be decrypted.
    pub(super) fn binding(&self) -> String {
        let client = &self.0.client;
        format!("{SCHEMA}\n{}\n{}", client.provider.issuer, client.client_id)
    }

    /// Acquires the lock of a slot, which a tab holds while it changes the slot.
    pub(super) async fn lock(&self, slot: &str) -> Result<P::Lock, LockError> {
        let name = format!("pixygate\n{slot}\n{}", self.binding());
        self.0.platform.lock(&name).await
    }

    /// Acquires the lock for replacing tokens.
    pub(super) async fn lock_tokens(&self) -> Result<P::Lock, LockError> {
        self.lock(SESSION).await
    }

    /// Reads the stored session, once, when the page starts.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// use pixygate::session::AuthState;
    ///
    /// assert_eq!(session.state(), AuthState::Unknown);
    /// session.restore().await;
    /// assert_eq!(session.state(), AuthState::SignedOut(None));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn restore(&self) {
        use futures_util::FutureExt as _;
        let restoring = self.0.restoring.borrow().clone();
        let restoring = restoring.unwrap_or_else(|| {
            let session = self.clone();
            let future: super::LocalFuture<()> = Box::pin(async move {
                // First, because a page may ask for the call as soon as the user is known.
                session.find_left().await;
                session.sync().await;
            });
            self.0.restoring.borrow_mut().insert(future.shared()).clone()
        });
        restoring.await;
    }

    /// Reads the stored session and adopts it: when the page starts, when another tab notifies it, and when the page wakes up.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// # use pixygate::session::Platform as _;
    /// use pixygate::session::{AuthState, SignOutReason};
    ///
    /// // Another tab signs out and notifies this one.
    /// # session.platform().clear().await;
    /// session.sync().await;
    /// assert_eq!(session.state(), AuthState::SignedOut(Some(SignOutReason::SignedOut)));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn sync(&self) {
        if self.compare().await.is_some()
            && let Ok(_lock) = self.lock_tokens().await
        {
            self.sync_locked().await;
        }
    }

    /// Does the same while the lock is held, so that no other tab changes the storage between reading and writing.
    pub(super) async fn sync_locked(&self) {
        match self.compare().await {
            None => {}
            Some(PendingWrite::Deletion) => {
                // The next comparison tries again.
                drop(self.0.platform.clear().await);
                self.0.platform.notify_other_tabs();
            }
            Some(PendingWrite::End) => self.keep_end().await,
            Some(PendingWrite::Tokens(own)) => self.catch_up(*own).await,
        }
    }

    /// Adopts the stored session, unless this tab has newer information. Then it returns the change that the storage needs.
    pub(super) async fn compare(&self) -> Option<PendingWrite> {
        let kept = loop {
            let before = self.version();
            let kept = self.load().await;
            // Changes of this tab meanwhile are newer than the record that was read.
            if self.version() == before {
                break kept;
            }
        };
        match kept {
            Ok(Some(StoredSession::Live(record))) if self.has_left(&record) => {
                // The storage was unavailable when the user signed out, or a refresh stored its tokens meanwhile.
                self.set_signed_out();
                return Some(PendingWrite::Deletion);
            }
            Ok(Some(StoredSession::Live(record))) if self.is_over(&record) => return Some(PendingWrite::End),
            Ok(Some(StoredSession::Live(record))) => match (self.record(), self.0.stored.get()) {
                (Some(own), Stored::Behind(kept)) if own.id == record.id && record.generation == kept => {
                    return Some(PendingWrite::Tokens(Box::new(own)));
                }
                (Some(own), Stored::Never) if self.0.superseded.borrow().as_ref() == Some(&record.id) => {
                    return Some(PendingWrite::Tokens(Box::new(own)));
                }
                (_, stored) => {
                    self.set_stored(Stored::Yes);
                    // Another tab has continued from the stored record.
                    if stored != Stored::Yes {
                        self.0.kept.take();
                    }
                    // Another sign-in may have another key, and this page's key may no longer be readable.
                    if self.record().is_none_or(|own| own.id != record.id) {
                        self.0.platform.drop_keys();
                    }
                    self.adopt(*record);
                }
            },
            Ok(Some(StoredSession::Ended(ended))) => match self.record() {
                // The end of an earlier session.
                Some(own) if self.0.stored.get() == Stored::Never => return Some(PendingWrite::Tokens(Box::new(own))),
                _ => self.adopt_end(*ended),
            },
            Ok(None) => match self.record() {
                // A session that lives in memory only is not ended by its absence in storage.
                Some(own) if self.0.stored.get() == Stored::Never => return Some(PendingWrite::Tokens(Box::new(own))),
                _ => self.set_signed_out(),
            },
            Err(_) if self.record().is_some() => {}
            Err(_) => self.set_signed_out(),
        }
        None
    }

    /// Stores the end of the session, which could not be stored before.
    async fn keep_end(&self) {
        let kept = self.0.kept.borrow().clone();
        if let Some(ended @ StoredSession::Ended(_)) = kept
            && self.save(&ended, SaveMode::Replace).await == Ok(true)
        {
            self.0.platform.notify_other_tabs();
        }
    }

    /// Stores the tokens that could not be stored before.
    async fn catch_up(&self, record: Record) {
        let mode = match self.0.stored.get() {
            Stored::Yes => return,
            Stored::Behind(_) => SaveMode::Replace,
            Stored::Never => SaveMode::Insert,
        };
        match self.save(&StoredSession::Live(Box::new(record)), mode).await {
            Ok(true) => {
                self.set_stored(Stored::Yes);
                self.0.platform.notify_other_tabs();
            }
            Ok(false) => self.set_signed_out(),
            Err(_) => {}
        }
    }

    fn set_stored(&self, stored: Stored) {
        let before = self.is_stored();
        self.0.stored.set(stored);
        match (before, self.is_stored()) {
            (true, false) => self.emit(&Event::NotStored),
            (false, true) => self.emit(&Event::Stored),
            _ => {}
        }
    }

    async fn load(&self) -> Result<Option<StoredSession>, StorageError> {
        let text = self.0.platform.load(SESSION, &self.binding()).await?;
        Ok(text.and_then(|text| json::parse(text.as_bytes())))
    }

    /// Returns the stored record of the session with this `id`, if it can be read.
    pub(super) async fn kept_of(&self, id: &str) -> Option<Box<Record>> {
        match self.load().await {
            Ok(Some(StoredSession::Live(record))) if record.id == id => Some(record),
            _ => None,
        }
    }

    /// Returns the organisation that `subject` acted for last; `None` if another user was signed in, or none.
    pub(super) async fn acted_for(&self, subject: &str) -> Option<Option<TokenExchange>> {
        let kept = self.load().await.ok().flatten();
        let kept = kept.or_else(|| self.0.kept.borrow().clone());
        let kept = kept.filter(|kept| kept.id_token().claims().sub == subject)?;
        Some(kept.exchange().cloned())
    }

    fn has_left(&self, record: &Record) -> bool {
        self.0.signed_out.borrow().contains(&record.id)
    }

    /// Returns whether the session has ended in this tab, with these tokens or with newer ones.
    fn is_over(&self, record: &Record) -> bool {
        let ended = self.0.ended.borrow();
        ended
            .as_ref()
            .is_some_and(|(id, generation)| *id == record.id && record.generation <= *generation)
    }

    /// Returns the identity of this tab's record.
    fn version(&self) -> Option<(String, u64)> {
        self.record().map(|record| (record.id, record.generation))
    }

    /// Returns this tab's record of the session.
    pub(super) fn record(&self) -> Option<Record> {
        match &*self.0.kept.borrow() {
            Some(StoredSession::Live(record)) => Some((**record).clone()),
            _ => None,
        }
    }

    /// Updates the state when nothing is stored: the user signed out in another tab, or never signed in.
    fn set_signed_out(&self) {
        let ended = match self.0.kept.take() {
            Some(StoredSession::Live(_)) => Some(SignOutReason::SignedOut),
            None if self.state() == AuthState::SigningOut => Some(SignOutReason::SignedOut),
            Some(StoredSession::Ended(_)) | None => None,
        };
        if ended.is_some() || !matches!(self.state(), AuthState::SignedOut(_)) {
            self.set_state(AuthState::SignedOut(ended));
        }
    }

    fn adopt_end(&self, ended: Ended) {
        self.0.waiting.take();
        let reason = ended.reason.clone();
        self.0.kept.replace(Some(StoredSession::Ended(Box::new(ended))));
        self.set_state(AuthState::SignedOut(Some(reason)));
    }

    /// Adopts a record, unless this tab has it already (and then also knows its monotonic clock), or has a newer one that could not be
    /// stored.
    fn adopt(&self, mut record: Record) {
        let own = self.record().filter(|own| own.id == record.id);
        if own.as_ref().is_some_and(|own| own.generation >= record.generation) {
            return;
        }
        self.0.backoff.take();
        self.0.refused.take();
        record.rebase(&self.0.platform);
        let current = record.current();
        let acting = record.exchange().cloned();
        let person = SignedIn::new(current.id_token().clone(), current.scopes().to_vec(), acting);
        let before = self.state();
        self.0.kept.replace(Some(StoredSession::Live(Box::new(record))));
        if before
            .signed_in()
            .is_some_and(|before| before.identity() != person.identity())
        {
            self.0.waiting.take();
            self.emit(&Event::UserChanged);
        }
        self.set_state(AuthState::SignedIn(person));
        self.0.platform.wake_in(self.refresh_due_in());
    }

    /// Stores new tokens and notifies the other tabs. If they cannot be stored, the session continues in memory.
    ///
    /// Returns `false` if the record should replace an older one, but the session has ended meanwhile. Then the record is dropped.
    pub(super) async fn keep(&self, record: Record, mode: SaveMode) -> bool {
        let mode = match self.0.stored.get() {
            Stored::Yes | Stored::Behind(_) => mode,
            Stored::Never => SaveMode::Insert,
        };
        let saved = self.save(&StoredSession::Live(Box::new(record.clone())), mode).await;
        if saved == Ok(false) || self.has_left(&record) {
            self.sync_locked().await;
            // No tab uses these tokens any more.
            self.revoke(&record.tokens).await;
            return false;
        }
        let before = self.record().map(|before| before.id);
        // A session in memory only has not replaced a stored one.
        if before.as_ref() != Some(&record.id) && self.0.stored.get() != Stored::Never {
            self.0.superseded.replace(before);
        }
        self.set_stored(match (saved, self.0.stored.get()) {
            (Ok(_), _) => Stored::Yes,
            (Err(_), _) if mode == SaveMode::Insert => Stored::Never,
            (Err(_), Stored::Yes) => Stored::Behind(self.record().map_or(0, |own| own.generation)),
            (Err(_), behind) => behind,
        });
        self.adopt(record);
        self.0.platform.notify_other_tabs();
        true
    }

    async fn save(&self, kept: &StoredSession, mode: SaveMode) -> Result<bool, StorageError> {
        let text = json::text(kept);
        self.0.platform.save(SESSION, &self.binding(), &text, mode).await
    }

    /// Ends the session in all tabs. The ID token stays stored for a sign-out at the provider.
    pub(super) async fn end(&self, reason: SignOutReason) {
        let before = self.version();
        self.sync_locked().await;
        let Some(kept) = self.0.kept.borrow().clone().filter(|_| self.version() == before) else {
            // The session is over already, or another one has started.
            return;
        };
        let ended = Ended {
            reason,
            id_token: kept.id_token().clone(),
            acting: kept.exchange().cloned(),
        };
        // If the end cannot be stored, this tab still stays signed out.
        let saved = self
            .save(&StoredSession::Ended(Box::new(ended.clone())), SaveMode::Replace)
            .await;
        if saved == Ok(false) && self.0.stored.get() != Stored::Never {
            // The user signed out in another tab, so that is the reason.
            return self.sync_locked().await;
        }
        self.0.nonces.take();
        self.0.ended.replace(before);
        self.adopt_end(ended);
        self.0.platform.wake_in(None);
        self.0.platform.notify_other_tabs();
    }

    /// Stores for the next page that the provider was not notified of the sign-out.
    pub(super) async fn store_local_sign_out(&self, id_token: Option<IdToken>) {
        // Otherwise a refresh in flight in another tab could overwrite this. If the lock times out, continue.
        let _lock = self.lock_tokens().await;
        match (id_token, self.load().await) {
            (Some(id_token), Ok(None)) => {
                let ended = Ended {
                    reason: SignOutReason::SignedOutLocally,
                    id_token,
                    acting: None,
                };
                // If it cannot be stored, this page still knows.
                drop(
                    self.save(&StoredSession::Ended(Box::new(ended.clone())), SaveMode::Insert)
                        .await,
                );
                self.adopt_end(ended);
                self.0.platform.notify_other_tabs();
            }
            _ => self.set_state(AuthState::SignedOut(Some(SignOutReason::SignedOut))),
        }
    }

    /// Deletes the session, in this tab and in storage.
    pub(super) async fn forget(&self) {
        let left = [self.record().map(|record| record.id), self.0.superseded.take()];
        let is_stored = self.0.stored.get() != Stored::Never || left[1].is_some();
        self.0.signed_out.borrow_mut().extend(left.into_iter().flatten());
        let was_there = self.0.kept.take().is_some();
        self.0.nonces.take();
        self.0.waiting.take();
        self.0.unstored.take();
        self.0.platform.wake_in(None);
        let cleared = self.0.platform.clear().await;
        // If nothing was ever stored, there is nothing to delete.
        if let (Err(error), true) = (cleared, is_stored && was_there) {
            self.emit(&Event::NotDeleted(error));
        }
    }
}
