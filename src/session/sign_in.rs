//! Signing in: off to the provider, and back.

use serde::Deserialize;

use crate::authorization::{
    AuthorizationRequest, Callback, CallbackError, PendingSignIn, ReturnTo, SignIn, TokenError,
};

use super::call::{Waiting, add_demand};
use super::pending::{Asked, Pending, StepUp};
use super::platform::Over;
use super::record::{Acting, Record};
use super::{AuthState, Demand, Event, Platform, Session, SessionError, SignOutReason, WaitingCall};

/// A sign-in that came back and did not succeed. A session that was there before is untouched.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # example::run(async |session| {
/// use pixygate::authorization::CallbackError;
/// use pixygate::session::{SessionError, SignInFailure};
///
/// fn page(failure: &SignInFailure) -> String {
///     format!("{failure}. Start again: /sign-in?return_to={}", failure.return_to.as_str())
/// }
/// # use pixygate::authorization::{ReturnTo, SignIn};
/// # let return_to = ReturnTo::parse("/orders").unwrap_or_default();
/// # session.sign_in(&SignIn { return_to, ..SignIn::default() }).await?;
/// # let query = example::came_back(&session).replace("id.example", "evil.example");
/// let failure = session.complete(&query).await.unwrap_err();
/// assert!(page(&failure).ends_with("Start again: /sign-in?return_to=/orders"));
/// assert!(matches!(failure.error, SessionError::Callback(CallbackError::IssuerMismatch { .. })));
/// # Ok(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct SignInFailure {
    /// What went wrong.
    pub error: SessionError,
    /// Where the person was going, as far as it is known: to go there when they start again.
    pub return_to: ReturnTo,
}

/// Where a person is after the callback.
///
/// ```
/// use pixygate::authorization::ReturnTo;
/// use pixygate::session::Landing;
///
/// /// Where the page goes.
/// fn next(landing: &Landing) -> Option<&str> {
///     // A window that was opened for the sign-in is closed instead.
///     (!landing.popup).then(|| landing.return_to.as_str())
/// }
/// let orders = Landing { return_to: ReturnTo::parse("/orders").unwrap_or_default(), ..Landing::default() };
/// assert_eq!(next(&orders), Some("/orders"));
/// assert_eq!(next(&Landing { popup: true, ..orders }), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landing {
    /// Where they were going.
    pub return_to: ReturnTo,
    /// Whether this window was opened for the sign-in only, and has done its work.
    pub popup: bool,
    /// With which error the provider answered a stronger sign-in that a call had asked for. The person is signed in as
    /// before, and the call was not made; [`Session::take_declined`] has it.
    pub declined: Option<String>,
}

/// The provider's answers to `prompt=none` when it would have to show something (OpenID Connect Core, section 3.1.2.6).
const NEEDS_THE_PERSON: [&str; 4] = [
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
];

/// How long an answer of the provider counts for a sign-in, in milliseconds.
const REACHED: f64 = 30_000.0;

/// How long a call waits for its page after the sign-in, in milliseconds: who sees it made later does not expect it.
const WAITS: f64 = 120_000.0;

impl<P: Platform> Session<P> {
    /// Leaves for the provider's sign-in page, unless the provider does not answer: then the person stays on a page that can
    /// say so.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// use pixygate::authorization::{ReturnTo, SignIn};
    ///
    /// let options = SignIn {
    ///     return_to: ReturnTo::parse("/orders").unwrap_or_default(),
    ///     login_hint: Some("alice@example.com".to_owned()),
    ///     ..SignIn::default()
    /// };
    /// session.sign_in(&options).await?;
    /// // The platform has left the page.
    /// # let address = session.platform().went_to.borrow().clone();
    /// assert!(address.starts_with("https://id.example/authorize?"));
    /// assert!(address.contains("login_hint=alice%40example.com"));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the provider cannot be reached, and when this browser cannot keep what must be remembered until the person is back.
    pub async fn sign_in(&self, options: &SignIn) -> Result<(), SessionError> {
        let asked = match options.prompt.as_deref() {
            Some("none") => Asked::ByCall(None),
            _ => Asked::ByPerson,
        };
        let silent = matches!(asked, Asked::ByCall(_));
        let (_, url) = self.begin(options, false, asked).await?;
        match options.replace_page || silent {
            true => self.0.platform.navigate(&url),
            false => self.0.platform.navigate_away(&url),
        }
        Ok(())
    }

    /// Asks whether the provider answers, ahead of a sign-in that is likely: when the user points at the button. A sign-in within the next
    /// 30 seconds leaves without asking again.
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
        if !self.was_reached() && self.0.platform.reach(&self.0.client.provider.jwks_uri).await.is_ok() {
            self.0.reached.set(Some(self.0.platform.now().monotonic));
        }
    }

    fn was_reached(&self) -> bool {
        let now = self.0.platform.now().monotonic;
        self.0.reached.get().is_some_and(|then| now - then < REACHED)
    }

    /// Leaves for the provider's sign-in page because a call needs more than the person has. After the sign-in the page at
    /// `return_to` gets the call with [`Session::take_waiting`], if it is the same person who came back. Who comes back by the back
    /// button instead finds there, with [`Session::take_declined`], what they had typed.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// use pixygate::authorization::ReturnTo;
    /// use pixygate::session::{Demand, WaitingCall};
    ///
    /// let demand = Demand::Scopes(vec!["orders:write".to_owned()]);
    /// let call = WaitingCall {
    ///     method: "POST".to_owned(),
    ///     url: "https://app.example/api/orders".to_owned(),
    ///     content_type: Some("application/json".to_owned()),
    ///     headers: Vec::new(),
    ///     body: Some(r#"{"article":7}"#.to_owned()),
    /// };
    /// session.step_up(&demand, call, ReturnTo::parse("/orders").unwrap_or_default()).await?;
    ///
    /// // The page is left. When the person is back:
    /// # let query = example::came_back(&session);
    /// let landing = session.complete(&query).await?;
    /// assert_eq!(landing.return_to.as_str(), "/orders");
    /// let again = session.take_waiting(|call| call.url.ends_with("/api/orders"));
    /// assert_eq!(again.and_then(|call| call.body).as_deref(), Some(r#"{"article":7}"#));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::sign_in`], and when nobody is signed in.
    pub async fn step_up(&self, demand: &Demand, call: WaitingCall, return_to: ReturnTo) -> Result<(), SessionError> {
        let record = self.record().ok_or_else(|| self.signed_out())?;
        let options = SignIn {
            return_to,
            resource: record.tokens.resource().map(str::to_owned),
            ..Self::options_for(demand, record.tokens.scopes())
        };
        let step_up = StepUp {
            subject: record.subject().to_owned(),
            acting: record.acting.map(|acting| acting.exchange),
            demand: demand.clone(),
            call,
        };
        let (state, url) = self
            .begin(&options, false, Asked::ByCall(Some(Box::new(step_up))))
            .await?;
        let mark = self.mark(&state).await?;
        self.tell(&Event::StepUp(demand.clone()));
        self.0.platform.navigate_and_back(&url, &mark);
        Ok(())
    }

    /// What to ask of the provider so that a demand is met, and the person keeps what they have.
    pub(super) fn options_for(demand: &Demand, granted: &[String]) -> SignIn {
        let mut options = SignIn {
            scopes: granted.to_vec(),
            ..SignIn::default()
        };
        match demand {
            Demand::Authentication { acr_values, max_age } => {
                options.acr_values.clone_from(acr_values);
                options.max_age = *max_age;
            }
            Demand::Scopes(scopes) => options.scopes.extend(scopes.iter().cloned()),
        }
        options
    }

    /// Begins a sign-in in a window of its own and returns its `state`, and where to send the window. Where nothing can be
    /// kept this page remembers it, and [waits](Session::waits_for) for what the window comes back with; the session then lives
    /// in this page only.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// # use pixygate::authorization::SignIn;
    /// let (state, url) = session.begin_in_window(&SignIn::default()).await?;
    /// assert!(url.contains(&format!("state={state}")));
    /// assert!(!session.waits_for(&state), "the sign-in is kept, so that any page can complete it");
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::sign_in`], but not because nothing can be kept.
    pub async fn begin_in_window(&self, options: &SignIn) -> Result<(String, String), SessionError> {
        self.begin(options, true, Asked::ByPerson).await
    }

    /// Remembers a sign-in and returns its `state` and where to send the person.
    pub(super) async fn begin(
        &self,
        options: &SignIn,
        popup: bool,
        asked: Asked,
    ) -> Result<(String, String), SessionError> {
        let (platform, client) = (&self.0.platform, &self.0.client);
        // Where nothing can be kept there is no way back to what only this page remembers.
        if let (Err(error), false) = (self.all_pending().await, popup) {
            return Err(error.into());
        }
        let silent = options.prompt.as_deref() == Some("none");
        if silent && self.was_refused().await {
            return Err(SessionError::NeedsThePerson);
        }
        let mut options = options.clone();
        if silent && options.id_token_hint.is_none() {
            let record = self.record();
            options.id_token_hint = record.map(|record| record.tokens.id_token().as_str().to_owned());
        }
        // Who is signed in needs the key that they have, where no other can be kept.
        match self.record().is_none() && self.0.unkept.borrow().is_empty() {
            true => platform.forget_keys(),
            false => platform.reread_keys(),
        }
        let thumbprint = match self.dpop_thumbprint().await {
            // With such a key nothing is kept, and who would leave the page is told so.
            Err(_) if self.record().is_none() => {
                platform.make_key_in_memory().await?;
                self.dpop_thumbprint().await?
            }
            thumbprint => thumbprint?,
        };
        let (sign_in, request) = PendingSignIn::begin(client, &options, thumbprint.as_deref());
        let url = match &client.provider.pushed_authorization_request_endpoint {
            Some(endpoint) if client.provider.require_pushed_authorization_requests => {
                let request_uri = self.push(endpoint, request.body()).await?;
                AuthorizationRequest::pushed_url(client, &request_uri)
            }
            _ => {
                if !self.was_reached() {
                    platform.reach(&client.provider.jwks_uri).await?;
                }
                request.url(client)
            }
        };
        let state = sign_in.state().to_owned();
        self.remember(Pending {
            sign_in,
            since: platform.now().wall,
            popup: popup || platform.is_for_sign_in(),
            silent,
            asked,
        })
        .await?;
        Ok((state, url))
    }

    /// Pushes the authorization request and returns its `request_uri` (RFC 9126, section 2).
    async fn push(&self, endpoint: &str, body: &str) -> Result<String, SessionError> {
        #[derive(Deserialize)]
        struct Pushed {
            request_uri: String,
        }
        let answer = self.0.platform.post_form(endpoint, body, None).await;
        let reply = self.explained(endpoint, false, answer.map_err(Into::into)).await?;
        if !matches!(reply.status, 200 | 201) {
            return Err(TokenError::read(&reply).into());
        }
        match serde_json::from_slice::<Pushed>(reply.body.as_bytes()) {
            Ok(pushed) => Ok(pushed.request_uri),
            Err(_) => Err(TokenError::Malformed {
                status: reply.status,
                problem: "the pushed authorization request got no `request_uri`".to_owned(),
            }
            .into()),
        }
    }

    /// Completes a sign-in from the query of the redirect URI and says where the person was going.
    ///
    /// A callback that was reloaded, bookmarked or reached by the back button just lands when someone is signed in.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// use pixygate::authorization::{CallbackError, SignIn};
    /// use pixygate::session::SessionError;
    ///
    /// session.sign_in(&SignIn::default()).await?;
    /// # let query = example::came_back(&session);
    /// let landing = session.complete(&query).await?;
    /// assert_eq!(landing.return_to.as_str(), "/");
    /// assert!(session.state().signed_in().is_some());
    ///
    /// // Reloaded: the person is still signed in, and lands.
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
    /// The first check that fails, from `state` to the ID token; nothing of the response is kept then.
    pub async fn complete(&self, query: &str) -> Result<Landing, SignInFailure> {
        self.restore().await;
        let mut landing = Landing::default();
        let landed = self.land(query, &mut landing).await;
        if landing.popup {
            // Who starts again in this window is to be back in the page that opened it, too.
            self.0.platform.mark_window(landed.is_err());
        }
        match landed {
            Ok(()) => Ok(landing),
            Err(SessionError::Callback(
                CallbackError::Absent
                | CallbackError::Duplicate(_)
                | CallbackError::MissingState
                | CallbackError::UnknownState,
            )) if matches!(self.state(), AuthState::SignedIn(_)) => Ok(landing),
            Err(error) => Err(SignInFailure {
                error,
                return_to: landing.return_to,
            }),
        }
    }

    async fn land(&self, query: &str, landing: &mut Landing) -> Result<(), SessionError> {
        let (platform, client) = (&self.0.platform, &self.0.client);
        let callback = Callback::parse(query)?;
        let state = callback.state().to_owned();
        let pending = self.recall(&state).await?.ok_or(CallbackError::UnknownState)?;
        landing.return_to.clone_from(pending.sign_in.return_to());
        landing.popup = pending.popup;
        let (by_call, step_up) = match pending.asked {
            Asked::ByPerson => (false, None),
            Asked::ByCall(step_up) => (true, step_up.map(|step_up| *step_up)),
        };
        let validated = match pending.sign_in.validate(callback, client) {
            Err(CallbackError::Provider { error, .. })
                if pending.silent && NEEDS_THE_PERSON.contains(&error.as_str()) =>
            {
                self.note_refused(true).await;
                return Ok(());
            }
            Err(CallbackError::Provider { error, .. }) if self.stays(step_up.as_ref()) => {
                if let Some(step_up) = step_up {
                    let StepUp { call, demand, .. } = &step_up;
                    self.note_demand(&call.method, &call.url, demand.clone()).await;
                    self.leave_waiting(step_up, Err(Some(error.clone())));
                }
                landing.declined = Some(error);
                return Ok(());
            }
            validated => validated?,
        };

        platform.reread_keys();
        let bound_to = self.dpop_thumbprint().await?;
        let requested = platform.now();
        let answer = self.ask_token_endpoint(&validated.token_request()).await;
        let with_proof = self.uses_dpop();
        let response = self
            .explained(&client.provider.token_endpoint, with_proof, answer)
            .await?;
        let keys = self.keys_for(&response).await?;
        let tokens = validated.accept(response, &self.checks(Some(&keys), requested)).await?;
        let subject = &tokens.id_token().claims().sub;
        let step_up = step_up.filter(|step_up| step_up.subject == *subject);
        // A person who signs in themselves may be asked again.
        let before = self.record().filter(|before| by_call && before.subject() == subject);
        let mut demanded = before.map(|before| before.demanded).unwrap_or_default();
        if let Some(StepUp { call, demand, .. }) = &step_up {
            add_demand(&mut demanded, &call.method, &call.url, demand.clone());
        }
        // Not while another tab refreshes: it would keep its tokens over these.
        let _lock = match self.lock_tokens().await {
            Ok(lock) => lock,
            Err(error) => {
                self.revoke(&tokens).await;
                return Err(error.into());
            }
        };
        let mut over = self.key_is_gone(&bound_to).await;
        // Calls that were for an organisation are made for no other, whatever becomes of the exchange.
        let acted_for = self.acted_for(&tokens.id_token().claims().sub).await;
        let exchange = acted_for.unwrap_or_else(|| step_up.as_ref().and_then(|step_up| step_up.acting.clone()));
        if !over {
            let record = Record {
                id: state,
                generation: 1,
                tokens: tokens.clone(),
                acting: exchange.clone().map(|exchange| Acting { exchange, tokens: None }),
                demanded,
            };
            self.keep(record, Over::Any).await;
            over = self.key_is_gone(&bound_to).await;
            if over {
                self.forget().await;
                self.set_state(AuthState::SignedOut(Some(SignOutReason::SignedOut)));
                platform.tell_other_tabs();
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
            // The person is signed in, and the next call tries again.
            self.tell(&Event::RefreshFailed(error));
        }
        Ok(())
    }

    /// Whether who was asked for a stronger sign-in, and did not bring it, is still signed in.
    fn stays(&self, step_up: Option<&StepUp>) -> bool {
        step_up.is_some_and(|it| self.record().is_some_and(|record| record.subject() == it.subject))
    }

    /// Keeps the call for its page. When it is made again after the sign-in it is answered, and does not ask for the same.
    pub(super) fn leave_waiting(&self, step_up: StepUp, brought: Result<(), Option<String>>) {
        self.0.waiting.replace(Some(Waiting {
            until: self.0.platform.now().monotonic + WAITS,
            whose: (step_up.subject, step_up.acting),
            call: step_up.call,
            brought,
        }));
    }

    /// Whether someone signed out meanwhile, and the key is gone that new tokens are bound to.
    async fn key_is_gone(&self, bound_to: &Option<String>) -> bool {
        self.0.platform.reread_keys();
        self.dpop_thumbprint().await.as_ref() != Ok(bound_to)
    }

    /// Whether the session is the one that the sign-in with this `state` brought.
    pub(super) fn came_of(&self, state: &str) -> bool {
        self.record().is_some_and(|record| record.id == state)
    }

    /// Which sign-in brought the session.
    pub(super) fn sign_in_id(&self) -> Option<String> {
        self.record().map(|record| record.id)
    }
}
