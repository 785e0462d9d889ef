//! What is kept of a session, sealed, and how the tabs agree on it.

use serde_json::Value;

use crate::authorization::id_token::IdToken;
use crate::authorization::json::{self, Json};
use crate::authorization::{TokenExchange, TokenSet};

use super::platform::SaveMode;
use super::{AuthState, Event, LockError, Platform, Session, SignOutReason, SignedIn, StepUp, StorageError};

/// The slot of the session's record.
pub(super) const SESSION: &str = "session";

/// Raised when the record's form changes; a record of another form is discarded.
const SCHEMA: u32 = 2;

/// What the slot holds: a session, or what is left of one that the person did not end.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Live(Box<Record>),
    Ended(Box<Ended>),
}

/// The tokens of one sign-in, and how often they were replaced, so that a tab sees when another one has newer ones.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Of the sign-in.
    pub(super) id: String,
    pub(super) generation: u64,
    pub(super) tokens: TokenSet,
    /// What they were exchanged for, when the person acts for another organisation.
    pub(super) acting: Option<Acting>,
    /// What sign-ins were asked for by calls that have not succeeded since, so that no call asks for the same twice.
    pub(super) demanded: Vec<(String, StepUp)>,
    /// The provider ignored `max_age`, so that the next sign-in that has it has `prompt=login` as well.
    pub(super) ignores_max_age: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Acting {
    pub(super) exchange: TokenExchange,
    /// `None` until the first exchange of this sign-in succeeds. No call is made before.
    pub(super) tokens: Option<TokenSet>,
}

/// Who calls are made as: the subject, and for whom they act.
pub(super) type Whose = (String, Option<TokenExchange>);

/// Why the session ended, the ID token that a sign-out at the provider still needs, and for whom the person acted, for
/// when they are back.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    reason: SignOutReason,
    id_token: IdToken,
    acting: Option<TokenExchange>,
}

impl Json for Kept {
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

/// Whether storage has the record that this tab has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stored {
    #[default]
    Yes,
    /// It has an older one, of this generation, since the last could not be kept.
    Behind(u64),
    /// It never had one of this session, so that its absence means nothing.
    Never,
}

/// What a look finds that storage should have. It is written under the lock, after another look.
pub(super) enum Due {
    /// Nothing: the person has left the session that is there.
    Deletion,
    /// The end of the session that is there.
    End,
    /// The tokens of this tab.
    Tokens(Box<Record>),
}

impl Record {
    /// Who signed in.
    pub(super) fn subject(&self) -> &str {
        &self.tokens.id_token().claims().sub
    }

    pub(super) fn exchange(&self) -> Option<&TokenExchange> {
        self.acting.as_ref().map(|acting| &acting.exchange)
    }

    pub(super) fn whose(&self) -> Whose {
        (self.subject().to_owned(), self.exchange().cloned())
    }

    /// Whether [`Record::current`] is not what calls may be made with: the exchange is yet to succeed.
    pub(super) fn lacks_exchange(&self) -> bool {
        self.acting.as_ref().is_some_and(|acting| acting.tokens.is_none())
    }

    /// The tokens that calls are made with.
    pub(super) fn current(&self) -> &TokenSet {
        let acting = self.acting.as_ref().and_then(|acting| acting.tokens.as_ref());
        acting.unwrap_or(&self.tokens)
    }

    /// Counts the lifetimes of what another page kept by the clock of this one.
    fn anchor(&mut self, platform: &impl Platform) {
        let (now, server) = (platform.now(), platform.server_clock());
        self.tokens.anchor(now, &server);
        if let Some(tokens) = self.acting.as_mut().and_then(|acting| acting.tokens.as_mut()) {
            tokens.anchor(now, &server);
        }
    }
}

impl Kept {
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
    /// What every sealed record is bound to: one made for another issuer, client or schema does not open.
    pub(super) fn binding(&self) -> String {
        let client = &self.0.client;
        format!("{SCHEMA}\n{}\n{}", client.provider.issuer, client.client_id)
    }

    /// The lock that a tab holds while it replaces what is kept in a slot.
    pub(super) async fn lock(&self, slot: &str) -> Result<P::Lock, LockError> {
        let name = format!("pixygate\n{slot}\n{}", self.binding());
        self.0.platform.lock(&name).await
    }

    /// The lock under which tokens are replaced.
    pub(super) async fn lock_tokens(&self) -> Result<P::Lock, LockError> {
        self.lock(SESSION).await
    }

    /// Reads the kept session, once: at the start of the page.
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
                // Who is signed in may ask for it as soon as they are known.
                session.find_left().await;
                session.sync().await;
            });
            self.0.restoring.borrow_mut().insert(future.shared()).clone()
        });
        restoring.await;
    }

    /// Looks at what is kept and takes it over: at the start, when another tab says so, and when the page wakes up.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// # use pixygate::session::Platform as _;
    /// use pixygate::session::{AuthState, SignOutReason};
    ///
    /// // Another tab signs out, and says that there is something to look at.
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

    /// The same for who holds the lock: nobody keeps anything else between the look and what it leads to.
    pub(super) async fn sync_locked(&self) {
        match self.compare().await {
            None => {}
            Some(Due::Deletion) => {
                // The next look tries again.
                drop(self.0.platform.clear().await);
                self.0.platform.notify_other_tabs();
            }
            Some(Due::End) => self.keep_end().await,
            Some(Due::Tokens(own)) => self.catch_up(*own).await,
        }
    }

    /// Takes over what is kept unless this tab knows better, and then says what storage should have instead.
    pub(super) async fn compare(&self) -> Option<Due> {
        let kept = loop {
            let before = self.version();
            let kept = self.load().await;
            // What this tab has done meanwhile is newer than what was read.
            if self.version() == before {
                break kept;
            }
        };
        match kept {
            Ok(Some(Kept::Live(record))) if self.has_left(&record) => {
                // Storage was not to be had when the person signed out, or a refresh came in between.
                self.nobody_here();
                return Some(Due::Deletion);
            }
            Ok(Some(Kept::Live(record))) if self.is_over(&record) => return Some(Due::End),
            Ok(Some(Kept::Live(record))) => match (self.record(), self.0.stored.get()) {
                (Some(own), Stored::Behind(kept)) if own.id == record.id && record.generation == kept => {
                    return Some(Due::Tokens(Box::new(own)));
                }
                (Some(own), Stored::Never) if self.0.superseded.borrow().as_ref() == Some(&record.id) => {
                    return Some(Due::Tokens(Box::new(own)));
                }
                (_, stored) => {
                    self.set_stored(Stored::Yes);
                    // Another tab has gone on from what could be kept.
                    if stored != Stored::Yes {
                        self.0.kept.take();
                    }
                    // Another sign-in may have another key. That of this one may not be readable any more.
                    if self.record().is_none_or(|own| own.id != record.id) {
                        self.0.platform.drop_keys();
                    }
                    self.adopt(*record);
                }
            },
            Ok(Some(Kept::Ended(ended))) => match self.record() {
                // It is the end of another session, of before.
                Some(own) if self.0.stored.get() == Stored::Never => return Some(Due::Tokens(Box::new(own))),
                _ => self.adopt_end(*ended),
            },
            Ok(None) => match self.record() {
                // A session that lives in memory only is not ended by its absence in storage.
                Some(own) if self.0.stored.get() == Stored::Never => return Some(Due::Tokens(Box::new(own))),
                _ => self.nobody_here(),
            },
            Err(_) if self.record().is_some() => {}
            Err(_) => self.nobody_here(),
        }
        None
    }

    /// Keeps the end of the session, which could not be kept before.
    async fn keep_end(&self) {
        let kept = self.0.kept.borrow().clone();
        if let Some(ended @ Kept::Ended(_)) = kept
            && self.save(&ended, SaveMode::Replace).await == Ok(true)
        {
            self.0.platform.notify_other_tabs();
        }
    }

    /// Keeps what could not be kept before.
    async fn catch_up(&self, record: Record) {
        let mode = match self.0.stored.get() {
            Stored::Yes => return,
            Stored::Behind(_) => SaveMode::Replace,
            Stored::Never => SaveMode::Insert,
        };
        match self.save(&Kept::Live(Box::new(record)), mode).await {
            Ok(true) => {
                self.set_stored(Stored::Yes);
                self.0.platform.notify_other_tabs();
            }
            Ok(false) => self.nobody_here(),
            Err(_) => {}
        }
    }

    fn set_stored(&self, stored: Stored) {
        let before = self.is_stored();
        self.0.stored.set(stored);
        match (before, self.is_stored()) {
            (true, false) => self.tell(&Event::NotStored),
            (false, true) => self.tell(&Event::Stored),
            _ => {}
        }
    }

    async fn load(&self) -> Result<Option<Kept>, StorageError> {
        let text = self.0.platform.load(SESSION, &self.binding()).await?;
        Ok(text.and_then(|text| json::parse(text.as_bytes())))
    }

    /// What is kept of the session with this `id`, as far as it can be read.
    pub(super) async fn kept_of(&self, id: &str) -> Option<Box<Record>> {
        match self.load().await {
            Ok(Some(Kept::Live(record))) if record.id == id => Some(record),
            _ => None,
        }
    }

    /// For whom `subject` acted last; `None` when it was somebody else, or nobody.
    pub(super) async fn acted_for(&self, subject: &str) -> Option<Option<TokenExchange>> {
        let kept = self.load().await.ok().flatten();
        let kept = kept.or_else(|| self.0.kept.borrow().clone());
        let kept = kept.filter(|kept| kept.id_token().claims().sub == subject)?;
        Some(kept.exchange().cloned())
    }

    fn has_left(&self, record: &Record) -> bool {
        self.0.left.borrow().contains(&record.id)
    }

    /// Whether the session has ended in this tab with these tokens, or with newer ones.
    fn is_over(&self, record: &Record) -> bool {
        let over = self.0.over.borrow();
        over.as_ref()
            .is_some_and(|(id, generation)| *id == record.id && record.generation <= *generation)
    }

    /// Which record this tab has.
    fn version(&self) -> Option<(String, u64)> {
        self.record().map(|record| (record.id, record.generation))
    }

    /// The session as this tab knows it.
    pub(super) fn record(&self) -> Option<Record> {
        match &*self.0.kept.borrow() {
            Some(Kept::Live(record)) => Some((**record).clone()),
            _ => None,
        }
    }

    /// Nothing is kept any more: the person signed out in another tab, or never signed in.
    fn nobody_here(&self) {
        let ended = match self.0.kept.take() {
            Some(Kept::Live(_)) => Some(SignOutReason::SignedOut),
            None if self.state() == AuthState::SigningOut => Some(SignOutReason::SignedOut),
            Some(Kept::Ended(_)) | None => None,
        };
        if ended.is_some() || !matches!(self.state(), AuthState::SignedOut(_)) {
            self.set_state(AuthState::SignedOut(ended));
        }
    }

    fn adopt_end(&self, ended: Ended) {
        self.0.waiting.take();
        let reason = ended.reason.clone();
        self.0.kept.replace(Some(Kept::Ended(Box::new(ended))));
        self.set_state(AuthState::SignedOut(Some(reason)));
    }

    /// Takes over a record, unless this tab has it already (its own also knows the monotonic clock) or has a newer one
    /// that could not be kept.
    fn adopt(&self, mut record: Record) {
        let own = self.record().filter(|own| own.id == record.id);
        if own.as_ref().is_some_and(|own| own.generation >= record.generation) {
            return;
        }
        self.0.backoff.take();
        self.0.refused.take();
        record.anchor(&self.0.platform);
        let current = record.current();
        let acting = record.exchange().cloned();
        let person = SignedIn::new(current.id_token().clone(), current.scopes().to_vec(), acting);
        let before = self.state();
        self.0.kept.replace(Some(Kept::Live(Box::new(record))));
        if before
            .signed_in()
            .is_some_and(|before| before.identity() != person.identity())
        {
            self.0.waiting.take();
            self.tell(&Event::UserChanged);
        }
        self.set_state(AuthState::SignedIn(person));
        self.0.platform.wake_in(self.refresh_due_in());
    }

    /// Keeps new tokens and tells the other tabs. Where nothing can be kept the session lives on in memory.
    ///
    /// A record that replaces an older one is dropped when the session was ended meanwhile; `false` says so.
    pub(super) async fn keep(&self, record: Record, mode: SaveMode) -> bool {
        let mode = match self.0.stored.get() {
            Stored::Yes | Stored::Behind(_) => mode,
            Stored::Never => SaveMode::Insert,
        };
        let saved = self.save(&Kept::Live(Box::new(record.clone())), mode).await;
        if saved == Ok(false) || self.has_left(&record) {
            self.sync_locked().await;
            // Nobody has these tokens any more.
            self.revoke(&record.tokens).await;
            return false;
        }
        let before = self.record().map(|before| before.id);
        // Those that were in memory only have taken nothing's place.
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

    async fn save(&self, kept: &Kept, mode: SaveMode) -> Result<bool, StorageError> {
        let text = json::text(kept);
        self.0.platform.save(SESSION, &self.binding(), &text, mode).await
    }

    /// The provider ended the session, for this tab and all others. What a sign-out there needs is kept.
    pub(super) async fn end(&self, reason: SignOutReason) {
        let before = self.version();
        self.sync_locked().await;
        let Some(kept) = self.0.kept.borrow().clone().filter(|_| self.version() == before) else {
            // It is over already, or another one has begun.
            return;
        };
        let ended = Ended {
            reason,
            id_token: kept.id_token().clone(),
            acting: kept.exchange().cloned(),
        };
        // Where nothing can be kept, this tab knows all the same.
        let saved = self
            .save(&Kept::Ended(Box::new(ended.clone())), SaveMode::Replace)
            .await;
        if saved == Ok(false) && self.0.stored.get() != Stored::Never {
            // The person signed out in another tab, and that is why.
            return self.sync_locked().await;
        }
        self.0.nonces.take();
        self.0.over.replace(before);
        self.adopt_end(ended);
        self.0.platform.wake_in(None);
        self.0.platform.notify_other_tabs();
    }

    /// Leaves word for the next page that the provider did not hear of the sign-out.
    pub(super) async fn note_unheard(&self, id_token: Option<IdToken>) {
        // A refresh that is under way in another tab would keep its tokens over this. One that never ends does not.
        let _lock = self.lock_tokens().await;
        match (id_token, self.load().await) {
            (Some(id_token), Ok(None)) => {
                let ended = Ended {
                    reason: SignOutReason::SignedOutHere,
                    id_token,
                    acting: None,
                };
                // Where nothing can be kept, this page knows all the same.
                drop(self.save(&Kept::Ended(Box::new(ended.clone())), SaveMode::Insert).await);
                self.adopt_end(ended);
                self.0.platform.notify_other_tabs();
            }
            _ => self.set_state(AuthState::SignedOut(Some(SignOutReason::SignedOut))),
        }
    }

    /// Forgets everything, in this tab and in storage.
    pub(super) async fn forget(&self) {
        let left = [self.record().map(|record| record.id), self.0.superseded.take()];
        let is_stored = self.0.stored.get() != Stored::Never || left[1].is_some();
        self.0.left.borrow_mut().extend(left.into_iter().flatten());
        let was_there = self.0.kept.take().is_some();
        self.0.nonces.take();
        self.0.waiting.take();
        self.0.unkept.take();
        self.0.platform.wake_in(None);
        let cleared = self.0.platform.clear().await;
        // Where nothing was ever kept there is nothing to delete.
        if let (Err(error), true) = (cleared, is_stored && was_there) {
            self.tell(&Event::NotDeleted(error));
        }
    }
}
