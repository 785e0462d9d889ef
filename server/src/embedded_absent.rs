//! A build without the embedded provider.

use crate::config::{Config, Provider};

/// The embedded provider; this build has none.
#[derive(Debug)]
pub(crate) enum Embedded {}

/// It cannot start.
#[derive(Debug, thiserror::Error)]
#[error(
    "There is no [provider], and this build has no embedded one.\n    \
     hint      write issuer and client_id under [provider] in pixygate.toml (see pixygate.example.toml), \
     or build with the feature `dev-idp`"
)]
pub struct EmbeddedError;

/// Always `None`.
pub(crate) fn running(_config: &Config, _error: &EmbeddedError) -> Option<Provider> {
    None
}

/// Always `None`.
pub(crate) fn assumed(_config: &Config) -> Option<Provider> {
    None
}

impl Embedded {
    pub(crate) async fn bind(_config: &Config) -> Result<Self, EmbeddedError> {
        Err(EmbeddedError)
    }

    pub(crate) fn provider(&self) -> Provider {
        match *self {}
    }

    pub(crate) fn accounts(&self) -> Vec<String> {
        match *self {}
    }

    pub(crate) async fn serve(self) {
        match self {}
    }
}
