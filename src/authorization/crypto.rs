//! What the flow asks of the platform's cryptography: WebCrypto in the browser, a native crate in tests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Jwk;

/// Returns 256 random bits as text, for values that nobody may guess. From the system directly: a generator of our own would be
/// 6 KB of the front end.
///
/// # Panics
/// When the system has no randomness.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
pub(crate) fn random_text() -> String {
    let mut bytes = [0; 32];
    if let Err(error) = getrandom::getrandom(&mut bytes) {
        panic!("no randomness: {error}");
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A hash function, as an `alg` of JWS implies it.
///
/// ```
/// use pixygate::authorization::Hash;
///
/// /// The one that an `alg` of JWS names (RFC 7518, section 3.1).
/// fn of(alg: &str) -> Option<Hash> {
///     match alg {
///         "ES256" | "PS256" | "RS256" => Some(Hash::Sha256),
///         "ES384" | "PS384" | "RS384" => Some(Hash::Sha384),
///         "ES512" | "PS512" | "RS512" => Some(Hash::Sha512),
///         _ => None,
///     }
/// }
/// assert_eq!(of("ES256"), Some(Hash::Sha256));
/// assert_eq!(of("none"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

/// Signature verification and hashing.
///
/// ```
#[doc = include_str!("../../docs/examples/crypto.rs")]
/// # futures::executor::block_on(async {
/// # let digest = Native.digest(Hash::Sha256, b"abc").await?;
/// # assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
/// # let refused = Native.verify("RS256", &Jwk::default(), b"a message", b"a signature").await;
/// # assert!(refused.is_err());
/// # Ok::<_, CryptoError>(())
/// # })?;
/// # Ok::<_, CryptoError>(())
/// ```
#[expect(async_fn_in_trait, reason = "the browser has one thread; its futures are not Send")]
pub trait Crypto {
    /// Whether `signature` over `message` verifies under `key` with the JWS algorithm `alg`.
    ///
    /// # Errors
    /// When the key or the algorithm cannot be used here at all.
    async fn verify(&self, alg: &str, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, CryptoError>;

    /// The hash of `data`.
    ///
    /// # Errors
    /// When the platform has no such hash, as on a page that is not a secure context.
    async fn digest(&self, hash: Hash, data: &[u8]) -> Result<Vec<u8>, CryptoError>;
}

/// The platform refused a cryptographic operation.
///
/// ```
/// use pixygate::authorization::CryptoError;
///
/// let error = CryptoError("this page is not a secure context".to_owned());
/// assert_eq!(error.to_string(), "cryptography is not available: this page is not a secure context");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cryptography is not available: {0}")]
pub struct CryptoError(pub String);
