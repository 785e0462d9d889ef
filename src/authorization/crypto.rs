//! The cryptography that the flow needs: WebCrypto in the browser, a native crate in tests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Jwk;

/// Returns 256 random bits as text, for unguessable values. They come directly from the system: a generator would add 6 KB to the front
/// end.
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

/// The hash function of a JWS algorithm.
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
    /// Returns whether `signature` over `message` verifies with `key` and the JWS algorithm `alg`.
    ///
    /// # Errors
    /// When the platform does not support the key or the algorithm.
    async fn verify(&self, alg: &str, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, CryptoError>;

    /// Returns the hash of `data`.
    ///
    /// # Errors
    /// When the platform has no such hash, for example outside of a secure context.
    async fn digest(&self, hash: Hash, data: &[u8]) -> Result<Vec<u8>, CryptoError>;
}

/// A cryptographic operation failed.
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
