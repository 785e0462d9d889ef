//! WebCrypto for the validation of ID tokens.

use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{CryptoKey, SubtleCrypto, Window};

use crate::authorization::{CryptoError, Hash, Jwk};

use super::js::{message, object, resolved};

pub(super) fn subtle(window: &Window) -> Result<SubtleCrypto, CryptoError> {
    let subtle = window.crypto().map(|crypto| crypto.subtle());
    subtle
        .ok()
        .filter(|subtle| !JsValue::from(subtle).is_undefined())
        .ok_or_else(|| {
            CryptoError("WebCrypto needs a secure context: serve the page over https, or from localhost".to_owned())
        })
}

pub(super) fn failed(error: JsValue) -> CryptoError {
    CryptoError(message(&error))
}

pub(super) async fn digest(subtle: &SubtleCrypto, hash: Hash, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let promise = subtle.digest_with_str_and_u8_array(name(hash), data);
    let digest: JsValue = resolved(promise).await.map_err(failed)?;
    Ok(Uint8Array::new(&digest).to_vec())
}

pub(super) async fn verify(
    subtle: &SubtleCrypto,
    alg: &str,
    key: &Jwk,
    data: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    let (import, verify) = parameters(alg).ok_or_else(|| CryptoError(format!("the algorithm {alg} is not known")))?;
    let usages = Array::of1(&"verify".into());
    let key: CryptoKey = resolved(subtle.import_key_with_object("jwk", &public_key(key), &import, false, &usages))
        .await
        .map_err(failed)?;
    let promise = subtle.verify_with_object_and_u8_array_and_u8_array(&verify, &key, signature, data);
    let verified: JsValue = resolved(promise).await.map_err(failed)?;
    Ok(verified.is_truthy())
}

/// Returns the key material only. WebCrypto rejects some values of `alg`, `use` and `key_ops`, which were validated before.
fn public_key(key: &Jwk) -> Object {
    let members = [
        ("n", &key.n),
        ("e", &key.e),
        ("crv", &key.crv),
        ("x", &key.x),
        ("y", &key.y),
    ];
    let mut members: Vec<_> = members
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?.into())))
        .collect();
    members.push(("kty", key.kty.as_str().into()));
    object(&members)
}

/// Returns the algorithm for importing the key, and that for verifying.
fn parameters(alg: &str) -> Option<(Object, Object)> {
    let hash = match alg.get(2..)? {
        "256" => Hash::Sha256,
        "384" => Hash::Sha384,
        _ => Hash::Sha512,
    };
    let (name_, hash_) = ("name", ("hash", name(hash).into()));
    Some(match alg {
        "RS256" | "RS384" | "RS512" => {
            let rsa = object(&[(name_, "RSASSA-PKCS1-v1_5".into()), hash_]);
            (rsa.clone(), rsa)
        }
        "PS256" | "PS384" | "PS512" => {
            let salt = match hash {
                Hash::Sha256 => 32,
                Hash::Sha384 => 48,
                Hash::Sha512 => 64,
            };
            let pss = (name_, "RSA-PSS".into());
            (
                object(&[pss.clone(), hash_]),
                object(&[pss, ("saltLength", salt.into())]),
            )
        }
        "ES256" | "ES384" | "ES512" => {
            let curve = match hash {
                Hash::Sha256 => "P-256",
                Hash::Sha384 => "P-384",
                Hash::Sha512 => "P-521",
            };
            let ecdsa = (name_, "ECDSA".into());
            (
                object(&[ecdsa.clone(), ("namedCurve", curve.into())]),
                object(&[ecdsa, hash_]),
            )
        }
        "EdDSA" | "Ed25519" => {
            let ed25519 = object(&[(name_, "Ed25519".into())]);
            (ed25519.clone(), ed25519)
        }
        _ => return None,
    })
}

fn name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha256 => "SHA-256",
        Hash::Sha384 => "SHA-384",
        Hash::Sha512 => "SHA-512",
    }
}
