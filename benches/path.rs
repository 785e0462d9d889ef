//! What one request costs in this process, without a network: quickest of many short batches, in nanoseconds.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]
use std::{convert::Infallible, hint::black_box, time::Instant};

use axum::{Router, body::Body, response::Response, routing::get};
use futures::FutureExt;
use http::Request;
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Validator},
    test_support::{Documents, TestClock, TestIssuer},
};
use tower::{Layer, Service, ServiceExt};

fn quickest(name: &str, mut call: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..3000 {
        let started = Instant::now();
        for _ in 0..100 {
            call();
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e9 / 100.0);
    }
    println!("{name:40} {best:8.0} ns");
}

fn run<A>(app: &A, token: &str)
where
    A: Service<Request<Body>, Response = Response, Error = Infallible> + Clone,
{
    let request = Request::builder()
        .uri("/api/orders")
        .header("host", "shop.example")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
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
        .build()
        .unwrap();
    runtime.block_on(validator.load()).unwrap();
    let token = issuer
        .token()
        .scope("openid profile email orders:read orders:write")
        .claim("name", "Alice Example")
        .claim("email", "alice@example.org")
        .claim("org_id", "10f8e2b4-7c0a-4f6e-9b5e-3f9d5a0d7c11")
        .sign();
    let bare = || Router::new().route("/api/orders", get(async || "orders"));
    let policies = Policies::new().route("GET", "/api/orders", Policy::signed_in().scope("orders:read"));
    let gate = |builder: fn(pixygate::gate::GateBuilder) -> pixygate::gate::GateBuilder| {
        let gate = Gate::builder()
            .validator(validator.clone())
            .policies(policies.clone())
            .clock(clock.clone());
        builder(gate).build().unwrap()
    };
    let plain = gate(|gate| gate);
    let limited = gate(|gate| gate.rate_limit("1000000/s".parse::<pixygate::gate::Rate>().unwrap()));
    let router: Router = bare();
    for _ in 0..2 {
        quickest("bare", || run(&router, &token));
        let layered: Router = bare().layer(tower::layer::util::Identity::new());
        quickest("bare, one empty layer", || run(&layered, &token));
        let outside: Router = Router::new().fallback_service(bare());
        quickest("bare, as a fallback", || run(&outside, &token));
        let service = plain.layer().layer(bare());
        quickest("gate as a service", || run(&service, &token));
        let app: Router = plain.wrap(bare());
        quickest("gate as a layer of the router", || run(&app, &token));
        let outside: Router = Router::new().fallback_service(plain.layer().layer(bare()));
        quickest("gate as a fallback", || run(&outside, &token));
        let app: Router = limited.wrap(bare());
        quickest("gate as a layer, with a limit", || run(&app, &token));
        quickest("cached verdict alone", || {
            black_box(
                validator
                    .validate(&token, clock.time())
                    .now_or_never()
                    .unwrap()
                    .unwrap(),
            );
        });
    }
}
