//! An OpenID provider for development, shaped like Asgardeo: a newcomer signs in with no account anywhere, and tests
//! have a provider whose every behaviour, good and bad, can be called up.
//!
//! # In the order in which a request meets it
//!
//! 1. [`config`]: where it listens, its tenants, their clients and people. [`Config::default`] is a demonstration.
//! 2. [`bind`], [`serve`], [`router`]: the listener, loopback only, and what stands around every request: the Host, the
//!    journal, the faults that [`switches`] inject, CORS for registered origins.
//! 3. The endpoints of a tenant under `/t/{tenant}`: metadata, authorization with its pages, tokens, logout.
//! 4. [`jose`]: keys, signatures, DPoP proofs. Nothing of it is shared with the gate that verifies the tokens.
//! 5. The store: sessions, codes, token families; secrets as hashes, in a file that outlives the process.
//! 6. The control page at `/` and the control API under `/control`.
//!
//! ```no_run
//! # async fn run() -> Result<(), dev_idp::StartError> {
//! let mut config = dev_idp::Config::default();
//! config.follow("http://localhost:8080")?;
//! let bound = dev_idp::bind(config).await?;
//! println!("issuer {}", bound.provider().config().issuer());
//! bound.serve(std::future::pending()).await
//! # }
//! ```

mod backchannel;
mod client_authentication;
pub mod clock;
pub mod config;
mod control;
mod cookie;
mod cors;
mod dpop;
mod endpoints;
mod issue;
pub mod jose;
mod journal;
mod pages;
mod params;
mod profile;
mod provider;
mod realm;
mod refusal;
mod server;
mod store;
pub mod switches;
mod totp;

pub use config::{Config, ConfigError};
pub use profile::Profile;
pub use provider::{Provider, StartError};
pub use server::{Bound, bind, router, serve};
pub use store::StoreFileError;
