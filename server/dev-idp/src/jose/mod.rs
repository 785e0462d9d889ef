//! Signing and parsing of tokens, with the RustCrypto crates. It shares no code with the gate that verifies them.

mod jwk;
mod key;
mod ring;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha512};

pub(crate) use jwk::PublicKey;
pub(crate) use key::{Kind, SecretKey};
pub use ring::KeyRing;

/// A signature algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// A JWS in compact form, parsed and not yet verified.
pub(crate) struct UnverifiedJws<'a> {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl<'a> UnverifiedJws<'a> {
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let (signing_input, signature) = token.rsplit_once('.')?;
        let (header, claims) = signing_input.split_once('.')?;
        Some(Self {
            header: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?,
            claims: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?,
            signing_input,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    pub(crate) fn header_str(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    pub(crate) fn claim_str(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Returns whether the key made the signature, with the algorithm in the header.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.header_str("alg")
            .and_then(Algorithm::from_name)
            .is_some_and(|algorithm| key.verifies(algorithm, self.signing_input.as_bytes(), &self.signature))
    }
}

/// Signs claims.
pub(crate) fn sign(key: &SecretKey, algorithm: Algorithm, header: &Map<String, Value>, claims: &Value) -> String {
    let mut header = header.clone();
    header.insert("alg".to_owned(), Value::from(algorithm.name()));
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signing_input = format!("{}.{}", encode(&Value::Object(header)), encode(claims));
    let signature = key.sign(algorithm, signing_input.as_bytes());
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Returns SHA-256 as base64url: for S256 challenges, `ath`, thumbprints, and stored secrets.
pub(crate) fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// Returns the left half of the hash of the signature algorithm, as base64url: `at_hash` and `c_hash` (OpenID Connect Core,
/// section 3.1.3.6). Ed25519 hashes with SHA-512 (RFC 8032, section 5.1).
pub(crate) fn half_hash(algorithm: Algorithm, text: &str) -> String {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16]),
        Algorithm::EdDsa => URL_SAFE_NO_PAD.encode(&Sha512::digest(text)[..32]),
    }
}

/// Returns SHA-256 in hexadecimal.
pub(crate) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
