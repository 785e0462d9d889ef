//! A gate with an issuer, a clock that the test sets, and a provider that the test controls.

use std::convert::Infallible;

use axum::{
    Json, Router,
    body::Body,
    response::Response,
    routing::{any, get},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use pixygate::{
    Reason, Refusal,
    gate::{Gate, GateBuilder, Policies, Policy},
    jwt::{Algorithm, Principal, Trust, Validator, ValidatorBuilder},
    test_support::{Documents, TestClock, TestIssuer, TokenBuilder},
};
use tower::{Service, ServiceExt};

/// An application behind a gate.
pub(crate) type App = Router;

pub(crate) const PUBLIC_URL: &str = "https://shop.example";

pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) provider: Documents,
    pub(crate) clock: TestClock,
    pub(crate) validator: Validator,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|trust| trust, |validator| validator).await
    }

    /// Makes a world with a changed trust and validator; keys are loaded.
    pub(crate) async fn with(
        trust: impl FnOnce(Trust) -> Trust,
        validator: impl FnOnce(ValidatorBuilder) -> ValidatorBuilder,
    ) -> Self {
        let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
        let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
        let builder = Validator::builder([trust(issuer.trust("orders"))])
            .fetch(provider.clone())
            .clock(clock.clone());
        let validator = validator(builder).build().unwrap();
        validator.load().await.unwrap();
        Self {
            issuer,
            provider,
            clock,
            validator,
        }
    }

    pub(crate) fn token(&self) -> TokenBuilder<'_> {
        self.issuer.token()
    }

    pub(crate) async fn validate(&self, token: &str) -> Result<Principal, Reason> {
        self.validator
            .validate(token, self.clock.time())
            .await
            .map_err(|rejection| rejection.reason())
    }

    /// Builds a gate that protects two prefixes.
    pub(crate) fn gate(&self, policies: Policies) -> GateBuilder {
        self.whole_gate(policies).protect_prefixes(["/api", "/gw"])
    }

    /// Builds a gate that protects everything, which is the default.
    pub(crate) fn whole_gate(&self, policies: Policies) -> GateBuilder {
        Gate::builder()
            .validator(self.validator.clone())
            .policies(policies)
            .clock(self.clock.clone())
            .public_url(PUBLIC_URL)
    }

    /// Returns an application with a route for everything, behind a gate.
    pub(crate) fn app(&self, policies: Policies) -> App {
        wrap(self.gate(policies))
    }
}

/// Makes a gate add details to refusals.
pub(crate) fn explaining(gate: GateBuilder) -> GateBuilder {
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 3000));
    gate.public_url("http://localhost:3000").listen(listen).explain(true)
}

pub(crate) fn wrap(gate: GateBuilder) -> App {
    gate.build().unwrap().wrap(application())
}

/// `/api/whoami` returns the principal; every other path confirms that it was reached.
pub(crate) fn application() -> Router {
    Router::new()
        .route(
            "/api/whoami",
            get(|principal: Principal| async move { Json(principal) }),
        )
        .fallback(any(|| async { "reached" }))
}

pub(crate) fn signed_in() -> Policies {
    Policies::new().route("*", "/api/**", Policy::signed_in())
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "shop.example")
}

pub(crate) fn with_token(method: &str, path: &str, token: &str) -> Request<Body> {
    request(method, path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

pub(crate) async fn send<A>(app: &A, request: Request<Body>) -> Response
where
    A: Service<Request<Body>, Response = Response, Error = Infallible> + Clone,
{
    app.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Returns the refusal in a response, after checking the response completely.
pub(crate) async fn refusal(response: Response) -> Refusal {
    let status = response.status();
    let headers = response.headers().clone();
    let body = text(response).await;
    let refusal: Refusal = serde_json::from_str(&body).unwrap_or_else(|_| panic!("no refusal: {status} {body}"));
    assert_eq!(status.as_u16(), refusal.reason.status());
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-request-id"], *refusal.request_id);
    let challenged = headers.contains_key("www-authenticate");
    assert_eq!(challenged, matches!(status.as_u16(), 401 | 403), "{refusal:?}");
    let retried = headers.contains_key("retry-after");
    assert_eq!(
        retried,
        matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    );
    refusal
}

pub(crate) async fn refused<A>(app: &A, request: Request<Body>) -> Reason
where
    A: Service<Request<Body>, Response = Response, Error = Infallible> + Clone,
{
    refusal(send(app, request).await).await.reason
}

pub(crate) async fn status<A>(app: &A, request: Request<Body>) -> StatusCode
where
    A: Service<Request<Body>, Response = Response, Error = Infallible> + Clone,
{
    send(app, request).await.status()
}
