//! Keys in the configuration or in files: JWK sets, public keys, certificates.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        RSA_PKCS1_SHA256,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pixygate::{
    Reason,
    jwt::{Algorithm, Trust, TrustError, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey},
};
use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
use serde_json::json;

const ISSUER: &str = "https://idp.example";

fn trust(change: impl FnOnce(&mut Trust)) -> Trust {
    let mut trust = Trust::new(ISSUER).audience("orders");
    change(&mut trust);
    trust
}

#[tokio::test]
async fn keys_can_be_configured() {
    let key = TestKey::generate(Algorithm::RS256, "k");
    let clock = TestClock::default();
    let file = std::env::temp_dir().join(format!("pixygate-jwks-{}.json", std::process::id()));
    std::fs::write(&file, json!({"keys": [key.jwk()]}).to_string()).unwrap();
    let sources: [fn(&mut Trust, &TestKey, &str); 3] = [
        |trust, key, _| trust.public_key = key.public_pem(),
        |trust, key, _| trust.jwks = json!({"keys": [key.jwk()]}).to_string(),
        |trust, _, file| trust.jwks_file = file.into(),
    ];
    for source in sources {
        let trust = trust(|trust| source(trust, &key, file.to_str().unwrap()));
        let provider = Documents::default();
        let validator = Validator::builder([trust])
            .fetch(provider.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        validator.load().await.unwrap();
        let issuer = TestIssuer::with_keys(ISSUER, [TestKey::generate(Algorithm::RS256, "k")]);
        let forged = issuer.token().sign();
        assert_eq!(
            validator.validate(&forged, clock.time()).await.unwrap_err().reason(),
            Reason::BadSignature
        );
        let good = issuer.token().key(&key).sign();
        validator.validate(&good, clock.time()).await.unwrap();
        assert_eq!(provider.asked_in_all(), 0);
    }
    std::fs::remove_file(file).unwrap();
}

/// A certificate with its key.
struct Certified {
    key: KeyPair,
    certificate: String,
}

fn certified(algorithm: &'static SignatureAlgorithm) -> Certified {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = CertificateParams::new(["idp.example".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .pem();
    Certified { key, certificate }
}

impl Certified {
    fn token(&self, algorithm: Algorithm) -> String {
        // Only header and claims are taken from the issuer, not its key.
        let issuer = TestIssuer::new(ISSUER, [Algorithm::ES256]);
        let text = issuer.token().header("alg", algorithm.name()).without_header("kid");
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(text.header_json()), encode(text.claims_json()));
        let (pkcs8, random) = (self.key.serialized_der(), SystemRandom::new());
        let bytes = signed.as_bytes();
        let signature = match algorithm {
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).unwrap();
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).unwrap();
                signature
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).unwrap();
                pair.sign(bytes).as_ref().to_vec()
            }
            curve => {
                let curve = match curve {
                    Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
                    _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
                };
                let pair = EcdsaKeyPair::from_pkcs8(curve, pkcs8).unwrap();
                pair.sign(&random, bytes).unwrap().as_ref().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn the_key_of_a_certificate_verifies_and_no_other() {
    let clock = TestClock::default();
    let folder = std::env::temp_dir().join(format!("pixygate-certificates-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (algorithm, made_for) in [
        (Algorithm::RS256, &rcgen::PKCS_RSA_SHA256),
        (Algorithm::ES256, &rcgen::PKCS_ECDSA_P256_SHA256),
        (Algorithm::ES384, &rcgen::PKCS_ECDSA_P384_SHA384),
        (Algorithm::EdDSA, &rcgen::PKCS_ED25519),
    ] {
        let (own, other) = (certified(made_for), certified(made_for));
        let file = folder.join(algorithm.name());
        std::fs::write(&file, &own.certificate).unwrap();
        let in_the_text = trust(|trust| trust.public_key = own.certificate.clone());
        let in_a_file = trust(|trust| trust.public_key_file = file.to_str().unwrap().into());
        for trust in [in_the_text, in_a_file] {
            let validator = Validator::builder([trust]).clock(clock.clone()).build().unwrap();
            validator.load().await.unwrap();
            let validate = |token: String| {
                let (validator, now) = (validator.clone(), clock.time());
                async move { validator.validate(&token, now).await.map_err(|why| why.reason()) }
            };
            validate(own.token(algorithm)).await.unwrap();
            assert_eq!(
                validate(other.token(algorithm)).await.unwrap_err(),
                Reason::BadSignature,
                "{algorithm}"
            );
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_unusable_pem_is_named_at_the_start() {
    let good = certified(&rcgen::PKCS_ECDSA_P256_SHA256);
    let build = |pem: &str| Validator::builder([trust(|trust| trust.public_key = pem.into())]).build();
    build(&good.certificate).unwrap();
    build(&good.key.public_key_pem()).unwrap();
    let body: String = good
        .certificate
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect();
    let cut = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----",
        &body[..body.len() / 2 / 4 * 4]
    );
    for (pem, words) in [
        (good.key.serialize_pem(), "private key"),
        (cut, "DER is broken"),
        (good.certificate.replace("CERTIFICATE", "X509 CRL"), "X509 CRL"),
        ("no PEM at all".into(), "no PEM block"),
        (
            "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----".into(),
            "not base64",
        ),
    ] {
        match build(&pem) {
            Err(TrustError::Keys {
                key: "public_key", why, ..
            }) => assert!(why.contains(words), "{why}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_missing_file_stops_the_start_and_names_the_setting() {
    type Change = fn(&mut Trust);
    let missing: [(&str, Change); 2] = [
        ("jwks_file", |trust| trust.jwks_file = "/nowhere/keys.json".into()),
        ("public_key_file", |trust| {
            trust.public_key_file = "/nowhere/key.pem".into()
        }),
    ];
    for (setting, change) in missing {
        let validator = Validator::builder([trust(change)]).build().unwrap();
        let errors = validator.load().await.unwrap_err();
        let message = errors
            .configuration()
            .expect("it is a fault of the configuration")
            .to_string();
        assert!(message.contains(setting) && message.contains("/nowhere/"), "{message}");
    }
}
