//! Sign-in for Leptos: components, the session as a signal, guards, and a client for server functions that attaches the token.
//!
//! A page load carries no token, so the server renders [`AuthState::Unknown`], and the first render in the browser is the same.
//! The session is read while the page is hydrated.
//!
//! ```
//! use leptos::prelude::*;
//! use leptos::server_fn::codec::{GetUrl, Json};
//! use pixygate::leptos::{AuthProvider, CallError, GateClient, RequireSignedIn, use_signed_in};
//!
//! #[component]
//! fn App() -> impl IntoView {
//!     view! {
//!         <AuthProvider>
//!             <RequireSignedIn unknown=|| "One moment…" signed_out=|| view! { <a href="/sign-in">"Sign in"</a> }>
//!                 <Orders />
//!             </RequireSignedIn>
//!         </AuthProvider>
//!     }
//! }
//!
//! #[component]
//! fn Orders() -> impl IntoView {
//!     let count = LocalResource::new(count_orders);
//!     let text = move || match count.get() {
//!         Some(Ok(count)) => format!("{count} orders"),
//!         Some(Err(error)) => error.to_string(),
//!         None => "…".to_owned(),
//!     };
//!     view! { <p>{use_signed_in().name().to_owned()} ": " {text}</p> }
//! }
//!
//! // The gate has validated the token before this runs.
//! #[server(prefix = "/api", input = GetUrl, output = Json, client = GateClient)]
//! async fn count_orders() -> Result<u32, CallError> {
//!     Ok(3)
//! }
//! # let owner = Owner::new();
//! # owner.set();
//! # assert!(view! { <App /> }.to_html().contains("One moment…"));
//! # // Users are known only in the browser.
//! # pixygate::leptos::MockAuth::provide().sign_in(pixygate::leptos::MockUser::new("alice"));
//! # let page = view! {
//! #     <RequireSignedIn unknown=|| "One moment…" signed_out=|| ()>
//! #         <Orders />
//! #     </RequireSignedIn>
//! # };
//! # assert!(page.to_html().contains("alice"));
//! ```
//!
//! [`AuthState::Unknown`]: crate::session::AuthState::Unknown

#![expect(
    unreachable_pub,
    reason = "the component macro puts what it makes into a module of its own"
)]

mod auth;
#[cfg(all(doctest, feature = "mock"))]
#[doc = include_str!("../../docs/coming-from-auth-react.md")]
mod guide {}

mod call;
mod client_data;
mod command;
mod current;
mod deferred;
mod error;
mod fetch;
mod guard;
#[cfg(feature = "mock")]
mod mock;
#[cfg(not(feature = "mock"))]
#[path = "no_mock.rs"]
mod mock;
mod provider;
#[cfg(feature = "ssr")]
mod server;
#[cfg(not(feature = "ssr"))]
#[path = "no_server.rs"]
mod server;
mod sign_in;
mod texts;

pub use call::{GateClient, GateResponse};
pub use client_data::{ClientData, ClientDataProps};
#[cfg(feature = "mock")]
pub use command::Command;
pub use current::start;
pub use error::CallError;
pub use guard::{
    ProtectedRoute, ProtectedRouteProps, RequireScope, RequireScopeProps, RequireSignedIn, RequireSignedInProps,
    use_signed_in,
};
#[cfg(feature = "mock")]
pub use mock::{MockAuth, MockUser};
pub use provider::{Auth, AuthProvider, AuthProviderProps, use_auth};
#[cfg(feature = "ssr")]
pub use server::{PagesError, pages, principal, principal_with_scope, refuse};
pub use sign_in::{
    SignInButton, SignInButtonProps, SignInFailed, SignInRoutes, SignInRoutesProps, SignOutButton, SignOutButtonProps,
};
pub use texts::{Text, Texts};
