//! What a validation and the gate cost, as Markdown tables at the end. `cargo bench -p pixygate --features test-support
//! --bench gate`, about four minutes; docs/performance.md has the ratios and how they were measured.
//!
//! "First" is a validation without a cache. "First, kept" is one with a cache to which each token is new, so that putting the
//! verdict into it is part of what is measured.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

mod table;

use std::{
    cell::Cell,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
    },
};
use axum::{Router, body::Body, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use criterion::Criterion;
use futures::FutureExt;
use http::Request;
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Principal, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey},
};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use self::table::Table;

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

/// Tokens with each of an issuer's keys by turns.
fn tokens(issuer: &TestIssuer, count: usize) -> Arc<Vec<String>> {
    let keys = issuer.keys().iter().cycle();
    Arc::new(
        keys.take(count)
            .enumerate()
            .map(|(number, key)| ordinary(issuer, key, number))
            .collect(),
    )
}

struct Setting {
    clock: TestClock,
    provider: Documents,
    issuers: Vec<TestIssuer>,
}

impl Setting {
    fn new(issuers: Vec<TestIssuer>) -> Self {
        Self {
            clock: TestClock::default(),
            provider: Documents::of(&issuers),
            issuers,
        }
    }

    /// One issuer with one key.
    fn plain(algorithm: Algorithm) -> Self {
        Self::new(vec![TestIssuer::new("https://idp.example", [algorithm])])
    }

    /// With the keys loaded, and room for so many verdicts.
    fn validator(&self, runtime: &Runtime, cache: usize) -> Validator {
        let trusts = self.issuers.iter().map(|issuer| {
            let mut trust = issuer.trust("orders");
            trust.jwks_stale_seconds = 10_000_000;
            trust.jwks_refresh_seconds = 1_000_000;
            trust
        });
        let validator = Validator::builder(trusts)
            .fetch(self.provider.clone())
            .clock(self.clock.clone())
            .token_cache(cache)
            .build()
            .unwrap();
        runtime.block_on(validator.load()).unwrap();
        validator
    }

    /// With these verdicts kept. Digests fall into shards as they like: the bound of each has room for more than its share.
    fn warm(&self, runtime: &Runtime, tokens: &[String]) -> Validator {
        let validator = self.validator(runtime, tokens.len() + tokens.len() / 4 + 16);
        for token in tokens {
            self.validate(&validator, token);
        }
        let kept = validator.cached_tokens();
        assert_eq!(kept, tokens.len(), "else a part of them is measured anew");
        validator
    }

    /// Known keys and kept verdicts need no waiting, so no runtime is measured along.
    fn validate(&self, validator: &Validator, token: &str) -> Principal {
        validator
            .validate(token, self.clock.time())
            .now_or_never()
            .unwrap()
            .unwrap()
    }

    fn one_after_another(&self, validator: &Validator, tokens: &[String]) -> Duration {
        timed(|| {
            for token in tokens {
                black_box(self.validate(validator, token));
            }
        })
    }
}

/// So many calls, of which each brings a token that is new: as often as they have all been there, the validator is
/// replaced while no time is measured. `make` makes one, and `run` makes so many calls.
fn each_new(
    rounds: u64,
    tokens: &[String],
    make: impl Fn() -> Validator,
    run: impl Fn(&Validator, u64) -> Duration,
) -> Duration {
    let (mut left, mut spent) = (rounds, Duration::ZERO);
    while left > 0 {
        let calls = left.min(tokens.len() as u64);
        spent += run(&make(), calls);
        left -= calls;
    }
    spent
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// The same call again and again.
fn again<T>(mut call: impl FnMut() -> T) -> impl FnMut(u64) -> Duration {
    move |rounds| {
        timed(|| {
            for _ in 0..rounds {
                black_box(call());
            }
        })
    }
}

/// The signature check of the crypto library alone, with the key parsed before.
fn bare(token: &str, key: &TestKey) -> (ParsedPublicKey, Vec<u8>, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let jwk = key.public_jwk();
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
        Algorithm::ES384 => plain(&ECDSA_P384_SHA384_FIXED, [vec![4], number("x"), number("y")].concat()),
        _ => plain(&ED25519, number("x")),
    };
    (
        parsed,
        signed.as_bytes().to_vec(),
        URL_SAFE_NO_PAD.decode(signature).unwrap(),
    )
}

fn by_algorithm(criterion: &mut Criterion) -> Table {
    let runtime = runtime();
    let mut table = Table::new("By algorithm");
    let mut group = criterion.benchmark_group("algorithm");
    for algorithm in [
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ] {
        let name = algorithm.name();
        let setting = Setting::plain(algorithm);
        let tokens = tokens(&setting.issuers[0], 1_000);
        let token = &tokens[0];
        let (key, signed, signature) = bare(token, &setting.issuers[0].keys()[0]);
        let check = || key.verify_sig(black_box(&signed), black_box(&signature)).unwrap();
        table.measure(&mut group, name, "bare signature check", again(check));
        let cold = setting.validator(&runtime, 0);
        let first = || setting.validate(&cold, black_box(token));
        table.measure(&mut group, name, "first", again(first));
        table.measure(&mut group, name, "first, kept", |rounds| {
            let make = || setting.validator(&runtime, 10_000);
            each_new(rounds, &tokens, make, |validator, calls| {
                let time = setting.one_after_another(validator, &tokens[..calls as usize]);
                assert_eq!(validator.cached_tokens() as u64, calls, "each was new, and is kept");
                time
            })
        });
        let warm = setting.warm(&runtime, &tokens[..1]);
        let kept = || setting.validate(&warm, black_box(token));
        table.measure(&mut group, name, "cache", again(kept));
    }
    group.finish();
    table
}

fn by_number(criterion: &mut Criterion) -> Table {
    let runtime = runtime();
    let mut table = Table::new("By number, ES256");
    let mut group = criterion.benchmark_group("number");
    for count in [1, 10, 100] {
        let issuer = |number| {
            let address = format!("https://idp-{number}.example/t/acme/oauth2/token");
            TestIssuer::new(address, [Algorithm::ES256])
        };
        let setting = Setting::new((0..count).map(issuer).collect());
        let tokens = tokens(&setting.issuers[count - 1], 1);
        let cold = setting.validator(&runtime, 0);
        let first = || setting.validate(&cold, &tokens[0]);
        table.measure(&mut group, "issuers, first", &count.to_string(), again(first));
        let warm = setting.warm(&runtime, &tokens);
        let kept = || setting.validate(&warm, &tokens[0]);
        table.measure(&mut group, "issuers, cache", &count.to_string(), again(kept));
    }
    for count in [1, 10, 100] {
        let keys = (0..count).map(|number| TestKey::generate(Algorithm::ES256, format!("key-{number}")));
        let setting = Setting::new(vec![TestIssuer::with_keys("https://idp.example", keys)]);
        let tokens = tokens(&setting.issuers[0], count);
        let cold = setting.validator(&runtime, 0);
        let last = || setting.validate(&cold, &tokens[count - 1]);
        table.measure(&mut group, "keys, first", &count.to_string(), again(last));
    }
    let setting = Setting::plain(Algorithm::ES256);
    for (count, column) in [(1, "1"), (100, "100"), (10_000, "10,000"), (100_000, "100,000")] {
        let tokens = tokens(&setting.issuers[0], count);
        let warm = setting.warm(&runtime, &tokens);
        // A stride that is coprime to every count: no token is asked for twice in a row.
        let mut next = 0;
        let mut arrived = || {
            next = (next + 7919) % tokens.len();
            tokens[next].clone()
        };
        table.measure(&mut group, "kept verdicts, by turns", column, |rounds| {
            let (mut left, mut spent) = (rounds, Duration::ZERO);
            while left > 0 {
                // A token has just come from the network when it is looked at: its text is near, its verdict may be far.
                let few: Vec<_> = (0..left.min(16)).map(|_| arrived()).collect();
                spent += setting.one_after_another(&warm, &few);
                left -= few.len() as u64;
            }
            spent
        });
    }
    // Twice as many as there is room for fill every shard.
    const ROOM: usize = 10_000;
    let mut signed = 0;
    let mut never_seen = |count| -> Vec<_> {
        let issuer = &setting.issuers[0];
        let numbers = signed..signed + count;
        signed += count;
        numbers
            .map(|number| ordinary(issuer, &issuer.keys()[0], number))
            .collect()
    };
    let full = setting.validator(&runtime, ROOM);
    setting.one_after_another(&full, &never_seen(2 * ROOM));
    let kept = full.cached_tokens();
    table.measure(&mut group, "first, kept in the place of another", "10,000", |rounds| {
        setting.one_after_another(&full, &never_seen(rounds as usize))
    });
    assert_eq!(full.cached_tokens(), kept, "else it was not full yet");
    group.finish();
    table
}

/// The tasks share the calls. Time is that of all of them, divided by their number: with two processors and two tasks it is
/// half of what one call takes.
fn by_tasks(criterion: &mut Criterion) -> Table {
    let runtime = runtime();
    // Apart, because callers who never wait for anything would leave it no turn.
    let refresher = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut table = Table::new("By tasks, ES256");
    let mut group = criterion.benchmark_group("tasks");
    let setting = Arc::new(Setting::plain(Algorithm::ES256));
    let tokens = tokens(&setting.issuers[0], 1_000);
    let (cold, warm) = (setting.validator(&runtime, 0), setting.warm(&runtime, &tokens));

    let (url, loads) = (setting.issuers[0].jwks_url(), Cell::new(0));
    let spread = |validator: &Validator, tasks: u64, calls: u64, refresh: bool| {
        // Without a pause, a second processor would do nothing else.
        let refresh = refresh.then(|| {
            let validator = validator.clone();
            refresher.spawn(async move {
                let mut every = tokio::time::interval(Duration::from_millis(1));
                loop {
                    every.tick().await;
                    validator.load().await.unwrap();
                }
            })
        });
        let before = setting.provider.asked(&url);
        let time = timed(|| {
            let started: Vec<_> = (0..tasks)
                .map(|task| {
                    let (setting, validator, tokens) = (setting.clone(), validator.clone(), tokens.clone());
                    runtime.spawn(async move {
                        for call in (task..calls).step_by(tasks as usize) {
                            black_box(setting.validate(&validator, &tokens[call as usize % tokens.len()]));
                        }
                    })
                })
                .collect();
            for task in started {
                runtime.block_on(task).unwrap();
            }
        });
        if let Some(refresh) = refresh {
            refresh.abort();
            loads.set(loads.get() + setting.provider.asked(&url) - before);
        }
        time
    };
    for refresh in [false, true] {
        let row = |name: &str| format!("{name}{}", if refresh { ", during a refresh" } else { "" });
        for tasks in [1, 2, 4, 8, 16] {
            let column = tasks.to_string();
            table.measure(&mut group, &row("first"), &column, |rounds| {
                spread(&cold, tasks, rounds, refresh)
            });
            table.measure(&mut group, &row("first, kept"), &column, |rounds| {
                let make = || setting.validator(&runtime, 10_000);
                each_new(rounds, &tokens, make, |validator, calls| {
                    let time = spread(validator, tasks, calls, refresh);
                    assert_eq!(validator.cached_tokens() as u64, calls, "each was new, and is kept");
                    time
                })
            });
            table.measure(&mut group, &row("cache"), &column, |rounds| {
                spread(&warm, tasks, rounds, refresh)
            });
            if refresh {
                println!("key sets loaded meanwhile: {}", loads.take());
            }
        }
    }
    group.finish();
    table
}

/// The same application with and without the gate, without a network between.
fn application(criterion: &mut Criterion) -> Table {
    let runtime = runtime();
    let mut table = Table::new("The same application, ES256");
    let mut group = criterion.benchmark_group("application");
    let setting = Setting::plain(Algorithm::ES256);
    let tokens = tokens(&setting.issuers[0], 1);
    let validator = setting.warm(&runtime, &tokens);
    let bare = Router::new().route("/api/orders", get(|| async { "orders" }));
    let policies = Policies::new().route("GET", "/api/orders", Policy::signed_in().scope("orders:read"));
    let gate = Gate::builder()
        .validator(validator)
        .policies(policies)
        .clock(setting.clock.clone())
        .build()
        .unwrap();
    let guarded = gate.wrap(bare.clone());
    let header = format!("Bearer {}", tokens[0]);
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
    let without = || {
        let response = bare.clone().oneshot(request()).now_or_never().unwrap().unwrap();
        assert_eq!(response.status(), 200);
    };
    table.measure(&mut group, "one request", "without the gate", again(without));
    let with = || {
        let response = guarded.clone().oneshot(request()).now_or_never().unwrap().unwrap();
        assert_eq!(response.status(), 200);
    };
    table.measure(&mut group, "one request", "with the gate, verdict kept", again(with));
    group.finish();
    table
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(table::SAMPLES)
        .nresamples(10_000)
        .configure_from_args();
    let tables = [by_algorithm, by_number, by_tasks, application].map(|measure| measure(&mut criterion));
    criterion.final_summary();
    for table in tables {
        print!("{table}");
    }
}
