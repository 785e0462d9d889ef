//! Sign-in: redirect to the provider, and completion of the callback.

use std::pin::pin;

use futures_util::future::{Either, select};

use crate::authorization::id_token::IdTokenError;
use crate::authorization::json::Object;
use crate::authorization::{
    AuthorizationRequest, Callback, CallbackError, PendingSignIn, ReturnTo, SignIn, TokenError, ValidatedCallback,
};

use super::call::{Waiting, add_demand, origin};
use super::pending::{Pending, RepeatedCall, Trigger};
use super::platform::{HistoryEntry, SaveMode};
use super::record::{Acting, Record};
use super::{
    AuthState, Event, PendingRequest, Platform, Remedy, Session, SessionError, SignOutReason, StepUp, StepUpFailure,
};

/// A failed sign-in. An existing session is not affected.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # example::run(async |session| {
/// use pixygate::authorization::CallbackError;
/// use pixygate::session::{SessionError, SignInFailure};
///
/// fn page(failure: &SignInFailure) -> String {
///     format!("{failure}. Start again: /sign-in?return_to={}", failure.return_to.to_query_value())
/// }
/// # use pixygate::authorization::{ReturnTo, SignIn};
/// # let return_to = ReturnTo::parse("/orders");
/// # session.sign_in(&SignIn { return_to, ..SignIn::default() }).await?;
/// # let query = example::came_back(&session).replace("id.example", "evil.example");
/// let failure = session.complete(&query).await.unwrap_err();
/// assert!(page(&failure).ends_with("Start again: /sign-in?return_to=%2Forders"));
/// assert!(matches!(failure.error, SessionError::Callback(CallbackError::IssuerMismatch { .. })));
/// # Ok(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct SignInFailure {
    /// The error.
    pub error: SessionError,
    /// The page to return to, if it is known, for another sign-in.
    pub return_to: ReturnTo,
}

/// The result of a callback.
///
/// ```
/// use pixygate::authorization::ReturnTo;
/// use pixygate::session::SignInOutcome;
///
/// /// The next page.
/// fn next(outcome: &SignInOutcome) -> Option<&str> {
///     // A popup window is closed instead.
///     (!outcome.popup).then(|| outcome.return_to.as_str())
/// }
/// let orders = SignInOutcome { return_to: ReturnTo::parse("/orders").unwrap_or_default(), ..SignInOutcome::default() };
/// assert_eq!(next(&orders), Some("/orders"));
/// assert_eq!(next(&SignInOutcome { popup: true, ..orders }), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInOutcome {
    /// The page to return to.
    pub return_to: ReturnTo,
    /// Whether this window was opened only for the sign-in, and can be closed.
    pub popup: bool,
    /// Why a step-up for a call failed. The user is signed in as before, and the call was not made; [`Session::take_cancelled`] returns the
    /// call.
    pub cancelled: Option<StepUpFailure>,
}

/// A callback whose `state` and `iss` are valid, and whose code is not exchanged yet.
pub(super) struct Returned {
    validated: ValidatedCallback,
    state: String,
    return_to: ReturnTo,
    popup: bool,
    by_call: bool,
    step_up: Option<RepeatedCall>,
}

/// The errors for `prompt=none` when the provider has to show a page to the user (OpenID Connect Core, section 3.1.2.6).
const INTERACTION_ERRORS: [&str; 4] = [
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
];

/// How long a check of the provider is valid for a sign-in, in milliseconds.
const PROBE_VALID_MS: f64 = 30_000.0;

/// How long a prepared sign-in waits for the check of the provider before it leaves the page, in milliseconds. A refused connection fails at
/// once.
const PROBE_WAIT_MS: f64 = 50.0;

/// How long after the sign-in a page can take its call, in milliseconds. Later the user would not expect it.
const PENDING_CALL_MS: f64 = 120_000.0;

impl<P: Platform> Session<P> {
    /// Leaves for the provider's sign-in page. If the provider is known to be down, the page stays, so that it can show that. If another tab
    /// has signed in meanwhile, the page also stays, and the state has the user.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// use pixygate::authorization::{ReturnTo, SignIn};
    ///
    /// let options = SignIn {
    ///     return_to: ReturnTo::parse("/orders"),
    ///     login_hint: Some("alice@example.com".to_owned()),
    ///     ..SignIn::default()
    /// };
    /// session.sign_in(&options).await?;
    /// // The platform has navigated to the provider.
    /// # let address = session.platform().went_to.borrow().clone();
    /// assert!(address.starts_with("https://id.example/authorize?"));
    /// assert!(address.contains("login_hint=alice%40example.com"));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the provider cannot be reached; when this browser cannot store the pending sign-in;
    /// [`SessionError::WrongOrigin`] on a page that is not of the redirect URI's origin.
    pub async fn sign_in(&self, options: &SignIn) -> Result<(), SessionError> {
        let silent = options.prompt.as_deref() == Some("none");
        let trigger = if silent { Trigger::Call(None) } else { Trigger::User };
        let before = self.sign_in_id();
        let (state, url) = self.begin(options, false, trigger).await?;
        let any_session_will_do = matches!(options.prompt.as_deref(), None | Some("none"))
            && options.max_age.is_none()
            && options.acr_values.is_empty();
        if any_session_will_do && before.is_none() && self.sign_in_id().is_some() {
            // Another tab has signed in meanwhile, so this sign-in is not needed.
            self.recall(&state).await.map(drop)?;
            return Ok(());
        }
        let entry = match silent || options.replace_page {
            true => HistoryEntry::Replace,
            false => HistoryEntry::Keep,
        };
        self.0.platform.navigate(&url, entry);
        Ok(())
    }

    /// Checks whether the provider answers, before a likely sign-in: for example when the user points at the button. A sign-in within the
    /// next 30 seconds does not check again.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// # use pixygate::authorization::SignIn;
    /// session.prepare_sign_in().await;
    /// session.sign_in(&SignIn::default()).await?;
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn prepare_sign_in(&self) {
        if !self.was_reached() && self.probe().await.is_none() {
            self.0.reached.set(Some(self.0.platform.now().monotonic));
        }
    }

    fn was_reached(&self) -> bool {
        let now = self.0.platform.now().monotonic;
        self.0.reached.get().is_some_and(|then| now - then < PROBE_VALID_MS)
    }

    /// Leaves for the provider's sign-in page because a call needs a stronger sign-in or more scopes. After the sign-in of the same user, the
    /// page at `return_to` gets the call from [`Session::take_pending`]. If the user comes back by the back button instead, the page gets it
    /// from [`Session::take_cancelled`].
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// use pixygate::authorization::ReturnTo;
    /// use pixygate::session::{StepUp, PendingRequest};
    ///
    /// let demand = StepUp::Scopes(vec!["orders:write".to_owned()]);
    /// let call = PendingRequest {
    ///     method: "POST".to_owned(),
    ///     url: "https://app.example/api/orders".to_owned(),
    ///     content_type: Some("application/json".to_owned()),
    ///     headers: Vec::new(),
    ///     body: Some(r#"{"article":7}"#.to_owned()),
    /// };
    /// session.step_up(&demand, call, ReturnTo::parse("/orders").unwrap_or_default()).await?;
    ///
    /// // The browser leaves the page. After the sign-in:
    /// # let query = example::came_back(&session);
    /// let outcome = session.complete(&query).await?;
    /// assert_eq!(outcome.return_to.as_str(), "/orders");
    /// let again = session.take_pending(|call| call.url.ends_with("/api/orders"));
    /// assert_eq!(again.and_then(|call| call.body).as_deref(), Some(r#"{"article":7}"#));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::sign_in`], and when no user is signed in.
    pub async fn step_up(
        &self,
        demand: &StepUp,
        call: PendingRequest,
        return_to: ReturnTo,
    ) -> Result<(), SessionError> {
        let record = self.record().ok_or_else(|| self.signed_out())?;
        let options = SignIn {
            return_to: Some(return_to),
            resource: record.tokens.resource().map(str::to_owned),
            ..Self::options_for(demand, &record)
        };
        let step_up = RepeatedCall {
            subject: record.subject().to_owned(),
            acting: record.acting.map(|acting| acting.exchange),
            demand: demand.clone(),
            call,
        };
        let (state, url) = self
            .begin(&options, false, Trigger::Call(Some(Box::new(step_up))))
            .await?;
        let mark = self.mark(&state).await?;
        self.emit(&Event::StepUp(demand.clone()));
        self.0.platform.navigate_and_back(&url, &mark);
        Ok(())
    }

    /// Returns the options of a sign-in that meets `demand` and keeps the scopes of the user.
    pub(super) fn options_for(demand: &StepUp, record: &Record) -> SignIn {
        let mut options = SignIn {
            scopes: record.tokens.scopes().to_vec(),
            ..SignIn::default()
        };
        match demand {
            StepUp::Authentication { acr_values, max_age } => {
                options.acr_values.clone_from(acr_values);
                options.max_age = *max_age;
                options.prompt = (max_age.is_some() && record.ignores_max_age).then(|| "login".to_owned());
            }
            StepUp::Scopes(scopes) => options.scopes.extend(scopes.iter().cloned()),
        }
        options
    }

    /// Starts a sign-in in a popup window. Returns its `state` and the address for the window. If the sign-in cannot be stored, it stays in
    /// this page's memory, which [waits](Session::waits_for) for the window's callback; the session then lives in this page only.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// # use pixygate::authorization::SignIn;
    /// let (state, url) = session.begin_in_window(&SignIn::default()).await?;
    /// assert!(url.contains(&format!("state={state}")));
    /// assert!(!session.waits_for(&state), "the sign-in is stored, so that any page can complete it");
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::sign_in`], except for storage.
    pub async fn begin_in_window(&self, options: &SignIn) -> Result<(String, String), SessionError> {
        self.begin(options, true, Trigger::User).await
    }

    /// Stores a pending sign-in and returns its `state` and where to send the user.
    pub(super) async fn begin(
        &self,
        options: &SignIn,
        popup: bool,
        trigger: Trigger,
    ) -> Result<(String, String), SessionError> {
        let (platform, client) = (&self.0.platform, &self.0.client);
        let (here, expected) = (platform.origin(), origin(&client.redirect_uri));
        if here != expected {
            let expected = expected.to_owned();
            return Err(SessionError::WrongOrigin { here, expected });
        }
        let provider = &client.provider;
        let pushed_to = provider.pushed_authorization_request_endpoint.as_deref();
        let pushed_to = pushed_to.filter(|_| provider.require_pushed_authorization_requests);
        let preparing = pin!(self.prepare(options, popup, trigger, pushed_to));
        if pushed_to.is_some() || self.was_reached() {
            return preparing.await;
        }
        // If the provider is down, the browser's error page would offer no next step. But do not wait long for the check.
        let probe = self.probe();
        let (state, url) = preparing.await?;
        match select(probe, pin!(platform.sleep(PROBE_WAIT_MS))).await {
            Either::Left((Some(outage), _)) => {
                self.recall(&state).await?;
                Err(outage.into())
            }
            _ => Ok((state, url)),
        }
    }

    async fn prepare(
        &self,
        options: &SignIn,
        popup: bool,
        trigger: Trigger,
        pushed_to: Option<&str>,
    ) -> Result<(String, String), SessionError> {
        let (platform, client) = (&self.0.platform, &self.0.client);
        // Do not push a request that cannot be stored.
        if let (Some(_), Err(error), false) = (pushed_to, self.all_pending().await, popup) {
            return Err(error.into());
        }
        let silent = options.prompt.as_deref() == Some("none");
        if silent && self.was_refused().await {
            return Err(SessionError::InteractionRequired);
        }
        // A signed-in user needs the current key if no other one can be stored.
        match self.record().is_none() && self.0.unstored.borrow().is_empty() {
            true => platform.drop_keys(),
            false => platform.reload_keys(),
        }
        let thumbprint = match self.dpop_thumbprint().await {
            // With a key in memory nothing is stored. A sign-in that leaves the page then fails with an error.
            Err(_) if self.record().is_none() => {
                platform.create_memory_key().await?;
                self.dpop_thumbprint().await?
            }
            thumbprint => thumbprint?,
        };
        let options = SignIn {
            return_to: Some(self.return_to(options)),
            ..options.clone()
        };
        let (sign_in, request) = PendingSignIn::begin(client, &options, thumbprint.as_deref());
        let url = match pushed_to {
            Some(endpoint) => {
                let request_uri = self.push(endpoint, request.body()).await?;
                AuthorizationRequest::pushed_url(client, &request_uri)
            }
            None => request.url(client),
        };
        let state = sign_in.state().to_owned();
        self.remember(Pending {
            sign_in,
            since: platform.now().wall,
            popup: popup || platform.is_sign_in_window(),
            silent,
            trigger,
        })
        .await?;
        Ok((state, url))
    }

    /// Returns the page to return to: that of the options, or the current page. The page of the redirect URI is excluded, because it needs an
    /// authorization response.
    fn return_to(&self, options: &SignIn) -> ReturnTo {
        let wanted = options.return_to.clone();
        let wanted = wanted.or_else(|| ReturnTo::parse(&self.0.platform.page()));
        let redirect_uri = &self.0.client.redirect_uri;
        let callback = &redirect_uri[origin(redirect_uri).len()..];
        wanted.filter(|page| page.path() != callback).unwrap_or_default()
    }

    /// Pushes the authorization request and returns its `request_uri` (RFC 9126, section 2).
    async fn push(&self, endpoint: &str, body: &str) -> Result<String, SessionError> {
        let answer = self.0.platform.post_form(endpoint, body, None).await;
        let reply = self
            .diagnose_network_error(endpoint, false, answer.map_err(Into::into))
            .await?;
        if !matches!(reply.status, 200 | 201) {
            return Err(TokenError::read(&reply).into());
        }
        let pushed = Object::read(reply.body.as_bytes()).unwrap_or_default();
        let request_uri = pushed.text("request_uri").map(str::to_owned);
        Ok(request_uri.ok_or_else(|| TokenError::Malformed {
            status: reply.status,
            problem: "the pushed authorization request got no `request_uri`".to_owned(),
        })?)
    }

    /// Completes a sign-in from the query of the redirect URI, and returns the page to return to.
    ///
    /// A callback that was reloaded, bookmarked or reached by the back button succeeds if a user is signed in.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// use pixygate::authorization::{CallbackError, SignIn};
    /// use pixygate::session::SessionError;
    ///
    /// session.sign_in(&SignIn::default()).await?;
    /// # let query = example::came_back(&session);
    /// let outcome = session.complete(&query).await?;
    /// assert_eq!(outcome.return_to.as_str(), "/");
    /// assert!(session.state().signed_in().is_some());
    ///
    /// // Reloaded: the user is still signed in.
    /// assert!(session.complete(&query).await.is_ok());
    ///
    /// session.sign_out_here().await;
    /// let failure = session.complete(&query).await.unwrap_err();
    /// assert_eq!(failure.error, SessionError::Callback(CallbackError::UnknownState));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first check that fails, from `state` to the ID token. Then nothing of the response is stored.
    pub async fn complete(&self, query: &str) -> Result<SignInOutcome, SignInFailure> {
        self.restore().await;
        let mut outcome = SignInOutcome::default();
        let result = self.finish_callback(query, &mut outcome).await;
        if outcome.popup {
            // If the sign-in starts again in this window, it also returns to the page that opened it.
            self.0.platform.set_sign_in_window(result.is_err());
        }
        match result {
            Ok(()) => Ok(outcome),
            Err(SessionError::Callback(
                CallbackError::Absent
                | CallbackError::Duplicate(_)
                | CallbackError::MissingState
                | CallbackError::UnknownState,
            )) if matches!(self.state(), AuthState::SignedIn(_)) => Ok(outcome),
            Err(error) => Err(SignInFailure {
                error,
                return_to: outcome.return_to,
            }),
        }
    }

    async fn finish_callback(&self, query: &str, outcome: &mut SignInOutcome) -> Result<(), SessionError> {
        let Some(returned) = self.take_returned(query, outcome).await? else {
            return Ok(());
        };
        outcome.return_to.clone_from(&returned.return_to);
        outcome.popup = returned.popup;
        let (platform, client) = (&self.0.platform, &self.0.client);
        platform.reload_keys();
        let bound_to = self.dpop_thumbprint().await?;
        let requested = platform.now();
        let answer = self.ask_token_endpoint(&returned.validated.token_request()).await;
        let with_proof = self.uses_dpop();
        let endpoint = &client.provider.token_endpoint;
        let response = match self.diagnose_network_error(endpoint, with_proof, answer).await {
            Ok(response) => response,
            Err(error) => {
                // The code may still be valid.
                if error.remedy() == Remedy::TryAgain {
                    self.0.unfinished.replace(Some(Box::new(returned)));
                }
                return Err(error);
            }
        };
        let Returned {
            validated,
            state,
            by_call,
            step_up,
            ..
        } = returned;
        let (access, refresh) = response.tokens();
        let keys = match self.keys_for(&response).await {
            Ok(keys) => keys,
            Err(error) => {
                self.revoke_these(&access, refresh.as_ref()).await;
                return Err(error.into());
            }
        };
        let tokens = match validated
            .validate_tokens(response, &self.validation_context(Some(&keys), requested))
            .await
        {
            Ok(tokens) => tokens,
            Err(error) => {
                // Unused tokens are revoked.
                self.revoke_these(&access, refresh.as_ref()).await;
                let ignored = matches!(error, IdTokenError::Claim { claim: "auth_time", .. });
                let stays = match &step_up {
                    Some(step_up) => self.is_of(step_up),
                    None => by_call && self.record().is_some(),
                };
                if !(ignored && stays) {
                    return Err(error.into());
                }
                self.note_ignored_max_age().await;
                outcome.cancelled = Some(self.step_up_failed(step_up, StepUpFailure::NotAskedAgain).await);
                return Ok(());
            }
        };
        let subject = &tokens.id_token().claims().sub;
        let step_up = step_up.filter(|step_up| step_up.subject == *subject);
        // After a sign-in without a call, the same step-up may be required again.
        let before = self.record().filter(|before| by_call && before.subject() == subject);
        let mut demanded = before.map(|before| before.demanded).unwrap_or_default();
        if let Some(RepeatedCall { call, demand, .. }) = &step_up {
            add_demand(&mut demanded, &call.method, &call.url, demand.clone());
        }
        // Wait for a refresh of another tab, which could overwrite these tokens.
        let _lock = match self.lock_tokens().await {
            Ok(lock) => lock,
            Err(error) => {
                self.revoke(&tokens).await;
                return Err(error.into());
            }
        };
        let mut over = self.key_is_gone(&bound_to).await;
        // Calls for one organisation must not be made for another, even if the exchange fails.
        let acted_for = self.acted_for(&tokens.id_token().claims().sub).await;
        let exchange = acted_for.unwrap_or_else(|| step_up.as_ref().and_then(|step_up| step_up.acting.clone()));
        if !over {
            let record = Record {
                id: state,
                generation: 1,
                tokens: tokens.clone(),
                acting: exchange.clone().map(|exchange| Acting { exchange, tokens: None }),
                demanded,
                ignores_max_age: false,
            };
            self.keep(record, SaveMode::Insert).await;
            over = self.key_is_gone(&bound_to).await;
            if over {
                self.forget().await;
                self.set_state(AuthState::SignedOut(Some(SignOutReason::SignedOut)));
                platform.notify_other_tabs();
            }
        }
        if over {
            self.revoke(&tokens).await;
            return Err(CallbackError::UnknownState.into());
        }
        self.note_refused(false).await;
        if let Some(step_up) = step_up {
            self.leave_waiting(step_up, Ok(()));
        }
        if let (Some(exchange), Some(record)) = (exchange, self.record())
            && let Err(error) = self.act(record, exchange).await
        {
            // The user is signed in, and the next call tries again.
            self.emit(&Event::RefreshFailed(error));
        }
        Ok(())
    }

    /// Returns the callback whose code is not exchanged yet: that of the query, or an earlier one whose exchange got no answer. `None` if the
    /// provider returned an error and the state stays as it was.
    async fn take_returned(&self, query: &str, outcome: &mut SignInOutcome) -> Result<Option<Returned>, SessionError> {
        let callback = Callback::parse(query);
        let state = callback.as_ref().map(|callback| callback.state().to_owned()).ok();
        let unfinished = self.0.unfinished.take();
        let repeats = matches!(callback, Err(CallbackError::Absent));
        if let Some(unfinished) = unfinished.filter(|it| repeats || state.as_ref() == Some(&it.state)) {
            return Ok(Some(*unfinished));
        }
        let callback = callback?;
        let state = callback.state().to_owned();
        let pending = self.recall(&state).await?.ok_or(CallbackError::UnknownState)?;
        outcome.return_to.clone_from(pending.sign_in.return_to());
        outcome.popup = pending.popup;
        let (by_call, step_up) = match pending.trigger {
            Trigger::User => (false, None),
            Trigger::Call(step_up) => (true, step_up.map(|step_up| *step_up)),
        };
        let return_to = outcome.return_to.clone();
        match pending.sign_in.validate(callback, &self.0.client) {
            Ok(validated) => Ok(Some(Returned {
                validated,
                state,
                return_to,
                popup: pending.popup,
                by_call,
                step_up,
            })),
            Err(CallbackError::Provider { error, .. })
                if pending.silent && INTERACTION_ERRORS.contains(&error.as_str()) =>
            {
                self.note_refused(true).await;
                Ok(None)
            }
            Err(CallbackError::Provider { error, .. }) if step_up.as_ref().is_some_and(|it| self.is_of(it)) => {
                outcome.cancelled = Some(self.step_up_failed(step_up, StepUpFailure::Provider(error)).await);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether the user whose call required the step-up is still signed in.
    fn is_of(&self, step_up: &RepeatedCall) -> bool {
        self.record().is_some_and(|record| record.subject() == step_up.subject)
    }

    /// Keeps the call for its page, and records the step-up, so that only the user can start the same one again.
    async fn step_up_failed(&self, step_up: Option<RepeatedCall>, failure: StepUpFailure) -> StepUpFailure {
        if let Some(step_up) = step_up {
            let RepeatedCall { call, demand, .. } = &step_up;
            self.record_step_up(&call.method, &call.url, demand.clone()).await;
            self.leave_waiting(step_up, Err(failure.clone()));
        }
        failure
    }

    /// Keeps the call in memory for its page, with the result of its sign-in.
    pub(super) fn leave_waiting(&self, step_up: RepeatedCall, step_up_result: Result<(), StepUpFailure>) {
        self.0.waiting.replace(Some(Waiting {
            until: self.0.platform.now().monotonic + PENDING_CALL_MS,
            whose: (step_up.subject, step_up.acting),
            call: step_up.call,
            step_up_result,
        }));
    }

    /// Returns whether the key that new tokens are bound to was deleted, because the user signed out meanwhile.
    async fn key_is_gone(&self, bound_to: &Option<String>) -> bool {
        self.0.platform.reload_keys();
        self.dpop_thumbprint().await.as_ref() != Ok(bound_to)
    }

    /// Returns whether the session comes from the sign-in with this `state`.
    pub(super) fn is_from_sign_in(&self, state: &str) -> bool {
        self.record().is_some_and(|record| record.id == state)
    }

    /// Returns the `state` of the sign-in that the session comes from.
    pub(super) fn sign_in_id(&self) -> Option<String> {
        self.record().map(|record| record.id)
    }
}
