//! A provider that is down: the server starts, answers 503 where it needs the provider, and recovers by itself.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::json;
use server::config::Config;
use server::start::{Started, start};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::house::{self, House, header, only_in, request};

/// Starts a server whose users sign in at one house's provider, and which also trusts another one's.
async fn server(provider: &House, other: &House) -> (Started, TempDir) {
    server_with(provider, other, house::memory()).await
}

async fn server_with(provider: &House, other: &House, store: (String, String)) -> (Started, TempDir) {
    let (issuer, second) = (
        &provider.started.announcement.provider,
        &other.started.announcement.provider,
    );
    let trust = |issuer: &str| {
        format!("[[trust]]\nissuer = \"{issuer}\"\naudience = [\"pixygate\"]\njwks_cooldown_seconds = 1\n")
    };
    let text = format!(
        "[provider]\nclient_id = \"pixygate\"\nissuer = \"{issuer}\"\n{}{}",
        trust(issuer),
        trust(second)
    );
    let site = house::site();
    let config = Config::read(Some(("pixygate.toml", &text)), [store]).unwrap();
    (start(&config, &only_in(&site), None).await.unwrap(), site)
}

async fn call(server: &Started, path: &str, token: &str) -> Response {
    let request = request(path).header("authorization", format!("Bearer {token}"));
    let request = request.body(axum::body::Body::empty()).unwrap();
    server.router.clone().oneshot(request).await.unwrap()
}

async fn get(server: &Started, path: &str) -> Response {
    let request = request(path).body(axum::body::Body::empty()).unwrap();
    server.router.clone().oneshot(request).await.unwrap()
}

/// Repeats a request until it has this status.
async fn until(status: StatusCode, ask: impl AsyncFn() -> Response) -> Response {
    let asked = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let response = ask().await;
            if response.status() == status {
                return response;
            }
            tokio::task::yield_now().await;
        }
    });
    asked.await.expect("the server recovers")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_starts_while_the_provider_is_down_and_recovers() {
    let (provider, other) = (House::start().await, House::start().await);
    let (token, another) = (provider.access_token().await, other.access_token().await);
    provider.switches(json!({ "down": true })).await;
    let (server, _site) = server(&provider, &other).await;
    let said = server.announcement.to_string();
    assert!(
        said.contains("the provider is down, until it answers, users cannot sign in"),
        "{said}"
    );

    // Paths that need the provider answer with `Retry-After`.
    for path in ["/sign-in", "/callback?code=x&state=y"] {
        let response = get(&server, path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(header(response.headers(), RETRY_AFTER.as_str()), "1", "{path}");
        assert!(header(response.headers(), "content-type").starts_with("text/html"));
        assert!(!house::text(response).await.contains("pixygate-client"), "{path}");
    }
    let response = call(&server, "/api/whoami", &token).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_ne!(header(response.headers(), RETRY_AFTER.as_str()), "");
    assert_eq!(house::json(response).await["reason"], "keys_unavailable");
    // Other paths work.
    assert_eq!(get(&server, "/").await.status(), StatusCode::OK);
    assert_eq!(call(&server, "/api/whoami", &another).await.status(), StatusCode::OK);
    let response = get(&server, "/readyz").await;
    assert_eq!(response.status(), StatusCode::OK, "this node can do its work");
    let body = house::json(response).await;
    assert_eq!(
        body["issuers"][&provider.started.announcement.provider], false,
        "{body}"
    );
    assert_eq!(body["issuers"][&other.started.announcement.provider], true, "{body}");
    assert_eq!(body["checks"]["sign_in"], false, "{body}");

    provider.switches(json!({})).await;
    let page = until(StatusCode::OK, async || get(&server, "/sign-in").await).await;
    assert_eq!(header(page.headers(), RETRY_AFTER.as_str()), "");
    assert!(house::text(page).await.contains("pixygate-client"));
    until(StatusCode::OK, async || call(&server, "/api/whoami", &token).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_down_keep_nobody_from_signing_in() {
    let (provider, other) = (House::start().await, House::start().await);
    provider.switches(json!({ "down_endpoints": ["jwks"] })).await;
    let (server, _site) = server(&provider, &other).await;
    let page = get(&server, "/sign-in").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(house::text(page).await.contains("pixygate-client"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_any_keys_is_not_ready() {
    let (provider, other) = (House::start().await, House::start().await);
    for house in [&provider, &other] {
        house.switches(json!({ "down": true })).await;
    }
    let (server, _site) = server(&provider, &other).await;
    let response = get(&server, "/readyz").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&server, "/healthz").await.status(), StatusCode::OK);
    other.switches(json!({})).await;
    until(StatusCode::OK, async || get(&server, "/readyz").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_while_the_provider_is_down_uses_what_the_store_has() {
    let (provider, other) = (House::start().await, House::start().await);
    let token = provider.access_token().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pixygate.db");
    let store = ("PIXYGATE_STORE__URL".to_owned(), format!("sqlite://{}", file.display()));
    let (first, _site) = server_with(&provider, &other, store.clone()).await;
    // The metadata and keys of both providers.
    let written = async {
        while first.state.shared.store.documents().await.unwrap().len() < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), written).await.unwrap();
    first.stop().await;

    provider.switches(json!({ "down": true })).await;
    let (next, _site) = server_with(&provider, &other, store).await;
    let said = next.announcement.to_string();
    assert!(said.contains("users can sign in with what is known"), "{said}");
    assert_eq!(call(&next, "/api/whoami", &token).await.status(), StatusCode::OK);
    assert_eq!(get(&next, "/sign-in").await.status(), StatusCode::OK);
}
