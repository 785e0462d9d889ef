//! The keys of each issuer: where they come from, which of them can be used, how long they serve.

mod address;
mod algorithm;
mod error;
mod fetch;
mod http;
mod issuer_keys;
mod key;
mod key_set;
mod pem;
mod source;

pub use algorithm::Algorithm;
pub use error::{KeysError, LoadError, LoadErrors};
pub use fetch::{FETCH_SECONDS, Fetch, FetchError, FetchFuture, FetchRequest, MAX_BODY_BYTES, Post};
pub use http::HttpFetch;
pub use issuer_keys::{KeyFetches, KeyStatus, KeysStatus};

pub(crate) use address::{is_loopback_host, is_private_host};
pub(crate) use fetch::shown;
pub(super) use issuer_keys::IssuerKeys;
pub(super) use key_set::{KeyQuery, KeySet};
pub(super) use source::Source;
#[cfg(feature = "axum")]
pub(crate) use {
    key::{Key, Material},
    pem::block as pem_block,
};
