//! What one request costs in this process, without a network: of many short batches the quickest, in nanoseconds. Prints a Markdown
//! table. `cargo bench -p pixygate --features test-support --bench request`

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

use std::{cell::Cell, hint::black_box, time::Instant};

use axum::{Router, body::Body, routing::get};
use futures::FutureExt;
use http::Request;
use pixygate::{
    gate::{Gate, GateBuilder, Policies, Policy, Rate, observe::Metrics},
    jwt::{Algorithm, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey},
};
use tower::ServiceExt;

const BATCHES: usize = 3000;
const CALLS: usize = 100;
/// As many callers as one node may see at once.
const TOKENS: usize = 30_000;

fn quickest(mut call: impl FnMut()) -> f64 {
    let batches = (0..BATCHES).map(|_| {
        let started = Instant::now();
        (0..CALLS).for_each(|_| call());
        started.elapsed().as_secs_f64() * 1e9 / CALLS as f64
    });
    batches.fold(f64::INFINITY, f64::min)
}

fn request(authorization: &str) -> http::request::Builder {
    Request::builder()
        .uri("/api/orders")
        .header("host", "shop.example")
        .header("user-agent", "bench")
        .header("accept", "*/*")
        .header("authorization", authorization)
}

fn send(app: &Router, request: http::request::Builder) {
    let request = request.body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).now_or_never().unwrap().unwrap();
    assert_eq!(black_box(response).status(), 200);
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let clock = TestClock::default();
    let validator = Validator::builder([issuer.trust("orders")])
        .fetch(Documents::of([&issuer]))
        .clock(clock.clone())
        .token_cache(2 * TOKENS)
        .build()
        .unwrap();
    runtime.block_on(validator.load()).unwrap();
    let token = |number: usize| {
        issuer
            .token()
            .scope("openid profile email orders:read orders:write")
            .claim("name", "Alice Example")
            .claim("email", "alice@example.org")
            .claim("org_id", "10f8e2b4-7c0a-4f6e-9b5e-3f9d5a0d7c11")
            .claim("jti", format!("5b0f9cf2-13aa-4b0e-8d5e-{number:012}"))
    };
    let tokens: Vec<_> = (0..TOKENS).map(|number| token(number).sign()).collect();
    let bearer: Vec<_> = tokens.iter().map(|token| format!("Bearer {token}")).collect();
    let app = |setting: &dyn Fn(GateBuilder) -> GateBuilder, policy: Policy| -> Router {
        let gate = Gate::builder()
            .validator(validator.clone())
            .public_url("https://shop.example")
            .clock(clock.clone());
        let gate = setting(gate).build().unwrap();
        let policies = Policies::new().route("GET", "/api/orders", policy);
        gate.protect(bare(), policies).unwrap()
    };
    let orders = || Policy::signed_in().scope("orders:read");
    let plain = |gate: GateBuilder| gate;
    let rate: Rate = "1000000/s".parse().unwrap();

    let measure = |name: &str, app: &Router, without: Option<f64>| {
        let time = quickest(|| send(app, request(&bearer[0])));
        let above = without.map_or(String::new(), |without| format!("{:.0}", time - without));
        println!("| {name} | {time:.0} | {above} |");
        time
    };
    println!("{} bytes of token\n", tokens[0].len());
    println!("| | one request, ns | above a bare route |\n|---|---|---|");
    let without = measure("a bare route", &bare(), None);
    let empty = bare().layer(tower::layer::util::Identity::new());
    measure("with a layer that does nothing", &empty, Some(without));
    measure("public route", &app(&plain, Policy::public()), Some(without));
    let cached = app(&plain, orders());
    measure("cached token", &cached, Some(without));
    measure(
        "… with a rate limit",
        &app(&|gate| gate.rate_limit(rate), orders()),
        Some(without),
    );
    let observed = app(&|gate| gate.observer(Metrics::default()), orders());
    measure("… with an observer", &observed, Some(without));

    let next = Cell::new(0);
    let by_turns = |app: &Router| {
        let number = next.replace((next.get() + 7919) % TOKENS);
        send(app, request(&bearer[number]));
    };
    (0..TOKENS).for_each(|_| by_turns(&cached));
    assert_eq!(validator.cached_tokens(), TOKENS);
    let router = bare();
    let bare_by_turns = quickest(|| by_turns(&router));
    let time = quickest(|| by_turns(&cached));
    println!(
        "| {TOKENS} cached tokens by turns | {time:.0} | {:.0} |",
        time - bare_by_turns
    );

    let key = TestKey::generate(Algorithm::ES256, "");
    let bound = token(0).bound_to(&key.thumbprint()).sign();
    let proofs: Vec<_> = (0..CALLS * 100)
        .map(|number| {
            let proof = key.proof("GET", "https://shop.example/api/orders", &bound);
            proof.jti(&number.to_string()).sign()
        })
        .collect();
    let authorization = format!("DPoP {bound}");
    let mut best = f64::INFINITY;
    for proofs in proofs.chunks(CALLS) {
        let started = Instant::now();
        for proof in proofs {
            send(&cached, request(&authorization).header("dpop", proof));
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e9 / CALLS as f64);
    }
    println!(
        "| cached token with a DPoP proof (ES256) | {best:.0} | {:.0} |",
        best - without
    );
}

fn bare() -> Router {
    Router::new().route("/api/orders", get(async || "orders"))
}
