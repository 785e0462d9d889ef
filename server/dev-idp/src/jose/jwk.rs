//! Public keys: as JWK (RFC 7517), with thumbprints (RFC 7638) and verification.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, pkcs1v15, pss};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::{Algorithm, sha256};

const SMALLEST_RSA_BITS: u32 = 2048;

/// A public key that verifies signatures.
pub(crate) enum PublicKey {
    Rsa(rsa::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl PublicKey {
    /// Reads the key of a DPoP proof. Returns `None` for a private, symmetric, small or malformed key.
    pub(crate) fn from_jwk(jwk: &Map<String, Value>) -> Option<Self> {
        if ["d", "p", "q", "dp", "dq", "qi", "k"]
            .iter()
            .any(|private| jwk.contains_key(*private))
        {
            return None;
        }
        let text = |name: &str| jwk.get(name)?.as_str();
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        match (text("kty")?, text("crv")) {
            ("RSA", None) => {
                let number = |name: &str| {
                    let bytes = bytes(name)?;
                    BoxedUint::from_be_slice(&bytes, u32::try_from(bytes.len()).ok()? * 8).ok()
                };
                let n = number("n")?;
                if n.bit_width() < SMALLEST_RSA_BITS {
                    return None;
                }
                rsa::PublicKey::new(n, number("e")?).ok().map(Self::Rsa)
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok().map(Self::P256)
            }
            ("OKP", Some("Ed25519")) => {
                let x: [u8; 32] = bytes("x")?.try_into().ok()?;
                ed25519_dalek::VerifyingKey::from_bytes(&x).ok().map(Self::Ed25519)
            }
            _ => None,
        }
    }

    /// Returns the required members, in the order of a thumbprint.
    pub(crate) fn to_jwk(&self) -> Map<String, Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match self {
            Self::Rsa(key) => {
                json!({"e": encode(&key.e().to_be_bytes_trimmed_vartime()), "kty": "RSA", "n": encode(&key.n_bytes())})
            }
            Self::P256(key) => {
                let point = key.to_sec1_bytes();
                let point = p256::Sec1Point::from_bytes(&point).expect("a key has a point");
                let coordinate = |bytes: Option<&p256::FieldBytes>| bytes.map(|it| encode(it)).unwrap_or_default();
                json!({"crv": "P-256", "kty": "EC", "x": coordinate(point.x()), "y": coordinate(point.y())})
            }
            Self::Ed25519(key) => json!({"crv": "Ed25519", "kty": "OKP", "x": encode(key.as_bytes())}),
        };
        match jwk {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// Returns the thumbprint of the key, the `jkt` of DPoP.
    pub(crate) fn thumbprint(&self) -> String {
        // `to_jwk` returns the members in lexicographic order, as RFC 7638 requires.
        sha256(&Value::Object(self.to_jwk()).to_string())
    }

    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa(key), Algorithm::Rs256) => pkcs1v15::Signature::try_from(signature).is_ok_and(|it| {
                pkcs1v15::VerifyingKey::<Sha256>::new(key.clone())
                    .verify(message, &it)
                    .is_ok()
            }),
            (Self::Rsa(key), Algorithm::Ps256) => pss::Signature::try_from(signature).is_ok_and(|it| {
                pss::VerifyingKey::<Sha256>::new(key.clone())
                    .verify(message, &it)
                    .is_ok()
            }),
            (Self::P256(key), Algorithm::Es256) => {
                p256::ecdsa::Signature::from_slice(signature).is_ok_and(|it| key.verify(message, &it).is_ok())
            }
            (Self::Ed25519(key), Algorithm::EdDsa) => {
                ed25519_dalek::Signature::from_slice(signature).is_ok_and(|it| key.verify_strict(message, &it).is_ok())
            }
            _ => false,
        }
    }
}
