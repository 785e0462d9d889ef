//! A public key, parsed once.

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::Algorithm;
use crate::jwt::printable;

/// A key of an issuer.
pub(crate) struct Key {
    pub(crate) key_id: Option<String>,
    /// The member `issuer` of a key that belongs to one tenant of a shared key set.
    pub(crate) issuer: Option<String>,
    /// The public key, to compare two keys.
    material: Vec<u8>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// The parameters of a public key.
pub(crate) enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, point: Vec<u8> },
    Ed25519(Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::P521 => Algorithm::ES512,
        }
    }
}

impl Key {
    /// Parses a JWK (RFC 7517, section 4) for the accepted algorithms. A member that is `null` or empty is absent.
    ///
    /// # Errors
    /// Why the key cannot be used.
    pub(crate) fn from_jwk(jwk: &Map<String, Value>, accepted: &[Algorithm]) -> Result<Self, String> {
        let member = |name: &str| jwk.get(name).filter(|value| !is_empty(value));
        if member("use").is_some_and(|usage| !names(usage, "sig")) {
            return Err("its `use` is not \"sig\"".into());
        }
        if member("key_ops").is_some_and(|operations| !names(operations, "verify")) {
            return Err("its `key_ops` have no \"verify\"".into());
        }
        if jwk.contains_key("d") {
            return Err("it is a private key: everybody who can read the set can sign with it".into());
        }
        let text = |name: &str| match member(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("its `{name}` is not text")),
        };
        let only = text("alg")?.map(|name| {
            Algorithm::named(name).ok_or_else(|| format!("its `alg` {} is not understood", printable(name)))
        });
        // A `kid` of another type matches no token. A key whose `issuer` is not text may belong to another tenant.
        let key_id = text("kid").unwrap_or_default().map(str::to_owned);
        let issuer = text("issuer")?.map(str::to_owned);
        Self::new(Material::from_jwk(jwk)?, key_id, issuer, only.transpose()?, accepted)
    }

    pub(crate) fn new(
        material: Material,
        key_id: Option<String>,
        issuer: Option<String>,
        only: Option<Algorithm>,
        accepted: &[Algorithm],
    ) -> Result<Self, String> {
        let possible = material.algorithms();
        if let Some(only) = only.filter(|only| !possible.contains(only)) {
            return Err(format!("its `alg` {only} does not fit its type or curve"));
        }
        let mut verifiers = Vec::new();
        for &algorithm in possible {
            let wanted = accepted.contains(&algorithm) && only.is_none_or(|only| only.same_as(algorithm));
            if wanted {
                verifiers.push((algorithm, material.parse(algorithm)?));
            }
        }
        if verifiers.is_empty() {
            return Err("none of the trust's `algorithms` can be used with it".into());
        }
        let material = match material {
            Material::Rsa { n, e } => [n, e].concat(),
            Material::Ec { point, .. } => point,
            Material::Ed25519(bytes) => bytes,
        };
        Ok(Self {
            key_id,
            issuer,
            material,
            verifiers,
        })
    }

    /// Returns whether the key can be used with the algorithm.
    pub(crate) fn supports(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(own, _)| *own == algorithm)
    }

    /// Returns whether the signature was made with this key.
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        self.verifiers
            .iter()
            .filter(|(own, _)| *own == algorithm)
            .any(|(_, key)| key.verify_sig(signed, signature).is_ok())
    }

    /// Returns whether the other key verifies the same tokens.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let algorithms = |key: &Self| {
            key.verifiers
                .iter()
                .map(|(algorithm, _)| *algorithm)
                .collect::<Vec<_>>()
        };
        self.key_id == other.key_id
            && self.issuer == other.issuer
            && self.material == other.material
            && algorithms(self) == algorithms(other)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

/// Returns whether text, or a list of text, contains the name.
fn names(value: &Value, name: &str) -> bool {
    match value {
        Value::Array(several) => several.iter().any(|one| one == name),
        one => one == name,
    }
}

impl Material {
    /// Reads the parameters of a JWK, and checks their sizes.
    pub(crate) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, String> {
        let number = |member: &'static str| -> Result<Vec<u8>, String> {
            let text = jwk
                .get(member)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("`{member}` is missing"))?;
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| format!("`{member}` is not base64url"))
        };
        let name = |member: &str| jwk.get(member).and_then(Value::as_str).unwrap_or_default();
        match (name("kty"), name("crv")) {
            ("RSA", _) => Self::rsa(&number("n")?, &number("e")?),
            ("EC", "P-256") => Self::ec(Curve::P256, &number("x")?, &number("y")?),
            ("EC", "P-384") => Self::ec(Curve::P384, &number("x")?, &number("y")?),
            ("EC", "P-521") => Self::ec(Curve::P521, &number("x")?, &number("y")?),
            ("OKP", "Ed25519") => Self::ed25519(number("x")?),
            (kty, crv) => Err(format!("type {} {} is not understood", printable(kty), printable(crv))),
        }
    }

    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, String> {
        let trimmed = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        let (n, e) = (trimmed(n), trimmed(e));
        let bits = n
            .first()
            .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        // Longer keys verify several times slower, and the caller chooses the key of a DPoP proof.
        if !(2048..=4096).contains(&bits) {
            return Err(format!("an RSA key of {bits} bits; 2048 to 4096 are accepted"));
        }
        // With the exponent 1, every message is its own signature. An exponent beyond 33 bits makes verification slow.
        if e.len() > 5 || e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
            return Err("its exponent is not a usual one".into());
        }
        Ok(Self::Rsa { n, e })
    }

    fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, String> {
        let size = curve.coordinate_bytes();
        if x.len() != size || y.len() != size {
            return Err(format!("its coordinates are not {size} bytes each"));
        }
        Ok(Self::Ec {
            curve,
            point: [&[4], x, y].concat(),
        })
    }

    /// Rejects points of low order: anybody can make signatures that they verify.
    pub(crate) fn ed25519(x: Vec<u8>) -> Result<Self, String> {
        let mut encoded: [u8; 32] = x.as_slice().try_into().map_err(|_| "its key is not 32 bytes")?;
        encoded[31] &= 0x7f;
        if LOW_ORDER.contains(&encoded) {
            return Err("its key is a point of low order".into());
        }
        Ok(Self::Ed25519(x))
    }

    fn algorithms(&self) -> &'static [Algorithm] {
        use Algorithm::{ES256, ES384, ES512, Ed25519, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa { .. } => &[RS256, RS384, RS512, PS256, PS384, PS512],
            Self::Ec { curve, .. } => match curve.algorithm() {
                ES256 => &[ES256],
                ES384 => &[ES384],
                _ => &[ES512],
            },
            Self::Ed25519(_) => &[EdDSA, Ed25519],
        }
    }

    /// Parses the key with the crypto library, which checks that a point is on its curve.
    fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, String> {
        let refuse = |_| "the crypto library rejects it".to_owned();
        match self {
            Self::Rsa { n, e } => {
                let components = PublicKeyComponents {
                    n: n.as_slice(),
                    e: e.as_slice(),
                };
                components
                    .to_parsed_public_key(rsa_parameters(algorithm))
                    .map_err(refuse)
            }
            Self::Ec { curve, point } => ParsedPublicKey::new(curve_parameters(*curve), point).map_err(refuse),
            Self::Ed25519(bytes) => ParsedPublicKey::new(&ED25519, bytes).map_err(refuse),
        }
    }
}

/// The encodings of the eight points of Ed25519 whose order divides 8, without the sign bit: y is 0, 1, -1 or one of two other
/// values. 0 and 1 can also be encoded as p and p + 1.
const LOW_ORDER: [[u8; 32]; 7] = {
    const fn below_p(last: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = last;
        bytes[31] = 0x7f;
        bytes
    }
    let mut one = [0; 32];
    one[0] = 1;
    [
        [0; 32],
        one,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        below_p(0xec),
        below_p(0xed),
        below_p(0xee),
    ]
};

fn rsa_parameters(algorithm: Algorithm) -> &'static RsaParameters {
    match algorithm {
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => &RSA_PKCS1_2048_8192_SHA256,
    }
}

fn curve_parameters(curve: Curve) -> &'static dyn VerificationAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED,
    }
}
