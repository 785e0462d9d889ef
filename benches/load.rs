//! The gate under load, in one run: throughput over loopback with and without it, and what valid callers feel while keys
//! rotate, the provider is down, or garbage comes in. `cargo bench --features test-support --bench load`.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body, routing::get};
use http::Request;
use pixygate::{
    gate::{Gate, GateService, Policies, Policy},
    jwt::{Algorithm, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;

const CONNECTIONS: usize = 8;
const CALLERS: usize = 4;
const SCENARIO: Duration = Duration::from_secs(3);
const ROUND: Duration = Duration::from_secs(1);
const ROUNDS: usize = 15;

type App = GateService<Router>;

struct World {
    issuer: TestIssuer,
    provider: Documents,
    clock: TestClock,
    validator: Validator,
}

impl World {
    async fn new() -> Self {
        let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
        let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
        let builder = Validator::builder([issuer.trust("orders")])
            .fetch(provider.clone())
            .clock(clock.clone());
        let validator = builder.build().unwrap();
        validator.load().await.unwrap();
        Self {
            issuer,
            provider,
            clock,
            validator,
        }
    }

    fn app(&self) -> App {
        let policies = Policies::new()
            .route("GET", "/api/orders", Policy::signed_in().scope("orders:read"))
            .unwrap();
        let gate = Gate::builder(self.validator.clone(), policies)
            .clock(self.clock.clone())
            .build()
            .unwrap();
        gate.wrap(bare())
    }

    fn tokens(&self, key: &TestKey) -> Vec<String> {
        let token = |number: usize| self.issuer.token().key(key).scope("orders:read").claim("jti", number);
        (0..500)
            .map(|number| token(number).claim("exp", 1_800_100_000).sign())
            .collect()
    }
}

fn bare() -> Router {
    Router::new().route("/api/orders", get(|| async { "orders" }))
}

async fn call(app: &App, token: &str) -> u16 {
    let request = Request::builder()
        .uri("/api/orders")
        .header("host", "shop.example")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap().status().as_u16()
}

/// A listener, and where it listens.
async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Requests a second over loopback.
async fn throughput(address: SocketAddr, token: &str) -> f64 {
    let request = format!("GET /api/orders HTTP/1.1\r\nhost: shop.example\r\nauthorization: Bearer {token}\r\n\r\n");
    let request: Arc<[u8]> = request.into_bytes().into();
    let started = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut connection = TcpStream::connect(address).await.unwrap();
                connection.set_nodelay(true).unwrap();
                let (mut calls, mut answer) = (0u32, [0; 2048]);
                while started.elapsed() < ROUND {
                    connection.write_all(&request).await.unwrap();
                    let mut length = 0;
                    while !answer[..length].ends_with(b"orders") {
                        length += connection.read(&mut answer[length..]).await.unwrap();
                    }
                    assert!(answer.starts_with(b"HTTP/1.1 200"));
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0.0;
    for connection in connections {
        calls += f64::from(connection.await.unwrap());
    }
    calls / started.elapsed().as_secs_f64()
}

/// Valid callers, each call timed, while something else goes on. Prints how they fared.
async fn fare<F>(name: &str, app: &App, tokens: &Arc<Vec<String>>, meanwhile: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (app, tokens, over) = (app.clone(), tokens.clone(), over.clone());
            tokio::spawn(async move {
                let (mut times, mut errors, mut next) = (Vec::new(), 0, caller * 97);
                while !over.load(Ordering::Relaxed) {
                    next = (next + 1) % tokens.len();
                    let started = Instant::now();
                    errors += u32::from(call(&app, &tokens[next]).await != 200);
                    times.push(started.elapsed());
                    tokio::task::yield_now().await;
                }
                (times, errors)
            })
        })
        .collect();
    let disturbance = tokio::spawn(meanwhile);
    tokio::time::sleep(SCENARIO).await;
    over.store(true, Ordering::Relaxed);
    disturbance.abort();
    let (mut times, mut errors) = (Vec::new(), 0);
    for caller in callers {
        let (some, failed) = caller.await.unwrap();
        times.extend(some);
        errors += failed;
    }
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "{name:<32} {:>9} calls  p50 {:>7.1} µs  p99 {:>7.1} µs  {errors} errors",
        times.len(),
        at(0.5),
        at(0.99)
    );
}

#[tokio::main]
async fn main() {
    let world = World::new().await;
    let app = world.app();
    let tokens = Arc::new(world.tokens(&world.issuer.keys()[0]));

    let (with, address_with) = listener().await;
    let (without, address_without) = listener().await;
    let gated = app.clone();
    tokio::spawn(async move { axum::serve(with, gated).await });
    tokio::spawn(async move { axum::serve(without, bare()).await });
    // By turns, and short: what else the machine does then falls on both.
    let mut shares = Vec::new();
    for round in 1..=ROUNDS {
        let without = throughput(address_without, &tokens[0]).await;
        let with = throughput(address_with, &tokens[0]).await;
        println!(
            "round {round}: without {without:.0}/s, with the gate {with:.0}/s, {:.1} %",
            100.0 * with / without
        );
        shares.push(100.0 * with / without);
    }
    shares.sort_unstable_by(f64::total_cmp);
    println!(
        "median share {:.1} %, from {:.1} to {:.1}",
        shares[ROUNDS / 2],
        shares[0],
        shares[ROUNDS - 1]
    );

    fare("quiet", &app, &tokens, std::future::pending()).await;
    let ordinary = app.clone();
    // As many callers as in the floods, with good tokens: what the load alone does.
    let good = tokens.clone();
    fare("one more valid caller", &app, &tokens, async move {
        for number in 0.. {
            call(&ordinary, &good[number % good.len()]).await;
            tokio::task::yield_now().await;
        }
    })
    .await;

    let unknown: Vec<_> = (0..2000)
        .map(|number| world.issuer.token().header("kid", format!("random-{number}")).sign())
        .collect();
    let flooded = app.clone();
    fare("flood of random kids", &app, &tokens, async move {
        for number in 0.. {
            assert_eq!(call(&flooded, &unknown[number % unknown.len()]).await, 401);
            tokio::task::yield_now().await;
        }
    })
    .await;

    let stranger = TestKey::generate(Algorithm::ES256, "es256");
    let garbage: Vec<_> = (0..2000)
        .map(|number| world.issuer.token().key(&stranger).claim("jti", number).sign())
        .collect();
    let flooded = app.clone();
    fare("flood of forged tokens", &app, &tokens, async move {
        for number in 0.. {
            assert_eq!(call(&flooded, &garbage[number % garbage.len()]).await, 401);
            tokio::task::yield_now().await;
        }
    })
    .await;

    let next = TestKey::generate(Algorithm::ES256, "next");
    // The flood of kids spent the fetch of this cooldown. A new key may have to wait for the next one, by design.
    world.clock.advance(10);
    let both = json!({"keys": [world.issuer.keys()[0].jwk(), next.jwk()]});
    world.provider.put(world.issuer.jwks_url(), &both);
    let mixed = Arc::new([world.tokens(&next), tokens.to_vec()].concat());
    let validator = world.validator.clone();
    fare("rotation", &app, &mixed, async move {
        loop {
            validator.load().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;

    world.provider.set_down(true);
    world.clock.advance(310);
    fare("outage", &app, &tokens, std::future::pending()).await;
}
