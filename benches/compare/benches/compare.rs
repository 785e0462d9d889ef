//! The same application, token and key set behind four gates, in one run: `cargo bench` in this folder.
//!
//! The others are set up as their documentation shows: issuer and audience checked, keys from a URL. tower-oauth2-resource-
//! server has its aws-lc backend, the fastest it offers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Json, Router, body::Body, extract::FromRef, response::Response, routing::get};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::Request;
use jwt_authorizer::{IntoLayer, JwtAuthorizer, RegisteredClaims};
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Validator},
    test_support::{TestClock, TestIssuer},
};
use serde::Deserialize;
use tokio::{net::TcpListener, runtime::Runtime};
use tower::{ServiceExt, util::BoxCloneSyncService};
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

/// Any of the applications, each in the same box.
type App = BoxCloneSyncService<Request<Body>, Response, Infallible>;

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
    App::new(gate.wrap(bare()))
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

async fn jwt_authorizer(issuer: &TestIssuer) -> Router {
    let validation = jwt_authorizer::Validation::new()
        .iss(&[issuer.issuer()])
        .aud(&["orders"]);
    let authorizer: jwt_authorizer::Authorizer<RegisteredClaims> = JwtAuthorizer::from_jwks_url(&issuer.jwks_url())
        .validation(validation)
        .build()
        .await
        .unwrap();
    bare().layer(authorizer.into_layer())
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

/// With its routes made ready, as `axum::serve` does.
fn boxed(router: Router) -> App {
    App::new(router.with_state(()))
}

async fn call(app: App, header: &str) -> Response {
    let request = Request::builder()
        .uri("/api/orders")
        .header("host", "shop.example")
        .header("authorization", header)
        .body(Body::empty())
        .unwrap();
    app.oneshot(request).await.unwrap()
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
                ("no gate", boxed(bare())),
                ("pixygate, first", pixygate(&issuer, 0).await),
                ("pixygate, cache", pixygate(&issuer, 100).await),
                ("tower-oauth2-resource-server", boxed(tower_oauth2(&issuer).await)),
                ("jwt-authorizer", boxed(jwt_authorizer(&issuer).await)),
                ("axum-jwt-auth", boxed(axum_jwt_auth(&issuer, algorithm).await)),
            ]
        });
        for (name, app) in apps {
            let status = runtime.block_on(call(app.clone(), &header)).status();
            if status != 200 {
                eprintln!("{name} refuses {} with {status}: left out", algorithm.name());
                continue;
            }
            group.bench_function(BenchmarkId::new(name, algorithm.name()), |bencher| {
                bencher.iter(|| runtime.block_on(call(app.clone(), &header)));
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
