use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pixygate::authorization::{Crypto, CryptoError, Hash, Jwk};

/// Outside of a browser, for a provider that signs with ES256.
pub struct Native;

impl Crypto for Native {
    async fn verify(&self, alg: &str, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        let coordinate = |text: &Option<String>| text.as_ref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        match (alg, coordinate(&key.x), coordinate(&key.y)) {
            ("ES256", Some(x), Some(y)) => {
                // Not compressed: SEC 1, section 2.3.3.
                let point = [&[4], &*x, &*y].concat();
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                Ok(key.verify(message, signature).is_ok())
            }
            _ => Err(CryptoError(format!("{alg} is not done here"))),
        }
    }

    async fn digest(&self, hash: Hash, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let algorithm = match hash {
            Hash::Sha256 => &SHA256,
            Hash::Sha384 => &SHA384,
            Hash::Sha512 => &SHA512,
        };
        Ok(digest(algorithm, data).as_ref().to_vec())
    }
}
