//! Ratios that hold on a busy machine: of many short batches the quickest, which nobody interrupted.
//! `cargo bench --features test-support --bench ratio`.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

use std::{hint::black_box, time::Instant};

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::FutureExt;
use pixygate::{
    jwt::{Algorithm, Validator},
    test_support::{Documents, TestClock, TestIssuer},
};

const BATCHES: usize = 3000;

/// The quickest batch, in microseconds for each call.
fn quickest(calls: u32, mut call: impl FnMut()) -> f64 {
    let batch = |call: &mut dyn FnMut()| {
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        started.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    (0..BATCHES).map(|_| batch(&mut call)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    println!("{:<8} {:>8} {:>8} {:>8} {:>7}", "", "bare", "first", "cache", "ratio");
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let issuer = TestIssuer::new("https://idp.example", [algorithm]);
        let clock = TestClock::default();
        let validator = |cache| {
            let builder = Validator::builder([issuer.trust("orders")]).fetch(Documents::of([&issuer]));
            let validator = builder.clock(clock.clone()).token_cache(cache).build().unwrap();
            runtime.block_on(validator.load()).unwrap();
            validator
        };
        // Without a cache nothing is put into it either, so what that costs is not in "first".
        let (cold, warm) = (validator(0), validator(100));
        let token = issuer
            .token()
            .scope("openid profile email orders:read orders:write")
            .claim("name", "Alice Example")
            .claim("email", "alice@example.org")
            .claim("org_id", "10f8e2b4-7c0a-4f6e-9b5e-3f9d5a0d7c11")
            .sign();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (signed, signature) = (signed.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap());
        let jwk = issuer.keys()[0].bare_jwk();
        let number = |member: &str| URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
        let key = match algorithm {
            Algorithm::RS256 => PublicKeyComponents {
                n: number("n"),
                e: number("e"),
            }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .unwrap(),
            Algorithm::ES256 => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], number("x"), number("y")].concat()).unwrap()
            }
            _ => ParsedPublicKey::new(&ED25519, number("x")).unwrap(),
        };
        let validate = |validator: &Validator| {
            black_box(
                validator
                    .validate(black_box(&token), clock.time())
                    .now_or_never()
                    .unwrap()
                    .unwrap(),
            );
        };
        let bare = quickest(10, || key.verify_sig(black_box(signed), black_box(&signature)).unwrap());
        let first = quickest(10, || validate(&cold));
        let cache = quickest(100, || validate(&warm));
        println!(
            "{:<8} {bare:>8.2} {first:>8.2} {cache:>8.3} {:>7.2}",
            algorithm.name(),
            first / bare
        );
    }
}
