//! Validates JWTs without HTTP: a token goes in, a [`Principal`] comes out.
//!
//! In the order in which data meets it:
//!
//! 1. [`Trust`] (`trust/`): the trusted issuers, and the requirements for their tokens.
//! 2. `keys/`: the keys of each issuer, fetched through [`Fetch`], renewed ahead of their age, kept through an outage.
//! 3. `token/`: the compact form and strict JSON, then the signature, the kind of token and its claims. The result is a
//!    [`Principal`], or a [`Rejection`] with what was expected, what was found, and the setting that fixes it.
//! 4. `introspection/`: opaque tokens, about which the issuer is asked.
//! 5. [`Revocations`] (`revocation/`): tokens that were revoked before they expired, for example by a [`LogoutToken`].
//!
//! [`Validator`] puts them together.
//!
//! ```no_run
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use pixygate::jwt::{Trust, Validator};
//!
//! let trust = Trust::new("https://login.example.com/t/acme/oauth2/token").audience("my-client-id");
//! let validator = Validator::builder([trust]).build()?;
//! validator.load().await?;
//! let refresh = validator.spawn_refresh();
//! let principal = validator.validate(token, std::time::SystemTime::now()).await?;
//! println!("{} of {}", principal.subject(), principal.issuer());
//! # drop(refresh);
//! # Ok(()) }
//! ```

mod clock;
mod introspection;
mod keys;
mod revocation;
mod token;
mod trust;
mod validator;

pub use clock::{Clock, SystemClock};
pub use keys::{
    Algorithm, FETCH_SECONDS, Fetch, FetchError, FetchFuture, FetchRequest, HttpFetch, KeyFetches, KeyStatus,
    KeysError, KeysStatus, LoadError, LoadErrors, MAX_BODY_BYTES, Post,
};
pub use revocation::{Ended, LocalRevocations, NoRevocations, Revocations};
pub use token::{LogoutToken, Principal, Rejection, UnverifiedClaims, printable};
pub use trust::{KeySource, Secret, TokenType, Trust, TrustError};
pub use validator::{RefreshTask, Validator, ValidatorBuilder};

pub(crate) use keys::{is_loopback_host, is_private_host, shown};
#[cfg(feature = "axum")]
pub(crate) use {
    clock::unix,
    keys::{Key, Material, pem_block},
    token::{Json, Members, Unverified, parse as parse_token},
};
