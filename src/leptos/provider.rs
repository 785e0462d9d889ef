//! The session in the component tree.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_net::http::{Request, Response};
use leptos::prelude::*;
use oauth2::AccessToken;
use serde::de::DeserializeOwned;
use server_fn::ServerFn;

use crate::authorization::{ReturnTo, SignIn, TokenExchange};
use crate::session::browser::{Popup, take_query};
use crate::session::{AuthState, Event, Landing, SessionError, SignInFailure};

use super::call::arguments;
use super::work::{Done, Work, work};
use super::{CallError, gated, here, lookout};

type Listener = Rc<dyn Fn(&Event)>;

thread_local! {
    static AUTH: Cell<Option<Auth>> = const { Cell::new(None) };
    static LISTENERS: RefCell<Vec<(u32, Listener)>> = const { RefCell::new(Vec::new()) };
    static NEXT_LISTENER: Cell<u32> = const { Cell::new(0) };
}

/// The context of this page, for where no context reaches.
pub(super) fn auth() -> Option<Auth> {
    AUTH.get()
}

/// Sends a request through the session.
pub(super) async fn send(request: Request) -> Result<Response, SessionError> {
    match work(Work::Call(request)).await? {
        Done::Response(response) => Ok(response),
        _ => Err(SessionError::SignedOut(None)),
    }
}

/// Who is signed in, and what can be done about it.
///
/// ```
/// use leptos::prelude::*;
/// use leptos::task::spawn_local;
/// use pixygate::leptos::use_auth;
///
/// #[component]
/// fn Greeting() -> impl IntoView {
///     let auth = use_auth();
///     let name = move || auth.state().with(|state| state.signed_in().map(|person| person.name().to_owned()));
///     let leave = move |_| spawn_local(async move { drop(auth.sign_out().await) });
///     view! {
///         <p>{name}</p>
///         <button on:click=leave>"Sign out"</button>
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Auth {
    state: RwSignal<AuthState>,
    idle: RwSignal<Option<u32>>,
    kept: RwSignal<bool>,
    incomplete: RwSignal<bool>,
}

/// Opens the session for the components below. It belongs at the root, around the router; the server's shell needs
/// [`ClientData`](super::ClientData).
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::AuthProvider;
///
/// #[component]
/// fn App() -> impl IntoView {
///     view! {
///         <AuthProvider>
///             <p>"Everything below knows who is signed in."</p>
///         </AuthProvider>
///     }
/// }
/// ```
#[component]
pub fn AuthProvider(
    /// Opens a window for the sign-ins that calls ask for, where the browser allows it, instead of leaving the page.
    #[prop(optional)]
    step_up_in_popup: bool,
    /// The application.
    children: Children,
) -> impl IntoView {
    let auth = Auth::provide(AuthState::Unknown);
    // Effects run in the browser only, and only after hydration.
    Effect::new(move || {
        gated::step_up_in_popup(step_up_in_popup);
        AUTH.set(Some(auth));
        lookout::start(auth);
    });
    children()
}

/// The session that [`AuthProvider`] opened.
///
/// # Panics
/// Outside of an [`AuthProvider`].
#[expect(
    clippy::expect_used,
    reason = "a component outside of its provider is a mistake in the program"
)]
pub fn use_auth() -> Auth {
    use_context().expect("use_auth() is called outside of <AuthProvider>")
}

impl Auth {
    pub(super) fn provide(state: AuthState) -> Self {
        let auth = Self {
            state: RwSignal::new(state),
            idle: RwSignal::new(None),
            kept: RwSignal::new(true),
            incomplete: RwSignal::new(false),
        };
        provide_context(auth);
        auth
    }

    pub(super) fn hear(self, event: &Event) {
        match event {
            Event::Changed(state) => self.known(state.clone()),
            Event::Idle(seconds) => self.idle.set(*seconds),
            Event::NotKept => self.kept.set(false),
            _ => {}
        }
        let listeners =
            LISTENERS.with_borrow(|all| all.iter().map(|(_, listener)| Rc::clone(listener)).collect::<Vec<_>>());
        for listener in listeners {
            listener(event);
        }
    }

    pub(super) fn found_out(self, yes: bool) {
        self.incomplete.set(!yes);
    }

    pub(super) fn known(self, state: AuthState) {
        if self.state.with_untracked(|before| *before != state) {
            self.state.set(state);
        }
    }

    /// Whether someone is signed in.
    pub fn state(self) -> Signal<AuthState> {
        self.state.into()
    }

    /// The seconds until the session ends because nobody seems to be there; `None` while someone is. It is shown as a
    /// countdown; any sign of the person stops it.
    pub fn idle_warning(self) -> Signal<Option<u32>> {
        self.idle.into()
    }

    /// Whether the session outlives this tab. In a private window, or where storage is denied or full, it may not, and the
    /// person wants to know.
    pub fn is_kept(self) -> Signal<bool> {
        self.kept.into()
    }

    /// Whether it cannot be found out who is signed in, since that part of the page could not be loaded: the network is down,
    /// or the site has another version by now. The state stays [`AuthState::Unknown`]; when the network is back, or the page
    /// is looked at again, it is tried again.
    pub fn is_incomplete(self) -> Signal<bool> {
        self.incomplete.into()
    }

    /// Calls `listener` for everything that happens, until the component that asked for it is gone.
    ///
    /// ```
    /// use pixygate::leptos::use_auth;
    /// use pixygate::session::Event;
    ///
    /// # fn component() {
    /// use_auth().on(|event| {
    ///     if let Event::RefreshFailed(error) = event {
    ///         leptos::logging::warn!("{error}");
    ///     }
    /// });
    /// # }
    /// ```
    pub fn on(self, listener: impl Fn(&Event) + 'static) {
        let id = NEXT_LISTENER.replace(NEXT_LISTENER.get() + 1);
        LISTENERS.with_borrow_mut(|all| all.push((id, Rc::new(listener))));
        on_cleanup(move || LISTENERS.with_borrow_mut(|all| all.retain(|(known, _)| *known != id)));
    }

    /// Leaves for the provider's sign-in page.
    ///
    /// # Errors
    /// When the provider does not answer, or this browser cannot keep what must be remembered until the person is back.
    pub async fn sign_in(self, options: SignIn) -> Result<(), SessionError> {
        work(Work::SignIn(options)).await.map(drop)
    }

    /// Signs in in a window of its own, so that this page stays as it is. To be called while a click or a key is handled.
    ///
    /// # Errors
    /// As for [`Auth::sign_in`]; [`SessionError::Cancelled`] when the browser opened no window, or it was closed before.
    pub fn sign_in_popup(self, options: SignIn) -> impl Future<Output = Result<(), SessionError>> + 'static {
        let popup = Popup::open();
        async move {
            let popup = popup.ok_or(SessionError::Cancelled)?;
            work(Work::SignInPopup(popup, options)).await.map(drop)
        }
    }

    /// Asks the provider, by a redirect without any page of its own (`prompt=none`), whether the person is signed in there.
    /// They come back to `return_to` either way.
    ///
    /// # Errors
    /// As for [`Auth::sign_in`].
    pub async fn sign_in_silently(self, return_to: ReturnTo) -> Result<(), SessionError> {
        let options = SignIn {
            return_to,
            prompt: Some("none".to_owned()),
            ..SignIn::default()
        };
        self.sign_in(options).await
    }

    /// Completes the sign-in that the browser just came back from, and says where the person was going. The code is
    /// taken out of the address and the history before anything else. A window that was opened for the sign-in closes.
    ///
    /// # Errors
    /// As for [`Session::complete`].
    pub async fn complete_sign_in(self) -> Result<Landing, SignInFailure> {
        let query = take_query().unwrap_or_default();
        match work(Work::Complete(query)).await {
            Ok(Done::Landing(landing)) => landing,
            Ok(_) => Ok(Landing::default()),
            Err(error) => Err(SignInFailure {
                error,
                return_to: ReturnTo::default(),
            }),
        }
    }

    /// Signs out here, in all tabs and at the provider.
    ///
    /// # Errors
    /// [`SessionError::PartMissing`]; the person is still signed in then.
    pub async fn sign_out(self) -> Result<(), SessionError> {
        work(Work::SignOut).await.map(drop)
    }

    /// Signs out here and in all tabs. The session at the provider, and with it that of other applications, goes on.
    ///
    /// # Errors
    /// As for [`Auth::sign_out`].
    pub async fn sign_out_here(self) -> Result<(), SessionError> {
        work(Work::SignOutHere).await.map(drop)
    }

    /// A fresh access token, for requests that this library does not make.
    ///
    /// # Errors
    /// As for [`Session::access_token`].
    pub async fn access_token(self) -> Result<AccessToken, SessionError> {
        match work(Work::AccessToken).await? {
            Done::AccessToken(token) => Ok(token),
            _ => Err(SessionError::SignedOut(None)),
        }
    }

    /// Makes a request with a fresh access token and all that [`GateClient`](super::GateClient) does, to this origin or to
    /// one of [`Client::call_origins`](crate::authorization::Client). The answer can be read as a stream.
    ///
    /// ```
    /// use gloo_net::http::Request;
    /// use pixygate::leptos::{CallError, use_auth};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let request = Request::get("https://api.example.com/orders").build()?;
    /// let response = use_auth().fetch(request).await?;
    /// assert_eq!(response.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the request was not made, or not answered. A refusal is an answer.
    pub async fn fetch(self, request: Request) -> Result<Response, CallError> {
        Ok(send(request).await?)
    }

    /// The call of a server function that a sign-in was for, once: after the person came back with what the call had
    /// been refused for. The page that makes such calls asks for it when it is opened, and makes the call again.
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// # use pixygate::leptos::{CallError, GateClient, use_auth};
    /// # use leptos::server_fn::codec::{Json, PostUrl};
    /// #[server(prefix = "/api", input = PostUrl, output = Json, client = GateClient)]
    /// async fn transfer(amount: u32) -> Result<u32, CallError> {
    ///     Ok(amount)
    /// }
    ///
    /// # fn component() {
    /// let action = ServerAction::<Transfer>::new();
    /// Effect::new(move || {
    ///     if let Some(call) = use_auth().take_waiting::<Transfer>() {
    ///         action.dispatch(call);
    ///     }
    /// });
    /// # }
    /// ```
    pub fn take_waiting<F: ServerFn + DeserializeOwned>(self) -> Option<F> {
        let mut found = None;
        here::opened()?.take_waiting(|call| {
            let path = call.url.split('?').next().unwrap_or_default();
            if path.ends_with(F::PATH) {
                found = arguments(call.content_type.as_deref(), &call.url, call.body.as_deref());
            }
            found.is_some()
        });
        found
    }

    /// Lets the person act for another organisation from now on: calls are made with a token for it, in all tabs.
    ///
    /// ```
    /// use pixygate::leptos::use_auth;
    /// use pixygate::authorization::TokenExchange;
    ///
    /// # async fn example() -> Result<(), pixygate::session::SessionError> {
    /// use_auth().exchange(TokenExchange::organization("10084a8d-113f")).await?;
    /// use_auth().exchange_back().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Session::exchange`].
    pub async fn exchange(self, exchange: TokenExchange) -> Result<(), SessionError> {
        work(Work::Exchange(Some(exchange))).await.map(drop)
    }

    /// Goes back to what the person signed in with.
    ///
    /// # Errors
    /// As for [`Session::exchange_back`].
    pub async fn exchange_back(self) -> Result<(), SessionError> {
        work(Work::Exchange(None)).await.map(drop)
    }
}
