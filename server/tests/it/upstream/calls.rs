//! What reaches a service, and what does not.

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::{any, get};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN, WWW_AUTHENTICATE};
use jwt_simple::prelude::{ECDSAP256PublicKeyLike as _, ES256PublicKey, NoCustomClaims, VerificationOptions};
use serde_json::{Value, json};

use super::service::{Served, echo, parsed, received, serve, upstream};
use crate::house::{header, json as body_of, request, text as text_of};

/// Verifies with a library that shares nothing with the gateway.
fn verify(token: &str, jwks: &Value, audience: &str) -> Result<Value, jwt_simple::Error> {
    let part = |position: usize| -> Value {
        let part = token.split('.').nth(position).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let keys = jwks["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == part(0)["kid"]).unwrap();
    let coordinate = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let options = VerificationOptions {
        allowed_audiences: Some([audience.to_owned()].into()),
        ..VerificationOptions::default()
    };
    ES256PublicKey::from_bytes(&point)?.verify_token::<NoCustomClaims>(token, Some(options))?;
    Ok(part(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_learns_who_is_calling_from_a_jwt_for_it_alone() {
    let served = Served::with(&upstream("echo", echo().await, "")).await;
    let description = served.describe("/gw/echo/orders/7?page=2", &[]).await;
    assert_eq!(description["uri"], "/orders/7?page=2");
    assert!(received(&description, "authorization").is_empty());
    let assertion = received(&description, "x-jwt-assertion");
    let [assertion] = assertion.as_slice() else {
        panic!("{description}")
    };

    let jwks = body_of(served.house.get("/.well-known/jwks.json").await).await;
    assert!(jwks["keys"][0].get("d").is_none(), "public keys only");
    let claims = verify(assertion, &jwks, "echo").unwrap();
    let whoami = served
        .house
        .call("/api/whoami", &format!("Bearer {}", served.house.access_token().await))
        .await;
    let whoami = body_of(whoami).await;
    assert_eq!(claims["iss"], "http://localhost:3000");
    assert_eq!(claims["sub"], whoami["sub"]);
    assert_eq!(claims["idp"], whoami["iss"]);
    assert_eq!(claims["client_id"], "pixygate");
    assert_eq!(claims["scope"], "openid profile email");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
    assert!(claims["jti"].as_str().is_some_and(|id| id.len() >= 22));
    assert!(verify(assertion, &jwks, "other").is_err(), "it is for one upstream");

    // The gate does not take its own statement for a token.
    let response = served.house.call("/api/whoami", &format!("Bearer {assertion}")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_statement_serves_the_calls_of_one_token_to_one_upstream() {
    let target = echo().await;
    let both = upstream("one", target, "") + &upstream("two", target, "");
    let served = Served::with(&both).await;
    let token = served.house.access_token().await;
    let call = async |path: &str| {
        let response = reqwest::Client::new()
            .get(served.url(path))
            .bearer_auth(&token)
            .send()
            .await;
        let description: Value = response.unwrap().json().await.unwrap();
        received(&description, "x-jwt-assertion")[0].to_owned()
    };
    let first = call("/gw/one/a").await;
    assert_eq!(call("/gw/one/b").await, first);
    assert_ne!(call("/gw/two/a").await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_say_what_only_the_gateway_says() {
    let more = "identity = \"both\"\nidentity_headers = { \"X-User\" = \"sub\", \"X-Scopes\" = \"scope\", \"X-Missing\" = \"nothing\" }";
    let served = Served::with(&upstream("echo", echo().await, more)).await;
    let forged = [
        ("x-user", "mallory"),
        ("x_user", "mallory"),
        ("x.user", "mallory"),
        ("x-missing", "mallory"),
        ("x_jwt_assertion", "mallory"),
        ("x-jwt-assertion", "mallory"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.example"),
        ("x_forwarded_proto", "mallory"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
        ("x-original-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-request-id", "mallory"),
        ("x-plain", "kept"),
    ];
    let description = served.describe("/gw/echo/x", &forged).await;
    let text = description.to_string();
    for word in ["mallory", "6.6.6.6", "evil", "/admin", "DELETE"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert_eq!(received(&description, "x-plain"), ["kept"]);
    assert_eq!(received(&description, "x-scopes"), ["openid profile email"]);
    assert_eq!(received(&description, "x-user").len(), 1);
    assert_eq!(received(&description, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(received(&description, "x-forwarded-host"), ["localhost:3000"]);
    assert_eq!(received(&description, "x-forwarded-proto"), ["http"]);
    assert_eq!(
        received(&description, "forwarded"),
        ["for=127.0.0.1;host=\"localhost:3000\";proto=http"]
    );
    assert_eq!(received(&description, "host"), [description_host(&served)]);
}

fn description_host(served: &Served) -> String {
    let target = served.house.started.state.upstreams.all()[0]
        .upstream
        .settings()
        .targets[0]
        .clone();
    format!("{}:{}", target.host_str().unwrap(), target.port().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_cannot_name_what_the_gateway_adds() {
    let more = "identity = \"both\"\nidentity_headers = { \"X-User\" = \"sub\" }";
    let served = Served::with(&upstream("echo", echo().await, more)).await;
    let token = served.house.access_token().await;
    let answer = served
        .raw(&format!(
            "GET /gw/echo/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nX-Secret: 1\r\nX-Plain: kept\r\n\
             Connection: close, X-Jwt-Assertion, x-user, X-Forwarded-For, X-Secret, Authorization\r\n\r\n"
        ))
        .await;
    let (status, description) = parsed(&answer);
    assert_eq!(status, 200, "{answer}");
    for name in ["x-jwt-assertion", "x-user", "x-forwarded-for", "x-plain"] {
        assert_eq!(received(&description, name).len(), 1, "{name}: {description}");
    }
    assert!(received(&description, "x-secret").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_that_was_authorized_is_the_path_that_is_sent() {
    let served = Served::with(&upstream("echo", echo().await, "")).await;
    for (path, expected) in [
        ("/gw/echo", "/"),
        ("/gw/echo/", "/"),
        ("/gw/echo/a%20b", "/a%20b"),
        ("/gw/echo/caf%C3%A9/@me", "/caf%C3%A9/@me"),
        ("/gw/echo/%40me", "/@me"),
        ("/gw/echo/a?x=%2e%2e%2f&y=a%20b", "/a?x=%2e%2e%2f&y=a%20b"),
        ("/gw/echo/a?", "/a?"),
    ] {
        assert_eq!(served.describe(path, &[]).await["uri"], expected, "{path}");
    }
    let token = served.house.access_token().await;
    for (path, expected) in [
        ("/gw/echo/../other", 400),
        ("/gw/echo/%2e%2e/other", 400),
        ("/gw/echo//a", 400),
        ("/gw/echo/a;b", 400),
        ("/gw/echo/a%2fb", 400),
        ("/gw/echo/a%00", 400),
        ("/gw/echo2/a", 404),
        ("/gw/ECHO/a", 404),
    ] {
        let answer = served
            .raw(&format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert_eq!(parsed(&answer).0, expected, "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_can_stay_and_a_target_can_have_a_path() {
    let target = echo().await;
    let stays = format!(
        "[[upstream]]\nname = \"stays\"\ntarget = \"http://{target}/base/\"\nstrip_prefix = false\n\
         [[upstream.route]]\npath = \"/**\"\n"
    );
    let served = Served::with(&stays).await;
    assert_eq!(served.describe("/gw/stays/a", &[]).await["uri"], "/base/gw/stays/a");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_a_route_nothing_is_sent_and_the_challenge_names_the_upstream() {
    let target = serve(Router::new().fallback(any(|| async { StatusCode::IM_A_TEAPOT }))).await;
    let text = format!(
        "[[upstream]]\nname = \"orders\"\ntarget = \"http://{target}\"\n\
         [[upstream.route]]\nmethods = [\"GET\"]\npath = \"/list\"\nscopes = [\"orders:read\"]\n\
         [[upstream.route]]\nmethods = [\"POST\"]\npath = \"/list\"\nscopes = [\"orders:write\", \"profile\"]\n"
    );
    let served = Served::with(&text).await;
    let refused = served.house.get("/gw/orders/list").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let metadata = "http://localhost:3000/.well-known/oauth-protected-resource/gw/orders";
    let challenges: Vec<_> = refused.headers().get_all(WWW_AUTHENTICATE).iter().collect();
    assert_eq!(challenges.len(), 2);
    for challenge in challenges {
        let expected = format!("resource_metadata=\"{metadata}\"");
        assert!(challenge.to_str().unwrap().contains(&expected), "{challenge:?}");
    }
    let path = metadata.strip_prefix("http://localhost:3000").unwrap();
    let metadata = body_of(served.house.get(path).await).await;
    assert_eq!(metadata["resource"], "http://localhost:3000/gw/orders");
    assert_eq!(
        metadata["scopes_supported"],
        json!(["orders:read", "orders:write", "profile"])
    );
    assert_eq!(
        metadata["authorization_servers"],
        json!([served.house.started.announcement.provider])
    );
    let unknown = served.house.get("/.well-known/oauth-protected-resource/gw/other").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);

    let bearer = format!("Bearer {}", served.house.access_token().await);
    for (path, status) in [
        ("/gw/orders/list", 403),
        ("/gw/orders/other", 404),
        ("/gw/other/list", 404),
    ] {
        assert_eq!(served.house.call(path, &bearer).await.status(), status, "{path}");
    }
    let others = served.house.get("/api/whoami").await;
    let challenge = header(others.headers(), WWW_AUTHENTICATE.as_str()).to_owned();
    assert!(challenge.contains("oauth-protected-resource\""), "{challenge}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_or_slow_is_502_or_504_and_others_go_on() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let slow = serve(Router::new().fallback(any(std::future::pending::<()>))).await;
    let text = upstream("gone", gone, "")
        + &upstream("slow", slow, "response_timeout_ms = 50")
        + &upstream("echo", echo().await, "");
    let served = Served::with(&text).await;
    let bearer = format!("Bearer {}", served.house.access_token().await);
    for (path, status, reason) in [
        ("/gw/gone/a", 502, "upstream_unavailable"),
        ("/gw/slow/a", 504, "upstream_timeout"),
    ] {
        let response = served.house.call(path, &bearer).await;
        assert_eq!(response.status(), status, "{path}");
        let id = header(response.headers(), server::REQUEST_ID).to_owned();
        let body = body_of(response).await;
        assert_eq!(body["reason"], reason);
        assert_eq!(body["request_id"], id);
    }
    assert_eq!(served.house.call("/gw/echo/a", &bearer).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_its_service_fails_is_recorded_with_its_reason() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let slow = serve(Router::new().fallback(any(std::future::pending::<()>))).await;
    let text = upstream("gone", gone, "")
        + &upstream("slow", slow, "response_timeout_ms = 50")
        + &upstream("echo", echo().await, "");
    let served = Served::with(&text).await;
    let bearer = format!("Bearer {}", served.house.access_token().await);
    for (path, status) in [("/gw/gone/a", 502), ("/gw/slow/a", 504), ("/gw/echo/a", 200)] {
        let response = served.house.call(path, &bearer).await;
        assert_eq!(response.status(), status);
        text_of(response).await;
    }
    let activity = &served.house.started.state.shared.activity;
    while activity.written() < 3 {
        tokio::task::yield_now().await;
    }
    let page = body_of(served.house.call("/api/activity", &bearer).await).await;
    let denial = |upstream: &str| {
        let records = page["records"].as_array().unwrap();
        let record = records.iter().find(|record| record["upstream"] == upstream).unwrap();
        (record["status"].clone(), record["denial"].clone())
    };
    for (upstream, status, reason, found) in [
        ("gone", 502, "upstream_unavailable", "Connection refused"),
        ("slow", 504, "upstream_timeout", "did not answer within 50 ms"),
    ] {
        let (recorded, denial) = denial(upstream);
        assert_eq!((recorded, &denial["reason"]), (json!(status), &json!(reason)));
        assert!(denial["found"].as_str().unwrap().contains(found), "{denial}");
        assert!(denial["expected"].as_str().unwrap().contains(upstream), "{denial}");
    }
    assert_eq!(denial("echo"), (json!(200), Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413_whether_it_announces_its_length_or_not() {
    let served = Served::with(&upstream("echo", echo().await, "max_body_bytes = 10")).await;
    let token = served.house.access_token().await;
    let head = format!(
        "POST /gw/echo/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    );
    for (framing, status) in [
        ("Content-Length: 10\r\n\r\n0123456789", 200),
        ("Content-Length: 11\r\n\r\n01234567890", 413),
        ("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 200),
        (
            "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\n0\r\n0\r\n\r\n",
            413,
        ),
    ] {
        let answer = served.raw(&format!("{head}{framing}")).await;
        let (found, body) = parsed(&answer);
        assert_eq!(found, status, "{framing:?} {answer}");
        if status == 413 {
            assert_eq!(body["reason"], "body_too_large");
        } else {
            assert_eq!(body["body"], "0123456789");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_may_call_where_the_upstream_says_so() {
    let more = "cors = { allow_origins = [\"https://app.example\"] }";
    let text = upstream("open", echo().await, more) + &upstream("closed", echo().await, "");
    let served = Served::with(&text).await;
    let preflight = async |path: &str, origin: &str| {
        let request = request(path)
            .method("OPTIONS")
            .header(ORIGIN, origin)
            .header("access-control-request-method", "POST");
        let response = served
            .house
            .send(request.body(super::service::nothing()).unwrap())
            .await;
        (
            response.status().as_u16(),
            header(response.headers(), ACCESS_CONTROL_ALLOW_ORIGIN.as_str()).to_owned(),
        )
    };
    let allowed = "https://app.example".to_owned();
    assert_eq!(
        preflight("/gw/open/a", "https://app.example").await,
        (204, allowed.clone())
    );
    assert_eq!(preflight("/gw/open/a", "https://other.example").await.0, 401);
    assert_eq!(
        preflight("/gw/closed/a", "https://app.example").await,
        (401, String::new())
    );

    let bearer = format!("Bearer {}", served.house.access_token().await);
    for (authorization, status) in [(bearer.as_str(), 200), ("Bearer bad", 401)] {
        let request = request("/gw/open/a")
            .method("POST")
            .header(ORIGIN, "https://app.example");
        let request = request.header("authorization", authorization);
        let response = served
            .house
            .send(request.body(super::service::nothing()).unwrap())
            .await;
        assert_eq!(response.status(), status);
        assert_eq!(
            header(response.headers(), ACCESS_CONTROL_ALLOW_ORIGIN.as_str()),
            allowed,
            "{status}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_leads_back_through_the_gateway_and_a_page_has_no_power_over_the_console() {
    let router = Router::new()
        .route(
            "/away",
            get(|| async { (StatusCode::FOUND, [("location", "https://elsewhere.example/x")]) }),
        )
        .route(
            "/to",
            get(|| async { (StatusCode::FOUND, [("location", "/there?a=b")]) }),
        )
        .route(
            "/page",
            get(|| async {
                let headers = [
                    ("content-type", "text/html"),
                    ("clear-site-data", "\"*\""),
                    ("service-worker-allowed", "/"),
                ];
                (headers, "<script>steal()</script>").into_response()
            }),
        );
    let served = Served::with(&upstream("site", serve(router).await, "")).await;
    let bearer = format!("Bearer {}", served.house.access_token().await);
    let location = async |path: &str| {
        let response = served.house.call(path, &bearer).await;
        header(response.headers(), "location").to_owned()
    };
    assert_eq!(location("/gw/site/to").await, "/gw/site/there?a=b");
    assert_eq!(location("/gw/site/away").await, "https://elsewhere.example/x");
    let page = served.house.call("/gw/site/page", &bearer).await;
    assert!(header(page.headers(), "content-security-policy").contains("sandbox"));
    for name in ["clear-site-data", "service-worker-allowed"] {
        assert_eq!(header(page.headers(), name), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_backend_jwts_are_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("pixygate.db");
    let text = format!("[store]\nurl = \"sqlite://{}\"\n", store.display());
    let jwks = async || {
        let house = crate::house::House::with(&text).await;
        body_of(house.get("/.well-known/jwks.json").await).await
    };
    let before = jwks().await;
    assert!(before["keys"][0]["kid"].is_string(), "{before}");
    assert_eq!(before, jwks().await);
    assert!(folder.path().join("pixygate.db-backend-keys.json").exists());
}
