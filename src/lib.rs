//! Pixygate: sign in with PKCE in the browser, pass a gate that validates the JWT on the server.
//!
//! # The token's journey
//!
//! 1. [`authorization`]: the browser sends an authorization request (S256, state, nonce), checks the callback and
//!    exchanges the code. Each step accepts only the type that the step before it returned.
//! 2. [`session`]: the tokens are sealed, shared between tabs and refreshed before they expire.
//!    `access_token().await` is always fresh.
//! 3. [`leptos`]: signals, guards and a server-function client that attaches the token.
//! 4. [`gate`]: the tower layer in front of everything; it asks [`jwt`] for a verdict and the policy for permission.
//! 5. [`jwt::Principal`]: what the gate proved. Handlers take it; only the gate can make one.
//!
//! A call that is turned away is a [`Refusal`], the same type on both sides.
//!
//! # Features
//!
//! | feature | what it adds | for |
//! |---|---|---|
//! | `browser` | [`authorization`], [`session`] | the WASM front end |
//! | `leptos` | [`leptos`] (and `browser`) | Leptos applications, both halves |
//! | `split` | `leptos` in parts that the browser loads when they are needed | `cargo leptos build --split` |
//! | `mock` | [`leptos::MockAuth`] (and `leptos`) | tests of Leptos applications, natively and in the browser |
//! | `jwt` | [`jwt`], [`discovery`] | validating tokens without HTTP, provider metadata |
//! | `axum` | [`gate`] (and `jwt`) | axum applications |
//! | `test-support` | [`test_support`] | tests of applications behind the gate |
//! | `profiles` | [`test_support::profiles`] | tests with the shapes of real providers, natively and in the browser |
//!
//! None is on by default.

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
