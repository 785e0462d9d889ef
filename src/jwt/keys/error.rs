use super::FetchError;
use crate::discovery::DiscoveryError;

/// Why the keys of an issuer could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// They could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The metadata name another issuer than the configured one (OpenID Connect Discovery 1.0, section 4.3).
    #[error("the metadata name another issuer: expected {expected:?}, found {found:?} ({difference}); {hint}")]
    Issuer {
        /// The configured issuer.
        expected: String,
        /// The one in the metadata.
        found: String,
        /// The difference.
        difference: String,
        /// The line to write.
        hint: String,
    },
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(DiscoveryError),
    /// The document is invalid.
    #[error("{url}: {why}")]
    Document {
        /// The URL of the document.
        url: String,
        /// The reason.
        why: String,
    },
    /// A file cannot be used.
    #[error("trust.{key} {path:?}: {why}")]
    File {
        /// The setting.
        key: &'static str,
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
}

impl KeysError {
    /// Returns whether a setting is wrong. Otherwise the provider is unavailable.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Issuer { .. } | Self::File { .. } => true,
            Self::Fetch(error) => matches!(
                error,
                FetchError::Forbidden { .. } | FetchError::Setting { .. } | FetchError::Status { status: 404, .. }
            ),
            Self::Metadata(error) => error.is_configuration(),
            Self::Document { .. } => false,
        }
    }
}

/// An issuer whose keys could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keys of {issuer}: {error}")]
#[non_exhaustive]
pub struct LoadError {
    /// The issuer.
    pub issuer: String,
    /// Why.
    #[source]
    pub error: KeysError,
}

/// The issuers whose keys could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadErrors(pub Vec<LoadError>);

impl LoadErrors {
    /// Returns the first error that a setting caused. It should stop the start; an outage should not.
    pub fn configuration(&self) -> Option<&LoadError> {
        self.0.iter().find(|failure| failure.error.is_configuration())
    }
}

impl std::fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, failure) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{failure}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}
