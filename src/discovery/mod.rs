//! Provider metadata: the only place that fetches, validates and refreshes them.
//!
//! 1. [`Metadata`]: one document. Members that are not needed are ignored, and the issuer is compared as an exact string.
//! 2. `Discovery`: one issuer over time. It fetches the metadata, and uses the last ones when that fails. The keys of the gate come
//!    through it.
//! 3. [`SignInConfig`] (feature `browser`): the configuration that a page needs to sign users in, refreshed in the background.
//! 4. [`DocumentStore`]: metadata and keys of an earlier process, so that a server starts while a provider is down.

mod documents;
mod error;
mod issuer;
mod metadata;
#[cfg(feature = "browser")]
mod sign_in;

pub(crate) use documents::Documents;
pub use documents::{DocumentStore, NoDocuments, StoredDocument};
pub use error::DiscoveryError;
pub(crate) use issuer::Discovery;
pub use metadata::Metadata;
#[cfg(feature = "browser")]
pub use sign_in::{BrowserEndpoints, SignInConfig, SignInConfigBuilder, SignInConfigError, SignInPage};
