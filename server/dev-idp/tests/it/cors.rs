//! CORS: registered origins, exactly; no wildcard.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::json;

use crate::world::{REDIRECT_URI, VERIFIER, World, form, world};

const HOME: &str = "http://localhost:3000";

async fn preflight(world: &World, path: &str, origin: &str) -> crate::world::Answer {
    let request = world
        .request(Method::OPTIONS, path)
        .header(header::ORIGIN, origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "dpop, content-type");
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_registered_origin_may_call_and_read() {
    let world = world();
    for path in [
        "/oauth2/token",
        "/oauth2/jwks",
        "/oauth2/userinfo",
        "/oauth2/revoke",
        "/oauth2/token/.well-known/openid-configuration",
    ] {
        let answer = preflight(&world, path, HOME).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.header("access-control-allow-origin"), HOME);
        assert_eq!(answer.header("access-control-allow-headers"), "dpop, content-type");
        assert_eq!(answer.header("vary"), "Origin");
    }
    let request = world.request(Method::GET, "/oauth2/jwks").header(header::ORIGIN, HOME);
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("access-control-allow-origin"), HOME);
    assert!(answer.header("access-control-expose-headers").contains("DPoP-Nonce"));
}

#[tokio::test]
async fn a_registered_origin_learns_that_the_provider_is_down() {
    let world = world();
    world.switch(json!({"down": true})).await;
    let answer = preflight(&world, "/oauth2/token", HOME).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let answer = world.post_with("/oauth2/token", &[], &[("origin", HOME)]).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("access-control-allow-origin"), HOME);
    assert!(answer.header("access-control-expose-headers").contains("Retry-After"));
    let request = world
        .request(Method::GET, "/oauth2/jwks")
        .header(header::ORIGIN, "https://evil.example");
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_foreign_origin_may_not() {
    let world = world();
    for origin in [
        "https://evil.example",
        "http://localhost:3000.evil.example",
        "http://localhost",
        "null",
        "*",
    ] {
        let answer = preflight(&world, "/oauth2/token", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        let request = world
            .request(Method::GET, "/oauth2/jwks")
            .header(header::ORIGIN, origin);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[tokio::test]
async fn a_foreign_origin_cannot_use_up_a_code() {
    let world = world();
    let code = world.code().await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "pixygate"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
        ("redirect_uri", REDIRECT_URI),
    ];
    let answer = world
        .post_with("/oauth2/token", &pairs, &[("origin", "https://evil.example")])
        .await;
    answer.assert_error(403, "invalid_request");
    let answer = world.post_with("/oauth2/token", &pairs, &[("origin", HOME)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
}

#[tokio::test]
async fn pages_and_the_control_api_are_for_no_script_of_others() {
    let world = world();
    let answer = preflight(&world, "/oauth2/authorize", HOME).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    for (name, value) in [
        ("origin", HOME),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = world
            .request(Method::POST, &format!("{}/control/form", crate::world::ORIGIN))
            .header(name, value)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = world
            .send(request.body(Body::from(form(&[("do", "reset")]))).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_loopback_is_refused() {
    let world = world();
    for (host, status) in [
        ("evil.example:3001", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost:3001", 200),
        ("[::1]:3001", 200),
    ] {
        let request = axum::http::Request::builder()
            .uri("/t/demo/oauth2/jwks")
            .header(header::HOST, host);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
}
