//! A started server with the embedded provider on a free port. The provider is real; only the site files are fake.

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HOST};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use server::config::Config;
use server::site::Candidates;
use server::start::{Started, start};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// The server, its provider, and the folder of its site files.
pub(crate) struct House {
    pub(crate) started: Started,
    pub(crate) site: TempDir,
    provider: String,
}

/// Makes a site as cargo-leptos does.
pub(crate) fn site() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pkg")).unwrap();
    for (name, content) in [
        ("pkg/pixygate.js", "export default function start() {}"),
        ("pkg/pixygate.wasm", "\0asm\x01\0\0\0"),
        ("pkg/pixygate.css", "body { color: black }"),
        ("favicon.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Returns candidates with this folder only.
pub(crate) fn only_in(folder: &TempDir) -> Candidates {
    Candidates {
        named: Some(folder.path().into()),
        ..Candidates::default()
    }
}

/// Returns a configuration for development, with a provider on a free port.
pub(crate) fn config(more: &str) -> Config {
    let text = format!("[dev_idp]\nlisten = \"127.0.0.1:0\"\n{more}");
    let store = (!more.contains("[store]")).then(memory);
    Config::read(Some(("pixygate.toml", &text)), store).unwrap()
}

/// A store that no other test shares, and that leaves no file. It is set in the environment, so that a test can have its own `[store]`.
pub(crate) fn memory() -> (String, String) {
    ("PIXYGATE_STORE__URL".to_owned(), "sqlite::memory:".to_owned())
}

/// Returns the default limits of connections.
pub(crate) fn limits() -> server::Limits {
    config("").limits()
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(more: &str) -> Self {
        let site = site();
        let started = start(&config(more), &only_in(&site), None).await.unwrap();
        let issuer = url::Url::parse(&started.announcement.provider).unwrap();
        Self {
            started,
            site,
            provider: issuer.origin().ascii_serialization(),
        }
    }

    /// Starts another node: a server with the provider of this one.
    pub(crate) async fn node(&self, more: &str) -> Self {
        let issuer = &self.started.announcement.provider;
        Self::with(&format!(
            "[provider]\nissuer = \"{issuer}\"\nclient_id = \"pixygate\"\n{more}"
        ))
        .await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        self.started.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(request(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn call(&self, path: &str, credentials: &str) -> Response {
        self.send(
            request(path)
                .header(AUTHORIZATION, credentials)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn get_encoded(&self, path: &str, encoding: &str) -> Response {
        self.send(
            request(path)
                .header(ACCEPT_ENCODING, encoding)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    /// Returns tokens as a sign-in would.
    pub(crate) async fn tokens(&self, tenant: &str) -> Value {
        let wanted = serde_json::json!({ "username": "alice", "client_id": "pixygate", "nonce": "n" });
        self.control(&format!("tokens?tenant={tenant}"), wanted).await
    }

    pub(crate) async fn access_token(&self) -> String {
        self.tokens("demo").await["access_token"].as_str().unwrap().to_owned()
    }

    /// Sets all of the provider's switches.
    pub(crate) async fn switches(&self, switches: Value) {
        let response = reqwest::Client::new()
            .put(format!("{}/control/switches", self.provider))
            .json(&switches)
            .send()
            .await;
        assert!(response.unwrap().status().is_success());
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let response = reqwest::Client::new()
            .post(format!("{}/control/{path}", self.provider))
            .json(&body)
            .send()
            .await;
        response.unwrap().error_for_status().unwrap().json().await.unwrap()
    }
}

pub(crate) fn request(path: &str) -> http::request::Builder {
    Request::builder().uri(path).header(HOST, "localhost:3000")
}

pub(crate) async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) async fn json(response: Response) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// Returns the header's value; empty if it is missing.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap())
        .unwrap_or_default()
}
