//! Ratios that hold on a busy machine: of many short batches the quickest, which nobody interrupted. Prints a Markdown table, in
//! microseconds for one call. `cargo bench -p pixygate --features test-support --bench ratio`.
//!
//! "First" is a validation without a cache. "First, kept" is one with a cache to which each token is new: what it costs to put
//! a verdict into it is in there, but for the growing, which falls on a few batches and so on none of the quickest.

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
/// After so many, the cache is emptied.
const TOKENS: usize = 1000;

/// In microseconds for each call.
fn batch(calls: u32, work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

/// The quickest batch of the same call.
fn quickest(calls: u32, mut call: impl FnMut()) -> f64 {
    let batches = (0..BATCHES).map(|_| batch(calls, || (0..calls).for_each(|_| call())));
    batches.fold(f64::INFINITY, f64::min)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    println!("| | bare | first | first / bare | first, kept | first, kept / bare | cache |");
    println!("|---|---|---|---|---|---|---|");
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let issuer = TestIssuer::new("https://idp.example", [algorithm]);
        let clock = TestClock::default();
        let validator = |cache| {
            let builder = Validator::builder([issuer.trust("orders")]).fetch(Documents::of([&issuer]));
            let validator = builder.clock(clock.clone()).token_cache(cache).build().unwrap();
            runtime.block_on(validator.load()).unwrap();
            validator
        };
        let tokens: Vec<_> = (0..TOKENS)
            .map(|number| {
                issuer
                    .token()
                    .scope("openid profile email orders:read orders:write")
                    .claim("name", "Alice Example")
                    .claim("email", "alice@example.org")
                    .claim("org_id", "10f8e2b4-7c0a-4f6e-9b5e-3f9d5a0d7c11")
                    .claim("jti", format!("5b0f9cf2-13aa-4b0e-8d5e-{number:012}"))
                    .sign()
            })
            .collect();
        let token = &tokens[0];
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (signed, signature) = (signed.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap());
        let jwk = issuer.keys()[0].public_jwk();
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
        let validate = |validator: &Validator, token: &str| {
            let principal = validator.validate(black_box(token), clock.time()).now_or_never();
            black_box(principal.unwrap().unwrap());
        };
        let bare = quickest(10, || key.verify_sig(black_box(signed), black_box(&signature)).unwrap());
        let (cold, warm) = (validator(0), validator(100));
        let first = quickest(10, || validate(&cold, token));
        let cache = quickest(100, || validate(&warm, token));
        let mut kept = f64::INFINITY;
        for _ in 0..BATCHES / (TOKENS / 10) {
            let empty = validator(10_000);
            for ten in tokens.chunks(10) {
                kept = kept.min(batch(10, || ten.iter().for_each(|token| validate(&empty, token))));
            }
            assert_eq!(empty.cached_tokens(), TOKENS, "each was new, and is kept");
        }
        println!(
            "| {} | {bare:.1} | {first:.1} | {:.2} | {kept:.1} | {:.2} | {cache:.2} |",
            algorithm.name(),
            first / bare,
            kept / bare
        );
    }
}
