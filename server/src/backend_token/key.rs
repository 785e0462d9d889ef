//! One signing key.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The algorithms that backend JWTs can be signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256.
    #[default]
    ES256,
    /// RSA with 2048 bits.
    RS256,
    /// Ed25519.
    EdDSA,
}

impl SigningAlgorithm {
    /// Returns the name in a JWT's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// The crypto library returned an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the crypto library refused to {0}")]
pub struct SigningError(&'static str);

/// A key pair, as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub(super) algorithm: SigningAlgorithm,
    /// PKCS #8, in base64.
    private_key: String,
    /// The time of its publication, in seconds since 1970.
    pub(super) published: u64,
    /// The time from which it signs.
    pub(super) signs_from: u64,
}

impl StoredKey {
    pub(super) fn generate(algorithm: SigningAlgorithm, published: u64, signs_from: u64) -> Result<Self, SigningError> {
        let der = generate(algorithm).map_err(|Unspecified| SigningError("make a key"))?;
        Ok(Self {
            algorithm,
            private_key: BASE64_STANDARD.encode(der),
            published,
            signs_from,
        })
    }
}

/// Returns a new key pair as PKCS #8.
fn generate(algorithm: SigningAlgorithm) -> Result<Vec<u8>, Unspecified> {
    Ok(match algorithm {
        SigningAlgorithm::ES256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            pair.to_pkcs8v1()?.as_ref().to_vec()
        }
        SigningAlgorithm::EdDSA => Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec(),
        SigningAlgorithm::RS256 => {
            let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
            der.as_ref().to_vec()
        }
    })
}

/// A key pair that can sign.
pub(super) struct SigningKey {
    pub(super) id: Arc<str>,
    pub(super) signs_from: u64,
    header: String,
    jwk: Value,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    pub(super) fn read(stored: &StoredKey) -> Result<Self, SigningError> {
        let read = SigningError("read a stored key");
        let der = BASE64_STANDARD.decode(&stored.private_key).map_err(|_| read)?;
        let pair = match stored.algorithm {
            SigningAlgorithm::ES256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map(Pair::Ec),
            SigningAlgorithm::EdDSA => Ed25519KeyPair::from_pkcs8(&der).map(Pair::Ed25519),
            SigningAlgorithm::RS256 => RsaKeyPair::from_pkcs8(&der).map(Pair::Rsa),
        };
        let pair = pair.map_err(|_| read)?;
        let mut jwk = pair.jwk();
        let id = thumbprint(&jwk);
        let algorithm = stored.algorithm.name();
        jwk["kid"] = id.as_str().into();
        jwk["alg"] = algorithm.into();
        jwk["use"] = "sig".into();
        // `JWT`, because some libraries reject any other `typ` by default.
        let header = json!({"alg": algorithm, "kid": id, "typ": "JWT"}).to_string();
        Ok(Self {
            id: id.into(),
            signs_from: stored.signs_from,
            header: BASE64_URL_SAFE_NO_PAD.encode(header),
            jwk,
            pair,
        })
    }

    /// Returns the public key, with `kid`, `alg` and `use`.
    pub(super) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Signs these claims.
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<String, SigningError> {
        let claims = serde_json::to_vec(claims).map_err(|_| SigningError("write claims"))?;
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 360);
        token.push_str(&self.header);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(token.as_bytes()).map_err(|_| SigningError("sign"))?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }

    /// Returns the public key without `kid`, `alg` and `use`.
    fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(pair) => {
                // Uncompressed: 4, x, y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Self::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                json!({
                    "kty": "RSA",
                    "n": encode(n.big_endian_without_leading_zero()),
                    "e": encode(e.big_endian_without_leading_zero()),
                })
            }
        }
    }
}

/// Returns the thumbprint (RFC 7638). All members of a public key are required ones, and serde_json writes them in lexicographic order.
fn thumbprint(jwk: &Value) -> String {
    let members: std::collections::BTreeMap<_, _> = jwk.as_object().into_iter().flatten().collect();
    let json = serde_json::to_vec(&members).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(json))
}

/// Returns 128 random bits as text, for `jti`.
pub(super) fn random_id() -> String {
    let mut bytes = [0; 16];
    // Without randomness the signature fails too.
    rand::fill(&mut bytes).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
