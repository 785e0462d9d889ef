//! The same application, token and key set behind four gates, in one run: `cargo bench` in this folder.
//!
//! The others are set up as their documentation shows: issuer and audience checked, keys from a URL. tower-oauth2-resource-
//! server has its aws-lc backend, the fastest it offers. jwt-authorizer is made for axum 0.7, so its application is too, and its row has
//! a row without a gate of its own.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{Json, Router, extract::FromRef, routing::get};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use jwt_authorizer::{IntoLayer, JwtAuthorizer, RegisteredClaims};
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Validator},
    test_support::{TestClock, TestIssuer},
};
use serde::Deserialize;
use tokio::{net::TcpListener, runtime::Runtime};
use tower::{Service, ServiceExt};
use tower_oauth2_resource_server::{server::OAuth2ResourceServer, tenant::TenantConfiguration};

#[derive(Clone, Debug, Deserialize)]
#[allow(dead_code)]
struct Claims {
    iss: String,
    sub: String,
    exp: u64,
    scope: String,
}

#[derive(Clone, FromRef)]
struct Decoding {
    decoder: axum_jwt_auth::Decoder<Claims>,
}

/// Asks any of the applications once, and says with which status it answers.
type App = Box<dyn Fn(&str) -> Pin<Box<dyn Future<Output = u16>>>>;

async fn orders() -> &'static str {
    "orders"
}

fn bare() -> Router {
    Router::new().route("/api/orders", get(orders))
}

/// Serves the issuer's keys on loopback, at an address that becomes the issuer.
async fn provider(algorithm: Algorithm) -> TestIssuer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = TestIssuer::new(format!("http://{}", listener.local_addr().unwrap()), [algorithm]);
    let (keys, metadata) = (issuer.jwks(), issuer.metadata());
    let router = Router::new()
        .route("/jwks", get(move || async move { Json(keys) }))
        .route(
            "/.well-known/openid-configuration",
            get(move || async move { Json(metadata) }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    issuer
}

async fn pixygate(issuer: &TestIssuer, cache: usize) -> App {
    let clock = TestClock::default();
    let mut trust = issuer.trust("orders");
    // The clock stands still; the keys' age must not matter.
    (trust.jwks_refresh_seconds, trust.jwks_stale_seconds) = (30_000_000, 31_000_000);
    let validator = Validator::builder([trust])
        .token_cache(cache)
        .clock(clock.clone())
        .build()
        .unwrap();
    validator.load().await.unwrap();
    let policies = Policies::new()
        .route("GET", "/api/orders", Policy::signed_in().scope("orders:read"))
        .unwrap();
    let gate = Gate::builder(validator, policies).clock(clock).build().unwrap();
    boxed::<_, axum::body::Body, _>(gate.wrap(bare()))
}

async fn tower_oauth2(issuer: &TestIssuer) -> Router {
    let tenant = TenantConfiguration::builder(issuer.issuer())
        .audiences(&["orders"])
        .build()
        .await
        .unwrap();
    let server = OAuth2ResourceServer::<Claims>::builder()
        .add_tenant(tenant)
        .build()
        .await
        .unwrap();
    bare().layer(server.into_layer())
}

async fn jwt_authorizer(issuer: &TestIssuer) -> axum_0_7::Router {
    let validation = jwt_authorizer::Validation::new()
        .iss(&[issuer.issuer()])
        .aud(&["orders"]);
    let authorizer: jwt_authorizer::Authorizer<RegisteredClaims> = JwtAuthorizer::from_jwks_url(&issuer.jwks_url())
        .validation(validation)
        .build()
        .await
        .unwrap();
    bare_0_7().layer(authorizer.into_layer())
}

async fn axum_jwt_auth(issuer: &TestIssuer, algorithm: Algorithm) -> Router {
    let mut validation = jsonwebtoken::Validation::new(algorithm.name().parse().unwrap());
    validation.set_audience(&["orders"]);
    validation.set_issuer(&[issuer.issuer()]);
    let decoder = axum_jwt_auth::RemoteJwksDecoder::builder()
        .jwks_url(issuer.jwks_url())
        .validation(validation)
        .build()
        .unwrap();
    let decoder = Arc::new(decoder);
    decoder.initialize().await.unwrap();
    let handler = |_: axum_jwt_auth::Claims<Claims>| async { "orders" };
    Router::new()
        .route("/api/orders", get(handler))
        .with_state(Decoding { decoder })
}

fn bare_0_7() -> axum_0_7::Router {
    axum_0_7::Router::new().route("/api/orders", axum_0_7::routing::get(orders))
}

/// With its routes made ready, as `axum::serve` does.
fn ready(router: Router) -> App {
    boxed::<_, axum::body::Body, _>(router.with_state::<()>(()))
}

fn ready_0_7(router: axum_0_7::Router) -> App {
    boxed::<_, axum_0_7::body::Body, _>(router.with_state::<()>(()))
}

fn boxed<A, B, C>(app: A) -> App
where
    A: Service<Request<B>, Response = Response<C>, Error = Infallible> + Clone + 'static,
    A::Future: 'static,
    B: From<&'static str> + 'static,
    C: 'static,
{
    Box::new(move |header| {
        let request = Request::builder()
            .uri("/api/orders")
            .header("host", "shop.example")
            .header("authorization", header)
            .body(B::from(""))
            .unwrap();
        let answer = app.clone().oneshot(request);
        Box::pin(async move { answer.await.unwrap().status().as_u16() })
    })
}

fn compare(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("application");
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let issuer = runtime.block_on(provider(algorithm));
        let token = issuer
            .token()
            .scope("openid profile orders:read")
            .claim("name", "Alice Example")
            .sign();
        let header = format!("Bearer {token}");
        let apps = runtime.block_on(async {
            [
                ("no gate", ready(bare())),
                ("no gate, axum 0.7", ready_0_7(bare_0_7())),
                ("pixygate, first", pixygate(&issuer, 0).await),
                ("pixygate, cache", pixygate(&issuer, 100).await),
                ("tower-oauth2-resource-server", ready(tower_oauth2(&issuer).await)),
                ("jwt-authorizer", ready_0_7(jwt_authorizer(&issuer).await)),
                ("axum-jwt-auth", ready(axum_jwt_auth(&issuer, algorithm).await)),
            ]
        });
        for (name, app) in apps {
            let status = runtime.block_on(app(&header));
            if status != 200 {
                eprintln!("{name} refuses {} with {status}: left out", algorithm.name());
                continue;
            }
            group.bench_function(BenchmarkId::new(name, algorithm.name()), |bencher| {
                bencher.iter(|| runtime.block_on(app(&header)));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(40);
    targets = compare
}
criterion_main!(benches);
