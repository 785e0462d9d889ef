//! What a validation and the gate cost. `cargo bench --features test-support --bench gate`; docs/performance.md has the
//! ratios and how they were measured.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
        VerificationAlgorithm,
    },
};
use axum::{Router, body::Body, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt;
use http::Request;
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Principal, Trust, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey},
};
use tokio::runtime::Runtime;
use tower::ServiceExt;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Claims of an ordinary size: the token has about 650 bytes with ES256.
fn ordinary(issuer: &TestIssuer, key: &TestKey, number: usize) -> String {
    issuer
        .token()
        .key(key)
        .scope("openid profile email orders:read orders:write")
        .claim("name", "Alice Example")
        .claim("email", "alice@example.org")
        .claim("org_id", "10f8e2b4-7c0a-4f6e-9b5e-3f9d5a0d7c11")
        .claim("jti", format!("5b0f9cf2-13aa-4b0e-8d5e-{number:012}"))
        .sign()
}

struct Setting {
    clock: TestClock,
    issuers: Vec<TestIssuer>,
    validator: Validator,
}

fn setting(runtime: &Runtime, issuers: Vec<TestIssuer>, cache: usize) -> Setting {
    let clock = TestClock::default();
    let trusts: Vec<Trust> = issuers
        .iter()
        .map(|issuer| {
            let mut trust = issuer.trust("orders");
            trust.jwks_stale_seconds = 10_000_000;
            trust.jwks_refresh_seconds = 1_000_000;
            trust
        })
        .collect();
    let validator = Validator::builder(trusts)
        .fetch(Documents::of(&issuers))
        .clock(clock.clone())
        .token_cache(cache)
        .build()
        .unwrap();
    runtime.block_on(validator.load()).unwrap();
    Setting {
        clock,
        issuers,
        validator,
    }
}

impl Setting {
    /// Known keys and kept verdicts need no waiting, so no runtime is measured along.
    fn validate(&self, token: &str) -> Principal {
        self.validator
            .validate(token, self.clock.time())
            .now_or_never()
            .unwrap()
            .unwrap()
    }
}

/// The signature check of the crypto library alone, with the key parsed before.
fn bare(token: &str, key: &TestKey) -> (ParsedPublicKey, Vec<u8>, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let jwk = key.bare_jwk();
    let number = |member: &str| URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
    let plain =
        |algorithm: &'static dyn VerificationAlgorithm, bytes: Vec<u8>| ParsedPublicKey::new(algorithm, bytes).unwrap();
    let rsa = |parameters| {
        PublicKeyComponents {
            n: number("n"),
            e: number("e"),
        }
        .to_parsed_public_key(parameters)
        .unwrap()
    };
    let parsed = match key.algorithm() {
        Algorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::ES256 => plain(&ECDSA_P256_SHA256_FIXED, [vec![4], number("x"), number("y")].concat()),
        _ => plain(&ED25519, number("x")),
    };
    (
        parsed,
        signed.as_bytes().to_vec(),
        URL_SAFE_NO_PAD.decode(signature).unwrap(),
    )
}

fn by_algorithm(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("algorithm");
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let name = algorithm.name();
        let issuer = || vec![TestIssuer::new("https://idp.example", [algorithm])];
        let cold = setting(&runtime, issuer(), 0);
        let token = ordinary(&cold.issuers[0], &cold.issuers[0].keys()[0], 0);
        let (key, signed, signature) = bare(&token, &cold.issuers[0].keys()[0]);
        group.bench_function(BenchmarkId::new("bare signature check", name), |bencher| {
            bencher.iter(|| key.verify_sig(black_box(&signed), black_box(&signature)).unwrap());
        });
        group.bench_function(BenchmarkId::new("first validation", name), |bencher| {
            bencher.iter(|| cold.validate(black_box(&token)));
        });
        let warm = setting(&runtime, issuer(), 100);
        let token = ordinary(&warm.issuers[0], &warm.issuers[0].keys()[0], 0);
        warm.validate(&token);
        group.bench_function(BenchmarkId::new("from the cache", name), |bencher| {
            bencher.iter(|| warm.validate(black_box(&token)));
        });
    }
    group.finish();
}

fn by_number(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("number");
    for count in [1, 10, 100] {
        let issuers: Vec<_> = (0..count)
            .map(|number| {
                TestIssuer::new(
                    format!("https://idp-{number}.example/t/acme/oauth2/token"),
                    [Algorithm::ES256],
                )
            })
            .collect();
        let cold = setting(&runtime, issuers, 0);
        let last = &cold.issuers[count - 1];
        let token = ordinary(last, &last.keys()[0], 0);
        group.bench_function(BenchmarkId::new("issuers, first", count), |bencher| {
            bencher.iter(|| cold.validate(&token))
        });
        let warm = setting(&runtime, cold.issuers, 100);
        warm.validate(&token);
        group.bench_function(BenchmarkId::new("issuers, cache", count), |bencher| {
            bencher.iter(|| warm.validate(&token))
        });
    }
    for count in [1, 10, 100] {
        let keys = (0..count).map(|number| TestKey::generate(Algorithm::ES256, format!("key-{number}")));
        let cold = setting(&runtime, vec![TestIssuer::with_keys("https://idp.example", keys)], 0);
        let issuer = &cold.issuers[0];
        let token = ordinary(issuer, &issuer.keys()[count - 1], 0);
        group.bench_function(BenchmarkId::new("keys, first", count), |bencher| {
            bencher.iter(|| cold.validate(&token))
        });
    }
    for count in [1, 100, 10_000, 100_000] {
        let warm = setting(
            &runtime,
            vec![TestIssuer::new("https://idp.example", [Algorithm::ES256])],
            // Digests fall into shards as they like: the bound of each has room for more than its share.
            count + count / 4 + 16,
        );
        let issuer = &warm.issuers[0];
        let tokens: Vec<_> = (0..count)
            .map(|number| ordinary(issuer, &issuer.keys()[0], number))
            .collect();
        for token in &tokens {
            warm.validate(token);
        }
        assert_eq!(
            warm.validator.verdicts_kept(),
            count,
            "else a part of them is measured anew"
        );
        let mut next = 0;
        // A stride that is coprime to every count: no token is asked for twice in a row.
        let mut arrived = || {
            next = (next + 7919) % tokens.len();
            tokens[next].clone()
        };
        group.bench_function(BenchmarkId::new("cached tokens", count), |bencher| {
            // A token has just come from the network when it is looked at: its text is near, its verdict may be far.
            bencher.iter_batched(
                &mut arrived,
                |token| warm.validate(&token),
                BatchSize::NumIterations(16),
            );
        });
    }
    group.finish();
}

fn by_tasks(criterion: &mut Criterion) {
    const CALLS: u64 = 2_000;
    let runtime = runtime();
    let mut group = criterion.benchmark_group("tasks");
    group.throughput(Throughput::Elements(CALLS));
    let warm = Arc::new(setting(
        &runtime,
        vec![TestIssuer::new("https://idp.example", [Algorithm::ES256])],
        10_000,
    ));
    let issuer = &warm.issuers[0];
    let tokens: Arc<Vec<_>> = Arc::new(
        (0..1000)
            .map(|number| ordinary(issuer, &issuer.keys()[0], number))
            .collect(),
    );
    for token in tokens.iter() {
        warm.validate(token);
    }
    for refresh in [false, true] {
        for tasks in [1, 2, 4, 8, 16] {
            let name = if refresh {
                "from the cache, during a refresh"
            } else {
                "from the cache"
            };
            group.bench_function(BenchmarkId::new(name, tasks), |bencher| {
                bencher.iter_custom(|rounds| {
                    let started = Instant::now();
                    for _ in 0..rounds {
                        runtime.block_on(async {
                            let load = refresh.then(|| {
                                let warm = warm.clone();
                                tokio::spawn(async move { warm.validator.load().await.unwrap() })
                            });
                            let calls: Vec<_> = (0..tasks)
                                .map(|task| {
                                    let (warm, tokens) = (warm.clone(), tokens.clone());
                                    tokio::spawn(async move {
                                        for call in 0..CALLS as usize / tasks {
                                            black_box(warm.validate(&tokens[(task * 131 + call) % tokens.len()]));
                                        }
                                    })
                                })
                                .collect();
                            for call in calls {
                                call.await.unwrap();
                            }
                            if let Some(load) = load {
                                load.await.unwrap();
                            }
                        });
                    }
                    started.elapsed()
                });
            });
        }
    }
    group.finish();
}

/// The same application with and without the gate, without a network between.
fn application(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("application");
    let warm = setting(
        &runtime,
        vec![TestIssuer::new("https://idp.example", [Algorithm::ES256])],
        100,
    );
    let token = ordinary(&warm.issuers[0], &warm.issuers[0].keys()[0], 0);
    let bare = Router::new().route("/api/orders", get(|| async { "orders" }));
    let policies = Policies::new()
        .route("GET", "/api/orders", Policy::signed_in().scope("orders:read"))
        .unwrap();
    let gate = Gate::builder(warm.validator.clone(), policies)
        .clock(warm.clock.clone())
        .build()
        .unwrap();
    let guarded = gate.wrap(bare.clone());
    let header = format!("Bearer {token}");
    let request = || {
        Request::builder()
            .uri("/api/orders")
            .header("host", "shop.example")
            .header("authorization", &header)
            .body(Body::empty())
            .unwrap()
    };
    // As `axum::serve` takes it: its routes are made ready once.
    let bare = bare.with_state(());
    group.bench_function("without the gate", |bencher| {
        bencher.iter(|| {
            let response = bare.clone().oneshot(request()).now_or_never().unwrap().unwrap();
            assert_eq!(response.status(), 200);
        });
    });
    group.bench_function("with the gate", |bencher| {
        bencher.iter(|| {
            let response = guarded.clone().oneshot(request()).now_or_never().unwrap().unwrap();
            assert_eq!(response.status(), 200);
        });
    });
    group.finish();
}

fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
}

criterion_group! {
    name = benches;
    config = config();
    targets = by_algorithm, by_number, by_tasks, application
}
criterion_main!(benches);
