//! How often one subject may call, and one address be refused.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo};
use http::{Request, StatusCode};
use pixygate::{
    Reason,
    gate::{Policies, Policy},
};

use crate::world::{World, refusal, refused, request, send, signed_in, status, with_token, wrap};

#[tokio::test]
async fn one_subject_is_limited_and_another_is_not() {
    let world = World::new().await;
    let app = wrap(world.gate(signed_in()).rate_limit(Some("3/s".parse().unwrap())));
    let ask = |subject: &str| with_token("GET", "/api/a", &world.token().subject(subject).sign());
    for _ in 0..3 {
        assert_eq!(status(&app, ask("alice")).await, StatusCode::OK);
    }
    let response = send(&app, ask("alice")).await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(refusal(response).await.reason, Reason::RateLimited);
    assert_eq!(status(&app, ask("bob")).await, StatusCode::OK);
    world.clock.advance(1);
    assert_eq!(status(&app, ask("alice")).await, StatusCode::OK);
}

#[tokio::test]
async fn a_route_has_a_limit_of_its_own() {
    let world = World::new().await;
    let policies = Policies::new()
        .route(
            "GET",
            "/api/slow",
            Policy::signed_in().rate_limit("1/m".parse().unwrap()),
        )
        .and_then(|policies| policies.route("GET", "/api/fast", Policy::signed_in()))
        .unwrap();
    let app = world.app(policies);
    let token = world.token().sign();
    assert_eq!(
        status(&app, with_token("GET", "/api/slow", &token)).await,
        StatusCode::OK
    );
    assert_eq!(
        refused(&app, with_token("GET", "/api/slow", &token)).await,
        Reason::RateLimited
    );
    assert_eq!(
        status(&app, with_token("GET", "/api/fast", &token)).await,
        StatusCode::OK
    );
}

fn from(peer: &str, forwarded: &str, mut request: Request<Body>) -> Request<Body> {
    request
        .extensions_mut()
        .insert(ConnectInfo(format!("{peer}:4711").parse::<SocketAddr>().unwrap()));
    if !forwarded.is_empty() {
        request
            .headers_mut()
            .insert("x-forwarded-for", forwarded.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn refused_calls_of_an_address_are_limited_and_a_forged_address_does_not_help() {
    let world = World::new().await;
    let app = wrap(
        world
            .gate(signed_in())
            .failure_limit(Some("2/s".parse().unwrap()))
            .trusted_proxies(["10.0.0.0/8".parse().unwrap()]),
    );
    let bad = || request("GET", "/api/a").body(Body::empty()).unwrap();
    for _ in 0..2 {
        assert_eq!(refused(&app, from("192.0.2.1", "", bad())).await, Reason::MissingToken);
    }
    for forwarded in ["", "198.51.100.1", "198.51.100.2"] {
        assert_eq!(
            refused(&app, from("192.0.2.1", forwarded, bad())).await,
            Reason::RateLimited
        );
    }
    // Behind a trusted proxy the last address before it counts, whatever the client wrote in front.
    for forwarded in ["1.1.1.1, 203.0.113.9", "2.2.2.2, 203.0.113.9"] {
        assert_eq!(
            refused(&app, from("10.0.0.1", forwarded, bad())).await,
            Reason::MissingToken
        );
    }
    assert_eq!(
        refused(&app, from("10.0.0.1", "3.3.3.3, 203.0.113.9, 10.9.9.9", bad())).await,
        Reason::RateLimited
    );
    assert_eq!(
        refused(&app, from("10.0.0.1", "203.0.113.10", bad())).await,
        Reason::MissingToken
    );
    // Good calls are not counted.
    let good = || with_token("GET", "/api/a", &world.token().sign());
    for _ in 0..9 {
        assert_eq!(status(&app, from("192.0.2.7", "", good())).await, StatusCode::OK);
    }
}
