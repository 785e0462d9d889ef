//! Rate limits: calls of one subject, and rejected calls of one address.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo, response::Response};
use http::{HeaderValue, Request, StatusCode};
use pixygate::{
    Reason,
    gate::{Policies, Policy},
    jwt::Algorithm,
    test_support::TestKey,
};

use crate::log::Log;
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
        .route("GET", "/api/fast", Policy::signed_in());
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

/// The limits in a response, and what is left of the nearest.
fn limits(response: &Response) -> (String, String) {
    let field = |name: &str| {
        let value = response.headers().get(name);
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    };
    (field("ratelimit-policy"), field("ratelimit"))
}

#[tokio::test]
async fn a_response_names_every_limit_and_what_is_left_of_the_nearest() {
    let world = World::new().await;
    let rate = |rate: &str| Some(rate.parse().unwrap());
    let policies = Policies::new()
        .route(
            "GET",
            "/api/slow",
            Policy::signed_in().scope("orders").rate_limit("2/m".parse().unwrap()),
        )
        .route("GET", "/api/fast", Policy::signed_in());
    let gate = world.gate(policies).rate_limit(rate("9/s")).client_limit(rate("5/h"));
    let app = wrap(gate);
    let ask = |path: &str, scope: &str| {
        let token = world.token().claim("scope", scope).claim("client_id", "shop").sign();
        with_token("GET", path, &token)
    };
    let (all, fast) = (
        "\"subject\";q=9;w=1, \"client\";q=5;w=3600, \"route\";q=2;w=60",
        "\"subject\";q=9;w=1, \"client\";q=5;w=3600",
    );
    for (path, scope, status, policies, left) in [
        ("/api/slow", "orders", 200, all, "\"route\";r=1;t=30"),
        ("/api/fast", "orders", 200, fast, "\"client\";r=3;t=1440"),
        // A call that the policy denies counts as well.
        ("/api/slow", "other", 403, all, "\"route\";r=0;t=60"),
        ("/api/slow", "orders", 429, all, "\"route\";r=0;t=30"),
    ] {
        let response = send(&app, ask(path, scope)).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(limits(&response), (policies.to_owned(), left.to_owned()), "{path}");
        let retry_after = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap());
        assert_eq!(retry_after, (status == 429).then_some("30"));
    }
    let response = send(
        &world.app(signed_in()),
        with_token("GET", "/api/a", &world.token().sign()),
    )
    .await;
    assert_eq!(
        limits(&response),
        Default::default(),
        "without a limit there is none to name"
    );
}

#[tokio::test]
async fn the_users_of_one_client_share_its_limit() {
    let world = World::new().await;
    let app = wrap(world.gate(signed_in()).client_limit(Some("2/m".parse().unwrap())));
    let ask = |subject: &str, client: Option<&str>| {
        let token = world.token().subject(subject);
        let token = client
            .into_iter()
            .fold(token, |token, client| token.claim("client_id", client));
        with_token("GET", "/api/a", &token.sign())
    };
    for subject in ["alice", "bob"] {
        assert_eq!(status(&app, ask(subject, Some("shop"))).await, StatusCode::OK);
    }
    let response = send(&app, ask("carol", Some("shop"))).await;
    assert_eq!(limits(&response).1, "\"client\";r=0;t=30");
    assert_eq!(refusal(response).await.reason, Reason::RateLimited);
    assert_eq!(status(&app, ask("carol", Some("till"))).await, StatusCode::OK);
}

#[tokio::test]
async fn calls_without_a_token_are_limited_by_address_on_public_routes_alone() {
    let world = World::new().await;
    let policies =
        Policies::new()
            .route("GET", "/api/open", Policy::public())
            .route("GET", "/api/a", Policy::signed_in());
    let app = wrap(world.gate(policies).address_limit(Some("2/m".parse().unwrap())));
    let open = |peer: &str| from(peer, "", request("GET", "/api/open").body(Body::empty()).unwrap());
    for left in ["\"address\";r=1;t=30", "\"address\";r=0;t=60"] {
        let response = send(&app, open("[2001:db8::1]")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(limits(&response), ("\"address\";q=2;w=60".to_owned(), left.to_owned()));
    }
    let response = send(&app, open("[2001:db8::2]")).await;
    assert_eq!(response.headers()["retry-after"], "30");
    assert_eq!(limits(&response).1, "\"address\";r=0;t=30");
    assert_eq!(refusal(response).await.reason, Reason::RateLimited);
    assert_eq!(status(&app, open("192.0.2.1")).await, StatusCode::OK);
    let signed_in = from("[2001:db8::2]", "", with_token("GET", "/api/a", &world.token().sign()));
    let response = send(&app, signed_in).await;
    assert_eq!(
        (response.status(), limits(&response)),
        (StatusCode::OK, Default::default())
    );
}

fn from(peer: &str, forwarded: &str, mut request: Request<Body>) -> Request<Body> {
    request
        .extensions_mut()
        .insert(ConnectInfo(format!("{peer}:4711").parse::<SocketAddr>().unwrap()));
    for line in forwarded.split('\n').filter(|line| !line.is_empty()) {
        let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
        request.headers_mut().append("x-forwarded-for", line);
    }
    request
}

/// Proxies send the client's address in several forms, and the client may have sent its own header before.
#[tokio::test]
async fn the_address_of_a_client_is_read_as_proxies_write_it() {
    let world = World::new().await;
    let app = wrap(
        world
            .gate(signed_in())
            .failure_limit(Some("1/h".parse().unwrap()))
            .trusted_proxies(["10.0.0.0/8".parse().unwrap(), "2001:db8:ffff::/48".parse().unwrap()]),
    );
    let bad = || request("GET", "/api/a").body(Body::empty()).unwrap();
    for (address, forms) in [
        (
            "192.0.2.1",
            &[
                "192.0.2.1:4711",
                "::ffff:192.0.2.1",
                "é, 192.0.2.1",
                "é\n192.0.2.1",
                "192.0.2.1,10.9.9.9:1",
            ][..],
        ),
        (
            "2001:db8::1",
            &[
                "[2001:db8::1]",
                "[2001:db8::2]:4711",
                "x, 2001:db8::3\n10.1.1.1, 2001:db8:ffff::1",
            ],
        ),
        // An unreadable address is ignored; the address of the proxy counts.
        ("", &["unknown", "192.0.2.1, _hidden", "192.0.2.1:x"]),
    ] {
        assert_eq!(
            refused(&app, from("10.0.0.1", address, bad())).await,
            Reason::MissingToken,
            "{address}"
        );
        for form in forms {
            assert_eq!(
                refused(&app, from("10.0.0.1", form, bad())).await,
                Reason::RateLimited,
                "{form}"
            );
        }
    }
    assert_eq!(
        refused(&app, from("10.0.0.1", "192.0.2.2:4711", bad())).await,
        Reason::MissingToken
    );
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
        let response = send(&app, from("192.0.2.1", forwarded, bad())).await;
        let (policies, left) = limits(&response);
        assert_eq!((&*policies, &*left), ("\"failures\";q=2;w=1", "\"failures\";r=0;t=1"));
        assert_eq!(refusal(response).await.reason, Reason::RateLimited);
    }
    // Behind a trusted proxy, the last address in the header counts, whatever the client sent before it.
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
    // Accepted calls are not counted.
    let good = || with_token("GET", "/api/a", &world.token().sign());
    for _ in 0..9 {
        assert_eq!(status(&app, from("192.0.2.7", "", good())).await, StatusCode::OK);
    }
}

/// A scan causes no token checks, only 404s.
#[tokio::test]
async fn a_scan_of_paths_is_limited_like_any_other_refusals() {
    let world = World::new().await;
    let policies = || {
        let policies = Policies::new().route("GET", "/api/a", Policy::signed_in());
        policies.route("*", "/api/open", Policy::public())
    };
    let ask = |method: &str, path: &str| request(method, path).body(Body::empty()).unwrap();
    let cross_site = || {
        let call = request("POST", "/api/open").header("sec-fetch-site", "cross-site");
        call.body(Body::empty()).unwrap()
    };
    type Scan<'a> = (&'a dyn Fn() -> Request<Body>, Reason);
    let scans: [Scan<'_>; 4] = [
        (&|| ask("GET", "/api/.env"), Reason::RouteNotFound),
        (&|| ask("DELETE", "/api/a"), Reason::MethodNotAllowed),
        (&|| ask("GET", "/api/../a"), Reason::InvalidRequest),
        (&cross_site, Reason::InvalidRequest),
    ];
    for (call, reason) in scans {
        let app = wrap(world.gate(policies()).failure_limit(Some("2/s".parse().unwrap())));
        for _ in 0..2 {
            assert_eq!(refused(&app, from("192.0.2.1", "", call())).await, reason);
        }
        assert_eq!(refused(&app, from("192.0.2.1", "", call())).await, Reason::RateLimited);
        let signed_in = with_token("GET", "/api/a", &world.token().sign());
        assert_eq!(
            refused(&app, from("192.0.2.1", "", signed_in)).await,
            Reason::RateLimited
        );
        // Public paths and other addresses are not limited.
        let open = from("192.0.2.1", "", ask("GET", "/api/open"));
        assert_eq!(status(&app, open).await, StatusCode::OK);
        assert_eq!(refused(&app, from("192.0.2.2", "", call())).await, reason);
    }
}

#[tokio::test]
async fn an_address_of_the_same_network_is_the_same_caller() {
    let world = World::new().await;
    let app = wrap(world.gate(signed_in()).failure_limit(Some("2/s".parse().unwrap())));
    let bad = || request("GET", "/api/a").body(Body::empty()).unwrap();
    for peer in ["[2001:db8:0:1::1]", "[2001:db8:0:1:ffff::2]"] {
        assert_eq!(refused(&app, from(peer, "", bad())).await, Reason::MissingToken);
    }
    let third = from("[2001:db8:0:1:abcd::3]", "", bad());
    assert_eq!(refused(&app, third).await, Reason::RateLimited);
    for neighbour in ["[2001:db8:0:2::1]", "192.0.2.1", "192.0.2.2", "[::ffff:192.0.2.3]"] {
        assert_eq!(refused(&app, from(neighbour, "", bad())).await, Reason::MissingToken);
    }
}

/// Every session begins with a request for a nonce.
#[tokio::test]
async fn to_be_asked_for_a_nonce_is_no_failure() {
    let world = World::new().await;
    let gate = world.gate(signed_in()).dpop_nonce(true);
    let app = wrap(gate.failure_limit(Some("1/m".parse().unwrap())));
    let key = TestKey::generate(Algorithm::ES256, "");
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let call = |method: &str| {
        let proof = key.proof(method, "https://shop.example/api/a", &token).sign();
        let call = request("GET", "/api/a").header("authorization", format!("DPoP {token}"));
        from("192.0.2.1", "", call.header("dpop", proof).body(Body::empty()).unwrap())
    };
    for _ in 0..5 {
        assert_eq!(refused(&app, call("GET")).await, Reason::UseDpopNonce);
    }
    assert_eq!(refused(&app, call("POST")).await, Reason::InvalidDpopProof);
    assert_eq!(refused(&app, call("GET")).await, Reason::RateLimited);
}

#[tokio::test]
async fn a_limit_that_meets_no_address_is_an_alarm_once() {
    let world = World::new().await;
    let bad = || request("GET", "/api/a").body(Body::empty()).unwrap();
    let (log, _guard) = Log::record();
    let alarms = || log.text().matches("into_make_service_with_connect_info").count();
    let limited = || wrap(world.gate(signed_in()).failure_limit(Some("1/m".parse().unwrap())));
    let (unlimited, told) = (world.app(signed_in()), limited());
    refused(&unlimited, bad()).await;
    refused(&told, from("192.0.2.1", "", bad())).await;
    assert_eq!(alarms(), 0);
    let app = limited();
    for _ in 0..3 {
        assert_eq!(refused(&app, bad()).await, Reason::MissingToken);
    }
    assert_eq!(alarms(), 1);
}

/// Served as in the guide, over a connection.
#[tokio::test]
async fn a_gate_that_is_served_with_addresses_limits_them() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new().await;
    let app = wrap(world.gate(signed_in()).failure_limit(Some("1/h".parse().unwrap())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    for expected in ["HTTP/1.1 401 ", "HTTP/1.1 429 "] {
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        let call = b"GET /api/a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
        connection.write_all(call).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(expected), "{answer}");
    }
    server.abort();
}
