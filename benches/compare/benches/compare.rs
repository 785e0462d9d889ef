//! The same application, tokens and key set behind four gates, in one run: `cargo bench` in this folder. README.md says what
//! is compared and how.

#[path = "../../table/mod.rs"]
mod table;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use axum::{Json, Router, extract::FromRef, routing::get};
use criterion::{BenchmarkGroup, Criterion, SamplingMode, measurement::WallTime};
use http::{Request, Response};
use jwt_authorizer::{IntoLayer, JwtAuthorizer, Refresh, RefreshStrategy};
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Validator},
    test_support::{TestIssuer, TestKey},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime, task::JoinSet};
use tower::{Service, ServiceExt};
use tower_oauth2_resource_server::{server::OAuth2ResourceServer, tenant::TenantConfiguration};

use self::table::Table;

/// Every cell is measured so often, and the whole row by turns in between: what else the machine does then falls on all.
const PASSES: usize = 5;
/// How often keys are loaded anew where a row says so.
const REFRESH: Duration = Duration::from_millis(10);
/// Calls of other tokens that go before, where an application is made anew: it comes from a start that used the processor's
/// caches for something else.
const WARM: usize = 200;
/// Calls that are timed then.
const NEW: usize = 400;
/// When an application must be ready; one that is not has no cell.
const READY: Duration = Duration::from_secs(5);

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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bare,
    /// What jwt-authorizer is made for.
    BareAxum07,
    /// Every verdict is in the cache.
    PixygateKept,
    /// Without a cache.
    PixygateFirst,
    /// With a cache to which every token is new.
    PixygateFirstKept,
    TowerOauth2ResourceServer,
    JwtAuthorizer,
    AxumJwtAuth,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Bare,
        Self::BareAxum07,
        Self::PixygateKept,
        Self::PixygateFirst,
        Self::PixygateFirstKept,
        Self::TowerOauth2ResourceServer,
        Self::JwtAuthorizer,
        Self::AxumJwtAuth,
    ];
    const OTHERS: [Self; 3] = [Self::TowerOauth2ResourceServer, Self::JwtAuthorizer, Self::AxumJwtAuth];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "no gate",
            Self::BareAxum07 => "no gate, axum 0.7",
            Self::PixygateKept => "pixygate, verdict kept",
            Self::PixygateFirst => "pixygate, first",
            Self::PixygateFirstKept => "pixygate, first and kept",
            Self::TowerOauth2ResourceServer => "tower-oauth2-resource-server",
            Self::JwtAuthorizer => "jwt-authorizer",
            Self::AxumJwtAuth => "axum-jwt-auth",
        }
    }

    fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::BareAxum07)
    }
}

#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    algorithm: Algorithm,
    issuers: usize,
    /// Of each issuer.
    keys: usize,
    tokens: usize,
    /// Callers at once; 0 is one caller who needs no task.
    tasks: usize,
    refresh: bool,
}

impl Row {
    const fn new(name: &'static str, algorithm: Algorithm) -> Self {
        Self {
            name,
            algorithm,
            issuers: 1,
            keys: 1,
            tokens: 1_000,
            tasks: 0,
            refresh: false,
        }
    }

    const fn es256(name: &'static str) -> Self {
        Self::new(name, Algorithm::ES256)
    }
}

const ROWS: [Row; 13] = [
    Row::new("RS256", Algorithm::RS256),
    Row::new("PS256", Algorithm::PS256),
    Row::es256("ES256"),
    Row::new("ES384", Algorithm::ES384),
    Row::new("EdDSA", Algorithm::EdDSA),
    Row {
        issuers: 10,
        ..Row::es256("ES256, 10 issuers")
    },
    Row {
        keys: 10,
        ..Row::es256("ES256, 10 keys")
    },
    Row {
        keys: 100,
        ..Row::es256("ES256, 100 keys")
    },
    Row {
        tokens: 100_000,
        ..Row::es256("ES256, 100,000 tokens by turns")
    },
    Row {
        tasks: 1,
        ..Row::es256("ES256, 1 task")
    },
    Row {
        tasks: 4,
        ..Row::es256("ES256, 4 tasks")
    },
    Row {
        tasks: 16,
        ..Row::es256("ES256, 16 tasks")
    },
    Row {
        tasks: 4,
        refresh: true,
        ..Row::es256("ES256, 4 tasks, during a refresh")
    },
];

/// What the callers of a row bring, as values of `Authorization`.
struct World {
    issuers: Vec<TestIssuer>,
    tokens: Arc<Vec<String>>,
    /// A good token for each key, of which none is among the others.
    probes: Vec<String>,
    bad: Vec<(&'static str, String)>,
    /// How often key sets were asked for.
    fetches: Arc<AtomicUsize>,
}

impl World {
    async fn new(row: &Row) -> Self {
        let fetches = Arc::new(AtomicUsize::new(0));
        let mut issuers = Vec::new();
        for number in 0..row.issuers {
            // As in the world, nobody's `kid` is another's.
            let keys = (0..row.keys).map(|key| TestKey::generate(row.algorithm, format!("issuer-{number}-key-{key}")));
            issuers.push(provider(keys.collect(), fetches.clone()).await);
        }
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let sign = |number: usize, issuer: &TestIssuer, key: &TestKey, changed: &[(&str, Value)]| {
            let mut token = issuer
                .token()
                .key(key)
                .scope("openid profile email orders:read orders:write")
                .claim("iat", now)
                .claim("exp", now + 3600)
                .claim("name", "Alice Example")
                .claim("email", "alice@example.org")
                .claim("org_id", "10f8e2b4-7c0a-4f6e-9b5e-3f9d5a0d7c11")
                .claim("jti", format!("5b0f9cf2-13aa-4b0e-8d5e-{number:012}"));
            for (name, value) in changed {
                token = token.claim(name, value.clone());
            }
            format!("Bearer {}", token.sign())
        };
        let by_turns = |number: usize| {
            let issuer = &issuers[number % row.issuers];
            sign(number, issuer, &issuer.keys()[number / row.issuers % row.keys], &[])
        };
        let (first, key) = (&issuers[0], &issuers[0].keys()[0]);
        let changed = |name, value: Value| sign(row.tokens, first, key, &[(name, value)]);
        let stranger = TestKey::generate(row.algorithm, key.key_id());
        let bad = vec![
            ("another audience", changed("aud", "billing".into())),
            ("another issuer", changed("iss", "https://elsewhere.example".into())),
            ("a time that has passed", changed("exp", (now - 3600).into())),
            ("a forged signature", sign(row.tokens, first, &stranger, &[])),
        ];
        let probes = row.tokens..row.tokens + row.issuers * row.keys;
        Self {
            tokens: Arc::new((0..row.tokens).map(by_turns).collect()),
            probes: probes.map(by_turns).collect(),
            bad,
            fetches,
            issuers,
        }
    }
}

/// Serves an issuer's keys on loopback, at an address that becomes the issuer.
async fn provider(keys: Vec<TestKey>, fetches: Arc<AtomicUsize>) -> TestIssuer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = TestIssuer::with_keys(format!("http://{}", listener.local_addr().unwrap()), keys);
    let (keys, metadata) = (issuer.jwks(), issuer.metadata());
    let jwks = move || {
        fetches.fetch_add(1, Ordering::Relaxed);
        async move { Json(keys) }
    };
    let router = Router::new().route("/jwks", get(jwks)).route(
        "/.well-known/openid-configuration",
        get(move || async move { Json(metadata) }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    issuer
}

type Asking = Pin<Box<dyn Future<Output = u16> + Send>>;

/// Any of the applications. Asked once, it says with which status it answers.
#[derive(Clone)]
struct App {
    ask: Arc<dyn Fn(&str) -> Asking + Send + Sync>,
    /// Ends with the application.
    _refresh: Arc<JoinSet<()>>,
}

impl App {
    /// `None` where a crate has no way to do what the row asks for.
    async fn new(kind: Kind, row: &Row, world: &World) -> Option<Self> {
        Some(match kind {
            Kind::Bare => ready(bare()),
            Kind::BareAxum07 => ready_0_7(bare_0_7()),
            Kind::PixygateFirst => pixygate(row, world, 0).await,
            // Digests fall into shards as they like: the bound of each has room for more than its share.
            Kind::PixygateKept | Kind::PixygateFirstKept => {
                let cache = world.tokens.len() + world.tokens.len() / 4 + 16;
                pixygate(row, world, cache).await
            }
            Kind::TowerOauth2ResourceServer => ready(tower_oauth2(row, world).await),
            Kind::JwtAuthorizer => ready_0_7(jwt_authorizer(row, world).await),
            // Its decoder has one address for keys.
            Kind::AxumJwtAuth if row.issuers > 1 => return None,
            Kind::AxumJwtAuth => ready(axum_jwt_auth(row, world).await),
        })
    }

    /// Whether all keys are there in time. Some fetch them in the background, and do not say when they have them.
    async fn is_ready(&self, world: &World) -> bool {
        let began = Instant::now();
        for probe in &world.probes {
            while (self.ask)(probe).await != 200 {
                if began.elapsed() > READY {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        true
    }

    /// One that checks less is not compared.
    async fn assert_strict(&self, kind: Kind, world: &World) {
        for (what, token) in &world.bad {
            let status = (self.ask)(token).await;
            assert_ne!(status, 200, "{} accepts {what}", kind.name());
        }
    }

    /// How long so many calls take, from a number on, by tasks that share them.
    async fn time(&self, tokens: &Arc<Vec<String>>, from: usize, calls: usize, tasks: usize) -> Duration {
        let share = |first: usize| {
            let (app, tokens) = (self.clone(), tokens.clone());
            async move {
                for number in (from + first..from + calls).step_by(tasks.max(1)) {
                    // A stride that is coprime to every count of tokens: what comes next was not there just now.
                    let status = (app.ask)(&tokens[number * 7919 % tokens.len()]).await;
                    assert_eq!(status, 200);
                }
            }
        };
        let started = Instant::now();
        if tasks == 0 {
            share(0).await;
        } else {
            let shares: JoinSet<_> = (0..tasks).map(share).collect();
            shares.join_all().await;
        }
        started.elapsed()
    }
}

async fn pixygate(row: &Row, world: &World, cache: usize) -> App {
    let trusts = world.issuers.iter().map(|issuer| issuer.trust("orders"));
    let validator = Validator::builder(trusts).token_cache(cache).build().unwrap();
    validator.load().await.unwrap();
    let policies = Policies::new()
        .route("GET", "/api/orders", Policy::signed_in());
    let gate = Gate::builder().validator(validator.clone()).policies(policies).build().unwrap();
    let mut app = boxed::<_, axum::body::Body, _>(gate.wrap(bare()));
    if row.refresh {
        let mut refresh = JoinSet::new();
        refresh.spawn(async move {
            let mut every = tokio::time::interval(REFRESH);
            loop {
                every.tick().await;
                validator.load().await.unwrap();
            }
        });
        app._refresh = Arc::new(refresh);
    }
    app
}

async fn tower_oauth2(row: &Row, world: &World) -> Router {
    let mut builder = OAuth2ResourceServer::<Claims>::builder();
    for issuer in &world.issuers {
        let mut tenant = TenantConfiguration::builder(issuer.issuer()).audiences(&["orders"]);
        if row.refresh {
            tenant = tenant.jwks_refresh_interval(REFRESH);
        }
        builder = builder.add_tenant(tenant.build().await.unwrap());
    }
    bare().layer(builder.build().await.unwrap().into_layer())
}

async fn jwt_authorizer(row: &Row, world: &World) -> axum_0_7::Router {
    let mut authorizers: Vec<jwt_authorizer::Authorizer<Claims>> = Vec::new();
    for issuer in &world.issuers {
        let validation = jwt_authorizer::Validation::new()
            .iss(&[issuer.issuer()])
            .aud(&["orders"]);
        let mut builder = JwtAuthorizer::from_jwks_url(&issuer.jwks_url()).validation(validation);
        if row.refresh {
            builder = builder.refresh(Refresh {
                strategy: RefreshStrategy::Interval,
                refresh_interval: REFRESH,
                retry_interval: REFRESH,
            });
        }
        authorizers.push(builder.build().await.unwrap());
    }
    bare_0_7().layer(authorizers.into_layer())
}

async fn axum_jwt_auth(row: &Row, world: &World) -> Router {
    let issuer = &world.issuers[0];
    let mut validation = jsonwebtoken::Validation::new(row.algorithm.name().parse().unwrap());
    validation.set_audience(&["orders"]);
    validation.set_issuer(&[issuer.issuer()]);
    let mut builder = axum_jwt_auth::RemoteJwksDecoder::builder()
        .jwks_url(issuer.jwks_url())
        .validation(validation);
    if row.refresh {
        let config = axum_jwt_auth::RemoteJwksDecoderConfig::builder().cache_duration(REFRESH);
        builder = builder.config(config.build());
    }
    let decoder = Arc::new(builder.build().unwrap());
    decoder.initialize().await.unwrap();
    let handler = |_: axum_jwt_auth::Claims<Claims>| orders();
    Router::new()
        .route("/api/orders", get(handler))
        .with_state(Decoding { decoder })
}

async fn orders() -> &'static str {
    "orders"
}

fn bare() -> Router {
    Router::new().route("/api/orders", get(orders))
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
    A: Service<Request<B>, Response = Response<C>, Error = Infallible> + Clone + Send + Sync + 'static,
    A::Future: Send + 'static,
    B: From<&'static str> + Send + 'static,
    C: Send + 'static,
{
    let ask = move |header: &str| -> Asking {
        let request = Request::builder()
            .uri("/api/orders")
            .header("host", "shop.example")
            .header("authorization", header)
            .body(B::from(""))
            .unwrap();
        let answer = app.clone().oneshot(request);
        Box::pin(async move { answer.await.unwrap().status().as_u16() })
    };
    App {
        ask: Arc::new(ask),
        _refresh: Arc::default(),
    }
}

/// One thread for what goes on beside the callers: callers who never wait for anything leave others no turn.
fn beside() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

fn measure(
    table: &mut Table,
    group: &mut BenchmarkGroup<'_, WallTime>,
    callers: &Runtime,
    kind: Kind,
    row: &Row,
    world: &World,
) {
    // What an application does in the background ends with it, before the next is measured.
    let beside = beside();
    let make = || beside.block_on(App::new(kind, row, world));
    let Some(app) = make() else {
        return;
    };
    if !callers.block_on(app.is_ready(world)) {
        return eprintln!("{} refuses good tokens of \"{}\": left out", kind.name(), row.name);
    }
    if !kind.is_bare() {
        callers.block_on(app.assert_strict(kind, world));
    }
    let tokens = &world.tokens;
    if kind == Kind::PixygateKept {
        callers.block_on(app.time(tokens, 0, tokens.len(), 0));
    }
    let (mut next, fetches) = (0, world.fetches.load(Ordering::Relaxed));
    let began = Instant::now();
    table.measure(group, row.name, kind.name(), |rounds| {
        let calls = rounds as usize;
        if kind != Kind::PixygateFirstKept {
            next += calls;
            return callers.block_on(app.time(tokens, next - calls, calls, row.tasks));
        }
        // Not as many as Criterion asks for: it takes the making for a part of the calls, and would ask for very few.
        let new = make().expect("made once already");
        let time = callers.block_on(async {
            new.time(tokens, 0, WARM, row.tasks).await;
            new.time(tokens, WARM, NEW, row.tasks).await
        });
        time.mul_f64(rounds as f64 / NEW as f64)
    });
    if row.refresh && !kind.is_bare() {
        let fetches = world.fetches.load(Ordering::Relaxed) - fetches;
        println!(
            "key sets fetched meanwhile: {fetches} in {:.1} s",
            began.elapsed().as_secs_f64()
        );
    }
    beside.shutdown_background();
}

fn main() {
    // Both of its crypto libraries are compiled in, and nobody else here uses this version of jsonwebtoken.
    jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER
        .install_default()
        .unwrap();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(60))
        .measurement_time(Duration::from_millis(300))
        .sample_size(table::SAMPLES)
        .nresamples(1_000)
        .configure_from_args();
    let (callers, providers) = (Runtime::new().unwrap(), beside());
    let mut table = Table::new("One request without a network");
    for row in &ROWS {
        let world = providers.block_on(World::new(row));
        for pass in 1..=PASSES {
            let mut group = criterion.benchmark_group(format!("pass {pass}"));
            group.sampling_mode(SamplingMode::Flat);
            for kind in Kind::ALL {
                measure(&mut table, &mut group, &callers, kind, row, &world);
            }
            group.finish();
        }
    }
    criterion.final_summary();
    print!("{table}");

    let ours = [Kind::PixygateKept, Kind::PixygateFirst, Kind::PixygateFirstKept].map(Kind::name);
    println!("\nThe quickest of the others, divided by pixygate; ahead is what is above 1:\n");
    println!("| | {} |\n|---|---|---|---|", ours.join(" | "));
    for row in &ROWS {
        let medians = Kind::OTHERS
            .iter()
            .filter_map(|other| table.median(row.name, other.name()));
        let quickest = medians.fold(f64::INFINITY, f64::min);
        let ratio = |name| table.median(row.name, name).map(|median| quickest / median);
        if quickest.is_infinite() {
            continue;
        }
        if let [Some(kept), Some(first), Some(first_kept)] = ours.map(ratio) {
            println!("| {} | {kept:.1} | {first:.2} | {first_kept:.2} |", row.name);
        }
    }
}
