//! DPoP keys and proofs with real signatures, and the checks that a server makes (RFC 9449, section 4.3).

use std::cell::RefCell;
use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pixygate::authorization::{Jwk, dpop};
use serde_json::Value;

/// A P-256 key pair.
pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn public(&self) -> Jwk {
        let point = self.0.public_key().as_ref();
        Jwk {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            x: Some(URL_SAFE_NO_PAD.encode(&point[1..33])),
            y: Some(URL_SAFE_NO_PAD.encode(&point[33..])),
            ..Jwk::default()
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

pub(crate) fn verifies(key: &Jwk, message: &[u8], signature: &[u8]) -> bool {
    let coordinate = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref().unwrap()).unwrap();
    let point = [vec![4], coordinate(&key.x), coordinate(&key.y)].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(message, signature)
        .is_ok()
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// The expected values of a proof.
pub(crate) struct Wanted<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) access_token: Option<&'a str>,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) now: f64,
}

/// The replay store of a server.
#[derive(Default)]
pub(crate) struct Proofs(RefCell<BTreeSet<String>>);

impl Proofs {
    /// Returns the thumbprint of the proof's key, or the error code of the rejection.
    pub(crate) fn check(&self, proof: &str, wanted: &Wanted) -> Result<String, &'static str> {
        let (signed, signature) = proof.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let read = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        let (header, claims) = (read(header), read(payload));
        let key: Jwk = serde_json::from_value(header["jwk"].clone()).unwrap();
        let holds = header["typ"] == "dpop+jwt"
            && header["alg"] == "ES256"
            && header["jwk"].get("d").is_none()
            && verifies(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            && claims["htm"] == wanted.method
            && claims["htu"] == wanted.url.split('?').next().unwrap()
            && (claims["iat"].as_f64().unwrap() - wanted.now).abs() < 60.0
            && claims["ath"].as_str().map(str::to_owned) == wanted.access_token.map(hash)
            && self.0.borrow_mut().insert(claims["jti"].as_str().unwrap().to_owned());
        if !holds {
            return Err("invalid_dpop_proof");
        }
        if wanted.nonce.is_some() && claims["nonce"].as_str() != wanted.nonce {
            return Err("use_dpop_nonce");
        }
        Ok(hash(&dpop::thumbprint_input(&key)))
    }
}
