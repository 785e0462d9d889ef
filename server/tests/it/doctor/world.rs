//! A provider, an application that answers at its public URL, and the doctor between them.

use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use server::config::Config;
use server::doctor::{Limits, Options, Report, examine};
use server::findings::Severity;
use tokio::net::TcpListener;

/// Serves for as long as the test runs. Returns the origin.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> String {
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Something that says that it is the server of a public URL. Returns that URL.
pub(crate) async fn application() -> String {
    let listener = listener().await;
    let public_url = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({ "resource": public_url });
    let router = Router::new().route(
        "/.well-known/oauth-protected-resource",
        get(move || std::future::ready(Json(metadata.clone()))),
    );
    serve(listener, router).await
}

/// The embedded provider, which knows the application.
pub(crate) struct World {
    pub(crate) public_url: String,
    pub(crate) provider: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        let public_url = application().await;
        let mut config = dev_idp::Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            state: dev_idp::config::StateFile::Nowhere,
            ..dev_idp::Config::default()
        };
        config.follow(&public_url).unwrap();
        let bound = dev_idp::bind(config).await.unwrap();
        let provider = format!("http://{}", bound.address());
        tokio::spawn(bound.serve(std::future::pending()));
        Self { public_url, provider }
    }

    pub(crate) fn base(&self) -> String {
        format!("{}/t/demo", self.provider)
    }

    /// The configuration that is right.
    pub(crate) fn configuration(&self) -> String {
        let (public_url, base) = (&self.public_url, self.base());
        format!(
            "[server]\npublic_url = \"{public_url}\"\n\n[provider]\nissuer = \"{base}/oauth2/token\"\nclient_id = \"pixygate\"\n"
        )
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) {
        let url = format!("{}/control/{path}", self.provider);
        let request = reqwest::Client::new().request(method.parse().unwrap(), url).json(&body);
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// Sets all switches.
    pub(crate) async fn switches(&self, switches: Value) {
        self.control("PUT", "switches", switches).await;
    }

    pub(crate) async fn reset(&self) {
        self.control("POST", "reset", json!({})).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = reqwest::get(format!("{}{path}", self.provider)).await;
        response.unwrap().error_for_status().unwrap().json().await.unwrap()
    }
}

/// Limits that a test can wait for. What answers at all answers within them.
pub(crate) fn limits() -> Limits {
    Limits {
        check: Duration::from_secs(20),
        run: Duration::from_secs(120),
    }
}

pub(crate) fn read(text: &str) -> Result<Config, server::config::Problems> {
    // No file of another run is in the way.
    let store = ("PIXYGATE_STORE__URL".to_owned(), "sqlite::memory:".to_owned());
    let environment = (!text.contains("[store]")).then_some(store);
    Config::read(Some(("pixygate.toml", text)), environment)
}

pub(crate) async fn report(text: &str) -> Report {
    report_within(text, limits()).await
}

pub(crate) async fn report_within(text: &str, limits: Limits) -> Report {
    let options = Options {
        limits,
        ..Options::default()
    };
    examine("pixygate.toml", read(text), &options, &|_| {}).await
}

/// The codes of this severity or a greater one, each once.
pub(crate) fn codes(report: &Report, severity: Severity) -> Vec<&'static str> {
    let findings = report.findings().filter(|finding| finding.severity >= severity);
    let mut codes: Vec<_> = findings.map(|finding| finding.code.id()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// That exactly these warnings and faults were found.
#[track_caller]
pub(crate) fn assert_found(what: &str, report: &Report, expected: &[&str]) {
    let found = codes(report, Severity::Warning);
    assert_eq!(
        found,
        expected,
        "{what}\n{}",
        report.text(server::doctor::Style::default())
    );
}
