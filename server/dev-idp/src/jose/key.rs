//! Private keys: generation, storage and signing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::{pkcs1v15, pss};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Algorithm, PublicKey};
use crate::clock::Random;

const RSA_BITS: usize = 2048;

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Rsa,
    P256,
    Ed25519,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Rsa, Self::P256, Self::Ed25519];

    /// Returns the algorithms that a key of this type is published for.
    pub(crate) const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Rsa => &[Algorithm::Rs256, Algorithm::Ps256],
            Self::P256 => &[Algorithm::Es256],
            Self::Ed25519 => &[Algorithm::EdDsa],
        }
    }

    pub(crate) const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => Self::Rsa,
            Algorithm::Es256 => Self::P256,
            Algorithm::EdDsa => Self::Ed25519,
        }
    }
}

/// A private key.
#[derive(Clone)]
pub(crate) enum SecretKey {
    // Boxed, because it is much larger than the others.
    Rsa(Box<rsa::PrivateKey>),
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SecretKey {
    /// Generates a key. RSA keys always use the operating system's randomness: they are slow to generate, and no test needs a predictable one.
    pub(crate) fn generate(kind: Kind, random: &Random) -> Self {
        match kind {
            Kind::Rsa => {
                let key = rsa::PrivateKey::new(&mut getrandom::SysRng, RSA_BITS);
                Self::Rsa(Box::new(key.expect("the operating system gives random bytes")))
            }
            // Nearly every 32 bytes are a scalar of the curve; others are drawn again.
            Kind::P256 => loop {
                if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&random.bytes::<32>()) {
                    break Self::P256(key);
                }
            },
            Kind::Ed25519 => Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&random.bytes())),
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        match self {
            Self::Rsa(key) => PublicKey::Rsa(key.to_public_key()),
            Self::P256(key) => PublicKey::P256(*key.verifying_key()),
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key()),
        }
    }

    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match (self, algorithm) {
            (Self::Rsa(key), Algorithm::Ps256) => {
                let key = pss::SigningKey::<Sha256>::new((**key).clone());
                key.try_sign_with_rng(&mut getrandom::SysRng, message)
                    .expect("the key is long enough")
                    .to_vec()
            }
            (Self::Rsa(key), _) => {
                let key = pkcs1v15::SigningKey::<Sha256>::new((**key).clone());
                key.try_sign_with_rng(&mut getrandom::SysRng, message)
                    .expect("the key is long enough")
                    .to_vec()
            }
            (Self::P256(key), _) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_vec()
            }
            (Self::Ed25519(key), _) => key.sign(message).to_vec(),
        }
    }

    /// Returns the text for the state file: PKCS#8 for RSA, the 32 bytes for the others.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Rsa(key) => URL_SAFE_NO_PAD.encode(key.to_pkcs8_der().expect("a complete key encodes").as_bytes()),
            Self::P256(key) => URL_SAFE_NO_PAD.encode(key.to_bytes()),
            Self::Ed25519(key) => URL_SAFE_NO_PAD.encode(key.to_bytes()),
        }
    }

    pub(super) fn from_text(kind: Kind, text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        match kind {
            Kind::Rsa => rsa::PrivateKey::from_pkcs8_der(&bytes)
                .ok()
                .map(Box::new)
                .map(Self::Rsa),
            Kind::P256 => p256::ecdsa::SigningKey::from_slice(&bytes).ok().map(Self::P256),
            Kind::Ed25519 => Some(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(
                &bytes.try_into().ok()?,
            ))),
        }
    }
}
