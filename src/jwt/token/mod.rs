//! A token, from its bytes to the principal that it proves.
//!
//! `compact` and `json` read it strictly, `kind` and `claims` check what it says, `principal` is the result. `logout_token` is
//! the other kind of token that is understood. `verdict_cache` remembers results by the digest of the token.

pub(super) mod claims;
pub(super) mod compact;
pub(super) mod json;
pub(super) mod kind;
mod logout_token;
pub(super) mod principal;
mod rejection;
mod unverified;
pub(super) mod verdict_cache;

pub use logout_token::LogoutToken;
pub use principal::Principal;
pub use rejection::{Rejection, printable};
pub use unverified::UnverifiedClaims;

pub(super) use verdict_cache::{CachedVerdict, Fingerprint, VerdictCache};
#[cfg(feature = "axum")]
pub(crate) use {
    compact::{Unverified, parse},
    json::{Json, Members},
};
