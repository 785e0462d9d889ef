//! The house: the server around the app, the gate and the provider.
//!
//! In the order in which things happen:
//!
//! 1. [`config`]: file and environment become a [`config::Config`], or the start ends with everything that is wrong.
//! 2. [`site`]: the files for the browser are found and hashed.
//! 3. [`provider`]: what signing in needs, discovered and kept fresh; without a `[provider]` the embedded one starts.
//! 4. [`shared`]: the store is opened, and with it what nodes share: [`revocation`], [`activity`], [`replay`], [`documents`], [`heartbeat`].
//! 5. [`start`]: trust, policies and gate are put together. A server function without a policy ends the start.
//! 6. [`router()`]: the stack that every request goes through, top to bottom in one builder.
//! 7. [`serve()`]: connections, with their time limits, until the process is told to end.
//! 8. [`metrics`]: what the gate has said so far, at an address of its own.
//! 9. `console`: what the pages show of all this, asked by the server functions of the app.
//! 10. [`doctor`]: what is wrong with a set-up, found by meeting the provider; [`inspect`]: what a token says, and what
//!     the gate makes of it; [`findings`]: the catalogue of what there is to find.
//!
//! `main.rs` only wires these.

pub mod activity;
pub mod backend_token;
mod bounds;
mod canonical;
pub mod cli;
pub mod config;
mod connection;
mod console;
#[cfg(feature = "dev-idp")]
mod demo;
#[cfg(not(feature = "dev-idp"))]
#[path = "demo_absent.rs"]
mod demo;
pub mod doctor;
pub mod documents;
#[cfg(feature = "dev-idp")]
mod embedded;
#[cfg(not(feature = "dev-idp"))]
#[path = "embedded_absent.rs"]
mod embedded;
pub mod findings;
mod gateway;
pub mod heartbeat;
mod histogram;
pub mod init;
pub mod inspect;
pub mod log;
pub mod loopback;
pub mod metrics;
mod observe;
mod pages;
mod probes;
pub mod provider;
pub mod reload;
pub mod replay;
pub mod revocation;
pub mod route_metrics;
mod router;
mod security;
mod serve;
pub mod shared;
pub mod site;
pub mod start;
mod state;
pub mod store;
mod streamed;
pub mod tls;
pub mod traces;
pub mod upstream;

pub use observe::REQUEST_ID;
pub use router::router;
pub use serve::{Limits, serve, serve_with};
pub use state::AppState;
