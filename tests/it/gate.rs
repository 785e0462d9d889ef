//! 48–50, 55, 57, 58, 60 and 61: single requests and the gate's responses.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::get,
};
use http::{Method, StatusCode};
use pixygate::{
    Reason,
    gate::{Gate, GateBuilder, GateError, Policies, Policy, RouteError, policy::Methods},
    jwt::{Trust, TrustError},
};
use serde_json::{Value, json};
use tower::Layer;

use crate::world::{World, application, refusal, refused, request, send, signed_in, status, text, with_token, wrap};

#[tokio::test]
async fn a_handler_gets_the_principal_and_the_answer_has_a_request_id() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let response = send(
        &app,
        with_token("GET", "/api/whoami", &world.token().scope("a b").sign()),
    )
    .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("x-request-id"));
    let principal: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(principal["sub"], "alice");
    assert_eq!(principal["scope"], json!(["a", "b"]));
}

#[tokio::test]
async fn what_no_policy_lists_is_refused_and_what_is_not_protected_passes() {
    let world = World::new().await;
    let policies = Policies::new().route("GET", "/api/a", Policy::signed_in());
    let policies = policies.route("*", "/api/open/**", Policy::public());
    let app = world.app(policies);
    let token = world.token().sign();
    assert_eq!(status(&app, with_token("GET", "/api/a", &token)).await, StatusCode::OK);
    assert_eq!(status(&app, with_token("HEAD", "/api/a", &token)).await, StatusCode::OK);
    for path in ["/api/b", "/api/a/", "/api/a/b", "/api", "/gw/orders", "/gw"] {
        assert_eq!(
            refused(&app, with_token("GET", path, &token)).await,
            Reason::RouteNotFound,
            "{path}"
        );
    }
    let response = send(&app, with_token("POST", "/api/a", &token)).await;
    assert_eq!(response.headers()["allow"], "GET");
    assert_eq!(refusal(response).await.reason, Reason::MethodNotAllowed);
    for path in ["/", "/callback", "/apis", "/gwx", "/pkg/app.css", "/api/open/x"] {
        assert_eq!(
            status(&app, request("GET", path).body(Body::empty()).unwrap()).await,
            StatusCode::OK,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_first_route_that_matches_counts() {
    let world = World::new().await;
    let policies = Policies::new()
        .route("GET", "/api/a", Policy::signed_in())
        .route("GET", "/api/**", Policy::public())
        .route("POST", "/api/{name}", Policy::public());
    let app = world.app(policies);
    let ask = |method: &str, path: &str| request(method, path).body(Body::empty()).unwrap();
    assert_eq!(refused(&app, ask("GET", "/api/a")).await, Reason::MissingToken);
    assert_eq!(status(&app, ask("HEAD", "/api/a")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&app, ask("GET", "/api/b")).await, StatusCode::OK);
    assert_eq!(status(&app, ask("POST", "/api/a")).await, StatusCode::OK);
}

#[tokio::test]
async fn two_credentials_are_400_and_a_token_in_the_query_is_none() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let token = world.token().sign();
    let bearer = format!("Bearer {token}");
    let twice = request("GET", "/api/a")
        .header("authorization", &bearer)
        .header("authorization", &bearer);
    assert_eq!(
        refused(&app, twice.body(Body::empty()).unwrap()).await,
        Reason::InvalidRequest
    );
    for query in [format!("access_token={token}"), format!("a=1&access%5Ftoken={token}")] {
        let path = format!("/api/a?{query}");
        assert_eq!(
            refused(&app, with_token("GET", &path, &token)).await,
            Reason::InvalidRequest
        );
        let alone = request("GET", &path).body(Body::empty()).unwrap();
        assert_eq!(refused(&app, alone).await, Reason::MissingToken);
    }
    assert_eq!(
        status(&app, with_token("GET", "/api/a?token=1", &token)).await,
        StatusCode::OK
    );
}

#[tokio::test]
async fn two_credentials_are_400_on_a_public_path_too() {
    let world = World::new().await;
    let app = world.app(Policies::new().route("GET", "/api/a", Policy::public()));
    let call = |headers: &[&str]| {
        let call = headers.iter().fold(request("GET", "/api/a"), |call, header| {
            call.header("authorization", *header)
        });
        call.body(Body::empty()).unwrap()
    };
    assert_eq!(
        refused(&app, call(&["Bearer a", "Basic b"])).await,
        Reason::InvalidRequest
    );
    // On a public path, one `Authorization` header is ignored, whatever it contains.
    assert_eq!(status(&app, call(&["Basic b"])).await, StatusCode::OK);
}

#[tokio::test]
async fn the_asterisk_is_under_the_root_and_no_other_prefix() {
    let world = World::new().await;
    let ask = || request("OPTIONS", "*").body(Body::empty()).unwrap();
    let everything = wrap(world.gate(signed_in()).protect_prefixes(["/"]));
    assert_eq!(refused(&everything, ask()).await, Reason::RouteNotFound);
    assert_eq!(status(&world.app(signed_in()), ask()).await, StatusCode::OK);
}

#[tokio::test]
async fn only_bearer_and_dpop_are_schemes_in_any_case() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let token = world.token().sign();
    let ask = |header: String| {
        request("GET", "/api/a")
            .header("authorization", header)
            .body(Body::empty())
            .unwrap()
    };
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        assert_eq!(
            status(&app, ask(format!("{scheme} {token}"))).await,
            StatusCode::OK,
            "{scheme}"
        );
    }
    for header in [
        format!("Basic {token}"),
        format!("BearerX {token}"),
        token.clone(),
        format!("Bearer\t{token}"),
    ] {
        assert_eq!(refused(&app, ask(header)).await, Reason::MissingToken);
    }
    for header in [
        "Bearer".into(),
        "Bearer ".into(),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} x"),
    ] {
        assert_eq!(refused(&app, ask(header)).await, Reason::MalformedToken);
    }
}

#[tokio::test]
async fn options_is_no_exemption() {
    let world = World::new().await;
    let app = world.app(Policies::new().route("GET", "/api/a", Policy::signed_in()));
    for headers in [
        vec![],
        vec![
            ("origin", "https://evil.example"),
            ("access-control-request-method", "GET"),
        ],
    ] {
        let mut preflight = request("OPTIONS", "/api/a");
        for (name, value) in headers {
            preflight = preflight.header(name, value);
        }
        assert_eq!(
            refused(&app, preflight.body(Body::empty()).unwrap()).await,
            Reason::MethodNotAllowed
        );
    }
}

#[tokio::test]
async fn one_host_is_needed() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let bearer = format!("Bearer {}", world.token().sign());
    let ask = || http::Request::builder().uri("/api/a").header("authorization", &bearer);
    assert_eq!(
        refused(&app, ask().body(Body::empty()).unwrap()).await,
        Reason::InvalidRequest
    );
    let twice = ask()
        .header("host", "a")
        .header("host", "b")
        .body(Body::empty())
        .unwrap();
    assert_eq!(refused(&app, twice).await, Reason::InvalidRequest);
    assert_eq!(
        status(&app, ask().header("host", "a").body(Body::empty()).unwrap()).await,
        StatusCode::OK
    );
    let http2 = ask()
        .uri("https://shop.example/api/a")
        .version(http::Version::HTTP_2)
        .body(Body::empty())
        .unwrap();
    assert_eq!(status(&app, http2).await, StatusCode::OK);
}

#[tokio::test]
async fn a_cross_site_post_is_refused() {
    let world = World::new().await;
    let app = wrap(world.gate(signed_in()).allow_origin("https://partner.example"));
    let token = world.token().sign();
    let post = |headers: &[(&str, &str)]| {
        let mut request = request("POST", "/api/a").header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    };
    let allowed: [&[(&str, &str)]; 6] = [
        &[],
        &[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:3000")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://shop.example")],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://partner.example")],
        &[("origin", "https://partner.example:443")],
    ];
    for headers in allowed {
        assert_eq!(status(&app, post(headers)).await, StatusCode::OK, "{headers:?}");
    }
    let refusals: [&[(&str, &str)]; 7] = [
        &[("sec-fetch-site", "cross-site")],
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", "https://other.shop.example"),
        ],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("origin", "https://evil.example")],
        &[("origin", "https://shop.example.evil")],
        &[("origin", "http://shop.example")],
        &[("origin", "null")],
    ];
    for headers in refusals {
        assert_eq!(
            refused(&app, post(headers)).await,
            Reason::InvalidRequest,
            "{headers:?}"
        );
    }
    // Pages in web views. The URL standard defines no origin for their schemes.
    for origin in ["capacitor://localhost", "tauri://localhost", "app://obsidian.md"] {
        let app = wrap(world.gate(signed_in()).allow_origin(origin));
        let from = |origin: &str| post(&[("sec-fetch-site", "cross-site"), ("origin", origin)]);
        assert_eq!(status(&app, from(origin)).await, StatusCode::OK, "{origin}");
        for other in [
            format!("{origin}.evil.example"),
            "ionic://localhost".into(),
            "http://localhost".into(),
            "null".into(),
        ] {
            assert_eq!(refused(&app, from(&other)).await, Reason::InvalidRequest, "{other}");
        }
    }
    // A GET is safe: other origins cannot read the response without CORS.
    let get = request("GET", "/api/a").header("authorization", format!("Bearer {token}"));
    assert_eq!(
        status(
            &app,
            get.header("sec-fetch-site", "cross-site").body(Body::empty()).unwrap()
        )
        .await,
        StatusCode::OK
    );
}

/// A body that must not be read: reading it would never end, or fill the memory.
fn untouchable(read: Arc<AtomicBool>) -> Body {
    let chunks = futures::stream::repeat_with(move || {
        read.store(true, Ordering::Relaxed);
        Ok::<_, Infallible>(Bytes::from_static(&[0; 1024]))
    });
    Body::from_stream(chunks)
}

#[tokio::test]
async fn the_endless_body_of_a_refused_call_is_never_read() {
    let world = World::new().await;
    let policies = Policies::new().route("POST", "/api/a", Policy::signed_in().scope("a"));
    let app = world.app(policies);
    for (token, expected) in [
        ("x.y.z".to_owned(), StatusCode::UNAUTHORIZED),
        (world.token().sign(), StatusCode::FORBIDDEN),
        // The handler gets the body, and does not read it here.
        (world.token().scope("a").sign(), StatusCode::OK),
    ] {
        let read = Arc::new(AtomicBool::new(false));
        let call = request("POST", "/api/a").header("authorization", format!("Bearer {token}"));
        let call = call.body(untouchable(read.clone())).unwrap();
        assert_eq!(status(&app, call).await, expected);
        assert!(!read.load(Ordering::Relaxed), "{expected}");
    }
}

#[tokio::test]
async fn a_handler_without_the_gate_has_no_principal() {
    let world = World::new().await;
    let bare = application();
    let response = send(&bare, with_token("GET", "/api/whoami", &world.token().sign())).await;
    assert_eq!(refusal(response).await.reason, Reason::MissingToken);
    // The principal is also hidden from a public policy, even with a valid token.
    let public = world.app(Policies::new().route("GET", "/api/whoami", Policy::public()));
    assert_eq!(
        refused(&public, with_token("GET", "/api/whoami", &world.token().sign())).await,
        Reason::MissingToken
    );
}

/// The outer gate accepted a user. If the inner policy is public, the handler gets no principal.
#[tokio::test]
async fn of_two_gates_the_inner_one_says_who_it_is() {
    let world = World::new().await;
    let outer = world.gate(signed_in()).build().unwrap().layer();
    let public = Policies::new().route("GET", "/api/whoami", Policy::public());
    let inner = world.gate(public).build().unwrap().wrap(application());
    let call = || with_token("GET", "/api/whoami", &world.token().sign());
    assert_eq!(refused(&outer.layer(inner), call()).await, Reason::MissingToken);
    let inner = world.gate(signed_in()).build().unwrap().wrap(application());
    assert_eq!(status(&outer.layer(inner), call()).await, StatusCode::OK);
}

/// `Router::nest` removes a prefix, and the rest of the path would look unprotected.
#[tokio::test]
async fn a_gate_behind_a_router_that_cuts_the_path_lets_nothing_through_unjudged() {
    let world = World::new().await;
    let orders = || Router::new().route("/orders", get(|| async { "reached" }));
    let ask = |token: &str| with_token("GET", "/api/orders", token);
    let token = world.token().sign();

    let behind = world.gate(signed_in()).build().unwrap().layer();
    let app = Router::new().nest("/api", orders().layer(behind));
    for token in ["", &token] {
        assert_eq!(refused(&app, ask(token)).await, Reason::RouteNotFound);
    }
    // Paths that neither gate protects are passed on.
    let behind = world.gate(signed_in()).build().unwrap().layer();
    let app = Router::new().nest("/open", orders().layer(behind));
    let open = request("GET", "/open/orders").body(Body::empty()).unwrap();
    assert_eq!(status(&app, open).await, StatusCode::OK);
    // With policies for the rest of the path, and with a gate in front of all routers.
    let policies = Policies::new().route("GET", "/orders", Policy::signed_in());
    let behind = world.gate(policies).protect_prefixes(["/"]).build().unwrap().layer();
    let app = Router::new().nest("/api", orders().layer(behind));
    assert_eq!(refused(&app, ask("")).await, Reason::MalformedToken);
    assert_eq!(status(&app, ask(&token)).await, StatusCode::OK);
    let in_front = world.gate(signed_in()).build().unwrap();
    let app = in_front.wrap(Router::new().nest("/api", orders()));
    assert_eq!(refused(&app, ask("")).await, Reason::MalformedToken);
    assert_eq!(status(&app, ask(&token)).await, StatusCode::OK);
}

fn errors(gate: GateBuilder) -> Vec<GateError> {
    gate.build().map_or_else(|errors| errors.0, |_| Vec::new())
}

#[tokio::test]
async fn a_setting_that_cannot_be_meant_is_an_error() {
    let world = World::new().await;
    let gate = || world.gate(signed_in());
    let refuses = |gate: GateBuilder, error: GateError| assert_eq!(errors(gate), [error]);
    refuses(
        gate().public_url("shop.example"),
        GateError::PublicUrl("shop.example".into()),
    );
    refuses(gate().allow_origin("partner"), GateError::Origin("partner".into()));
    refuses(gate().trust(world.issuer.trust("orders")), GateError::TrustAndValidator);
    // No path begins with any of these, so nothing would be protected.
    let all = || world.gate(Policies::new());
    for prefix in [
        "",
        "api",
        "/api/",
        "/api/**",
        "/api/*",
        "/{tenant}",
        "/%61pi",
        "/api?",
        "/api//a",
        "/api/..",
    ] {
        refuses(all().protect_prefixes([prefix]), GateError::Prefix(prefix.into()));
    }
    refuses(all().protect_prefixes([""; 0]), GateError::Prefix(String::new()));
    for prefixes in [&["/api", "/a b"][..], &["/"]] {
        assert_eq!(errors(gate().protect_prefixes(prefixes.to_vec())), []);
    }
}

#[tokio::test]
async fn details_are_for_a_server_on_this_machine() {
    let world = World::new().await;
    let explaining = |public_url: &str, listen: Option<&str>| {
        let gate = world.gate(signed_in()).public_url(public_url).explain(true);
        errors(gate.listen(listen.map(|address| address.parse().unwrap())))
    };
    for (public_url, listen) in [
        ("", Some("127.0.0.1:3000")),
        ("https://shop.example", Some("127.0.0.1:3000")),
        ("http://192.0.2.1", Some("127.0.0.1:3000")),
        ("http://localhost:3000", Some("0.0.0.0:3000")),
        ("http://localhost:3000", Some("192.0.2.1:3000")),
        ("http://localhost:3000", None),
    ] {
        let found = explaining(public_url, listen);
        assert!(
            matches!(found[..], [GateError::Explain { .. }]),
            "{public_url} {listen:?}"
        );
    }
    for listen in ["127.0.0.1:3000", "[::1]:3000", "[::ffff:127.0.0.1]:3000"] {
        assert_eq!(explaining("http://localhost:3000", Some(listen)), [], "{listen}");
    }
}

#[tokio::test]
async fn a_certificate_header_is_one_that_only_proxies_set() {
    let world = World::new().await;
    let gate = |header: &str| {
        let gate = world.gate(signed_in()).certificate_header(Some(header.to_owned()));
        errors(gate.trusted_proxies(["10.0.0.0/8".parse().unwrap()]))
    };
    for header in [
        "authorization",
        "Authorization",
        "host",
        "cookie",
        "dpop",
        "origin",
        "forwarded",
        "X-Forwarded-For",
        "x-request-id",
        "content-type",
        "a b",
        "",
    ] {
        assert_eq!(gate(header), [GateError::CertificateHeader(header.into())]);
    }
    for header in [
        "client-cert",
        "X-SSL-Client-Cert",
        "x-forwarded-client-cert",
        "ssl-client-cert",
        "x-tls-client",
    ] {
        assert_eq!(gate(header), [], "{header}");
    }
    let alone = world.gate(signed_in()).certificate_header(Some("x-client-cert".into()));
    assert_eq!(errors(alone), [GateError::CertificateHeaderWithoutProxy]);
}

#[tokio::test]
async fn a_route_that_could_not_hold_is_an_error() {
    let world = World::new().await;
    let found = |policies: Policies| errors(world.gate(policies));
    let shadowed = |route: &str, by: &str| {
        let (route, by) = (route.to_owned(), by.to_owned());
        GateError::Route(RouteError::Shadowed { route, by })
    };
    let route = |methods: &str, path: &str| Policies::new().route(methods, path, Policy::signed_in());
    let both = |one: Policies, other: Policies| found(one.merge(other));
    for (one, other) in [
        (("GET", "/api/**"), ("GET", "/api/a")),
        (("*", "/api/{id}"), ("GET", "/api/a")),
        (("GET", "/api/a"), ("GET", "/api/a")),
        (("GET", "/api/a"), ("HEAD", "/api/a")),
        (("*", "/api/**"), ("*", "/api/a/**")),
    ] {
        let expected = shadowed(&format!("{} {}", other.0, other.1), &format!("{} {}", one.0, one.1));
        assert_eq!(both(route(one.0, one.1), route(other.0, other.1)), [expected]);
        // In the other order both are reached, unless they are the same.
        if one.1 != other.1 {
            assert_eq!(both(route(other.0, other.1), route(one.0, one.1)), []);
        }
    }
    for (one, other) in [
        (("GET", "/api/**"), ("POST", "/api/a")),
        (("GET", "/api/a"), ("*", "/api/a")),
        (("GET", "/api/a/**"), ("GET", "/api/{id}/b")),
    ] {
        assert_eq!(both(route(one.0, one.1), route(other.0, other.1)), []);
    }
    // Two patterns together cover it.
    let two = route("GET", "/api/**").merge(route("POST", "/api/**"));
    let named = Policies::new().route(Methods::named(["GET", "POST"]).unwrap(), "/api/a", Policy::signed_in());
    assert_eq!(both(two, named), [shadowed("GET,POST /api/a", "GET /api/**")]);

    let none: [&str; 0] = [];
    for (policy, is_satisfiable) in [
        (Policy::signed_in().acr("mfa").acr("pwd"), false),
        (Policy::signed_in().any_acr(["mfa", "pwd"]).acr("pwd"), true),
        (Policy::signed_in().any_scope(none), false),
        (Policy::signed_in().any_scope(["read"]).any_scope(["write"]), true),
        (Policy::signed_in().any_role(none), false),
        (Policy::signed_in().any_claim("tier", none), false),
        (Policy::signed_in().claim("tier", "gold").claim("tier", "silver"), true),
    ] {
        let found = found(Policies::new().route("GET", "/api/a", policy.clone()));
        let unsatisfiable = RouteError::Unsatisfiable("GET /api/a".into()).into();
        assert_eq!(found.contains(&unsatisfiable), !is_satisfiable, "{policy}");
        assert_eq!(found.len(), usize::from(!is_satisfiable), "{policy}");
    }
    let elsewhere = Policies::new().route("GET", "/orders", Policy::signed_in());
    assert_eq!(
        found(elsewhere.clone()),
        [RouteError::Unprotected("GET /orders".into()).into()]
    );
    assert_eq!(errors(world.whole_gate(elsewhere)), []);
    let bound = || Policies::new().route("GET", "/api/a", Policy::signed_in().dpop());
    let without_url = world.gate(bound()).public_url("");
    assert_eq!(
        errors(without_url),
        [RouteError::DpopWithoutPublicUrl("GET /api/a".into()).into()]
    );
    assert_eq!(found(bound()), []);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let world = World::new().await;
    let policies = Policies::new()
        .route("get", "/api/a", Policy::signed_in())
        .route("GET", "api", Policy::signed_in())
        .route("GET", "/orders", Policy::signed_in().dpop());
    let gate = world.gate(policies).public_url("shop").allow_origin("partner");
    let found = errors(gate);
    assert_eq!(found.len(), 6, "{found:?}");
    let trusts = Gate::builder()
        .trust(Trust::new(""))
        .trust(Trust::new("https://idp.example"));
    assert_eq!(errors(trusts.public_url("shop")).len(), 3);
    assert_eq!(errors(Gate::builder()), [GateError::Trust(TrustError::None)]);
}

#[test]
fn what_is_registered_without_policy_is_named() {
    let policies = signed_in();
    let served = [("POST", "/api/whoami"), ("GET", "/gw/orders"), ("GE T", "/api/a")];
    assert_eq!(policies.missing(served), [("GET", "/gw/orders"), ("GE T", "/api/a")]);
    assert!(policies.find(&Method::POST, "/api/x").is_some());
    // In axum's syntax. As a policy it would match one segment with any name, and deny all deeper paths.
    let axum_like = Policies::new().route("GET", "/api/{*rest}", Policy::signed_in());
    assert!(axum_like.check().unwrap_err().to_string().contains("write `**`"));
    let parameter = Policies::new().route("GET", "/api/{id}", Policy::signed_in());
    assert_eq!(parameter.check(), Ok(()));
}
