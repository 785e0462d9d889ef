//! Answers for the console's pages, through the server functions.

mod configuration;
mod findings;
mod live;
mod services;
mod token;

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::house::{self, House, request};

/// A user's access token, with the scopes that they may have.
async fn token_of(house: &House, username: &str, scope: &str) -> String {
    let wanted = json!({ "username": username, "client_id": "pixygate", "scope": scope });
    let tokens = house.control("tokens?tenant=demo", wanted).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

async fn get(house: &House, path: &str, token: &str) -> (StatusCode, Value) {
    let response = house.call(path, &format!("Bearer {token}")).await;
    (response.status(), house::json(response).await)
}

async fn post(house: &House, path: &str, token: &str, pairs: &[(&str, &str)]) -> (StatusCode, Value) {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let request = request(path)
        .method(Method::POST)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = house.send(request.body(Body::from(form)).unwrap()).await;
    (response.status(), house::json(response).await)
}

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn record() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Asserts that a text has neither a token nor one of its segments.
fn without_token(text: &str, token: &str) {
    let segments = token.split('.').filter(|segment| segment.len() > 20);
    for secret in segments.chain([token]) {
        assert!(!text.contains(secret), "a token is in {text}");
    }
}
