//! Reads PEM public keys and certificates. Only the key of a certificate counts: the operator vouches for it by configuring it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::key::{Curve, Material};

const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const OID_P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const EXPLICIT_VERSION: u8 = 0xa0;

/// Returns the key of the first PEM block, a `PUBLIC KEY` or a `CERTIFICATE`.
pub(crate) fn public_key(pem: &str) -> Result<Material, String> {
    let (label, der) = block(pem)?;
    match label {
        "PUBLIC KEY" => subject_public_key(&der),
        "CERTIFICATE" => subject_public_key(certificate_key(&der)?),
        label if label.contains("PRIVATE") => Err("it is a private key; only the public key belongs here".into()),
        label => Err(format!(
            "a PEM block {label:?}; PUBLIC KEY or CERTIFICATE is understood"
        )),
    }
}

/// Returns the label and the content of the first PEM block (RFC 7468).
pub(crate) fn block(pem: &str) -> Result<(&str, Vec<u8>), String> {
    let missing = || "it has no PEM block".to_owned();
    let (_, rest) = pem.split_once("-----BEGIN ").ok_or_else(missing)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(missing)?;
    let (body, _) = rest.split_once("-----END ").ok_or_else(missing)?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD
        .decode(body)
        .map_err(|_| "its PEM block is not base64".to_owned())?;
    Ok((label, der))
}

/// Returns the `SubjectPublicKeyInfo` of a certificate (RFC 5280, section 4.1).
fn certificate_key(der: &[u8]) -> Result<&[u8], String> {
    let mut outer = Der(der);
    let mut certificate = Der(outer.read(SEQUENCE)?);
    let mut body = Der(certificate.read(SEQUENCE)?);
    if body.peek() == Some(EXPLICIT_VERSION) {
        body.read(EXPLICIT_VERSION)?;
    }
    body.read(INTEGER)?;
    for _ in ["signature", "issuer", "validity", "subject"] {
        body.read(SEQUENCE)?;
    }
    Ok(body.0)
}

fn subject_public_key(der: &[u8]) -> Result<Material, String> {
    let mut outer = Der(der);
    let mut info = Der(outer.read(SEQUENCE)?);
    let mut algorithm = Der(info.read(SEQUENCE)?);
    let kind = algorithm.read(OID)?;
    let bits = info.read(BIT_STRING)?;
    let Some((0, key)) = bits.split_first() else {
        return Err("its key is not whole bytes".into());
    };
    match kind {
        OID_RSA => {
            let mut outer = Der(key);
            let mut numbers = Der(outer.read(SEQUENCE)?);
            Material::rsa(numbers.read(INTEGER)?, numbers.read(INTEGER)?)
        }
        OID_EC => {
            let curve = match algorithm.read(OID)? {
                OID_P256 => Curve::P256,
                OID_P384 => Curve::P384,
                OID_P521 => Curve::P521,
                _ => return Err("its curve is not P-256, P-384 or P-521".into()),
            };
            Ok(Material::Ec {
                curve,
                point: key.to_vec(),
            })
        }
        OID_ED25519 => Material::ed25519(key.to_vec()),
        _ => Err("its type is not RSA, EC or Ed25519".into()),
    }
}

/// A reader of the DER that the two structures need: definite lengths up to 64 KiB.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn read(&mut self, tag: u8) -> Result<&'a [u8], String> {
        let broken = || "its DER is broken".to_owned();
        let (&found, rest) = self.0.split_first().ok_or_else(broken)?;
        let (&short, rest) = rest.split_first().ok_or_else(broken)?;
        if found != tag {
            return Err(broken());
        }
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            0x81 => (usize::from(*rest.first().ok_or_else(broken)?), &rest[1..]),
            0x82 => {
                let (bytes, rest) = rest.split_first_chunk::<2>().ok_or_else(broken)?;
                (usize::from(u16::from_be_bytes(*bytes)), rest)
            }
            _ => return Err(broken()),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
        self.0 = rest;
        Ok(content)
    }
}
