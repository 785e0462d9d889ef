//! The provider's metadata in the types of the `openidconnect` crate, with the endpoints that it leaves to its users.

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, ProviderMetadata};
use serde::{Deserialize, Serialize};

/// What discovery returns (OpenID Connect Discovery, section 3).
pub type Metadata = ProviderMetadata<
    Extensions,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Metadata from other specifications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extensions {
    /// OpenID Connect RP-Initiated Logout, section 2.1.
    pub end_session_endpoint: Option<String>,
    /// RFC 7009, by way of RFC 8414.
    pub revocation_endpoint: Option<String>,
    /// RFC 9126, section 5.
    pub pushed_authorization_request_endpoint: Option<String>,
    /// RFC 9126, section 5.
    pub require_pushed_authorization_requests: bool,
    /// RFC 9207, section 3.
    pub authorization_response_iss_parameter_supported: bool,
    /// RFC 9449, section 5.1.
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// RFC 8414, section 2. Absent where a provider does not say, which does not mean that it has none.
    pub code_challenge_methods_supported: Option<Vec<String>>,
}

impl AdditionalProviderMetadata for Extensions {}
