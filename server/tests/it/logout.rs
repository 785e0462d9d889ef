//! 76, 77: a session that ends at the provider ends here, at once. Over real connections, with the embedded provider.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::form_urlencoded::Serializer;

use crate::house::{self, House, header, request};

const FORM: &str = "application/x-www-form-urlencoded";

/// A house that its provider can reach, with what it answers to logout tokens.
async fn told_house() -> (House, String, mpsc::UnboundedReceiver<StatusCode>) {
    told_house_with("").await
}

pub(crate) async fn told_house_with(more: &str) -> (House, String, mpsc::UnboundedReceiver<StatusCode>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let house = House::with(&format!("[server]\npublic_url = \"{url}\"\n{more}")).await;
    let (answered, answers) = mpsc::unbounded_channel();
    let watch = move |request: Request, next: Next| {
        let answered = answered.clone();
        async move {
            let is_logout = request.uri().path() == "/backchannel-logout";
            let response = next.run(request).await;
            if is_logout {
                answered.send(response.status()).unwrap();
            }
            response
        }
    };
    let router = house.started.router.clone().layer(from_fn(watch));
    tokio::spawn(server::serve(listener, router, house::limits(), std::future::pending()));
    (house, url, answers)
}

/// What a browser does at the provider.
pub(crate) struct Browser {
    issuer: String,
    app: String,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser {
    pub(crate) fn new(house: &House, app: &str) -> Self {
        Self {
            issuer: house.started.announcement.provider.clone(),
            app: app.to_owned(),
            cookies: RefCell::default(),
        }
    }

    /// A page, or a form sent from one; it is not left for where it leads.
    async fn send(&self, method: Method, url: &str, pairs: &[(&str, &str)]) -> reqwest::Response {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        // The token endpoint is called by the page of the application, the others by pages of its own.
        let origin = match url == self.issuer {
            true => self.app.clone(),
            false => url::Url::parse(&self.issuer).unwrap().origin().ascii_serialization(),
        };
        let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
        let cookies: Vec<_> = self
            .cookies
            .borrow()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let (url, body) = match method {
            Method::GET => (format!("{url}?{form}"), String::new()),
            _ => (url.to_owned(), form),
        };
        let url = url::Url::parse(&self.issuer).unwrap().join(&url).unwrap();
        let response = client.build().unwrap().request(method, url);
        let response = response
            .header(COOKIE, cookies.join("; "))
            .header(ORIGIN, origin)
            .header(CONTENT_TYPE, FORM);
        let response = response.body(body).send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// The answer of the token endpoint.
    pub(crate) async fn sign_in(&self, username: &str) -> Value {
        let redirect_uri = format!("{}/callback", self.app);
        let wanted = [
            ("response_type", "code"),
            ("client_id", "pixygate"),
            ("redirect_uri", &redirect_uri),
            ("scope", "openid profile email"),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("code_challenge", "EGHA1oGwfCkTOpFl1Vsn4veFSVESRiTz-nEgRwqWX7E"),
            ("code_challenge_method", "S256"),
        ];
        let authorize = self.issuer.replace("/oauth2/token", "/oauth2/authorize");
        let page = self.send(Method::GET, &authorize, &wanted).await;
        let page = header(page.headers(), LOCATION.as_str()).to_owned();
        let person = [("answer", "sign_in"), ("username", username), ("password", username)];
        let back = self.send(Method::POST, &page, &person).await;
        let back = url::Url::parse(header(back.headers(), LOCATION.as_str())).unwrap();
        let code = back
            .query_pairs()
            .find(|(name, _)| name == "code")
            .unwrap()
            .1
            .into_owned();
        let redeemed = [
            ("grant_type", "authorization_code"),
            ("client_id", "pixygate"),
            ("code", &code),
            ("code_verifier", "a-verifier-of-forty-three-characters-at-least"),
            ("redirect_uri", &redirect_uri),
        ];
        self.send(Method::POST, &self.issuer, &redeemed)
            .await
            .json()
            .await
            .unwrap()
    }
}

fn bearer(tokens: &Value) -> String {
    format!("Bearer {}", tokens["access_token"].as_str().unwrap())
}

/// The status, and the reason of a refusal.
pub(crate) async fn call(house: &House, tokens: &Value) -> (u16, Value) {
    let response = house.call("/api/whoami", &bearer(tokens)).await;
    let status = response.status().as_u16();
    (status, house::json(response).await["reason"].take())
}

pub(crate) async fn accepted(house: &House, tokens: &Value) {
    assert_eq!(call(house, tokens).await, (200, Value::Null));
}

pub(crate) async fn revoked(house: &House, tokens: &Value) {
    assert_eq!(call(house, tokens).await, (401, json!("revoked")));
}

/// Within a second, the provider has told it and got this answer.
async fn told(answers: &mut mpsc::UnboundedReceiver<StatusCode>) {
    let answer = tokio::time::timeout(Duration::from_secs(1), answers.recv()).await;
    assert_eq!(answer.unwrap().unwrap(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_session_that_ended_at_the_provider_is_refused_within_a_second() {
    let (house, url, mut answers) = told_house().await;
    let (browser, elsewhere) = (Browser::new(&house, &url), Browser::new(&house, &url));
    let (tokens, others) = (browser.sign_in("alice").await, elsewhere.sign_in("alice").await);
    let bobs = Browser::new(&house, &url).sign_in("bob").await;
    for tokens in [&tokens, &others, &bobs] {
        accepted(&house, tokens).await;
    }

    // On the sign-out page of the provider, in one of the browsers.
    let sign_out = browser.issuer.replace("/oauth2/token", "/oidc/logout");
    let hint = [("id_token_hint", tokens["id_token"].as_str().unwrap())];
    browser.send(Method::GET, &sign_out, &hint).await;
    told(&mut answers).await;
    revoked(&house, &tokens).await;
    accepted(&house, &others).await;
    accepted(&house, &bobs).await;

    // Signed in again, in the same browser and at once.
    let again = browser.sign_in("alice").await;
    accepted(&house, &again).await;

    // By control, everywhere; that is two sessions.
    house.control("sessions/end", json!({"username": "alice"})).await;
    told(&mut answers).await;
    told(&mut answers).await;
    for tokens in [&tokens, &others, &again] {
        revoked(&house, tokens).await;
    }
    accepted(&house, &bobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_takes_logout_tokens_as_forms_from_anybody_and_nothing_else() {
    let house = House::start().await;
    let post = |kind: &str, body: String| {
        let post = request("/backchannel-logout").method("POST").header(CONTENT_TYPE, kind);
        post.body(Body::from(body)).unwrap()
    };
    let tokens = house.tokens("demo").await;
    let foreign = house.tokens("plain").await;
    for (body, reason) in [
        (String::new(), "invalid_request"),
        ("logout_token=abc".into(), "malformed_token"),
        (
            format!("logout_token={}", tokens["id_token"].as_str().unwrap()),
            "wrong_token_type",
        ),
        (
            format!("logout_token={}", tokens["access_token"].as_str().unwrap()),
            "wrong_token_type",
        ),
        (
            format!("logout_token={}", foreign["id_token"].as_str().unwrap()),
            "issuer_not_trusted",
        ),
        (format!("logout_token={}", "x".repeat(20_000)), "invalid_request"),
    ] {
        let response = house.send(post(FORM, body)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{reason}");
        assert_eq!(header(response.headers(), CACHE_CONTROL.as_str()), "no-store");
        let id = header(response.headers(), server::REQUEST_ID).to_owned();
        let body = house::json(response).await;
        assert_eq!(
            body,
            json!({"error": "invalid_request", "reason": reason, "request_id": id})
        );
    }
    accepted(&house, &tokens).await;
    assert_eq!(
        house.get("/backchannel-logout").await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}
