//! The entry points of the library: `Gate::builder`, `Gate::router`, `Gate::protect`, `GateConfig`.

use axum::{Router, body::Body, extract::Path, routing::get};
use http::StatusCode;
use pixygate::{
    Reason,
    gate::{GateConfig, GateError, RouteError},
    jwt::Algorithm,
    prelude::*,
    test_support::{Documents, TestClock, TestIssuer, TokenBuilder},
};

use crate::{
    log::Log,
    world::{App, World, refused, request, send, status, text, with_token},
};

/// The example in the README.
#[expect(dead_code, unreachable_pub, reason = "it is a program, whose `main` serves")]
#[path = "../../examples/axum.rs"]
mod example;

fn ask(method: &str, path: &str) -> http::Request<Body> {
    request(method, path).body(Body::empty()).unwrap()
}

async fn body(app: &App, path: &str, token: &str) -> String {
    let response = send(app, with_token("GET", path, token)).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    text(response).await
}

#[tokio::test]
async fn the_example_answers_those_who_may_and_denies_all_else() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let mut trust = Trust::new(issuer.issuer()).audience("orders");
    trust.jwks = issuer.jwks().to_string();
    let app = example::app(trust).await.unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let fresh = |token: TokenBuilder<'_>| {
        let now = now.as_secs();
        token.claim("iat", now).claim("exp", now + 60).sign()
    };
    let token = fresh(issuer.token().scope("profile"));
    assert!(body(&app, "/me", &token).await.contains("alice"));
    assert!(body(&app, "/profile", &token).await.contains("https://idp.example"));
    assert_eq!(status(&app, ask("GET", "/health")).await, StatusCode::OK);
    assert_eq!(refused(&app, ask("GET", "/me")).await, Reason::MissingToken);
    let without_scope = with_token("GET", "/profile", &fresh(issuer.token()));
    assert_eq!(refused(&app, without_scope).await, Reason::InsufficientScope);
    assert_eq!(
        refused(&app, with_token("GET", "/", &token)).await,
        Reason::RouteNotFound
    );
}

#[test]
fn the_example_is_as_short_as_it_is_said_to_be() {
    let source = include_str!("../../examples/axum.rs");
    assert!(source.lines().count() <= 25);
    let statements = source
        .lines()
        .filter(|line| line.ends_with(';') && !line.starts_with("use "));
    assert!(statements.count() <= 10);
}

#[tokio::test]
async fn a_path_without_a_policy_is_denied_though_the_router_has_it() {
    let world = World::new().await;
    let gate = world.whole_gate(Policies::new()).build().unwrap();
    let router = Router::new()
        .route("/admin", get(|| async { "reached" }))
        .route("/open", get(|| async { "reached" }));
    let app = gate
        .protect(router, Policies::new().route("GET", "/open", Policy::public()))
        .unwrap();
    let token = world.token().sign();
    for path in ["/admin", "/", "/elsewhere"] {
        assert_eq!(
            refused(&app, with_token("GET", path, &token)).await,
            Reason::RouteNotFound,
            "{path}"
        );
    }
    assert_eq!(status(&app, ask("GET", "/open")).await, StatusCode::OK);
}

#[tokio::test]
async fn each_router_has_its_own_policies_and_those_of_the_builder() {
    let world = World::new().await;
    let health = Policies::new().route("GET", "/health", Policy::public());
    let gate = world.whole_gate(health).build().unwrap();
    let router = |name: &'static str| {
        let router = Router::new().route("/health", get(|| async { "ok" }));
        router.route(name, get(|| async { "reached" }))
    };
    let public = |path: &str| Policies::new().route("GET", path, Policy::public());
    let one = gate.protect(router("/one"), public("/one")).unwrap();
    let other = gate.protect(router("/other"), public("/other")).unwrap();
    for (app, own, others) in [(&one, "/one", "/other"), (&other, "/other", "/one")] {
        assert_eq!(status(app, ask("GET", own)).await, StatusCode::OK);
        assert_eq!(status(app, ask("GET", "/health")).await, StatusCode::OK);
        assert_eq!(refused(app, ask("GET", others)).await, Reason::RouteNotFound);
    }
}

#[tokio::test]
async fn a_router_chooses_as_axum_does_whatever_the_order() {
    let world = World::new().await;
    let gate = world.whole_gate(Policies::new()).build().unwrap();
    let scope = |scope: &str| Policy::signed_in().scope(scope);
    let app = gate
        .router()
        .get("/rest/{*path}", scope("rest"), async |Path(path): Path<String>| path)
        .get("/rest/a", scope("a"), async || "a")
        .get("/files/{name}/meta", scope("name"), async |Path(name): Path<String>| {
            name
        })
        .get("/files/café/meta", scope("café"), async || "the café's")
        .get("/files/a b", Policy::public(), async || "a space")
        .get("/files", scope("list"), async || "list")
        .post("/files", scope("write"), async || "written")
        .route("/any", scope("any"), get(async || "got").post(async || "posted"))
        .build()
        .unwrap();
    let token = |scope: &str| world.token().scope(scope).sign();
    for (scope, path, expected) in [
        ("rest", "/rest/a/b/c", "a/b/c"),
        ("rest", "/rest/a%20c", "a c"),
        ("a", "/rest/a", "a"),
        ("name", "/files/x/meta", "x"),
        ("name", "/files/%C3%A9/meta", "é"),
        ("café", "/files/caf%C3%A9/meta", "the café's"),
        ("x", "/files/a%20b", "a space"),
        ("list", "/files", "list"),
        ("any", "/any", "got"),
    ] {
        assert_eq!(body(&app, path, &token(scope)).await, expected, "{path}");
        let other = with_token("GET", path, &token("other"));
        let reason = (expected != "a space").then_some(Reason::InsufficientScope);
        match reason {
            Some(reason) => assert_eq!(refused(&app, other).await, reason, "{path}"),
            None => assert_eq!(status(&app, other).await, StatusCode::OK),
        }
    }
    // The router does not match this spelling of the route.
    let spelled = with_token("GET", "/files/caf%c3%a9/meta", &token("café name rest"));
    assert_eq!(refused(&app, spelled).await, Reason::InvalidRequest);
    let post = with_token("POST", "/files", &token("list"));
    assert_eq!(refused(&app, post).await, Reason::InsufficientScope);
    let post = with_token("POST", "/files", &token("write"));
    assert_eq!(status(&app, post).await, StatusCode::OK);
    // GET includes HEAD.
    let head = with_token("HEAD", "/files", &token("list"));
    assert_eq!(status(&app, head).await, StatusCode::OK);
}

#[tokio::test]
async fn what_axum_would_panic_on_is_an_error() {
    let world = World::new().await;
    let gate = world.whole_gate(Policies::new()).build().unwrap();
    let wrong = gate
        .router::<()>()
        .get("/a/:id", Policy::public(), async || "")
        .get("/b/*", Policy::public(), async || "")
        .get("c", Policy::public(), async || "")
        .get("/d/{id}", Policy::public(), async || "")
        .post("/d/{name}", Policy::public(), async || "")
        .get("/e", Policy::public(), async || "")
        .get("/e", Policy::public(), async || "")
        .get("/f", Policy::public(), async || "")
        .route("/f", Policy::public(), get(async || ""))
        .get("/g{id}", Policy::public(), async || "")
        .get("/h/{id}", Policy::public(), async || "")
        .get("/h/{*rest}", Policy::public(), async || "")
        .build();
    let errors = wrong.unwrap_err().0;
    let about = |path: &str| {
        let about = |error: &&GateError| error.to_string().contains(path);
        errors.iter().filter(about).count()
    };
    for path in [
        "/a/:id",
        "/b/*",
        "\"c\"",
        "/d/{name}",
        "/e",
        "/f",
        "/g{id}",
        "\"/h/{*rest}",
    ] {
        assert_eq!(about(path), 1, "{path}: {errors:?}");
    }
    assert_eq!(errors.len(), 8, "{errors:?}");
}

#[tokio::test]
async fn a_configuration_is_a_gate() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let clock = TestClock::default();
    let config: GateConfig = toml::from_str(
        r#"
        public_url = "https://shop.example"
        rate_limit = "2/m"

        [[trust]]
        issuer = "https://idp.example"
        audience = ["orders"]

        [[route]]
        methods = ["GET"]
        path = "/orders/**"
        any_scope = ["orders:read", "orders:write"]
        claims = { tier = ["gold", "silver"] }

        [[route]]
        path = "/health"
        public = true
        "#,
    )
    .unwrap();
    let gate = Gate::from_config(config).fetch(Documents::of([&issuer])).clock(clock);
    let gate = gate.start().await.unwrap();
    let app: App = gate.wrap(Router::new().fallback(async || "reached"));
    let token = |tier: &str| issuer.token().scope("orders:read").claim("tier", tier).sign();
    let orders = |tier: &str| with_token("GET", "/orders/7", &token(tier));
    assert_eq!(status(&app, orders("gold")).await, StatusCode::OK);
    assert_eq!(refused(&app, orders("tin")).await, Reason::InsufficientScope);
    assert_eq!(refused(&app, orders("gold")).await, Reason::RateLimited);
    assert_eq!(status(&app, ask("GET", "/health")).await, StatusCode::OK);
    assert_eq!(refused(&app, ask("GET", "/")).await, Reason::RouteNotFound);
}

#[test]
fn a_configuration_says_everything_that_is_wrong() {
    let unknown = toml::from_str::<GateConfig>("publicurl = \"https://shop.example\"");
    assert!(unknown.unwrap_err().to_string().contains("unknown field"));
    let config: GateConfig = toml::from_str(
        r#"
        rate_limit = "often"
        [[trust]]
        issuer = "https://idp.example"
        [[route]]
        path = "/a"
        public = true
        scopes = ["a"]
        [[route]]
        path = "/b"
        claims = { tier = [] }
        [[route]]
        path = "/c"
        scopes = [""]
        [[route]]
        path = "d"
        [[route]]
        path = "/e"
        dpop = true
        "#,
    )
    .unwrap();
    let errors = Gate::from_config(config).build().unwrap_err().0;
    assert_eq!(errors.len(), 7, "{errors:?}");
    assert!(matches!(
        errors[6],
        GateError::Route(RouteError::DpopWithoutPublicUrl(_))
    ));
}

#[tokio::test]
async fn an_outage_starts_and_recovers_and_a_wrong_setting_does_not_start() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
    let start = |trust: Trust| {
        let gate = Gate::builder().trust(trust).fetch(provider.clone());
        gate.clock(clock.clone()).start()
    };
    provider.set_down(true);
    let (log, _guard) = Log::record();
    let gate = start(issuer.trust("orders")).await.unwrap();
    assert!(log.text().contains("answered with 503"), "{}", log.text());
    let app: App = gate
        .router()
        .get("/me", Policy::signed_in(), async || "reached")
        .build()
        .unwrap();
    let call = || with_token("GET", "/me", &issuer.token().sign());
    assert_eq!(refused(&app, call()).await, Reason::KeysUnavailable);
    provider.set_down(false);
    clock.advance(10);
    assert_eq!(status(&app, call()).await, StatusCode::OK);

    let mut other = issuer.metadata();
    other["issuer"] = "https://other.example".into();
    provider.put(issuer.metadata_url(), &other);
    let errors = start(issuer.trust("orders")).await.unwrap_err().0;
    assert!(matches!(errors[..], [GateError::Keys(_)]), "{errors:?}");
}

/// The test's clock does not advance, and tokio's does when all tasks wait.
#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_while_a_clone_of_the_gate_lives() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let provider = Documents::of([&issuer]);
    let gate = Gate::builder().trust(issuer.trust("orders")).fetch(provider.clone());
    let gate = gate.clock(TestClock::default()).start().await.unwrap();
    let fetched = || provider.asked(&issuer.jwks_url());
    let pass = async || tokio::time::sleep(std::time::Duration::from_secs(1000)).await;
    let app: App = gate.wrap(Router::new());
    drop(gate);
    let before = fetched();
    pass().await;
    assert!(fetched() > before);
    drop(app);
    let before = fetched();
    pass().await;
    assert_eq!(fetched(), before);
}
