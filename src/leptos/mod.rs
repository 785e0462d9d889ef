//! The session for Leptos: who is signed in as a signal, guards, and a client that attaches the token.
//!
//! On the server nobody is known: a page load carries no token, so everything here renders [`AuthState::Unknown`] there,
//! and the first render in the browser is the same. The session is read after hydration.
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
mod deferred;
mod error;
mod gated;
mod guard;
mod here;
mod lookout;
#[cfg(feature = "mock")]
mod mock;
#[cfg(not(feature = "mock"))]
#[path = "no_mock.rs"]
mod mock;
mod page;
mod provider;
mod texts;
mod work;

pub use call::{GateClient, GateResponse};
pub use error::CallError;
pub use guard::{RequireScope, RequireScopeProps, RequireSignedIn, RequireSignedInProps, protected, use_signed_in};
#[cfg(feature = "mock")]
pub use mock::{MockAsked, MockAuth, MockPerson};
pub use page::{ClientData, ClientDataProps};
pub use provider::{Auth, AuthProvider, AuthProviderProps, use_auth};
pub use texts::{Text, Texts};
