use std::fmt;

use serde::{Deserialize, Serialize};

/// A signature algorithm (RFC 7518, RFC 8037, RFC 9864). Symmetric ones are missing: a gate with a shared secret could issue
/// the tokens that it checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// EdDSA, here with Ed25519 only.
    EdDSA,
    /// EdDSA on Curve25519 by its own name (RFC 9864).
    Ed25519,
}

impl Algorithm {
    /// Every algorithm that can be configured.
    pub const ALL: [Self; 11] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::Ed25519,
    ];

    /// Returns the name, as in the `alg` header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// Returns the algorithm of that name. Names are case-sensitive (RFC 7515, section 4.1.1).
    ///
    /// ```
    /// use pixygate::jwt::Algorithm;
    /// assert_eq!(Algorithm::named("ES256"), Some(Algorithm::ES256));
    /// assert_eq!(Algorithm::named("none"), None);
    /// assert_eq!(Algorithm::named("HS256"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Returns whether both name one algorithm: `EdDSA` and `Ed25519` do.
    pub(crate) fn same_as(self, other: Self) -> bool {
        let edwards = |algorithm| matches!(algorithm, Self::EdDSA | Self::Ed25519);
        self == other || (edwards(self) && edwards(other))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
