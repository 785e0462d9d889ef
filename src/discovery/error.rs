use crate::jwt::{FetchError, TrustError};

/// Why the metadata of a provider cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The issuer, or the place of its metadata, is not a usable URL.
    #[error(transparent)]
    Setting(#[from] TrustError),
    /// The metadata could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// They name another issuer (OpenID Connect Discovery 1.0, section 4.3). Also when there are none, and those of another
    /// issuer are below it: a provider's base URL was configured in place of its issuer.
    #[error("the metadata in {location} name another issuer: expected {expected:?}, found {found:?}")]
    Issuer {
        /// The configured issuer.
        expected: String,
        /// The issuer in the metadata.
        found: String,
        /// The URL of the metadata.
        location: String,
    },
    /// The answer is not a JSON object, as when a proxy answers for a provider that is down.
    #[error("{location} is not a metadata document: {why}")]
    NotMetadata {
        /// The URL of the metadata.
        location: String,
        /// The reason.
        why: String,
    },
    /// The keys are not a JWK set (RFC 7517, section 5).
    #[error("{location} is not a JWK set: it has no array `keys`")]
    NotKeys {
        /// Their URL.
        location: String,
    },
    /// A member that is needed is missing or wrong.
    #[error("the metadata in {location} cannot be used: expected {expected} in `{member}`, found {found}")]
    Member {
        /// The URL of the metadata.
        location: String,
        /// The member.
        member: &'static str,
        /// The accepted values.
        expected: &'static str,
        /// The value, shortened.
        found: String,
    },
}

impl DiscoveryError {
    /// Returns whether a setting or the provider's metadata must be changed. Otherwise it is an outage that may end by itself.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Setting(_) | Self::Issuer { .. } | Self::Member { .. } => true,
            Self::NotMetadata { .. } | Self::NotKeys { .. } => false,
            Self::Fetch(error) => matches!(
                error,
                FetchError::Forbidden { .. } | FetchError::Setting { .. } | FetchError::Status { status: 404, .. }
            ),
        }
    }
}
