//! The gate under load, in one run: throughput over loopback with and without it, and what valid callers feel while keys
//! rotate, the provider is down, or garbage comes in. Prints Markdown rows. `cargo bench -p pixygate --features test-support
//! --bench load`, about a minute.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, routing::get};
use futures::future::{BoxFuture, FutureExt as _};
use http::Request;
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower::ServiceExt;

const CONNECTIONS: usize = 8;
const FLOODERS: usize = 4;
/// Calls of the valid callers, one every so often.
const CALLS: u32 = 1500;
const EVERY: Duration = Duration::from_millis(2);
/// Short, so that both halves of a pair see the same machine; many, so that a pair that did not counts for little.
const HALF: Duration = Duration::from_millis(250);
const PAIRS: usize = 80;

type App = Router;

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
        let policies = Policies::new().route("GET", "/api/orders", Policy::signed_in().scope("orders:read"));
        let gate = Gate::builder()
            .validator(self.validator.clone())
            .policies(policies)
            .clock(self.clock.clone())
            // As a server has it; the rate is there to be counted, not to be met.
            .public_url("https://shop.example")
            .rate_limit(Some("1000000/s".parse().unwrap()))
            .build()
            .unwrap();
        gate.wrap(bare())
    }

    fn tokens(&self, key: &TestKey) -> Vec<String> {
        let person = |number: usize| self.issuer.token().key(key).subject(&format!("person-{number}"));
        let token = |number: usize| person(number).scope("orders:read").claim("jti", number);
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
async fn throughput(address: SocketAddr, tokens: &[String]) -> f64 {
    let started = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let token = &tokens[connection % tokens.len()];
            let request =
                format!("GET /api/orders HTTP/1.1\r\nhost: shop.example\r\nauthorization: Bearer {token}\r\n\r\n");
            tokio::spawn(async move {
                let mut connection = TcpStream::connect(address).await.unwrap();
                connection.set_nodelay(true).unwrap();
                let (mut calls, mut answer) = (0u32, [0; 2048]);
                while started.elapsed() < HALF {
                    connection.write_all(request.as_bytes()).await.unwrap();
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

/// How valid callers fared: times in milliseconds.
struct Fare {
    p50: f64,
    p99: f64,
    errors: usize,
}

/// Valid callers who call by the clock, however long the call before took, while something else goes on. A call is timed
/// from when it was due, so that waiting for a processor counts too; the timer's own millisecond is in every row.
async fn fare(app: &App, tokens: &Arc<Vec<String>>, meanwhile: Vec<BoxFuture<'static, ()>>) -> Fare {
    let began = Instant::now() + EVERY;
    let disturbances: Vec<_> = meanwhile.into_iter().map(tokio::spawn).collect();
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let due = began + EVERY * number;
        tokio::time::sleep_until(due.into()).await;
        let (app, tokens) = (app.clone(), tokens.clone());
        calls.spawn(async move {
            let status = call(&app, &tokens[number as usize * 97 % tokens.len()]).await;
            (due.elapsed(), status)
        });
    }
    let answers = calls.join_all().await;
    for disturbance in disturbances {
        disturbance.abort();
    }
    let errors = answers.iter().filter(|(_, status)| *status != 200).count();
    let mut times: Vec<_> = answers.into_iter().map(|(time, _)| time).collect();
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    Fare {
        p50: at(0.5),
        p99: at(0.99),
        errors,
    }
}

/// Callers who call again as soon as they are answered.
fn flood(app: &App, tokens: &Arc<Vec<String>>, expected: u16) -> Vec<BoxFuture<'static, ()>> {
    let flooder = |first: usize| {
        let (app, tokens) = (app.clone(), tokens.clone());
        async move {
            for number in first.. {
                assert_eq!(call(&app, &tokens[number % tokens.len()]).await, expected);
                tokio::task::yield_now().await;
            }
        }
        .boxed()
    };
    (0..FLOODERS)
        .map(|flooder_number| flooder(flooder_number * 131))
        .collect()
}

/// The clock goes as time does, so that a flood meets each cooldown's end.
fn ticking(clock: &TestClock) -> BoxFuture<'static, ()> {
    let clock = clock.clone();
    async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            clock.advance(1);
        }
    }
    .boxed()
}

/// The same calls without and with the gate, by turns.
async fn compare(name: &str, addresses: [SocketAddr; 2], tokens: &[String]) {
    // The first of each finds nothing warm.
    for address in addresses {
        throughput(address, tokens).await;
    }
    let (mut without, mut with, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Each goes first as often as the other: a machine that gets slower, or quicker, favours neither.
        let mut turn = addresses;
        turn.rotate_left(pair % 2);
        let mut rates = [throughput(turn[0], tokens).await, throughput(turn[1], tokens).await];
        rates.rotate_left(pair % 2);
        without.push(rates[0]);
        with.push(rates[1]);
        shares.push(100.0 * rates[1] / rates[0]);
    }
    for values in [&mut without, &mut with, &mut shares] {
        values.sort_unstable_by(f64::total_cmp);
    }
    let quarter = |values: &[f64], quarters: usize| values[(PAIRS - 1) * quarters / 4];
    // Where the median lies with 95 %: its rank among so many is binomial, and nothing needs to be known of their spread.
    let reach = (0.98 * (PAIRS as f64).sqrt()).ceil() as usize;
    println!(
        "| {name} | {:.0}/s | {:.0}/s | {:.1} % | {:.1} to {:.1} % | {:.1} to {:.1} % |",
        quarter(&without, 2),
        quarter(&with, 2),
        quarter(&shares, 2),
        quarter(&shares, 1),
        quarter(&shares, 3),
        shares[PAIRS / 2 - reach],
        shares[PAIRS / 2 + reach - 1],
    );
}

#[tokio::main]
async fn main() {
    // A refusal costs what it costs where it is logged: the line is made, and goes nowhere.
    tracing_subscriber::fmt().with_writer(std::io::sink).init();
    let world = World::new().await;
    let app = world.app();
    let tokens = Arc::new(world.tokens(&world.issuer.keys()[0]));

    let (with, address_with) = listener().await;
    let (without, address_without) = listener().await;
    // Both are told who is connected.
    let gated = app.clone().into_make_service_with_connect_info::<SocketAddr>();
    let bare = bare().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(with, gated).await });
    tokio::spawn(async move { axum::serve(without, bare).await });
    println!("| calls of | without, median | with, median | share, median | its middle half | 95 % of the median |");
    println!("|---|---|---|---|---|---|");
    // Calls of one person meet in one verdict and one count, which two processors pass to and fro.
    for (name, tokens) in [("eight people", &tokens[..CONNECTIONS]), ("one person", &tokens[..1])] {
        compare(name, [address_without, address_with], tokens).await;
    }
    println!();

    println!("| meanwhile | p50 | p99 | quiet before: p99 | errors |\n|---|---|---|---|---|");
    let fare = async |name: &str, quiet: &Fare, meanwhile| {
        let Fare { p50, p99, errors } = fare(&app, &tokens, meanwhile).await;
        let errors = errors + quiet.errors;
        println!(
            "| {name} | {p50:.2} ms | {p99:.2} ms | {:.2} ms | {errors} |",
            quiet.p99
        );
    };
    let quiet = async || self::fare(&app, &tokens, Vec::new()).await;
    let before = quiet().await;
    // As many callers as in the floods, with good tokens: what the load alone does.
    fare(
        "four more valid callers, as fast as they can",
        &before,
        flood(&app, &tokens, 200),
    )
    .await;

    let before = quiet().await;
    let unknown = (0..2000).map(|number| world.issuer.token().header("kid", format!("random-{number}")).sign());
    let unknown = Arc::new(unknown.collect());
    let mut meanwhile = flood(&app, &unknown, 401);
    meanwhile.push(ticking(&world.clock));
    fare("a flood of random `kid`s", &before, meanwhile).await;

    let before = quiet().await;
    let stranger = TestKey::generate(Algorithm::ES256, "es256");
    let forged = (0..2000).map(|number| world.issuer.token().key(&stranger).claim("jti", number).sign());
    let forged = Arc::new(forged.collect());
    fare("a flood of forged tokens", &before, flood(&app, &forged, 401)).await;

    let before = quiet().await;
    // Beside the key of the callers one comes and one goes each time: with a key that goes, every kept verdict is void.
    let sets = ["even", "odd"].map(|id| {
        let other = TestKey::generate(Algorithm::ES256, id);
        json!({"keys": [world.issuer.keys()[0].jwk(), other.jwk()]})
    });
    let (validator, provider, url) = (world.validator.clone(), world.provider.clone(), world.issuer.jwks_url());
    let rotation = async move {
        for set in sets.iter().cycle() {
            provider.put(&url, set);
            validator.load().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    fare(
        "rotation, keys loaded anew every 20 ms, one taken away each time",
        &before,
        vec![rotation.boxed()],
    )
    .await;

    let before = quiet().await;
    world.provider.set_down(true);
    world.clock.advance(310);
    fare("the provider down, keys due", &before, Vec::new()).await;
    world.provider.set_down(false);
    world.validator.load().await.unwrap();
    fare("the provider back", &before, Vec::new()).await;
}
