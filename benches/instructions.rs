//! One path of the gate, so many times, for callgrind: counts of instructions repeat on a busy machine, where times do not.
//!
//! ```text
//! CARGO_PROFILE_BENCH_DEBUG=1 cargo bench -p pixygate --features test-support --bench instructions --no-run
//! valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*measured*' target/release/deps/instructions-… first RS256 1000
//! ```
//!
//! Valgrind knows neither the SHA nor the widest vector instructions, so hashes and signatures count for more than they cost.
//!
//! Paths: `bare` (the crypto library's check alone), `first`, `cache`; and for one request to an application, without a
//! network: `open` (without the gate), `gate` (a verdict from the cache).

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

use std::{convert::Infallible, hint::black_box};

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use axum::{Router, body::Body, response::Response, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::FutureExt;
use http::Request;
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey},
};
use tower::ServiceExt;

fn parsed(key: &TestKey) -> ParsedPublicKey {
    let jwk = key.public_jwk();
    let number = |member: &str| URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
    match key.algorithm() {
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
    }
}

/// What callgrind collects.
#[inline(never)]
fn measured(calls: usize, mut call: impl FnMut()) {
    for _ in 0..calls {
        call();
    }
}

fn main() {
    // `cargo bench` adds `--bench` to what it is given.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    let [path, algorithm, calls] = arguments.as_slice() else {
        println!("instructions PATH ALGORITHM CALLS");
        return;
    };
    let algorithm = Algorithm::named(algorithm).unwrap();
    let calls: usize = calls.parse().unwrap();
    let issuer = TestIssuer::new("https://idp.example", [algorithm]);
    let clock = TestClock::default();
    let builder = Validator::builder([issuer.trust("orders")]).fetch(Documents::of([&issuer]));
    let cache = if path == "first" { 0 } else { 100 };
    let validator = builder.clock(clock.clone()).token_cache(cache).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(validator.load()).unwrap();
    let token = issuer
        .token()
        .scope("openid profile email orders:read orders:write")
        .claim("name", "Alice Example")
        .claim("email", "alice@example.org")
        .claim("org_id", "10f8e2b4-7c0a-4f6e-9b5e-3f9d5a0d7c11")
        .sign();
    match path.as_str() {
        "bare" => {
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let (key, signature) = (parsed(&issuer.keys()[0]), URL_SAFE_NO_PAD.decode(signature).unwrap());
            measured(calls, || {
                key.verify_sig(black_box(signed.as_bytes()), black_box(&signature))
                    .unwrap();
            });
        }
        "first" | "cache" => {
            let validate = || {
                let verdict = validator.validate(black_box(&token), clock.time()).now_or_never();
                black_box(verdict.unwrap().unwrap());
            };
            // The first of a process makes ready what all others share.
            validate();
            measured(calls, validate);
        }
        _ => {
            let policies = Policies::new().route("GET", "/api/orders", Policy::signed_in().scope("orders:read"));
            let open = Router::new().route("/api/orders", get(|| async { "orders" }));
            let gate = Gate::builder()
                .validator(validator)
                .policies(policies)
                .clock(clock)
                .build()
                .unwrap();
            let gate = gate.wrap(open.clone());
            let open = open.with_state(());
            let header = format!("Bearer {token}");
            let request = || {
                Request::builder()
                    .uri("/api/orders")
                    .header("host", "shop.example")
                    .header("authorization", &header)
                    .body(Body::empty())
                    .unwrap()
            };
            let answer =
                |response: Option<Result<Response, Infallible>>| assert_eq!(response.unwrap().unwrap().status(), 200);
            let with = || answer(gate.clone().oneshot(request()).now_or_never());
            let without = || answer(open.clone().oneshot(request()).now_or_never());
            with();
            match path.as_str() {
                "gate" => measured(calls, with),
                _ => measured(calls, without),
            }
        }
    }
}
