//! Calls with the access token: the `Authorization` header, and the DPoP proof.

use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::AccessToken;

use crate::Refusal;
use crate::authorization::dpop::{self, Proof};
use crate::authorization::json::{fields, serde_by_json};
use crate::authorization::{CryptoError, DpopMode, Hash, TokenSet, TokenType};

use super::StepUp;
use super::challenge::{self, Fix};
use super::record::{Record, StoredSession, Whose};
use super::{Event, Platform, Session, SessionError};

/// The parts of a response that the session reads.
///
/// ```
/// use pixygate::Refusal;
/// use pixygate::session::HttpResponse;
///
/// struct Answer {
///     status: u16,
///     headers: Vec<(String, String)>,
///     body: String,
/// }
///
/// impl HttpResponse for Answer {
///     fn status(&self) -> u16 {
///         self.status
///     }
///
///     fn header(&self, name: &str) -> Option<String> {
///         let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
///         found.map(|(_, value)| value.clone())
///     }
///
///     async fn refusal(&self) -> Option<Refusal> {
///         serde_json::from_str(&self.body).ok()
///     }
/// }
/// # let headers = vec![("date".to_owned(), "today".to_owned())];
/// # let answer = Answer { status: 200, headers, body: "ok".to_owned() };
/// # assert_eq!((answer.status(), answer.header("Date").as_deref()), (200, Some("today")));
/// # assert_eq!(futures::executor::block_on(answer.refusal()), None);
/// ```
#[expect(async_fn_in_trait, reason = "the browser has one thread; its futures are not Send")]
pub trait HttpResponse {
    /// Returns the status code.
    fn status(&self) -> u16;

    /// Returns the value of a header.
    fn header(&self, name: &str) -> Option<String>;

    /// Returns the body as a refusal of the gate, if it is one. It must not consume the body.
    async fn refusal(&self) -> Option<Refusal> {
        None
    }
}

/// The outcome of a call.
///
/// ```
/// use pixygate::session::{CallOutcome, StepUp};
///
/// fn outcome(called: CallOutcome<u16>) -> String {
///     match called {
///         CallOutcome::Response(status) => format!("answered with {status}"),
///         CallOutcome::StepUp(StepUp::Scopes(scopes), _) => format!("needs {}", scopes.join(", ")),
///         CallOutcome::StepUp(StepUp::Authentication { .. }, _) => "needs a stronger sign-in".to_owned(),
///     }
/// }
/// assert_eq!(outcome(CallOutcome::Response(200)), "answered with 200");
/// ```
#[derive(Debug)]
pub enum CallOutcome<R> {
    /// A response, also an error response.
    Response(R),
    /// A response that requires a step-up, which [`Session::step_up`] starts. If the call requires the same step-up again, the outcome is
    /// [`CallOutcome::Response`].
    StepUp(StepUp, R),
}

/// A call that waits for a sign-in and is repeated afterwards. It is stored encrypted meanwhile.
///
/// ```
/// use pixygate::session::PendingRequest;
///
/// let call = PendingRequest {
///     method: "POST".to_owned(),
///     url: "https://app.example/api/orders?customer=7".to_owned(),
///     content_type: Some("application/json".to_owned()),
///     headers: Vec::new(),
///     body: Some(r#"{"article":7}"#.to_owned()),
/// };
/// // The debug output does not show the user's input.
/// assert_eq!(
///     format!("{call:?}"),
///     r#"PendingRequest { method: "POST", url: Some("https://app.example/api/orders"), .. }"#
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PendingRequest {
    /// The method.
    pub method: String,
    /// The absolute address.
    pub url: String,
    /// The `Content-Type`.
    pub content_type: Option<String>,
    /// The other headers, without those of the token and its proof.
    pub headers: Vec<(String, String)>,
    /// The body, if it is text.
    pub body: Option<String>,
}

fields!(PendingRequest {
    method,
    url,
    content_type,
    headers,
    body,
});

serde_by_json!(PendingRequest);

/// Leaves out the user's input, which is in the body or in the query.
impl std::fmt::Debug for PendingRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingRequest")
            .field("method", &self.method)
            .field("url", &self.url.split('?').next())
            .finish_non_exhaustive()
    }
}

/// A call that its page can take, after the step-up that it required.
pub(super) struct Waiting {
    /// On the monotonic clock, in milliseconds.
    pub(super) until: f64,
    pub(super) whose: Whose,
    pub(super) call: PendingRequest,
    /// Whether the step-up succeeded. If not, the call must not be made.
    pub(super) step_up_result: Result<(), StepUpFailure>,
}

/// Why a step-up failed.
///
/// ```
/// use pixygate::session::StepUpFailure;
///
/// fn text(failure: &StepUpFailure) -> &'static str {
///     match failure {
///         StepUpFailure::Returned => "You did not sign in again.",
///         StepUpFailure::Provider(error) if error == "access_denied" => "You did not sign in again.",
///         StepUpFailure::Provider(_) => "Signing in again did not succeed.",
///         StepUpFailure::NotAskedAgain => "Your provider did not ask you again.",
///     }
/// }
/// assert_eq!(text(&StepUpFailure::Returned), "You did not sign in again.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepUpFailure {
    /// The user came back by the back button. The sign-in may still succeed.
    #[error("the user came back without an authorization response")]
    Returned,
    /// The provider answered with this error code (RFC 6749, section 4.1.2.1).
    #[error("the provider answered `{0}`")]
    Provider(String),
    /// The provider ignored `max_age`: the `auth_time` in its ID token is too old, or absent. The next attempt has `prompt=login`.
    #[error("the provider did not ask the user to authenticate again, although the request had `max_age`")]
    NotAskedAgain,
}

/// The headers of a call to the gate. They contain the token: add them to one request, and do not store them.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # example::signed_in(async |session| {
/// let credentials = session.credentials("GET", "https://api.example.com/orders").await?;
/// assert_eq!(credentials.authorization, "Bearer the-first");
/// assert_eq!(credentials.dpop, None, "the token is not bound to a key");
/// assert_eq!(format!("{credentials:?}"), "Credentials { .. }");
/// # Ok(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Credentials {
    /// The value of `Authorization`.
    pub authorization: String,
    /// The value of `DPoP`, if the token is bound to this browser's key.
    pub dpop: Option<String>,
    /// The token in the headers, for [`Session::replace`].
    pub access_token: AccessToken,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

type Sending<'a, R> = Pin<Box<dyn Future<Output = Result<R, SessionError>> + 'a>>;

impl<P: Platform> Session<P> {
    /// Makes a call with a fresh token. It retries with a new token if the token is rejected, with a nonce if the server requires one in
    /// the DPoP proof, and with a new server time if the proof is rejected. `send` is called for each attempt and must send the same body.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// # use example::Answer;
    /// use pixygate::session::{CallOutcome, Credentials, StepUp, HttpResponse, SessionError};
    ///
    /// // The application's own way to send requests. This service rejects the first token.
    /// let send = async |credentials: Credentials| -> Result<Answer, SessionError> {
    ///     Ok(match credentials.authorization.as_str() {
    ///         "Bearer the-first" => Answer { status: 401, challenge: Some(r#"Bearer error="invalid_token""#) },
    ///         _ => Answer { status: 200, challenge: None },
    ///     })
    /// };
    /// let called = session.call("GET", "https://api.example.com/orders", send).await?;
    /// assert!(matches!(called, CallOutcome::Response(reply) if reply.status() == 200));
    ///
    /// let refuse = async |_| {
    ///     let challenge = r#"Bearer error="insufficient_scope", scope="orders:write""#;
    ///     Ok(Answer { status: 403, challenge: Some(challenge) })
    /// };
    /// let called = session.call("POST", "https://api.example.com/orders", refuse).await?;
    /// assert!(matches!(called, CallOutcome::StepUp(StepUp::Scopes(scopes), _) if scopes == ["orders:write"]));
    ///
    /// let elsewhere = session.call("GET", "https://evil.example/", send).await;
    /// assert!(matches!(elsewhere, Err(SessionError::ForeignOrigin(_))));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::access_token`]; [`SessionError::ForeignOrigin`] for an address that tokens are not sent to; the error of `send`.
    pub async fn call<R: HttpResponse>(
        &self,
        method: &str,
        url: &str,
        send: impl AsyncFn(Credentials) -> Result<R, SessionError>,
    ) -> Result<CallOutcome<R>, SessionError> {
        let without_query = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        self.emit(&Event::CallStarted {
            method: method.to_owned(),
            url: without_query.clone(),
        });
        let send = &send;
        let called = self
            .attempt(method, url, &move |credentials| Box::pin(send(credentials)))
            .await;
        self.emit(&match &called {
            Ok(CallOutcome::Response(reply) | CallOutcome::StepUp(_, reply)) => Event::CallFinished {
                url: without_query,
                status: reply.status(),
            },
            Err(error) => Event::CallFailed {
                url: without_query,
                error: error.clone(),
            },
        });
        called
    }

    /// `send` is boxed, so that this code is compiled once for each kind of response, not for each caller.
    async fn attempt<'a, R: HttpResponse>(
        &self,
        method: &str,
        url: &str,
        send: &(dyn Fn(Credentials) -> Sending<'a, R> + 'a),
    ) -> Result<CallOutcome<R>, SessionError> {
        let (mut replaced, mut with_nonce, mut timed) = (0, false, false);
        let to = origin(url);
        let rejects_fresh = || self.0.rejects_fresh_tokens.borrow().iter().any(|it| it == to);
        let set_rejects_fresh = |yes: bool| {
            let mut origins = self.0.rejects_fresh_tokens.borrow_mut();
            origins.retain(|it| it != to);
            if yes {
                origins.push(to.to_owned());
            }
        };
        let mut whose = self.record().map(|record| record.whose());
        loop {
            self.check_origin(url)?;
            let record = self.fresh_record().await?;
            // In another tab, another user may have signed in meanwhile, or the user may act for another organisation.
            let now = record.whose();
            if *whose.get_or_insert_with(|| now.clone()) != now {
                return Err(SessionError::AnotherUser);
            }
            let credentials = self.present(record.current(), method, url).await?;
            let access_token = credentials.access_token.clone();
            let reply = send(credentials).await?;
            let nonce = reply.header("DPoP-Nonce");
            self.remember_nonce(url, nonce.as_deref());
            let date = reply.header("Date").filter(|_| to == self.0.platform.origin());
            if let Some(date) = &date {
                self.0.platform.set_server_time(date);
            }
            let challenge = reply.header("WWW-Authenticate");
            let fix = challenge::read(reply.status(), challenge.as_deref().unwrap_or_default());
            let hidden = match (&challenge, &fix, &nonce) {
                // A 401 always has a challenge (RFC 9110, section 15.5.2), and one that requires a nonce has the nonce (RFC 9449, section 9).
                (None, ..) if reply.status() == 401 => Some("WWW-Authenticate"),
                (_, Some(Fix::Nonce), None) => Some("DPoP-Nonce"),
                _ => None,
            };
            if let Some(header) = hidden
                && to != self.0.platform.origin()
            {
                let origin = to.to_owned();
                self.emit(&Event::HeaderNotExposed { origin, header });
            }
            match fix {
                Some(Fix::Token)
                    if replaced < 2 && self.can_refresh() && !rejects_fresh() && may_replace(&reply).await =>
                {
                    let before = self.0.granted.get();
                    self.replace(&access_token).await?;
                    // A token from another tab may be rejected too, so it counts once. A token that was just issued counts as the last try.
                    replaced += if self.0.granted.get() == before { 1 } else { 2 };
                }
                Some(Fix::Nonce) if !with_nonce && nonce.is_some() => with_nonce = true,
                // The device's clock may have been set. A response of this origin has the time; the time of another origin cannot be read.
                Some(Fix::Proof) if !timed => {
                    if date.is_none() {
                        self.0.platform.fetch_server_time().await;
                    }
                    timed = true;
                }
                Some(Fix::StepUp(demand))
                    if self.may_ask_for(to, &demand)
                        && self.may_bring(&demand)
                        && !self.was_demanded(method, url, &demand) =>
                {
                    return Ok(CallOutcome::StepUp(demand, reply));
                }
                Some(fix) => {
                    set_rejects_fresh(fix == Fix::Token);
                    return Ok(CallOutcome::Response(reply));
                }
                None => {
                    set_rejects_fresh(false);
                    self.forget_demands(call_name(method, url));
                    return Ok(CallOutcome::Response(reply));
                }
            }
        }
    }

    /// Records the step-up of a call, for all tabs and for the next page.
    pub(super) async fn record_step_up(&self, method: &str, url: &str, demand: StepUp) {
        self.change_demands(|demanded| add_demand(demanded, method, url, demand))
            .await;
    }

    /// Deletes the recorded step-ups of a call, so that it may require them again.
    fn forget_demands(&self, call: String) {
        if !self.demanded().iter().any(|(known, _)| *known == call) {
            return;
        }
        let forget = move |demanded: &mut Vec<(String, StepUp)>| demanded.retain(|(known, _)| *known != call);
        // In memory at once; in storage in the background, under the lock.
        if let Some(StoredSession::Live(record)) = &mut *self.0.kept.borrow_mut() {
            forget(&mut record.demanded);
        }
        let session = self.clone();
        self.0
            .platform
            .spawn(Box::pin(async move { session.change_demands(forget).await }));
    }

    async fn change_demands(&self, change: impl FnOnce(&mut Vec<(String, StepUp)>)) {
        self.change_record(|record| change(&mut record.demanded)).await;
    }

    /// Records that the provider ignores `max_age`, for all tabs and for the next page.
    pub(super) async fn note_ignored_max_age(&self) {
        self.change_record(|record| record.ignores_max_age = true).await;
    }

    async fn change_record(&self, change: impl FnOnce(&mut Record)) {
        let whose = self.record().map(|record| record.subject().to_owned());
        // Otherwise a refresh in flight could overwrite this.
        let Ok(_lock) = self.lock_tokens().await else {
            // Without the record, the step-up may be required once more.
            return;
        };
        self.sync_locked().await;
        if let Some(mut record) = self.record()
            && whose.as_deref() == Some(record.subject())
        {
            change(&mut record);
            // It fails if the user signed out meanwhile; then the record is not needed.
            drop(self.store(record).await);
        }
    }

    fn demanded(&self) -> Vec<(String, StepUp)> {
        self.record().map(|record| record.demanded).unwrap_or_default()
    }

    /// Returns whether a server may require these scopes. Another origin could otherwise make the user grant any scope.
    fn may_ask_for(&self, origin: &str, demand: &StepUp) -> bool {
        let listed = self.0.client.step_up_scopes.get(origin);
        match demand {
            StepUp::Scopes(scopes) if origin != self.0.platform.origin() => {
                listed.is_some_and(|listed| scopes.iter().all(|scope| listed.contains(scope)))
            }
            _ => true,
        }
    }

    /// Returns whether a sign-in can help. It cannot if all the scopes are granted already.
    fn may_bring(&self, demand: &StepUp) -> bool {
        let granted = |scope: &String| {
            self.record()
                .is_some_and(|record| record.current().scopes().contains(scope))
        };
        match demand {
            StepUp::Authentication { .. } => true,
            StepUp::Scopes(scopes) => !scopes.iter().all(granted),
        }
    }

    fn was_demanded(&self, method: &str, url: &str, demand: &StepUp) -> bool {
        let call = call_name(method, url);
        self.demanded()
            .iter()
            .any(|(known, asked)| *known == call && asked == demand)
    }

    /// Returns the call for which the user has just signed in, once, so that its page can repeat it. `fits` decides whether the call
    /// belongs to the page. The call is available for two minutes after the sign-in, and not after the end of the session.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// # use pixygate::authorization::ReturnTo;
    /// # use pixygate::session::{StepUp, PendingRequest};
    /// # let (demand, url) = (StepUp::Scopes(vec!["x".to_owned()]), "https://app.example/api/orders".to_owned());
    /// # let (content_type, headers) = (None, Vec::new());
    /// # let call = PendingRequest { method: "POST".to_owned(), url, content_type, headers, body: None };
    /// # session.step_up(&demand, call, ReturnTo::default()).await?;
    /// # session.complete(&example::came_back(&session)).await?;
    /// let fits = |call: &PendingRequest| call.method == "POST" && call.url.ends_with("/api/orders");
    /// assert!(session.take_pending(fits).is_some());
    /// assert!(session.take_pending(fits).is_none(), "it is made once");
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_pending(&self, fits: impl FnOnce(&PendingRequest) -> bool) -> Option<PendingRequest> {
        let waiting = self.take(|waiting| waiting.step_up_result.is_ok() && fits(&waiting.call))?;
        Some(waiting.call)
    }

    /// Returns the call whose step-up failed, and the reason, once. The call was not made; its page should restore the user's input. From
    /// then on the call may require the same step-up again, so repeat it only if the user asks for it. It is available as long as a call
    /// for [`Session::take_pending`].
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// # use pixygate::authorization::ReturnTo;
    /// # use pixygate::session::{StepUp, PendingRequest};
    /// # let (demand, url) = (StepUp::Scopes(vec!["x".to_owned()]), "https://app.example/api/orders".to_owned());
    /// # let (content_type, headers) = (None, Vec::new());
    /// # let call = PendingRequest { method: "POST".to_owned(), url, content_type, headers, body: Some("ten".to_owned()) };
    /// # session.step_up(&demand, call, ReturnTo::default()).await?;
    /// # let query = example::came_back(&session);
    /// # let state = query.split('&').find(|it| it.contains("state=")).unwrap_or_default().trim_start_matches('?');
    /// # session.complete(&format!("{state}&iss=https%3A%2F%2Fid.example&error=access_denied")).await?;
    /// # use pixygate::session::StepUpFailure;
    /// let (call, failure) = session.take_cancelled(|call| call.url.ends_with("/api/orders")).ok_or("it was not cancelled")?;
    /// assert_eq!((call.body.as_deref(), failure), (Some("ten"), StepUpFailure::Provider("access_denied".to_owned())));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_cancelled(
        &self,
        fits: impl FnOnce(&PendingRequest) -> bool,
    ) -> Option<(PendingRequest, StepUpFailure)> {
        let waiting = self.take(|waiting| waiting.step_up_result.is_err() && fits(&waiting.call))?;
        self.forget_demands(call_name(&waiting.call.method, &waiting.call.url));
        Some((waiting.call, waiting.step_up_result.err()?))
    }

    fn take(&self, fits: impl FnOnce(&Waiting) -> bool) -> Option<Waiting> {
        let (time, now) = (self.0.platform.now().monotonic, self.record()?.whose());
        // Not borrowed while `fits` runs, because `fits` may use the session.
        let mut waiting = self.0.waiting.take();
        waiting.take_if(|waiting| waiting.until < time);
        let taken = waiting.take_if(|waiting| waiting.whose == now && fits(waiting));
        self.0.waiting.replace(waiting);
        taken
    }

    /// Returns the headers for one request, with a fresh token.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// use pixygate::session::SessionError;
    ///
    /// let url = "https://api.example.com/orders";
    /// let credentials = session.credentials("GET", url).await?;
    /// // The application's own HTTP client sends these headers.
    /// let mut headers = vec![("Authorization", credentials.authorization)];
    /// headers.extend(credentials.dpop.map(|proof| ("DPoP", proof)));
    /// # assert_eq!(headers.len(), 1);
    ///
    /// let elsewhere = session.credentials("GET", "https://api.example.com.evil.example/").await;
    /// let origin = "https://api.example.com.evil.example".to_owned();
    /// assert_eq!(elsewhere.map(drop), Err(SessionError::ForeignOrigin(origin)));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::access_token`]; [`SessionError::ForeignOrigin`] for an address that tokens are not sent to.
    pub async fn credentials(&self, method: &str, url: &str) -> Result<Credentials, SessionError> {
        self.check_origin(url)?;
        self.present(self.fresh_record().await?.current(), method, url).await
    }

    async fn present(&self, tokens: &TokenSet, method: &str, url: &str) -> Result<Credentials, SessionError> {
        let access_token = tokens.access_token().clone();
        let dpop = match tokens.token_type() {
            TokenType::Bearer => None,
            TokenType::Dpop => Some(self.proof(method, url, Some(&access_token)).await?),
        };
        let authorization = format!("{} {}", tokens.token_type().scheme(), access_token.secret());
        Ok(Credentials {
            authorization,
            dpop,
            access_token,
        })
    }

    /// Checks that a token may be sent to `url`: this application's origin, one of `call_origins` (compared as a whole), or exactly the
    /// provider's `sessions_url`.
    fn check_origin(&self, url: &str) -> Result<(), SessionError> {
        let client = &self.0.client;
        let to = origin(url);
        let ends_sessions = client.sessions_url.as_deref() == Some(url);
        if ends_sessions || to == self.0.platform.origin() || client.call_origins.iter().any(|it| it == to) {
            Ok(())
        } else {
            Err(SessionError::ForeignOrigin(to.to_owned()))
        }
    }

    /// Returns whether tokens are bound to this browser's key, as configured or as the provider announces.
    pub(super) fn uses_dpop(&self) -> bool {
        let client = &self.0.client;
        match client.dpop {
            DpopMode::Off => false,
            DpopMode::Required => true,
            DpopMode::Auto => client
                .provider
                .dpop_signing_alg_values_supported
                .iter()
                .any(|alg| alg == "ES256"),
        }
    }

    /// Returns a DPoP proof for one request (RFC 9449, section 4.2).
    pub(super) async fn proof(
        &self,
        method: &str,
        url: &str,
        access_token: Option<&AccessToken>,
    ) -> Result<String, CryptoError> {
        let platform = &self.0.platform;
        let key = platform.dpop_key().await?;
        let access_token_hash = match access_token {
            Some(token) => Some(self.hash(token.secret()).await?),
            None => None,
        };
        let nonces = self.0.nonces.borrow().clone();
        let nonce = nonces
            .into_iter()
            .find(|(of, _)| of == origin(url))
            .map(|(_, nonce)| nonce);
        let proof = Proof {
            method,
            url,
            issued_at: platform.server_clock().time(platform.now()) / 1000.0,
            access_token_hash: access_token_hash.as_deref(),
            nonce: nonce.as_deref(),
        };
        let input = proof.signing_input(&key);
        let signature = platform.dpop_sign(input.as_bytes()).await?;
        Ok(dpop::signed(&input, &signature))
    }

    /// Returns the thumbprint of this browser's key (RFC 7638), to bind the authorization code to it.
    pub(super) async fn dpop_thumbprint(&self) -> Result<Option<String>, CryptoError> {
        if !self.uses_dpop() {
            return Ok(None);
        }
        let key = self.0.platform.dpop_key().await?;
        self.hash(&dpop::thumbprint_input(&key)).await.map(Some)
    }

    /// Keeps the nonce of a response in memory, for the next proof (RFC 9449, section 8.2).
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// // After a request that the application made with `Session::credentials`:
    /// let response_header = Some("eyJ7S_zG.eyJH0-Z");
    /// session.remember_nonce("https://api.example.com/orders", response_header);
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn remember_nonce(&self, url: &str, nonce: Option<&str>) {
        if let Some(nonce) = nonce {
            let mut nonces = self.0.nonces.borrow_mut();
            nonces.retain(|(of, _)| of != origin(url));
            nonces.push((origin(url).to_owned(), nonce.to_owned()));
        }
    }

    /// Returns a hash of the `state`, for places that must not have the `state` itself.
    pub(super) async fn mark(&self, state: &str) -> Result<String, CryptoError> {
        self.hash(state).await
    }

    async fn hash(&self, text: &str) -> Result<String, CryptoError> {
        let digest = self.0.platform.digest(Hash::Sha256, text.as_bytes()).await?;
        Ok(URL_SAFE_NO_PAD.encode(digest))
    }
}

/// Returns whether another access token may be accepted in place of the rejected one.
async fn may_replace(reply: &impl HttpResponse) -> bool {
    reply
        .refusal()
        .await
        .is_none_or(|refusal| challenge::may_pass(refusal.reason))
}

/// The maximum number of recorded step-ups. The oldest are dropped.
const MOST_DEMANDS: usize = 50;

pub(super) fn add_demand(demanded: &mut Vec<(String, StepUp)>, method: &str, url: &str, demand: StepUp) {
    let asked = (call_name(method, url), demand);
    demanded.retain(|known| *known != asked);
    demanded.drain(..demanded.len().saturating_sub(MOST_DEMANDS - 1));
    demanded.push(asked);
}

/// Returns method and address without the query, which identify a repeated call.
fn call_name(method: &str, url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    format!("{method} {url}")
}

/// Returns the origin of an absolute URL: scheme and authority.
pub(super) fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| authority + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn the_origin_is_all_before_the_path() {
        for url in [
            "https://a.example:8443/x/y",
            "https://a.example:8443?x=/y",
            "https://a.example:8443",
        ] {
            assert_eq!(origin(url), "https://a.example:8443");
        }
    }
}
