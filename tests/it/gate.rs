//! 24, 48–50, 55, 57, 58 and 61: one request and what the gate says of it.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Method, StatusCode};
use pixygate::{
    Reason,
    gate::{GateError, Observe, Policies, Policy, RequestId, Verdict},
    test_support::at,
};
use serde_json::{Value, json};

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
    let policies = Policies::new().route("GET", "/api/a", Policy::signed_in()).unwrap();
    let policies = policies.route("*", "/api/open/**", Policy::public()).unwrap();
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
        .route("GET", "/api/**", Policy::signed_in().scope("all"))
        .and_then(|policies| policies.route("GET", "/api/a", Policy::public()))
        .and_then(|policies| policies.route("POST", "/api/{name}", Policy::public()))
        .unwrap();
    let app = world.app(policies);
    assert_eq!(
        refused(&app, request("GET", "/api/a").body(Body::empty()).unwrap()).await,
        Reason::MissingToken
    );
    assert_eq!(
        status(&app, request("POST", "/api/b").body(Body::empty()).unwrap()).await,
        StatusCode::OK
    );
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
    let app = world.app(Policies::new().route("GET", "/api/a", Policy::signed_in()).unwrap());
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
    // Reading is harmless: the answer cannot be read from elsewhere without CORS.
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

#[tokio::test]
async fn a_handler_without_the_gate_has_no_principal() {
    let world = World::new().await;
    let bare = application();
    let response = send(&bare, with_token("GET", "/api/whoami", &world.token().sign())).await;
    assert_eq!(refusal(response).await.reason, Reason::MissingToken);
    // Nor where the policy is public, even with a good token.
    let public = world.app(Policies::new().route("GET", "/api/whoami", Policy::public()).unwrap());
    assert_eq!(
        refused(&public, with_token("GET", "/api/whoami", &world.token().sign())).await,
        Reason::MissingToken
    );
}

#[tokio::test]
async fn who_brought_nothing_is_told_where_the_metadata_are_and_no_error() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let response = send(&app, request("GET", "/api/a").body(Body::empty()).unwrap()).await;
    let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.len(), 2);
    let metadata = "resource_metadata=\"https://shop.example/.well-known/oauth-protected-resource\"";
    for challenge in challenges {
        let challenge = challenge.to_str().unwrap();
        assert!(
            challenge.contains(metadata) && !challenge.contains("error="),
            "{challenge}"
        );
    }
    assert_eq!(refusal(response).await.detail, None);
}

#[tokio::test]
async fn details_are_in_the_body_only_when_the_gate_explains() {
    let world = World::new().await;
    let token = world.token().claim("iss", "https://idp.example/").sign();
    let app = world.app(signed_in());
    assert_eq!(
        refusal(send(&app, with_token("GET", "/api/a", &token)).await)
            .await
            .detail,
        None
    );
    let app = wrap(
        world
            .gate(signed_in())
            .public_url("http://localhost:3000")
            .explain(true),
    );
    let detail = refusal(send(&app, with_token("GET", "/api/a", &token)).await)
        .await
        .detail
        .unwrap();
    assert_eq!(detail.expected, "iss \"https://idp.example\"");
    assert!(detail.found.contains("ends with a slash"), "{}", detail.found);
    assert!(
        detail.mend.contains("aliases = [\"https://idp.example/\"]"),
        "{}",
        detail.mend
    );
}

#[tokio::test]
async fn keys_that_are_missing_are_503_with_retry_after() {
    let world = World::new().await;
    world.provider.set_down(true);
    world.clock.advance(3600);
    let app = world.app(signed_in());
    let response = send(
        &app,
        with_token("GET", "/api/a", &world.token().claim("exp", at(9000)).sign()),
    )
    .await;
    assert_eq!(response.headers()["retry-after"], "10");
    assert_eq!(refusal(response).await.reason, Reason::KeysUnavailable);
}

/// Why a call was refused, and whose it was.
type Told = (Option<Reason>, Option<String>);

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Told>>>);

impl Observe for Seen {
    fn judged(&self, verdict: &Verdict<'_>) {
        let reason = verdict.rejection.map(|rejection| rejection.reason());
        let subject = verdict.principal.map(|principal| principal.subject().to_owned());
        self.0.lock().unwrap().push((reason, subject));
    }
}

#[tokio::test]
async fn every_verdict_is_told() {
    let world = World::new().await;
    let seen = Seen::default();
    let policies = Policies::new()
        .route("GET", "/api/a", Policy::signed_in().scope("x"))
        .unwrap();
    let app = wrap(world.gate(policies).observer(seen.clone()));
    send(&app, with_token("GET", "/api/a", &world.token().scope("x").sign())).await;
    send(&app, with_token("GET", "/api/a", &world.token().sign())).await;
    send(&app, request("GET", "/api/a").body(Body::empty()).unwrap()).await;
    send(&app, request("GET", "/api/zzz").body(Body::empty()).unwrap()).await;
    send(&app, request("GET", "/").body(Body::empty()).unwrap()).await;
    let alice = || Some("alice".to_owned());
    let expected = vec![
        (None, alice()),
        (Some(Reason::InsufficientScope), alice()),
        (Some(Reason::MissingToken), None),
        (Some(Reason::RouteNotFound), None),
    ];
    assert_eq!(*seen.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn the_request_id_of_an_outer_layer_is_kept() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let mut request = request("GET", "/api/a")
        .header("x-request-id", "forged")
        .body(Body::empty())
        .unwrap();
    request.extensions_mut().insert(RequestId::new("outer-7").unwrap());
    assert_eq!(refusal(send(&app, request).await).await.request_id, "outer-7");
    assert_eq!(RequestId::new("a\r\nb"), None);
}

#[tokio::test]
async fn the_metadata_are_made_from_trust_and_policies() {
    let world = World::new().await;
    let policies = Policies::new()
        .route("GET", "/api/a", Policy::signed_in().scope("b").any_scope(["a", "b"]))
        .and_then(|policies| policies.route("GET", "/api/b", Policy::public()))
        .unwrap();
    let metadata = world.gate(policies).build().unwrap().resource_metadata();
    assert_eq!(metadata["resource"], "https://shop.example");
    assert_eq!(metadata["authorization_servers"], json!(["https://idp.example"]));
    assert_eq!(metadata["scopes_supported"], json!(["a", "b"]));
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    assert_eq!(metadata["dpop_bound_access_tokens_required"], json!(false));
}

#[tokio::test]
async fn a_gate_that_cannot_be_meant_is_not_built() {
    let world = World::new().await;
    let gate = || world.gate(signed_in());
    assert!(matches!(
        gate().public_url("shop.example").build(),
        Err(GateError::PublicUrl(_))
    ));
    assert!(matches!(
        gate().allow_origin("partner").build(),
        Err(GateError::Origin(_))
    ));
    assert!(matches!(gate().explain(true).build(), Err(GateError::Explain(_))));
    assert!(matches!(gate().protect(["api"]).build(), Err(GateError::Prefix(_))));
    assert!(matches!(
        gate().protect(["/gw"]).build(),
        Err(GateError::Unprotected(_))
    ));
    assert!(matches!(
        gate().certificate_header(Some("x-cert".into())).build(),
        Err(GateError::CertificateHeader)
    ));
    assert!(gate().protect(["/"]).build().is_ok());
}

#[test]
fn what_is_registered_without_policy_is_named() {
    let policies = signed_in();
    let served = [("POST", "/api/whoami"), ("GET", "/gw/orders"), ("GE T", "/api/a")];
    assert_eq!(policies.missing(served), [("GET", "/gw/orders"), ("GE T", "/api/a")]);
    assert!(policies.find(&Method::POST, "/api/x").is_some());
    assert!(Policies::new().route("get", "/api/a", Policy::public()).is_err());
}
