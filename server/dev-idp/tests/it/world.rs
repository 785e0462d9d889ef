//! A provider with a fixed clock, and a browser to use it with.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dev_idp::clock::{Clock, Random};
use dev_idp::config::{Config, StateFile};
use dev_idp::jose::KeyRing;
use dev_idp::{Provider, router};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;
use url::Url;

pub(crate) const START: i64 = 1_800_000_000;
pub(crate) const ORIGIN: &str = "http://127.0.0.1:3001";
pub(crate) const REDIRECT_URI: &str = "http://localhost:3000/callback";
pub(crate) const VERIFIER: &str = "a-verifier-of-forty-three-characters-at-least";

/// One set for all tests, because generating RSA keys is slow.
static KEYS: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::generate(&Random::system()));

/// The system under test.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) tenant: &'static str,
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A browser: it stores cookies, and does not follow redirects by itself.
pub(crate) struct Browser<'a> {
    world: &'a World,
    pub(crate) cookies: RefCell<BTreeMap<String, String>>,
}

pub(crate) fn config() -> Config {
    Config {
        state: StateFile::Nowhere,
        ..Config::default()
    }
}

pub(crate) fn keys() -> KeyRing {
    KEYS.clone()
}

pub(crate) fn world() -> World {
    world_with(config())
}

pub(crate) fn world_with(config: Config) -> World {
    let provider = Provider::with(config, Clock::fixed(START), Random::seeded(1), Some(KEYS.clone())).unwrap();
    World {
        router: router(provider),
        tenant: "demo",
    }
}

pub(crate) fn s256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// Returns the claims of a JWT, without verifying its signature.
pub(crate) fn claims(token: &str) -> Value {
    segment(token, 1)
}

pub(crate) fn header_of(token: &str) -> Value {
    segment(token, 0)
}

fn segment(token: &str, index: usize) -> Value {
    let segment = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Returns the pairs with some replaced, added, or (if empty) removed.
pub(crate) fn changed<'a>(pairs: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut pairs = pairs.to_vec();
    for &(name, value) in changes {
        pairs.retain(|(it, _)| *it != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    pairs
}

impl World {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{ORIGIN}/t/{}{path}", self.tenant)
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let uri = self.url(path);
        let url = Url::parse(&uri).unwrap();
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:3001")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.post_with(path, pairs, &[]).await
    }

    pub(crate) async fn post_with(&self, path: &str, pairs: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let mut request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form(pairs))).unwrap()).await
    }

    /// Calls the control API.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self
            .request(method, &format!("{ORIGIN}/control/{path}"))
            .header(header::CONTENT_TYPE, "application/json");
        let answer = self.send(request.body(Body::from(body.to_string())).unwrap()).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer
    }

    pub(crate) async fn switch(&self, switches: Value) {
        self.control(Method::PATCH, "switches", switches).await;
    }

    pub(crate) async fn advance(&self, seconds: i64) {
        self.control(Method::POST, "clock", json!({"advance": seconds})).await;
    }

    pub(crate) async fn change_client(&self, change: Value) {
        let clients = self.control(Method::GET, "clients", json!({})).await.json();
        let mut client = clients[0].clone();
        client
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        self.control(Method::PUT, "clients", client).await;
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            world: self,
            cookies: RefCell::default(),
        }
    }

    /// Returns a valid authorization request.
    pub(crate) fn authorization_request(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("response_type", "code"),
            ("client_id", "pixygate"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid profile email"),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("code_challenge", "EGHA1oGwfCkTOpFl1Vsn4veFSVESRiTz-nEgRwqWX7E"),
            ("code_challenge_method", "S256"),
        ]
    }

    /// Sends a valid token request for a code.
    pub(crate) async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", "pixygate"),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", REDIRECT_URI),
        ];
        self.post("/oauth2/token", &changed(&pairs, changes)).await
    }

    pub(crate) async fn refresh(&self, token: &str, changes: &[(&str, &str)]) -> Answer {
        let pairs = [
            ("grant_type", "refresh_token"),
            ("client_id", "pixygate"),
            ("refresh_token", token),
        ];
        self.post("/oauth2/token", &changed(&pairs, changes)).await
    }

    /// Returns a code for Alice, from a new browser.
    pub(crate) async fn code(&self) -> String {
        let back = self.browser().sign_in("alice", &self.authorization_request()).await;
        back.callback("code")
    }

    /// Returns tokens for Alice.
    pub(crate) async fn tokens(&self) -> Value {
        let answer = self.redeem(&self.code().await, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Answer {
        let request = self
            .request(Method::GET, "/oauth2/userinfo")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn introspect(&self, token: &str) -> Value {
        let pairs = [
            ("client_id", "resource-server"),
            ("client_secret", "resource-server"),
            ("token", token),
        ];
        self.post("/oauth2/introspect", &pairs).await.json()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location")
    }

    /// Returns a parameter of the authorization response; empty if it is missing.
    pub(crate) fn callback(&self, name: &str) -> String {
        let url = Url::parse(self.location()).unwrap_or_else(|_| panic!("{self:?}"));
        url.query_pairs()
            .find(|(it, _)| it == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, error: &str) {
        assert_eq!(
            (self.status.as_u16(), self.json()["error"].as_str()),
            (status, Some(error)),
            "{self:?}"
        );
    }

    /// Checks that the client got an error at its redirect URI, with its state.
    #[track_caller]
    pub(crate) fn assert_callback_error(&self, error: &str) {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        assert!(self.location().starts_with(REDIRECT_URI), "{self:?}");
        assert_eq!(self.callback("error"), error, "{self:?}");
        assert_eq!(self.callback("code"), "");
        assert_eq!(self.callback("iss"), format!("{ORIGIN}/t/demo/oauth2/token"));
    }

    /// Checks that the user got an error page, and the client nothing.
    #[track_caller]
    pub(crate) fn assert_error_page(&self, words: &str) {
        assert_eq!(self.status, StatusCode::BAD_REQUEST, "{self:?}");
        assert_eq!(self.location(), "");
        assert!(self.body.contains(words), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn assert_page(&self, words: &str) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        assert!(self.body.contains(words), "{self:?}");
    }
}

impl Browser<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).body(Body::empty()).unwrap();
        self.keep_cookies(self.world.send(request).await)
    }

    pub(crate) async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header(header::ORIGIN, ORIGIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(form(pairs))).unwrap();
        self.keep_cookies(self.world.send(request).await)
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let cookies: Vec<String> = self
            .cookies
            .borrow()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.world
            .request(method, path)
            .header(header::COOKIE, cookies.join("; "))
    }

    fn keep_cookies(&self, answer: Answer) -> Answer {
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Opens the authorization endpoint.
    pub(crate) async fn authorize(&self, request: &[(&str, &str)]) -> Answer {
        self.get(&format!("/oauth2/authorize?{}", form(request))).await
    }

    /// Opens the authorization endpoint, which must ask the user. Returns the address of its page.
    pub(crate) async fn begin(&self, request: &[(&str, &str)]) -> String {
        let answer = self.authorize(request).await;
        assert!(answer.location().contains("/signin/"), "{answer:?}");
        answer.location().to_owned()
    }

    pub(crate) async fn password(&self, page: &str, username: &str) -> Answer {
        self.post(
            page,
            &[("answer", "sign_in"), ("username", username), ("password", username)],
        )
        .await
    }

    /// Opens the authorization endpoint and signs in, up to the client's redirect URI.
    pub(crate) async fn sign_in(&self, username: &str, request: &[(&str, &str)]) -> Answer {
        let page = self.begin(request).await;
        self.password(&page, username).await
    }
}

/// Returns an access token for Alice.
pub(crate) async fn access_token(world: &World) -> String {
    world.tokens().await["access_token"].as_str().unwrap().to_owned()
}

/// Returns the `kid`s of the published keys.
pub(crate) async fn kids(world: &World) -> Vec<String> {
    let jwks = world.get("/oauth2/jwks").await.json();
    jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}
