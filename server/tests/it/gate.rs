//! Every call under `/api` passes the gate, here with tokens of the embedded provider.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use serde_json::json;

use crate::house::{self, House, header, request};

/// Checks a 401 completely and returns the challenge.
async fn refused(response: Response, reason: &str) -> String {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{reason}");
    let headers = response.headers().clone();
    let challenge = header(&headers, WWW_AUTHENTICATE.as_str()).to_owned();
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    let body = house::json(response).await;
    assert_eq!(body["reason"], reason, "{body}");
    assert_eq!(body["error"], "invalid_token");
    assert_eq!(
        body["request_id"],
        header(&headers, server::REQUEST_ID),
        "the number that the log has too"
    );
    assert!(body.get("detail").is_none(), "{body}");
    challenge
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_passes_with_a_good_token_and_no_other() {
    let house = House::start().await;

    let tokens = house.tokens("demo").await;
    let token = tokens["access_token"].as_str().unwrap();
    let response = house.call("/api/whoami", &format!("Bearer {token}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let principal = house::json(response).await;
    assert_eq!(principal["iss"], house.started.announcement.provider);
    assert!(
        principal["sub"].as_str().is_some_and(|subject| !subject.is_empty()),
        "{principal}"
    );
    assert_eq!(principal["scope"], json!(["openid", "profile", "email"]));
    assert_eq!(principal["client_id"], "pixygate");
    assert!(principal["exp"].as_u64().is_some(), "{principal}");

    let challenge = refused(house.get("/api/whoami").await, "missing_token").await;
    assert!(
        !challenge.contains("error="),
        "RFC 6750, section 3.1: no error code without credentials: {challenge}"
    );

    let challenge = refused(house.call("/api/whoami", "Bearer abc").await, "malformed_token").await;
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");

    // One letter of the payload changed.
    let middle = token.len() / 2;
    let flipped = if &token[middle..=middle] == "A" { "B" } else { "A" };
    let broken = format!("{}{flipped}{}", &token[..middle], &token[middle + 1..]);
    let response = house.call("/api/whoami", &format!("Bearer {broken}")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let reason = house::json(response).await["reason"].clone();
    assert!(reason == "bad_signature" || reason == "malformed_token", "{reason}");

    let id_token = tokens["id_token"].as_str().unwrap();
    refused(
        house.call("/api/whoami", &format!("Bearer {id_token}")).await,
        "wrong_token_type",
    )
    .await;

    // The other tenant is another issuer, with keys of its own.
    let foreign = house.tokens("plain").await["access_token"].as_str().unwrap().to_owned();
    refused(
        house.call("/api/whoami", &format!("Bearer {foreign}")).await,
        "issuer_not_trusted",
    )
    .await;

    house
        .switches(json!({ "access_token": { "aud": "another-service" } }))
        .await;
    let foreign = house.access_token().await;
    refused(
        house.call("/api/whoami", &format!("Bearer {foreign}")).await,
        "audience_mismatch",
    )
    .await;

    // A common mistake with Asgardeo: the base URL as issuer, signed with the right keys.
    let base = house.started.announcement.provider.trim_end_matches("/oauth2/token");
    house.switches(json!({ "access_token": { "iss": base } })).await;
    let confused = house.access_token().await;
    refused(
        house.call("/api/whoami", &format!("Bearer {confused}")).await,
        "issuer_not_trusted",
    )
    .await;

    house.switches(json!({})).await;
    house.control("clock", json!({ "shift": -7200 })).await;
    let expired = house.access_token().await;
    refused(house.call("/api/whoami", &format!("Bearer {expired}")).await, "expired").await;
    house.control("clock", json!({ "shift": 0 })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_is_missing_is_403_and_named() {
    let house = House::start().await;
    let wanted = json!({ "username": "alice", "client_id": "pixygate", "scope": "openid" });
    let tokens = house.control("tokens", wanted).await;
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(
        house.call("/api/whoami", &format!("Bearer {token}")).await.status(),
        StatusCode::OK
    );

    let response = house.call("/api/profile", &format!("Bearer {token}")).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let challenge = header(response.headers(), WWW_AUTHENTICATE.as_str()).to_owned();
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("scope=\"profile\""),
        "{challenge}"
    );
    assert_eq!(house::json(response).await["reason"], "insufficient_scope");
}

/// A refusal by a server function is answered, numbered and counted like one by the gate.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_function_refuses_as_the_gate_does() {
    let house = House::start().await;
    let token = house.access_token().await;
    let confirm = || {
        http::Request::post("/api/confirm")
            .header(HOST, "localhost:3000")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, format!("Bearer {token}"))
    };
    let good = confirm().body(Body::from("statement=yes")).unwrap();
    assert_eq!(house.send(good).await.status(), StatusCode::OK);
    let response = house.send(confirm().body(Body::from("statement=")).unwrap()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let headers = response.headers().clone();
    let body = house::json(response).await;
    assert_eq!(body["reason"], "invalid_request", "{body}");
    let id = header(&headers, server::REQUEST_ID);
    assert!(!id.is_empty() && body["request_id"] == id, "{body}");
    assert_eq!(header(&headers, "cache-control"), "no-store");
    let metrics = &house.started.metrics;
    assert_eq!(metrics.denied(pixygate::Reason::InvalidRequest), 1);
}

/// Leptos registers a server function for one method.
#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_wherever_get_is() {
    let house = House::start().await;
    let bearer = format!("Bearer {}", house.access_token().await);
    for path in ["/api/whoami", "/api/profile"] {
        let call = |method: &str| request(path).method(method).header(AUTHORIZATION, &bearer);
        let get = house.send(call("GET").body(Body::empty()).unwrap()).await;
        let head = house.send(call("HEAD").body(Body::empty()).unwrap()).await;
        assert_eq!(
            (get.status(), head.status()),
            (StatusCode::OK, StatusCode::OK),
            "{path}"
        );
        assert_eq!(get.headers()[CONTENT_TYPE], head.headers()[CONTENT_TYPE]);
        assert_eq!(house::text(head).await, "", "{path}");
    }
    let head = request("/api/whoami").method("HEAD").body(Body::empty()).unwrap();
    assert_eq!(house.send(head).await.status(), StatusCode::UNAUTHORIZED);
    // The function is called with POST only.
    let head = request("/api/confirm").method("HEAD").header(AUTHORIZATION, &bearer);
    let response = house.send(head.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// The same server functions, mounted by mistake without a gate.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_function_without_the_gate_refuses_everybody() {
    let house = House::start().await;
    let bearer = format!("Bearer {}", house.access_token().await);
    let bare = axum::Router::new().route("/api/{*name}", axum::routing::any(leptos_axum::handle_server_fns));
    for (method, path) in [
        ("GET", "/api/whoami"),
        ("GET", "/api/profile"),
        ("POST", "/api/confirm"),
    ] {
        let call = || {
            let call = request(path).method(method).header(AUTHORIZATION, &bearer);
            let call = call.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            call.body(Body::from("statement=yes")).unwrap()
        };
        assert_eq!(
            house.send(call()).await.status(),
            StatusCode::OK,
            "{path}, with the gate"
        );
        let response = tower::ServiceExt::oneshot(bare.clone(), call()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        let challenge = header(response.headers(), WWW_AUTHENTICATE.as_str()).to_owned();
        assert!(challenge.starts_with("Bearer "), "{path} {challenge}");
        assert_eq!(house::json(response).await["reason"], "missing_token", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_listed_and_what_is_ambiguous_is_refused() {
    let house = House::start().await;
    let token = format!("Bearer {}", house.access_token().await);
    let response = house.call("/api/nothing", &token).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(house::json(response).await["reason"], "route_not_found");
    assert_eq!(house.call("/gw/orders", &token).await.status(), StatusCode::NOT_FOUND);

    let post = request("/api/whoami")
        .method("POST")
        .header(AUTHORIZATION, &token)
        .body(Body::empty())
        .unwrap();
    let response = house.send(post).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(house::json(response).await["reason"], "method_not_allowed");

    let two = request("/api/whoami")
        .header(AUTHORIZATION, &token)
        .header(AUTHORIZATION, &token);
    let response = house.send(two.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(house::json(response).await["reason"], "invalid_request");

    for path in [
        "/api/%2e%2e/api/whoami",
        "/api//whoami",
        "/api/whoami%00",
        "/x/../api/whoami",
    ] {
        let status = house.call(path, &token).await.status();
        assert!(
            status == StatusCode::BAD_REQUEST || status == StatusCode::NOT_FOUND,
            "{path}: {status}"
        );
    }
    let doubled = http::Request::builder()
        .uri("/api/whoami")
        .header(HOST, "a")
        .header(HOST, "b")
        .header(AUTHORIZATION, &token);
    assert_eq!(
        house.send(doubled.body(Body::empty()).unwrap()).await.status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn explanations_are_in_the_body_only_when_asked_for() {
    let house = House::with("[gate]\nexplain = true\n").await;
    let foreign = house.tokens("plain").await["access_token"].as_str().unwrap().to_owned();
    let body = house::json(house.call("/api/whoami", &format!("Bearer {foreign}")).await).await;
    assert_eq!(body["reason"], "issuer_not_trusted");
    assert!(
        body["detail"]["expected"].as_str().unwrap().contains("/oauth2/token"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_metadata_are_open() {
    let house = House::start().await;
    assert_eq!(house.get("/healthz").await.status(), StatusCode::OK);
    let response = house.get("/readyz").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(house::json(response).await["ready"], true);
    let metadata = house::json(house.get("/.well-known/oauth-protected-resource").await).await;
    assert_eq!(metadata["resource"], "http://localhost:3000");
    assert_eq!(
        metadata["authorization_servers"],
        json!([house.started.announcement.provider])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_just_signed_in_confirms_and_only_what_is_a_statement() {
    let house = House::start().await;
    let confirm = async |token: &str, statement: &str| {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("statement", statement)
            .finish();
        let request = http::Request::post("/api/confirm")
            .header(HOST, "localhost:3000")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, format!("Bearer {token}"));
        house.send(request.body(Body::from(form)).unwrap()).await
    };

    let token = house.access_token().await;
    let longest = "ä".repeat(200);
    for statement in ["I am Alice", &longest] {
        assert_eq!(confirm(&token, statement).await.status(), StatusCode::OK);
    }
    for statement in ["", "  ", &format!("{longest}b")] {
        let response = confirm(&token, statement).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{statement:?}");
        assert!(house::text(response).await.contains("invalid_request"));
    }

    house.control("clock", json!({ "shift": -400 })).await;
    let before = house.access_token().await;
    let response = confirm(&before, "I am Alice").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = header(response.headers(), WWW_AUTHENTICATE.as_str()).to_owned();
    assert!(
        challenge.contains("insufficient_user_authentication") && challenge.contains("max_age=\"300\""),
        "{challenge}"
    );
    let elsewhere = house.call("/api/whoami", &format!("Bearer {before}")).await;
    assert_eq!(elsewhere.status(), StatusCode::OK, "the token itself is good");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_of_the_gate_reaches_it() {
    let settings = "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\n[gate]\nmax_token_bytes = 4096\ndpop_nonce = true\n\
        rate_limit = \"2/h\"\nfailure_limit = \"1/h\"\ncertificate_header = \"client-cert\"\n";
    let long = format!("Bearer {}", "a".repeat(5000));
    let forwarded = |client: &str| {
        let mut request = request("/api/whoami")
            .header("x-forwarded-for", client)
            .body(Body::empty())
            .unwrap();
        let proxy: SocketAddr = "10.0.0.1:4711".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(proxy));
        request
    };
    for (more, set) in [("", false), (settings, true)] {
        let house = House::with(more).await;
        let asked = async |request: Request<Body>| {
            let response = house.send(request).await;
            let nonce = response.headers().contains_key("dpop-nonce");
            (house::json(response).await["reason"].clone(), nonce)
        };
        let told = |reason: &str, otherwise: &str| json!(if set { reason } else { otherwise });
        // The rejected clients: with a nonce, once an hour, and identified by the proxy's header.
        for (client, reason) in [
            ("192.0.2.1", json!("missing_token")),
            ("192.0.2.1", told("rate_limited", "missing_token")),
            ("192.0.2.2", json!("missing_token")),
        ] {
            let (found, nonce) = asked(forwarded(client)).await;
            assert_eq!(
                (&found, nonce),
                (&reason, set && reason == "missing_token"),
                "{client} {set}"
            );
        }
        let response = house::json(house.call("/api/whoami", &long).await).await;
        assert_eq!(response["reason"], told("token_too_large", "malformed_token"));
        // Other clients are not affected.
        let token = format!("Bearer {}", house.access_token().await);
        for status in [
            StatusCode::OK,
            StatusCode::OK,
            if set {
                StatusCode::TOO_MANY_REQUESTS
            } else {
                StatusCode::OK
            },
        ] {
            assert_eq!(house.call("/api/whoami", &token).await.status(), status, "{set}");
        }
        let metadata = house::json(house.get("/.well-known/oauth-protected-resource").await).await;
        assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], set);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_about_to_stop_is_not_ready_and_still_serves() {
    use std::sync::atomic::Ordering;

    let house = House::start().await;
    let token = format!("Bearer {}", house.access_token().await);
    assert_eq!(house.get("/readyz").await.status(), StatusCode::OK);
    house.started.state.stopping.store(true, Ordering::Relaxed);
    let response = house.get("/readyz").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(house::json(response).await["checks"]["stopping"], true);
    assert_eq!(house.call("/api/whoami", &token).await.status(), StatusCode::OK);
}
