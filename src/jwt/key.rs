//! A public key, parsed once. A key that cannot be used is left out with the reason; it never spoils its set.

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

/// A key of an issuer, ready to verify.
pub(crate) struct Key {
    pub(crate) key_id: Option<String>,
    /// The member `issuer` of a key that is for one issuer only: where one key set serves many tenants.
    pub(crate) issuer: Option<String>,
    /// The public key as it came, to tell whether two keys are the same.
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

/// The numbers of a public key.
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
    /// Reads a JWK (RFC 7517, section 4) for the accepted algorithms.
    pub(crate) fn from_jwk(jwk: &Map<String, Value>, accepted: &[Algorithm]) -> Result<Self, String> {
        match jwk.get("use") {
            None => {}
            Some(Value::String(usage)) if usage == "sig" => {}
            Some(_) => return Err("its `use` is not \"sig\"".into()),
        }
        if let Some(operations) = jwk.get("key_ops") {
            let verifies = operations
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one == "verify"));
            if !verifies {
                return Err("its `key_ops` have no \"verify\"".into());
            }
        }
        if jwk.contains_key("d") {
            return Err("it is a private key; whoever can read the set can sign with it".into());
        }
        let only = match jwk.get("alg") {
            None => None,
            Some(Value::String(name)) => Some(
                Algorithm::named(name)
                    .ok_or_else(|| format!("its `alg` {} is not understood", super::printable(name)))?,
            ),
            Some(_) => return Err("its `alg` is no string".into()),
        };
        let text = |member: &str| jwk.get(member).and_then(Value::as_str).map(str::to_owned);
        Self::new(Material::from_jwk(jwk)?, text("kid"), text("issuer"), only, accepted)
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

    /// Whether the key is for that algorithm.
    pub(crate) fn supports(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(own, _)| *own == algorithm)
    }

    /// Whether the signature is this key's.
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        self.verifiers
            .iter()
            .filter(|(own, _)| *own == algorithm)
            .any(|(_, key)| key.verify_sig(signed, signature).is_ok())
    }

    /// Whether a token that passed with this key would pass with the other.
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

impl Material {
    /// The numbers of a JWK, with their sizes checked.
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
            ("OKP", "Ed25519") => match number("x")? {
                x if x.len() == 32 => Ok(Self::Ed25519(x)),
                _ => Err("`x` is not 32 bytes".into()),
            },
            (kty, crv) => Err(format!(
                "type {} {} is not understood",
                super::printable(kty),
                super::printable(crv)
            )),
        }
    }

    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, String> {
        let trimmed = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        let (n, e) = (trimmed(n), trimmed(e));
        let bits = n
            .first()
            .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !(2048..=8192).contains(&bits) {
            return Err(format!("an RSA key of {bits} bits; 2048 to 8192 are accepted"));
        }
        // An exponent of 1 makes every message its own signature; one beyond 33 bits makes verification a burden.
        if e.len() > 5 || e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
            return Err("its exponent is none that is used".into());
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

    /// Gives the numbers to the crypto library, which checks that a point lies on its curve.
    fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, String> {
        let refuse = |_| "the crypto library refuses it".to_owned();
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
