//! A service behind the gate, and the server in front of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use pixygate::gate::RequestId;
use pixygate::gate::request::RequestPath;
use pixygate::jwt::{Algorithm, Principal, Revocations, Validator};
use pixygate::test_support::TestIssuer;
use serde_json::{Value, json};
use server::upstream::{Assertions, Call, Proxies, Streams, Upstream, UpstreamSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::house::House;

/// Serves a router on a free port until the runtime ends.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// A service that answers with what it received.
pub(crate) async fn echo() -> SocketAddr {
    serve(Router::new().fallback(any(describe))).await
}

async fn describe(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let collected = body.collect().await;
    let (body, trailers) = match collected {
        Ok(collected) => {
            let trailers = collected.trailers().map(names);
            (String::from_utf8_lossy(&collected.to_bytes()).into_owned(), trailers)
        }
        Err(error) => (format!("broken: {error}"), None),
    };
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| {
            [
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            ]
        })
        .collect();
    axum::Json(json!({
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "headers": headers,
        "body": body,
        "trailers": trailers,
    }))
    .into_response()
}

fn names(trailers: &HeaderMap) -> Vec<String> {
    trailers.keys().map(|name| name.to_string()).collect()
}

/// The values of a header in the description.
pub(crate) fn received<'a>(description: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = description["headers"].as_array().unwrap().iter();
    headers
        .filter(|header| header[0] == name)
        .map(|header| header[1].as_str().unwrap())
        .collect()
}

/// The configuration of one upstream that permits everything to who is signed in.
pub(crate) fn upstream(name: &str, target: SocketAddr, more: &str) -> String {
    format!(
        "[[upstream]]\nname = \"{name}\"\ntarget = \"http://{target}\"\n{more}\n\
         [[upstream.route]]\npath = \"/open/**\"\npublic = true\n[[upstream.route]]\npath = \"/**\"\n"
    )
}

/// The server as it listens.
pub(super) struct Served {
    pub(super) house: House,
    pub(super) address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Served {
    pub(super) async fn with(configuration: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, configuration).await
    }

    pub(super) async fn on(listener: TcpListener, configuration: &str) -> Self {
        let house = House::with(configuration).await;
        let address = listener.local_addr().unwrap();
        let limits = crate::house::config("").limits();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = house.started.router.clone();
        tokio::spawn(server::serve(listener, router, limits, async move {
            let _ = stopped.await;
        }));
        Self {
            house,
            address,
            _stop: stop,
        }
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A GET with a token, and the service's description of it.
    pub(super) async fn describe(&self, path: &str, headers: &[(&str, &str)]) -> Value {
        let token = self.house.access_token().await;
        let request = reqwest::Client::new().get(self.url(path)).bearer_auth(token);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends bytes as they are on a connection of their own, and returns what comes back until the other side closes.
    pub(super) async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Splits what [`Served::raw`] returns into the status and the JSON body.
pub(super) fn parsed(answer: &str) -> (u16, Value) {
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let json = body
        .find('{')
        .zip(body.rfind('}'))
        .map_or("null", |(from, to)| &body[from..=to]);
    (status, serde_json::from_str(json).unwrap_or(Value::Null))
}

/// An empty body that was not announced.
pub(super) fn nothing() -> Body {
    Body::empty()
}

/// An upstream that listens by itself: every request counts as accepted by the gate.
pub(super) struct Direct {
    pub(super) address: SocketAddr,
    pub(super) upstream: Arc<Upstream>,
    pub(super) streams: Streams,
    pub(super) revocations: Arc<Revoked>,
    pub(super) principal: Principal,
}

/// Subjects whose tokens are revoked.
#[derive(Default)]
pub(super) struct Revoked(Mutex<Vec<String>>);

impl Revoked {
    pub(super) fn revoke(&self, subject: &str) {
        self.0.lock().unwrap().push(subject.to_owned());
    }
}

impl Revocations for Revoked {
    fn is_revoked(&self, principal: &Principal) -> bool {
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|subject| subject == principal.subject())
    }
}

struct Nothing(HeaderName);

impl Assertions for Nothing {
    fn header(&self) -> &HeaderName {
        &self.0
    }

    fn assertion(&self, _: &Principal, upstream: &str) -> Option<HeaderValue> {
        HeaderValue::from_str(upstream).ok()
    }
}

/// Who calls, with a token that expires after so many seconds.
pub(super) async fn principal(lifetime: u64) -> Principal {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let mut trust = issuer.trust("orders");
    trust.jwks = issuer.jwks().to_string();
    let validator = Validator::builder([trust]).build().unwrap();
    validator.load().await.unwrap();
    let now = SystemTime::now();
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let token = issuer
        .token()
        .claim("iat", seconds - 5)
        .claim("exp", seconds + lifetime)
        .sign();
    validator.validate(&token, now).await.unwrap()
}

impl Direct {
    pub(super) async fn with(target: SocketAddr, lifetime: u64, set: impl FnOnce(&mut UpstreamSettings)) -> Self {
        let mut settings = UpstreamSettings::new("service", format!("http://{target}").parse().unwrap());
        settings.prefix = "/".to_owned();
        set(&mut settings);
        let revocations = Arc::new(Revoked::default());
        let streams = Streams::start(revocations.clone());
        let assertions: Arc<dyn Assertions> = Arc::new(Nothing(HeaderName::from_static("x-jwt-assertion")));
        let proxies = Proxies::new([], "http://gateway.example");
        let upstream = Upstream::new(settings, &assertions, streams.clone(), proxies).unwrap();
        let principal = principal(lifetime).await;
        let (serving, caller) = (upstream.clone(), principal.clone());
        let handler = move |request: Request| {
            let (upstream, principal) = (serving.clone(), caller.clone());
            async move {
                let path = RequestPath::parse(request.uri().path()).unwrap();
                let call = Call {
                    path: path.as_str(),
                    principal: Some(&principal),
                    request_id: &RequestId::generate(),
                    max_body_bytes: None,
                };
                upstream.call(call, request).await
            }
        };
        Self {
            address: serve(Router::new().fallback(any(handler))).await,
            upstream,
            streams,
            revocations,
            principal,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
