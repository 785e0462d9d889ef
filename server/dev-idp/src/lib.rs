//! An OpenID provider for development, modelled on Asgardeo. Developers can sign in without an account at a real provider, and
//! tests can switch faults and the behaviour of other providers on and off.
//!
//! # Modules
//!
//! 1. [`config`]: address, tenants, their clients and users. [`Config::default`] has demonstration data.
//! 2. [`bind`], [`serve`], [`router`]: the listener, on loopback only, and the layers around every request: the check of `Host`, the
//!    journal, the faults that [`switches`] inject, CORS for registered origins.
//! 3. The endpoints of a tenant under `/t/{tenant}`: metadata, authorization with its pages, tokens, logout.
//! 4. [`jose`]: keys, signatures, DPoP proofs. It shares no code with the gate that verifies the tokens.
//! 5. The store: sessions, codes, token families. Secrets are stored as hashes, in a file that survives a restart.
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
mod refusal;
mod server;
mod store;
pub mod switches;
mod tenant_context;
mod totp;

pub use config::{Config, ConfigError};
pub use profile::Profile;
pub use provider::{Provider, StartError};
pub use server::{Bound, bind, router, serve};
pub use store::StoreFileError;
