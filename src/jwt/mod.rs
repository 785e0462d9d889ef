//! A JWT comes in, a [`Principal`] goes out: trust, keys, validation.
//!
//! In the order in which a token meets it:
//!
//! 1. [`Trust`]: whose tokens pass, and what they must say.
//! 2. [`UnverifiedClaims`]: what a token says before anything is proved.
//! 3. The keys of the issuer: loaded before the first token by [`Validator::load`], renewed by
//!    [`Validator::spawn_refresh`], fetched through [`Fetch`].
//! 4. [`Validator::validate`]: the signature, then every claim.
//! 5. [`Principal`], or a [`Rejection`] with what was expected, what was found and the setting or step that fixes it.
//! 6. [`Revocations`]: what was taken back meanwhile. A [`LogoutToken`] is the provider's word that a session has ended.
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

mod address;
mod algorithm;
mod cache;
mod claims;
mod clock;
mod conflict;
mod ended;
mod engine;
mod fetch;
mod http;
mod introspection;
mod json;
mod key;
mod key_set;
mod keys_error;
mod kind;
mod local_revocations;
mod logout_token;
mod pem;
mod principal;
mod rejection;
mod revocation;
mod secret;
mod source;
mod token;
mod trust;
mod trust_error;
mod unverified;
mod validator;

pub(crate) use self::{
    address::{is_loopback_host, is_private_host},
    fetch::shown,
};
#[cfg(feature = "axum")]
pub(crate) use self::{
    clock::unix,
    json::{Json, Members},
    key::{Key, Material},
    pem::block as pem_block,
    token::{Unverified, parse as parse_token},
};
pub use algorithm::Algorithm;
pub use clock::{Clock, SystemClock};
pub use ended::Ended;
pub use engine::KeyFetches;
pub use fetch::{FETCH_SECONDS, Fetch, FetchError, FetchFuture, FetchRequest, MAX_BODY_BYTES, Post};
pub use http::HttpFetch;
pub use keys_error::{KeysError, LoadError, LoadErrors};
pub use local_revocations::LocalRevocations;
pub use logout_token::LogoutToken;
pub use principal::Principal;
pub use rejection::{Rejection, printable};
pub use revocation::{NoRevocations, Revocations};
pub use secret::Secret;
pub use trust::{KeySource, TokenType, Trust};
pub use trust_error::TrustError;
pub use unverified::UnverifiedClaims;
pub use validator::{RefreshTask, Validator, ValidatorBuilder};
