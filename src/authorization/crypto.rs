//! What the flow asks of the platform's cryptography: WebCrypto in the browser, a native crate in tests.

use super::Jwk;

/// A hash function, as an `alg` of JWS implies it.
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cryptography is not available: {0}")]
pub struct CryptoError(pub String);
