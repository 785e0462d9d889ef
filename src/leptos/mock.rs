//! A session for tests of applications: without a browser, a provider or a server.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gloo_net::http::{Request, Response};
use leptos::prelude::*;
use oauth2::AccessToken;
use serde::Serialize;
use serde_json::{Map, Value, json};
use server_fn::ServerFn;

use crate::authorization::id_token::IdToken;
use crate::authorization::{Client, ReturnTo, TokenExchange};
use crate::session::{
    AuthState, Event, NetworkError, PendingRequest, SessionError, SignInOutcome, SignOutReason, SignedIn, StepUpFailure,
};

use super::Auth;
use super::command::Command;

thread_local! {
    /// Server functions are called from where no context reaches.
    static MOCK: Cell<Option<MockAuth>> = const { Cell::new(None) };
}

/// Replaces [`AuthProvider`](super::AuthProvider) in a test, natively and in the browser. The test decides which user the components see, and
/// how the methods of [`Auth`] answer them.
///
/// Without [`MockAuth::fail`] every method succeeds. [`Auth::sign_in`] does not leave the page: the test continues with
/// [`MockAuth::sign_in`], and [`Auth::complete_sign_in`] returns the page to return to. [`Auth::sign_out`] signs out.
/// [`Auth::access_token`] returns `mock` while a user is signed in. [`Auth::exchange`] sets the organisation that the user acts for. Calls
/// get the response of [`MockAuth::respond`]. [`Auth::sign_in_popup`] opens no window. [`Auth::client`] is an error.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::{Command, MockAuth, MockUser, RequireSignedIn, use_auth, use_signed_in};
/// use pixygate::session::{Remedy, SessionError};
///
/// #[component]
/// fn Greeting() -> impl IntoView {
///     view! { <p>"Hello, " {use_signed_in().name().to_owned()}</p> }
/// }
///
/// let owner = Owner::new();
/// owner.set();
/// let mock = MockAuth::provide();
/// mock.sign_in(MockUser::new("alice").claim("name", "Alice Example"));
/// let page = view! {
///     <RequireSignedIn unknown=|| "?" signed_out=|| "Please sign in.">
///         <Greeting />
///     </RequireSignedIn>
/// };
/// assert!(page.to_html().contains("Alice Example"));
///
/// # futures::executor::block_on(async {
/// let auth = use_auth();
/// assert_eq!(auth.access_token().await?.secret(), "mock");
///
/// mock.fail(|asked| match asked {
///     Command::AccessToken => Some(SessionError::BackingOff { seconds: 4 }),
///     _ => None,
/// });
/// assert_eq!(auth.access_token().await.map_err(|error| error.remedy()).err(), Some(Remedy::TryAgain));
/// auth.sign_out().await?;
/// assert_eq!(auth.state().get_untracked().signed_in(), None);
/// # Ok::<_, SessionError>(())
/// # }).expect("a token");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MockAuth {
    auth: Auth,
    answers: StoredValue<Answers, LocalStorage>,
}

type Fails = Rc<dyn Fn(&Command<'_>) -> Option<SessionError>>;
/// A call, and whether its page should make it.
type Waiting = (PendingRequest, Result<(), StepUpFailure>);
type Responds = Rc<dyn Fn(&Request) -> Option<Response>>;

/// The settings of the test.
#[derive(Clone)]
struct Answers {
    fails: Fails,
    responds: Responds,
    /// The page to return to, of the last sign-in.
    return_to: ReturnTo,
    /// The call for a page, and whether the page should make it.
    waiting: Option<Waiting>,
}

/// The answer of a mock.
pub(super) enum Output {
    Nothing,
    SignInOutcome(SignInOutcome),
    AccessToken(AccessToken),
    Response(Response),
}

/// Converts the answer of the mock into the result of a method of [`Auth`].
pub(super) trait Answer: Sized {
    fn of(output: Output) -> Option<Self>;
}

impl Answer for () {
    fn of(output: Output) -> Option<Self> {
        matches!(output, Output::Nothing).then_some(())
    }
}

impl Answer for SignInOutcome {
    fn of(output: Output) -> Option<Self> {
        match output {
            Output::SignInOutcome(landing) => Some(landing),
            _ => None,
        }
    }
}

impl Answer for AccessToken {
    fn of(output: Output) -> Option<Self> {
        match output {
            Output::AccessToken(token) => Some(token),
            _ => None,
        }
    }
}

impl Answer for Response {
    fn of(output: Output) -> Option<Self> {
        match output {
            Output::Response(response) => Some(response),
            _ => None,
        }
    }
}

/// A mock has none: `MockAuth` answers with an error.
impl Answer for Client {
    fn of(_: Output) -> Option<Self> {
        None
    }
}

/// A user for [`MockAuth`].
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::authorization::TokenExchange;
/// use pixygate::leptos::{MockAuth, MockUser, use_auth};
///
/// #[derive(serde::Deserialize)]
/// struct Work {
///     groups: Vec<String>,
/// }
///
/// let owner = Owner::new();
/// owner.set();
/// let alice = MockUser::new("alice")
///     .claim("groups", ["editors"].to_vec())
///     .scope("orders:write")
///     .acting(TokenExchange::organization("10084a8d-113f"));
/// MockAuth::provide().sign_in(alice);
///
/// let state = use_auth().state().get_untracked();
/// let person = state.signed_in().expect("alice");
/// assert_eq!(person.extra::<Work>().expect("groups").groups, ["editors"]);
/// assert!(person.has_scope("orders:write") && person.acting().is_some());
/// ```
#[derive(Clone, Debug)]
pub struct MockUser {
    claims: Map<String, Value>,
    scopes: Vec<String>,
    acting: Option<TokenExchange>,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// Returns whether a test has replaced the session with a mock, on this thread.
pub(super) fn is_here() -> bool {
    MOCK.get().is_some_and(|mock| !mock.answers.is_disposed())
}

/// Returns the answer of the mock, if there is one.
pub(super) fn answer<T: Answer>(command: &Command<'_>) -> Option<Result<T, SessionError>> {
    let mock = MOCK.get()?;
    let answers = mock.answers.try_get_value()?;
    let answer = match command {
        Command::Call(request) => mock.answer_call(command, request, &answers),
        _ => mock.answer(command, &answers),
    };
    Some(answer.and_then(|output| T::of(output).ok_or(SessionError::NoClient)))
}

pub(super) fn take_pending(fits: impl FnOnce(&PendingRequest) -> bool) -> Option<PendingRequest> {
    take(|(call, step_up_result)| step_up_result.is_ok() && fits(call)).map(|(call, _)| call)
}

pub(super) fn take_cancelled(fits: impl FnOnce(&PendingRequest) -> bool) -> Option<(PendingRequest, StepUpFailure)> {
    let (call, step_up_result) = take(|(call, step_up_result)| step_up_result.is_err() && fits(call))?;
    Some((call, step_up_result.err()?))
}

fn take(fits: impl FnOnce(&Waiting) -> bool) -> Option<Waiting> {
    let mock = MOCK.get()?;
    // A pending call belongs to a user.
    mock.person().ok()?;
    let taken = |answers: &mut Answers| answers.waiting.take_if(|waiting| fits(waiting));
    mock.answers.try_update_value(taken).flatten()
}

fn without_query(request: &Request) -> String {
    request.url().split(['?', '#']).next().unwrap_or_default().to_owned()
}

impl MockAuth {
    /// Puts a session without a user into the context. It exists on this thread until its [`Owner`](leptos::prelude::Owner) is dropped or
    /// another mock replaces it.
    pub fn provide() -> Self {
        let mock = Self {
            auth: Auth::provide(AuthState::SignedOut(None)),
            answers: StoredValue::new_local(Answers {
                fails: Rc::new(|_| None),
                responds: Rc::new(|_| None),
                return_to: ReturnTo::default(),
                waiting: None,
            }),
        };
        MOCK.set(Some(mock));
        mock
    }

    /// Signs this user in.
    ///
    /// # Panics
    /// When [`MockUser::claim`] has removed a required claim of the ID token, or changed its type.
    #[expect(clippy::expect_used, reason = "a test with such a person is wrong")]
    pub fn sign_in(self, person: MockUser) {
        // The token is neither signed nor validated.
        let payload = URL_SAFE_NO_PAD.encode(Value::Object(person.claims).to_string());
        let id_token = IdToken::unchecked(format!("e30.{payload}.")).expect("the claims of an ID token");
        self.set(AuthState::SignedIn(SignedIn::new(
            id_token,
            person.scopes,
            person.acting,
        )));
    }

    /// Signs the user out.
    pub fn sign_out(self, reason: Option<SignOutReason>) {
        self.set(AuthState::SignedOut(reason));
    }

    /// Sets any state, such as [`AuthState::Unknown`].
    pub fn set(self, state: AuthState) {
        self.emit(&Event::Changed(state));
    }

    /// Emits an event: the listeners of [`Auth::on`] receive it, and the signals of [`Auth`] change.
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use pixygate::leptos::{MockAuth, use_auth};
    /// use pixygate::session::{StepUp, Event};
    ///
    /// #[component]
    /// fn Countdown() -> impl IntoView {
    ///     let left = use_auth().idle_warning();
    ///     view! { <p>{move || left.get().map(|seconds| format!("{seconds} s left"))}</p> }
    /// }
    ///
    /// let owner = Owner::new();
    /// owner.set();
    /// let mock = MockAuth::provide();
    /// mock.emit(&Event::Idle(Some(60)));
    /// assert!(view! { <Countdown /> }.to_html().contains("60 s left"));
    ///
    /// let asked_for = RwSignal::new(Vec::new());
    /// use_auth().on(move |event| {
    ///     if let Event::StepUp(StepUp::Scopes(scopes)) = event {
    ///         asked_for.set(scopes.clone());
    ///     }
    /// });
    /// mock.emit(&Event::StepUp(StepUp::Scopes(vec!["orders:write".to_owned()])));
    /// assert_eq!(asked_for.get_untracked(), ["orders:write"]);
    /// ```
    pub fn emit(self, event: &Event) {
        self.auth.notify(event);
    }

    /// Simulates a successful step-up for a call, which its page gets from [`Auth::take_pending`].
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use leptos::server_fn::codec::{Json, PostUrl};
    /// use pixygate::leptos::{CallError, GateClient, MockAuth, MockUser, use_auth};
    /// use pixygate::session::StepUpFailure;
    ///
    /// #[server(prefix = "/api", input = PostUrl, output = Json, client = GateClient)]
    /// async fn transfer(amount: u32) -> Result<u32, CallError> {
    ///     Ok(amount)
    /// }
    ///
    /// /// The page does this when it is opened.
    /// fn open(amount: RwSignal<u32>) -> Option<String> {
    ///     if let Some(call) = use_auth().take_pending::<Transfer>() {
    ///         return Some(format!("{} is on its way", call.amount));
    ///     }
    ///     let (call, error) = use_auth().take_cancelled::<Transfer>()?;
    ///     amount.set(call.amount);
    ///     Some(format!("not transferred: {error}"))
    /// }
    ///
    /// let owner = Owner::new();
    /// owner.set();
    /// let (mock, amount) = (MockAuth::provide(), RwSignal::new(0));
    /// mock.sign_in(MockUser::new("alice"));
    /// assert_eq!(open(amount), None);
    ///
    /// mock.leave_pending(&Transfer { amount: 7 });
    /// assert_eq!(open(amount).as_deref(), Some("7 is on its way"));
    /// assert_eq!(open(amount), None, "it is made once");
    ///
    /// mock.leave_cancelled(&Transfer { amount: 8 }, StepUpFailure::Provider("access_denied".to_owned()));
    /// assert_eq!(open(amount).as_deref(), Some("not transferred: the provider answered `access_denied`"));
    /// assert_eq!(amount.get_untracked(), 8);
    /// ```
    pub fn leave_pending<F: ServerFn + Serialize>(self, call: &F) {
        self.leave(call, Ok(()));
    }

    /// Simulates a failed step-up for a call, which its page gets from [`Auth::take_cancelled`]. See the example of
    /// [`MockAuth::leave_pending`].
    pub fn leave_cancelled<F: ServerFn + Serialize>(self, call: &F, failure: StepUpFailure) {
        self.leave(call, Err(failure));
    }

    #[expect(clippy::expect_used, reason = "the arguments of a server function are always sent")]
    fn leave<F: ServerFn + Serialize>(self, call: &F, step_up_result: Result<(), StepUpFailure>) {
        let call = PendingRequest {
            method: "POST".to_owned(),
            url: F::PATH.to_owned(),
            content_type: Some("application/json".to_owned()),
            headers: Vec::new(),
            body: Some(serde_json::to_string(call).expect("the arguments")),
        };
        self.answers
            .update_value(|answers| answers.waiting = Some((call, step_up_result)));
    }

    /// Sets a function that decides which methods fail, and with which error. Every method calls it, so it can also record the calls.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// use leptos::prelude::*;
    /// use pixygate::authorization::SignIn;
    /// use pixygate::leptos::{Command, MockAuth, use_auth};
    /// use pixygate::session::SessionError;
    ///
    /// let owner = Owner::new();
    /// owner.set();
    /// let mock = MockAuth::provide();
    /// let asked_again = Rc::new(Cell::new(false));
    /// let notes = Rc::clone(&asked_again);
    /// mock.fail(move |asked| match asked {
    ///     Command::SignIn(options) if options.prompt.as_deref() == Some("none") => Some(SessionError::InteractionRequired),
    ///     Command::SignIn(_) => {
    ///         notes.set(true);
    ///         None
    ///     }
    ///     _ => None,
    /// });
    ///
    /// # futures::executor::block_on(async {
    /// let auth = use_auth();
    /// let refused = auth.sign_in_silently(Default::default()).await;
    /// assert_eq!(refused, Err(SessionError::InteractionRequired));
    /// auth.sign_in(SignIn::default()).await?;
    /// assert!(asked_again.get());
    /// # Ok::<_, SessionError>(())
    /// # }).expect("a sign-in");
    /// ```
    ///
    /// After [`Auth::sign_in_popup`] the page continues with the user who signed in in the window:
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// # use pixygate::authorization::SignIn;
    /// # use pixygate::leptos::{Command, MockAuth, MockUser, use_auth};
    /// # let owner = Owner::new();
    /// # owner.set();
    /// let mock = MockAuth::provide();
    /// mock.fail(move |asked| {
    ///     if let Command::SignIn(_) = asked {
    ///         mock.sign_in(MockUser::new("alice"));
    ///     }
    ///     // `Some(SessionError::Cancelled)` is a window that was closed.
    ///     None
    /// });
    /// # futures::executor::block_on(async {
    /// use_auth().sign_in_popup(SignIn::default()).await?;
    /// assert!(use_auth().state().get_untracked().signed_in().is_some());
    /// # Ok::<_, pixygate::session::SessionError>(())
    /// # }).expect("a sign-in");
    /// ```
    pub fn fail(self, fails: impl Fn(&Command<'_>) -> Option<SessionError> + 'static) {
        self.answers.update_value(|answers| answers.fails = Rc::new(fails));
    }

    /// Sets the responses to the calls of a signed-in user. `None` simulates a network failure. The events of a call are the same as those
    /// of a session. A refusal causes neither a retry nor a sign-in: the page gets it as after a cancelled step-up. Requests and responses
    /// are the browser's types, so this is for tests in a browser.
    ///
    /// ```no_run
    /// use gloo_net::http::{Request, Response};
    /// use pixygate::leptos::{MockAuth, MockUser};
    /// use pixygate::{Reason, Refusal};
    ///
    /// fn answer(request: &Request) -> Option<Response> {
    ///     if request.url().contains("/api/orders") {
    ///         return Response::builder().json(&["the first order"]).ok();
    ///     }
    ///     let reason = Reason::InsufficientUserAuthentication;
    ///     let error = reason.error().to_owned();
    ///     let refusal = Refusal { error, reason, request_id: "4711".to_owned(), detail: None };
    ///     Response::builder().status(reason.status()).json(&refusal).ok()
    /// }
    ///
    /// let mock = MockAuth::provide();
    /// mock.sign_in(MockUser::new("alice"));
    /// mock.respond(answer);
    /// ```
    pub fn respond(self, responds: impl Fn(&Request) -> Option<Response> + 'static) {
        self.answers
            .update_value(|answers| answers.responds = Rc::new(responds));
    }

    fn person(self) -> Result<SignedIn, SessionError> {
        match self.auth.state().get_untracked() {
            AuthState::SignedIn(person) => Ok(person),
            AuthState::SignedOut(reason) => Err(SessionError::SignedOut(reason)),
            AuthState::Unknown | AuthState::SigningOut => Err(SessionError::SignedOut(None)),
        }
    }

    /// Emits the same events for a call as a session does.
    fn answer_call(self, command: &Command<'_>, request: &Request, answers: &Answers) -> Result<Output, SessionError> {
        let url = without_query(request);
        self.emit(&Event::CallStarted {
            method: request.method().to_string(),
            url: url.clone(),
        });
        let answer = self.answer(command, answers);
        match &answer {
            Ok(Output::Response(response)) => self.emit(&Event::CallFinished {
                url,
                status: response.status(),
            }),
            Ok(_) => {}
            Err(error) => self.emit(&Event::CallFailed {
                url,
                error: error.clone(),
            }),
        }
        answer
    }

    fn answer(self, command: &Command<'_>, answers: &Answers) -> Result<Output, SessionError> {
        if let Some(error) = (answers.fails)(command) {
            return Err(error);
        }
        match command {
            Command::SignIn(options) => {
                let return_to = options.return_to.clone();
                self.answers
                    .update_value(|answers| answers.return_to = return_to.unwrap_or_default());
            }
            Command::CompleteSignIn => {
                return Ok(Output::SignInOutcome(SignInOutcome {
                    return_to: answers.return_to.clone(),
                    ..SignInOutcome::default()
                }));
            }
            Command::SignOut | Command::SignOutHere | Command::SignOutEverywhere => {
                self.sign_out(Some(SignOutReason::SignedOut))
            }
            Command::AccessToken => {
                self.person()?;
                return Ok(Output::AccessToken(AccessToken::new("mock".to_owned())));
            }
            Command::Refresh => {
                self.person()?;
                self.emit(&Event::Refreshed);
            }
            Command::Exchange(exchange) => self.act(Some((*exchange).clone()))?,
            Command::EndExchange => self.act(None)?,
            Command::Client => return Err(SessionError::NoClient),
            Command::Call(request) => {
                self.person()?;
                let no_answer = || {
                    SessionError::Network(NetworkError {
                        url: without_query(request),
                        problem: "the test has no answer to it".to_owned(),
                        timed_out: false,
                    })
                };
                return (answers.responds)(request).map(Output::Response).ok_or_else(no_answer);
            }
        }
        Ok(Output::Nothing)
    }

    fn act(self, exchange: Option<TokenExchange>) -> Result<(), SessionError> {
        let person = self.person()?;
        if let Ok(id_token) = IdToken::unchecked(person.id_token().to_owned()) {
            let acting = SignedIn::new(id_token, person.scopes().to_vec(), exchange);
            self.set(AuthState::SignedIn(acting));
        }
        Ok(())
    }
}

impl MockUser {
    /// Returns a user with this subject.
    pub fn new(subject: &str) -> Self {
        let claims = json!({
            "iss": "https://mock.example",
            "sub": subject,
            "aud": ["mock"],
            "exp": 4_102_444_800_u32,
            "iat": 0,
        });
        Self {
            claims: claims.as_object().cloned().unwrap_or_default(),
            scopes: vec!["openid".to_owned()],
            acting: None,
        }
    }

    /// Sets a claim of the ID token.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Grants a scope.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scopes.push(scope.to_owned());
        self
    }

    /// Sets the organisation that the user acts for, or the audience of calls.
    #[must_use]
    pub fn acting(mut self, exchange: TokenExchange) -> Self {
        self.acting = Some(exchange);
        self
    }
}
