//! Encrypts signing keys in a database, so that read access to the database is not enough to sign.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use sha2::{Digest as _, Sha256};

use super::storage::StorageError;

/// The shortest secret, in bytes.
const SHORTEST: usize = 32;

/// The additional authenticated data. Bytes that were encrypted for another purpose do not decrypt.
const PURPOSE: &[u8] = b"pixygate: keys of backend JWTs";

/// AES-256-GCM with the secret in `backend_jwt.secret_file`.
pub struct Seal(RandomizedNonceKey);

impl Seal {
    /// Reads the secret from a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is too short.
    pub fn read(file: &Path) -> Result<Self, StorageError> {
        let secret = std::fs::read(file).map_err(|source| StorageError::File {
            file: file.display().to_string(),
            source,
        })?;
        let secret = secret.trim_ascii();
        if secret.len() < SHORTEST {
            return Err(StorageError::ShortSecret {
                file: file.display().to_string(),
                length: secret.len(),
            });
        }
        Self::new(secret)
    }

    fn new(secret: &[u8]) -> Result<Self, StorageError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &Sha256::digest(secret));
        key.map(Self).map_err(|_| StorageError::Sealed)
    }

    pub(super) fn seal(&self, mut content: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let nonce = self.0.seal_in_place_append_tag(Aad::from(PURPOSE), &mut content);
        let nonce = nonce.map_err(|_| StorageError::Sealed)?;
        Ok([&nonce.as_ref()[..], &content].concat())
    }

    pub(super) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, StorageError> {
        let (nonce, content) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(StorageError::Sealed)?;
        let mut content = content.to_vec();
        let opened = self
            .0
            .open_in_place(Nonce::from(nonce), Aad::from(PURPOSE), &mut content);
        Ok(opened.map_err(|_| StorageError::Sealed)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_with_the_same_secret_alone_and_unchanged() {
        let seal = Seal::new(b"one").unwrap();
        let sealed = seal.seal(b"content".to_vec()).unwrap();
        assert_eq!(seal.open(&sealed).unwrap(), b"content");
        assert_ne!(seal.seal(b"content".to_vec()).unwrap(), sealed);
        assert!(Seal::new(b"two").unwrap().open(&sealed).is_err());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(seal.open(&changed).is_err(), "{position}");
        }
        assert!(seal.open(b"short").is_err());
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for (secret, accepted) in [("short", false), ("0123456789abcdef0123456789abcdef\n", true)] {
            std::fs::write(&file, secret).unwrap();
            assert_eq!(Seal::read(&file).is_ok(), accepted, "{secret}");
        }
        assert!(Seal::read(&folder.path().join("missing")).is_err());
    }
}
