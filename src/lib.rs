//! Pixygate signs users in with PKCE in the browser, and validates the JWT of every request on the server.
//!
//! # The flow of a token
//!
//! 1. [`authorization`]: the browser sends an authorization request (S256, state, nonce), checks the callback and
//!    exchanges the code. Each step accepts only the type that the step before it returned.
//! 2. [`session`]: the tokens are sealed, shared between tabs and refreshed before they expire.
//!    `access_token().await` returns a token that is valid for at least 30 more seconds (less for short-lived tokens).
//! 3. [`leptos`]: signals, guards and a server-function client that attaches the token.
//! 4. [`gate`]: a tower layer in front of the router. It validates the token with [`jwt`] and checks the policy of the path.
//! 5. [`jwt::Principal`]: the verified caller. Handlers take it as an extractor, and only the gate can make one.
//!
//! A denied request is answered with a [`Refusal`], which server and client share.
//!
//! # Features
//!
//! | feature | what it adds | for |
//! |---|---|---|
//! | `browser` | [`authorization`], [`session`] | the WASM front end |
//! | `leptos` | [`leptos`] (and `browser`) | Leptos applications, in the browser and on the server |
//! | `split` | `leptos` in parts that the browser loads on demand | `cargo leptos build --split` |
//! | `mock` | [`leptos::MockAuth`] (and `leptos`) | tests of Leptos applications, natively and in the browser |
//! | `jwt` | [`jwt`], [`discovery`] | validating tokens without HTTP, provider metadata |
//! | `axum` | [`gate`] (and `jwt`) | axum applications |
//! | `test-support` | [`test_support`] | tests of applications behind the gate |
//! | `profiles` | [`test_support::profiles`] | tests with the shapes of real providers, natively and in the browser |
//!
//! None is on by default.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "browser")]
pub mod authorization;
#[cfg(feature = "jwt")]
pub mod discovery;
#[cfg(feature = "axum")]
pub mod gate;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(feature = "leptos")]
pub mod leptos;
pub mod prelude;
mod refusal;
#[cfg(feature = "browser")]
pub mod session;
#[cfg(feature = "profiles")]
pub mod test_support;

pub use refusal::{Detail, Reason, Refusal, StepUp};
