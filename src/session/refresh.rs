//! Refresh: keeps the access token fresh, with one refresh at a time in all tabs.

use futures_util::FutureExt as _;
use oauth2::{AccessToken, RefreshToken};

use crate::authorization::{TokenError, TokenExchange, TokenRequest, TokenResponse, TokenSet};

use super::record::{Acting, Record};
use super::{AuthState, Event, LocalFuture, Platform, SaveMode, Session, SessionError, SignOutReason};

/// The minimum remaining lifetime of a token for a call, in milliseconds; less for short-lived tokens.
const MIN_VALIDITY: f64 = 30_000.0;

/// The first pause after a failed refresh, in milliseconds. It doubles up to the longest.
const FIRST_PAUSE: f64 = 1_000.0;
const LONGEST_PAUSE: f64 = 60_000.0;

/// How often a refresh has failed in a row, and when the next attempt may go out, on the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: f64,
    /// Until when the provider asked to wait (`Retry-After`; RFC 9110, section 10.2.3).
    asked_until: f64,
}

impl<P: Platform> Session<P> {
    /// Returns an access token that is valid for at least 30 more seconds (a quarter of its lifetime if it is short-lived).
    ///
    /// Simultaneous calls, also in several tabs, share one request to the token endpoint.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// use pixygate::session::Remedy;
    ///
    /// let token = session.access_token().await?;
    /// assert_eq!(token.secret(), "the-first");
    ///
    /// # example::wait(&session, 280_000.0);
    /// // It is valid for 300 s. 280 s later it was replaced:
    /// assert_eq!(session.access_token().await?.secret(), "the-second");
    ///
    /// session.sign_out_here().await;
    /// let error = session.access_token().await.err();
    /// assert_eq!(error.map(|error| error.remedy()), Some(Remedy::SignIn));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SessionError::SignedOut`] when no user is signed in or the provider ended the session; an error whose
    /// [`remedy`](SessionError::remedy) is to try again when the provider cannot be reached.
    pub async fn access_token(&self) -> Result<AccessToken, SessionError> {
        Ok(self.fresh_record().await?.current().access_token().clone())
    }

    /// Returns a record whose current tokens are fresh.
    pub(super) async fn fresh_record(&self) -> Result<Record, SessionError> {
        self.restore().await;
        let record = self.record().ok_or_else(|| self.signed_out())?;
        if self.is_ready(&record) {
            return Ok(record);
        }
        let record = self.refresh_if(record.current().access_token()).await?;
        let current = record.current();
        // The device may have slept before the response was read. Tokens with a lifetime of 0 are never fresh.
        match self.is_fresh(current) || current.lifetime().min_validity(MIN_VALIDITY) == 0.0 {
            true => Ok(record),
            false => self.refresh_if(current.access_token()).await,
        }
    }

    /// Replaces an access token that was rejected although it looks fresh, unless another caller or tab has replaced it already.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// let refused = session.access_token().await?;
    /// let another = session.replace(&refused).await?;
    /// assert_ne!(another.secret(), refused.secret());
    /// // Another caller with the same rejected token gets the new one, without another request.
    /// assert_eq!(session.replace(&refused).await?.secret(), another.secret());
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::access_token`].
    pub async fn replace(&self, refused: &AccessToken) -> Result<AccessToken, SessionError> {
        Ok(self.refresh_if(refused).await?.current().access_token().clone())
    }

    /// Replaces the access token now, because its claims have changed. Simultaneous calls share one refresh.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// // The user has got another role.
    /// let with_the_role = session.replace_now().await?;
    /// assert_eq!(session.access_token().await?.secret(), with_the_role.secret());
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::access_token`]; [`SessionError::NoRefreshToken`] without a refresh token. The session continues then.
    pub async fn replace_now(&self) -> Result<AccessToken, SessionError> {
        self.restore().await;
        let tokens = self.tokens().ok_or_else(|| self.signed_out())?;
        match self.can_refresh() {
            true => self.replace(tokens.access_token()).await,
            false => Err(SessionError::NoRefreshToken),
        }
    }

    pub(super) fn can_refresh(&self) -> bool {
        self.record()
            .is_some_and(|record| record.tokens.refresh_token().is_some())
    }

    /// Lets the next call retry at once, because the network is back or the page is visible again. A `Retry-After` of the provider still
    /// applies.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # use pixygate::authorization::{EndpointResponse, SignIn, TokenError};
    /// # use pixygate::session::{Session, SessionError};
    /// # let mut pool = futures::executor::LocalPool::new();
    /// # let is_down = std::rc::Rc::new(std::cell::Cell::new(false));
    /// # let (down, memory) = (std::rc::Rc::clone(&is_down), example::memory(&pool));
    /// # let network = memory.network;
    /// # let network = Box::new(move |url: &str, body: &str| match down.get() {
    /// #     true => EndpointResponse { status: 503, ..EndpointResponse::default() },
    /// #     false => network(url, body),
    /// # });
    /// # let session = Session::new(example::Memory { network, ..memory }, example::client(), |_| {});
    /// # pool.run_until(async {
    /// # session.sign_in(&SignIn::default()).await?;
    /// # session.complete(&example::came_back(&session)).await?;
    /// # example::wait(&session, 280_000.0);
    /// # is_down.set(true);
    /// # let error = session.access_token().await.err();
    /// # assert!(matches!(error, Some(SessionError::Token(TokenError::Unavailable { .. }))));
    /// // A refresh has failed just now, so the next attempt waits.
    /// let error = session.access_token().await.err();
    /// assert!(matches!(error, Some(SessionError::BackingOff { .. })));
    ///
    /// # is_down.set(false);
    /// // The network is back.
    /// session.retry_now();
    /// assert!(session.access_token().await.is_ok());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_now(&self) {
        let before = self.0.backoff.get();
        self.0.backoff.set(Backoff {
            failures: 0,
            until: before.asked_until,
            asked_until: before.asked_until,
        });
    }

    pub(super) fn signed_out(&self) -> SessionError {
        match self.state() {
            AuthState::SignedOut(reason) => SessionError::SignedOut(reason),
            _ => SessionError::SignedOut(None),
        }
    }

    fn is_fresh(&self, tokens: &TokenSet) -> bool {
        let lifetime = tokens.lifetime();
        // Without a refresh token the access token is used until it expires.
        let wanted = if self.can_refresh() { MIN_VALIDITY } else { 0.0 };
        lifetime.remaining(self.0.platform.now()) > lifetime.min_validity(wanted)
    }

    /// Returns whether calls can be made with the current tokens.
    fn is_ready(&self, record: &Record) -> bool {
        !record.lacks_exchange() && self.is_fresh(record.current())
    }

    /// Joins the refresh in flight, or starts one. It runs to its end even if every caller gives up, because it may already have used the
    /// refresh token.
    async fn refresh_if(&self, stale: &AccessToken) -> Result<Record, SessionError> {
        let running = self.0.refreshing.borrow().clone();
        let refreshing = running.unwrap_or_else(|| {
            let (session, stale) = (self.clone(), stale.clone());
            let future: LocalFuture<_> = Box::pin(async move {
                let outcome = session.refresh(&stale).await;
                session.0.refreshing.take();
                outcome
            });
            let shared = self.0.refreshing.borrow_mut().insert(future.shared()).clone();
            self.0.platform.spawn(Box::pin(shared.clone().map(drop)));
            shared
        });
        refreshing.await
    }

    /// Returns the milliseconds until the next refresh ahead of expiry. It is due at twice the lifetime that a call needs, so that calls do
    /// not wait for it. Without a refresh token it is the time until the session ends. `None` if the lifetime is unknown or 0.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// // The token is valid for 300 s, and a call needs 30 s.
    /// assert_eq!(session.refresh_due_in(), Some(240_000.0));
    ///
    /// session.sign_out_here().await;
    /// assert_eq!(session.refresh_due_in(), None);
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh_due_in(&self) -> Option<f64> {
        let record = self.record()?;
        let now = self.0.platform.now();
        if !self.can_refresh() {
            let remaining = record.tokens.lifetime().remaining(now);
            return Some(remaining).filter(|milliseconds| milliseconds.is_finite());
        }
        let lifetime = record.current().lifetime();
        let spare = Some(lifetime.min_validity(MIN_VALIDITY)).filter(|spare| *spare > 0.0)?;
        let due = match record.lacks_exchange() {
            true => 0.0,
            false => lifetime.remaining(now) - 2.0 * spare,
        };
        let allowed = self.0.backoff.get().until - now.monotonic;
        Some(due.max(allowed).max(0.0)).filter(|milliseconds| milliseconds.is_finite())
    }

    /// Replaces the access token ahead of its expiry when that is due, or ends the session when its token has expired and cannot be replaced.
    /// The platform calls this while the user is active.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// // When the platform's timer fires:
    /// # example::wait(&session, 240_000.0);
    /// session.refresh_ahead().await;
    /// # assert_eq!(session.platform().wakes_in.get(), Some(240_000.0));
    /// // The next call does not wait for a refresh.
    /// assert_eq!(session.access_token().await?.secret(), "the-second");
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn refresh_ahead(&self) {
        if self.refresh_due_in() == Some(0.0)
            && let Some(tokens) = self.tokens()
        {
            // An error is reported as an event. The next call or the next timer tries again.
            drop(self.refresh_if(tokens.access_token()).await);
        }
        self.0.platform.wake_in(self.refresh_due_in());
    }

    /// Exchanges the token, so that calls are made for another organisation or another audience from now on. The exchange is repeated after
    /// every refresh, under the same lock.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// use pixygate::authorization::TokenExchange;
    ///
    /// let subsidiary = TokenExchange::organization("10084a8d-113f");
    /// session.exchange(subsidiary.clone()).await?;
    /// assert_eq!(session.state().signed_in().and_then(|person| person.acting()), Some(&subsidiary));
    /// # assert_eq!(session.access_token().await?.secret(), "the-second");
    ///
    /// session.end_exchange().await?;
    /// assert_eq!(session.access_token().await?.secret(), "the-first");
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::access_token`], and when the token endpoint rejects the exchange. The tokens are unchanged then.
    pub async fn exchange(&self, exchange: TokenExchange) -> Result<(), SessionError> {
        let session = self.clone();
        let future: LocalFuture<_> = Box::pin(async move { session.switch(exchange).await });
        // It may refresh, so it must run to its end like a refresh.
        let shared = future.shared();
        self.0.platform.spawn(Box::pin(shared.clone().map(drop)));
        shared.await
    }

    async fn switch(&self, exchange: TokenExchange) -> Result<(), SessionError> {
        self.restore().await;
        let _lock = self.lock_tokens().await?;
        self.sync_locked().await;
        let mut record = self.record().ok_or_else(|| self.signed_out())?;
        if !self.is_fresh(&record.tokens) {
            record = self.renew(record).await?;
        }
        self.act(record, exchange).await.map(drop)
    }

    /// Returns to the tokens of the sign-in.
    ///
    /// # Errors
    /// As for [`Session::access_token`].
    pub async fn end_exchange(&self) -> Result<(), SessionError> {
        let _lock = self.lock_tokens().await?;
        self.sync_locked().await;
        let record = self.record().ok_or_else(|| self.signed_out())?;
        self.store(Record { acting: None, ..record }).await
    }

    async fn refresh(&self, stale: &AccessToken) -> Result<Record, SessionError> {
        let outcome = match self.lock_tokens().await {
            Ok(_lock) => self.replace_tokens(stale).await,
            Err(error) => Err(error.into()),
        };
        match &outcome {
            Ok(_) | Err(SessionError::SignedOut(_)) => {}
            // The last rejection stays the error until the next attempt.
            Err(SessionError::BackingOff { .. }) => {
                if let Some(refused) = self.0.refused.borrow().clone() {
                    return Err(refused);
                }
            }
            Err(error) => {
                self.back_off(error);
                self.emit(&Event::RefreshFailed(error.clone()));
                // Schedule a second attempt, which decides whether the session continues. It does not wait for a call.
                self.0.platform.wake_in(self.refresh_due_in());
            }
        }
        outcome
    }

    /// Replaces the tokens unless another tab has done so. The caller must hold the lock.
    async fn replace_tokens(&self, stale: &AccessToken) -> Result<Record, SessionError> {
        // Another tab may have refreshed while this one waited for the lock.
        self.sync_locked().await;
        let Some(record) = self.record() else {
            return Err(self.signed_out());
        };
        if record.current().access_token().secret() != stale.secret() && self.is_ready(&record) {
            return Ok(record);
        }
        // Possibly only the exchanged token is stale: its last exchange failed, or its lifetime is shorter.
        let only_acting = record
            .acting
            .as_ref()
            .is_some_and(|acting| acting.tokens.as_ref().is_none_or(|tokens| !self.is_fresh(tokens)));
        let mut record = match only_acting && self.is_fresh(&record.tokens) {
            true => record,
            false => self.renew(record).await?,
        };
        match record.acting.take() {
            None => Ok(record),
            Some(acting) => {
                self.check_pause()?;
                self.act(record, acting.exchange).await
            }
        }
    }

    /// Returns an error during the pause after a failed refresh.
    fn check_pause(&self) -> Result<(), SessionError> {
        let pause = self.0.backoff.get().until - self.0.platform.now().monotonic;
        match pause > 0.0 {
            true => Err(SessionError::BackingOff {
                seconds: (pause / 1000.0).ceil() as u64,
            }),
            false => Ok(()),
        }
    }

    /// Refreshes the tokens of the sign-in. The caller must hold the lock.
    async fn renew(&self, record: Record) -> Result<Record, SessionError> {
        let Some(request) = TokenRequest::refresh(&self.0.client, &record.tokens) else {
            self.end(SignOutReason::Expired).await;
            return Err(self.signed_out());
        };
        self.check_pause()?;
        let refused_before = self.0.refused.take().is_some();
        let renewed = self.renew_with(&request, record).await;
        if let Err(error) = &renewed {
            if error.ends_refresh() {
                self.end(SignOutReason::EndedByProvider).await;
                return Err(self.signed_out());
            }
            if error.refuses_refresh() {
                if refused_before {
                    self.end(SignOutReason::RefreshRejected(error.to_string())).await;
                    return Err(self.signed_out());
                }
                self.0.refused.replace(Some(error.clone()));
            }
        }
        renewed
    }

    async fn renew_with(&self, request: &TokenRequest, mut record: Record) -> Result<Record, SessionError> {
        let platform = &self.0.platform;
        let requested = platform.now();
        let reply = match self.post_token_request(request).await {
            Err(SessionError::Network(error)) if !error.timed_out && self.withholds_refusals().await => {
                return Err(SessionError::CorsBlocked {
                    url: error.url,
                    origin: platform.origin(),
                });
            }
            reply => reply?,
        };
        // The old refresh token may be used up, and sending it again would look like theft. So store the new one before anything else can
        // fail.
        let response = match TokenResponse::read(&reply) {
            Ok(response) => response,
            Err(error) => {
                self.rescue(TokenResponse::read_refresh_token(&reply), &mut record)
                    .await?;
                return Err(error.into());
            }
        };
        let known = response.has_key_in(&self.0.client, &self.0.keys.borrow());
        if !known {
            self.rescue(response.refresh_token().cloned(), &mut record).await?;
        }
        // If the key of a new ID token cannot be fetched, the old ID token stays.
        let keys = self.keys_for(&response).await.ok();
        let keys = keys.filter(|keys| response.has_key_in(&self.0.client, keys));
        let (access, refresh) = response.tokens();
        let context = self.validation_context(keys.as_deref(), requested);
        record.tokens = match record.tokens.refreshed(response, &context).await {
            Ok(tokens) => tokens,
            Err(error) => {
                // The new tokens must not be used, and the old refresh token may be used up.
                self.revoke_these(&access, refresh.as_ref()).await;
                self.end(SignOutReason::EndedByProvider).await;
                return Err(error.into());
            }
        };
        // If the storage was unavailable before, the changes of another tab can be read only now.
        if let Some(kept) = self.kept_of(&record.id).await
            && kept.generation > record.generation
        {
            record.acting = kept.acting;
            record.demanded = kept.demanded;
        }
        self.store(record).await?;
        self.emit(&Event::Refreshed);
        self.record().ok_or_else(|| self.signed_out())
    }

    /// Stores the rotated refresh token of a response that is not validated yet, or cannot be used.
    async fn rescue(&self, refresh_token: Option<RefreshToken>, record: &mut Record) -> Result<(), SessionError> {
        if let Some(token) = refresh_token {
            record.tokens.rotate(token);
            self.store(record.clone()).await?;
            record.generation += 1;
        }
        Ok(())
    }

    /// Exchanges the tokens of the record, and stores the result next to them, because the original tokens are the ones that are refreshed.
    /// The caller must hold the lock.
    pub(super) async fn act(&self, record: Record, exchange: TokenExchange) -> Result<Record, SessionError> {
        let requested = self.0.platform.now();
        let request = TokenRequest::exchange(&self.0.client, &record.tokens, &exchange);
        let response = self.ask_token_endpoint(&request).await?;
        let keys = self.keys_for(&response).await?;
        let tokens = record
            .tokens
            .exchanged(response, &self.validation_context(Some(&keys), requested), &exchange)
            .await?;
        let record = Record {
            acting: Some(Acting {
                exchange,
                tokens: Some(tokens),
            }),
            ..record
        };
        self.store(record.clone()).await?;
        Ok(record)
    }

    /// Stores a record in place of the previous one.
    pub(super) async fn store(&self, record: Record) -> Result<(), SessionError> {
        let (own, kept) = (self.record(), self.kept_of(&record.id).await);
        let others = [own.as_ref(), kept.as_deref()].into_iter().flatten();
        let generation = others.fold(record.generation, |newest, other| newest.max(other.generation)) + 1;
        match self.keep(Record { generation, ..record }, SaveMode::Replace).await {
            true => Ok(()),
            // The user signed out meanwhile and stays signed out.
            false => Err(self.signed_out()),
        }
    }

    fn back_off(&self, error: &SessionError) {
        let failures = self.0.backoff.get().failures;
        let asked = match error {
            SessionError::Token(TokenError::Unavailable {
                retry_after: Some(seconds),
                ..
            }) => *seconds as f64 * 1000.0,
            _ => 0.0,
        };
        let pause = (FIRST_PAUSE * f64::from(1 << failures.min(10))).min(LONGEST_PAUSE);
        let pause = pause * (0.5 + self.0.platform.random() / 2.0);
        let (now, asked) = (self.0.platform.now().monotonic, asked.min(10.0 * LONGEST_PAUSE));
        self.0.backoff.set(Backoff {
            failures: failures + 1,
            until: now + pause.max(asked),
            asked_until: now + asked,
        });
    }
}
