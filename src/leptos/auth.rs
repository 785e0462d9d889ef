//! The methods of [`Auth`]: an application's access to the session.
//!
//! The methods return boxed futures and are not `async`: the compiler generates the code of an `async fn` again in each crate that awaits it,
//! with everything that it awaits. Each application would contain the whole session once more.

use gloo_net::http::{Request, Response};
use oauth2::AccessToken;
use serde::de::DeserializeOwned;
use server_fn::ServerFn;

use crate::authorization::{Client, ReturnTo, SignIn, TokenExchange};
use crate::session::browser::Popup;
use crate::session::{LocalFuture, PendingRequest, Platform as _, SessionError, SignInFailure, SignInOutcome};

use super::call::{reads, take_pending};
use super::command::{Command, run};
use super::{Auth, CallError, current, fetch, mock};

/// Sends a request with a fresh access token.
pub(super) fn send(request: Request) -> LocalFuture<Result<Response, SessionError>> {
    Box::pin(async move {
        // A mock answers with the request before it is sent.
        if let Some(answer) = mock::answer(&Command::Call(&request)) {
            return answer;
        }
        fetch::call(&current::restored().await?, request).await
    })
}

impl Auth {
    /// Leaves for the provider's sign-in page.
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use leptos::task::spawn_local;
    /// use pixygate::authorization::{ReturnTo, SignIn};
    /// use pixygate::leptos::{Texts, use_auth};
    ///
    /// #[component]
    /// fn Enter() -> impl IntoView {
    ///     let (auth, texts) = (use_auth(), Texts::current());
    ///     let problem = RwSignal::new(None);
    ///     let enter = move |_| {
    ///         let options = SignIn {
    ///             return_to: ReturnTo::parse("/orders"),
    ///             ..SignIn::default()
    ///         };
    ///         spawn_local(async move {
    ///             if let Err(error) = auth.sign_in(options).await {
    ///                 problem.set(Some(texts.sign_in(&error).0));
    ///             }
    ///         });
    ///     };
    ///     view! {
    ///         <button on:click=enter>"Sign in"</button>
    ///         <p role="alert">{problem}</p>
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// When the provider does not answer; [`SessionError::NavigationPending`] when the page is still here after some seconds;
    /// [`SessionError::Storage`] when this browser cannot store the pending sign-in. [`Auth::sign_in_popup`] works there.
    pub fn sign_in(self, options: SignIn) -> LocalFuture<Result<(), SessionError>> {
        Box::pin(async move {
            run(Command::SignIn(&options), async |session| {
                let was_signed_in = session.state().signed_in().is_some();
                session.sign_in(&options).await?;
                if !was_signed_in && session.state().signed_in().is_some() {
                    return Ok(());
                }
                Err(session.not_left().await)
            })
            .await
        })
    }

    /// Signs the user in in a popup window, so that this page stays as it is. Call it while a click or a key is handled. If this browser
    /// stores nothing, the session then lives in this page only; see [`Auth::is_stored`].
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use leptos::task::spawn_local;
    /// use pixygate::authorization::SignIn;
    /// use pixygate::leptos::use_auth;
    ///
    /// #[component]
    /// fn Enter() -> impl IntoView {
    ///     let auth = use_auth();
    ///     let enter = move |_| {
    ///         // The window opens here, before anything is waited for.
    ///         let signed_in = auth.sign_in_popup(SignIn::default());
    ///         spawn_local(async move {
    ///             if let Err(error) = signed_in.await {
    ///                 leptos::logging::warn!("{error}");
    ///             }
    ///         });
    ///     };
    ///     view! { <button on:click=enter>"Sign in"</button> }
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Auth::sign_in`], except for storage; [`SessionError::Cancelled`] when the browser opened no window, or the user closed it.
    pub fn sign_in_popup(self, options: SignIn) -> LocalFuture<Result<(), SessionError>> {
        // A mock opens no window.
        let mocked = mock::is_here();
        let popup = if mocked { None } else { Popup::open() };
        Box::pin(async move {
            run(Command::SignIn(&options), async |session| {
                let popup = popup.ok_or(SessionError::Cancelled)?;
                session.sign_in_popup(popup, &options).await
            })
            .await
        })
    }

    /// Asks the provider whether the user is signed in there, with a redirect and no page (`prompt=none`). The user returns to `return_to`
    /// either way. After a refusal this is an error until a sign-in succeeds.
    ///
    /// ```
    /// # use leptos::prelude::Owner;
    /// # use pixygate::leptos::{Command, MockAuth};
    /// use pixygate::authorization::ReturnTo;
    /// use pixygate::leptos::use_auth;
    /// use pixygate::session::SessionError;
    ///
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # let refused = |asked: &Command<'_>| matches!(asked, Command::SignIn(_)).then_some(SessionError::InteractionRequired);
    /// # MockAuth::provide().fail(refused);
    /// # futures::executor::block_on(async {
    /// let here = ReturnTo::parse("/welcome").unwrap_or_default();
    /// match use_auth().sign_in_silently(here).await {
    ///     // The browser is on its way to the provider.
    ///     Ok(()) => {}
    ///     // The provider has rejected it before: show a button.
    ///     Err(SessionError::InteractionRequired) => {}
    ///     Err(error) => leptos::logging::warn!("{error}"),
    /// }
    /// # });
    /// ```
    ///
    /// # Errors
    /// As for [`Auth::sign_in`]; [`SessionError::InteractionRequired`] when the provider has rejected a silent sign-in before.
    pub fn sign_in_silently(self, return_to: ReturnTo) -> LocalFuture<Result<(), SessionError>> {
        Box::pin(async move {
            let options = SignIn {
                return_to: Some(return_to),
                prompt: Some("none".to_owned()),
                ..SignIn::default()
            };
            self.sign_in(options).await
        })
    }

    /// Completes the sign-in from which the browser just came back, and returns where the user was going. First the code is removed from
    /// the address and the history. A window that was opened for the sign-in closes.
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use leptos::task::spawn_local;
    /// use pixygate::leptos::{Texts, use_auth};
    ///
    /// /// The page at `Client::redirect_uri`.
    /// #[component]
    /// fn CallbackPage() -> impl IntoView {
    ///     let (auth, texts) = (use_auth(), Texts::current());
    ///     let problem = RwSignal::new(None);
    ///     // Effects run in the browser only.
    ///     Effect::new(move || {
    ///         spawn_local(async move {
    ///             match auth.complete_sign_in().await {
    ///                 Ok(landing) if landing.popup => {}
    ///                 // A router goes there without loading the page again.
    ///                 Ok(landing) => drop(window().location().replace(landing.return_to.as_str())),
    ///                 Err(failure) => problem.set(Some((texts.sign_in(&failure.error), failure.return_to))),
    ///             }
    ///         });
    ///     });
    ///     move || {
    ///         problem.get().map(|((title, text), return_to)| {
    ///             let again = format!("/sign-in?return_to={}", return_to.to_query_value());
    ///             view! { <h1>{title}</h1> <p>{text}</p> <a href=again>"Start again"</a> }
    ///         })
    ///     }
    /// }
    /// # use pixygate::leptos::{Command, MockAuth};
    /// # use pixygate::session::SessionError;
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # let mock = MockAuth::provide();
    /// # let _ = view! { <CallbackPage /> }.to_html();
    /// # mock.fail(|asked| matches!(asked, Command::CompleteSignIn).then_some(SessionError::Cancelled));
    /// # let failure = futures::executor::block_on(use_auth().complete_sign_in());
    /// # assert_eq!(failure.map_err(|failure| failure.error), Err(SessionError::Cancelled));
    /// ```
    ///
    /// # Errors
    /// As for [`Session::complete`](crate::session::Session::complete).
    pub fn complete_sign_in(self) -> LocalFuture<Result<SignInOutcome, SignInFailure>> {
        Box::pin(async move {
            match mock::answer(&Command::CompleteSignIn) {
                None => current::complete_sign_in().await,
                Some(answer) => answer.map_err(|error| SignInFailure {
                    error,
                    return_to: ReturnTo::default(),
                }),
            }
        })
    }

    /// Signs out here, in all tabs and at the provider.
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use leptos::task::spawn_local;
    /// use pixygate::leptos::{Texts, use_auth};
    ///
    /// #[component]
    /// fn Leave() -> impl IntoView {
    ///     let (auth, texts) = (use_auth(), Texts::current());
    ///     let problem = RwSignal::new(None);
    ///     let leave = move |_| {
    ///         spawn_local(async move {
    ///             if auth.sign_out().await.is_err() {
    ///                 problem.set(Some(texts.part_missing.1));
    ///             }
    ///         });
    ///     };
    ///     view! {
    ///         <button on:click=leave>"Sign out"</button>
    ///         <p role="alert">{problem}</p>
    ///     }
    /// }
    /// # use pixygate::leptos::{MockAuth, MockUser};
    /// # use pixygate::session::{AuthState, SignOutReason};
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # MockAuth::provide().sign_in(MockUser::new("alice"));
    /// # futures::executor::block_on(use_auth().sign_out()).expect("a sign-out");
    /// # let signed_out = AuthState::SignedOut(Some(SignOutReason::SignedOut));
    /// # assert_eq!(use_auth().state().get_untracked(), signed_out);
    /// ```
    ///
    /// # Errors
    /// [`SessionError::NoClient`] where no [`ClientData`](super::ClientData) is.
    pub fn sign_out(self) -> LocalFuture<Result<(), SessionError>> {
        Box::pin(async move {
            run(Command::SignOut, async |session| {
                session.sign_out().await;
                // The browser may be stopped on its way, or come back to this page.
                let left = session.clone();
                session.platform().spawn(Box::pin(async move {
                    left.platform().still_here().await;
                    left.sync().await;
                }));
                Ok(())
            })
            .await
        })
    }

    /// Revokes the tokens and signs out here, in all tabs. The session at the provider continues, and so do those of other applications.
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// # use pixygate::leptos::{MockAuth, MockUser};
    /// use pixygate::leptos::use_auth;
    /// use pixygate::session::{AuthState, SignOutReason};
    ///
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # MockAuth::provide().sign_in(MockUser::new("alice"));
    /// # futures::executor::block_on(async {
    /// let auth = use_auth();
    /// auth.sign_out_here().await?;
    /// assert_eq!(auth.state().get_untracked(), AuthState::SignedOut(Some(SignOutReason::SignedOut)));
    /// # Ok::<_, pixygate::session::SessionError>(())
    /// # }).expect("a sign-out");
    /// ```
    ///
    /// # Errors
    /// As for [`Auth::sign_out`].
    pub fn sign_out_here(self) -> LocalFuture<Result<(), SessionError>> {
        Box::pin(async move {
            run(Command::SignOutHere, async |session| {
                session.sign_out_here().await;
                Ok(())
            })
            .await
        })
    }

    /// Ends all sessions of the user at the provider, in other browsers too, then signs out as [`Auth::sign_out`] does. It needs a provider
    /// with an endpoint for it, [`Client::sessions_url`].
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use leptos::task::spawn_local;
    /// use pixygate::leptos::{Texts, use_auth};
    ///
    /// #[component]
    /// fn SignOutEverywhere() -> impl IntoView {
    ///     let auth = use_auth();
    ///     let problem = RwSignal::new(None);
    ///     let sign_out = move |_| {
    ///         spawn_local(async move {
    ///             if let Err(error) = auth.sign_out_everywhere().await {
    ///                 problem.set(Some(Texts::current().call(&error.into()).1));
    ///             }
    ///         });
    ///     };
    ///     view! {
    ///         <button on:click=sign_out>"Sign out everywhere"</button>
    ///         <p role="status">{problem}</p>
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Session::sign_out_everywhere`](crate::session::Session::sign_out_everywhere); the user stays signed in then.
    pub fn sign_out_everywhere(self) -> LocalFuture<Result<(), SessionError>> {
        Box::pin(async move { run(Command::SignOutEverywhere, fetch::sign_out_everywhere).await })
    }

    /// Returns a fresh access token, for one request that this library does not make.
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// # use pixygate::leptos::{MockAuth, MockUser};
    /// use pixygate::leptos::use_auth;
    /// use pixygate::session::Remedy;
    ///
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # MockAuth::provide().sign_in(MockUser::new("alice"));
    /// # futures::executor::block_on(async {
    /// let auth = use_auth();
    /// let token = auth.access_token().await?;
    /// let authorization = format!("Bearer {}", token.secret());
    /// # assert_eq!(authorization, "Bearer mock");
    ///
    /// auth.sign_out_here().await?;
    /// let error = auth.access_token().await.err();
    /// assert_eq!(error.map(|error| error.remedy()), Some(Remedy::SignIn));
    /// # Ok::<_, pixygate::session::SessionError>(())
    /// # }).expect("what was asked for");
    /// ```
    ///
    /// # Errors
    /// As for [`Session::access_token`](crate::session::Session::access_token).
    pub fn access_token(self) -> LocalFuture<Result<AccessToken, SessionError>> {
        Box::pin(async move { run(Command::AccessToken, async |session| session.access_token().await).await })
    }

    /// Replaces the access token now, in all tabs, after something in it has changed, such as the user's roles. A token that expires is
    /// replaced without this.
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// # use pixygate::leptos::{MockAuth, MockUser};
    /// use pixygate::leptos::use_auth;
    ///
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # MockAuth::provide().sign_in(MockUser::new("alice"));
    /// # futures::executor::block_on(async {
    /// let auth = use_auth();
    /// auth.refresh().await?;
    /// let with_the_new_roles = auth.access_token().await?;
    /// # let _ = with_the_new_roles;
    /// # Ok::<_, pixygate::session::SessionError>(())
    /// # }).expect("what was asked for");
    /// ```
    ///
    /// # Errors
    /// As for [`Session::replace_now`](crate::session::Session::replace_now).
    pub fn refresh(self) -> LocalFuture<Result<(), SessionError>> {
        Box::pin(async move { run(Command::Refresh, async |session| session.replace_now().await.map(drop)).await })
    }

    /// Returns the client's registration and the provider's metadata: endpoints, requested scopes, origins that calls may go to.
    ///
    /// ```
    /// use pixygate::leptos::use_auth;
    ///
    /// # async fn example() -> Result<(), pixygate::session::SessionError> {
    /// let client = use_auth().client().await?;
    /// leptos::logging::log!("{} at {}", client.client_id, client.provider.issuer);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SessionError::NoClient`] where no [`ClientData`](super::ClientData) is.
    pub fn client(self) -> LocalFuture<Result<Client, SessionError>> {
        Box::pin(async move { run(Command::Client, async |session| Ok(session.client().clone())).await })
    }

    /// Makes a request with a fresh access token and all that [`GateClient`](super::GateClient) does, to this origin or to
    /// one of [`Client::call_origins`](crate::authorization::Client). The answer can be read as a stream. A redirect is not
    /// followed, it is the error [`SessionError::Redirected`].
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
    /// As a stream:
    ///
    /// ```
    /// use futures::StreamExt as _;
    /// use gloo_net::http::Response;
    /// use js_sys::Uint8Array;
    /// use wasm_streams::ReadableStream;
    ///
    /// async fn bytes(response: Response) -> Result<u32, Box<dyn std::error::Error>> {
    ///     let body = response.body().ok_or("the answer has no body")?;
    ///     let mut chunks = ReadableStream::from_raw(body).into_stream();
    ///     let mut length = 0;
    ///     while let Some(chunk) = chunks.next().await {
    ///         length += Uint8Array::new(&chunk.map_err(|_| "the answer broke off")?).length();
    ///     }
    ///     Ok(length)
    /// }
    /// ```
    ///
    /// # Errors
    /// When the request was not made, or not answered. A refusal is an answer.
    pub fn fetch(self, request: Request) -> LocalFuture<Result<Response, CallError>> {
        Box::pin(async move { Ok(send(request).await?) })
    }

    /// Returns the call of a server function for which the user has just signed in, once. The page that makes such calls takes it when it
    /// is opened and makes the call again.
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
    ///     if let Some(call) = use_auth().take_pending::<Transfer>() {
    ///         action.dispatch(call);
    ///     }
    /// });
    /// # }
    /// ```
    pub fn take_pending<F: ServerFn + DeserializeOwned>(self) -> Option<F> {
        let mut found = None;
        take_pending(|call| reads(call, &mut found));
        found
    }

    /// Returns the pending request of [`Auth::fetch`] that `fits`, once.
    ///
    /// ```
    /// use gloo_net::http::Request;
    /// use leptos::prelude::*;
    /// use leptos::task::spawn_local;
    /// use pixygate::leptos::{Auth, use_auth};
    ///
    /// const TRANSFERS: &str = "https://api.example.com/transfers";
    ///
    /// async fn transfer(auth: Auth, order: String) -> Result<(), Box<dyn std::error::Error>> {
    ///     let request = Request::post(TRANSFERS).header("Content-Type", "application/json").body(order)?;
    ///     auth.fetch(request).await?;
    ///     Ok(())
    /// }
    ///
    /// # fn component() {
    /// let auth = use_auth();
    /// Effect::new(move || {
    ///     if let Some(call) = auth.take_pending_request(|call| call.method == "POST" && call.url == TRANSFERS) {
    ///         spawn_local(async move {
    ///             if let Err(error) = transfer(auth, call.body.unwrap_or_default()).await {
    ///                 leptos::logging::warn!("{error}");
    ///             }
    ///         });
    ///     }
    /// });
    /// # }
    /// ```
    pub fn take_pending_request(self, fits: impl FnOnce(&PendingRequest) -> bool) -> Option<PendingRequest> {
        take_pending(fits)
    }

    /// Makes calls with a token for another organisation or audience from now on, in all tabs (RFC 8693).
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// # use pixygate::leptos::{MockAuth, MockUser};
    /// use pixygate::authorization::TokenExchange;
    /// use pixygate::leptos::use_auth;
    ///
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # MockAuth::provide().sign_in(MockUser::new("alice"));
    /// # futures::executor::block_on(async {
    /// let auth = use_auth();
    /// let subsidiary = TokenExchange::organization("10084a8d-113f");
    /// auth.exchange(subsidiary.clone()).await?;
    /// let acting = move || auth.state().get_untracked().signed_in().and_then(|user| user.acting().cloned());
    /// assert_eq!(acting(), Some(subsidiary));
    ///
    /// auth.end_exchange().await?;
    /// assert_eq!(acting(), None);
    /// # Ok::<_, pixygate::session::SessionError>(())
    /// # }).expect("what was asked for");
    /// ```
    ///
    /// # Errors
    /// As for [`Session::exchange`](crate::session::Session::exchange).
    pub fn exchange(self, exchange: TokenExchange) -> LocalFuture<Result<(), SessionError>> {
        Box::pin(async move {
            run(Command::Exchange(&exchange), async |session| {
                session.exchange(exchange.clone()).await
            })
            .await
        })
    }

    /// Makes calls with the token of the sign-in again, as in the example of [`Auth::exchange`].
    ///
    /// # Errors
    /// As for [`Session::end_exchange`](crate::session::Session::end_exchange).
    pub fn end_exchange(self) -> LocalFuture<Result<(), SessionError>> {
        Box::pin(async move { run(Command::EndExchange, async |session| session.end_exchange().await).await })
    }
}
