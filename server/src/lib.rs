//! The server: it connects the app, the gate and the provider.
//!
//! The modules, in the order of a start:
//!
//! 1. [`config`]: makes a [`config::Config`] of file and environment, or reports every problem.
//! 2. [`site`]: finds and hashes the files for the browser.
//! 3. [`provider`]: discovers the provider and keeps its metadata fresh; without `[provider]`, the embedded one starts.
//! 4. [`shared`]: opens the store, and everything that nodes share in it: [`revocation`], [`activity`], [`replay`], [`documents`],
//!    [`heartbeat`].
//! 5. [`start`]: builds trust, policies and gate. A server function without a policy is an error.
//! 6. [`router()`]: the routes and layers.
//! 7. [`serve()`]: connections, with their time limits, until the process is signalled to stop.
//! 8. [`metrics`]: the counts of the gate's decisions, at their own address.
//! 9. `console`: the data of the console, for the server functions of the app.
//! 10. [`doctor`]: checks a set-up by connecting to the provider; [`inspect`]: explains a token and the gate's
//!     checks of it; [`findings`]: the catalogue of findings.
//!
//! `main.rs` only connects these.

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
