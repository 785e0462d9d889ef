//! Policies and trusts that are replaced while the gate serves.

use axum::{Extension, Router, body::Body, routing::get};
use http::StatusCode;
use pixygate::{
    Reason,
    gate::{Gate, GateContext, GateError, Policies, Policy, Rate},
    jwt::{Algorithm, Trust},
    test_support::{Documents, TestClock, TestIssuer},
};

use crate::world::{App, refused, request, send, status, text, with_token};

/// Two issuers. The gate trusts the first.
struct Reload {
    first: TestIssuer,
    second: TestIssuer,
    provider: Documents,
    gate: Gate,
}

fn policies(path: &str) -> Policies {
    let rate: Rate = "3/m".parse().unwrap();
    Policies::new().route("GET", path, Policy::signed_in()).route(
        "GET",
        "/limited",
        Policy::signed_in().rate_limit(rate),
    )
}

impl Reload {
    async fn new() -> Self {
        let first = TestIssuer::new("https://one.example", [Algorithm::ES256]);
        let second = TestIssuer::new("https://two.example", [Algorithm::ES256]);
        let provider = Documents::of([&first, &second]);
        let gate = Gate::builder()
            .trust(first.trust("orders"))
            .policies(policies("/old"))
            .fetch(provider.clone())
            .clock(TestClock::default());
        Self {
            gate: gate.start().await.unwrap(),
            first,
            second,
            provider,
        }
    }

    fn app(&self) -> App {
        self.gate.wrap(Router::new().fallback(async || "reached"))
    }

    fn fetched(&self, issuer: &TestIssuer) -> usize {
        self.provider.asked(&issuer.jwks_url())
    }
}

#[tokio::test]
async fn new_rules_hold_for_every_request_that_follows() {
    let reload = Reload::new().await;
    let app = reload.app();
    let (one, two) = (reload.first.token().sign(), reload.second.token().sign());
    let ask = |path: &str, token: &str| with_token("GET", path, token);
    assert_eq!(status(&app, ask("/old", &one)).await, StatusCode::OK);
    assert_eq!(refused(&app, ask("/new", &one)).await, Reason::RouteNotFound);
    assert_eq!(refused(&app, ask("/old", &two)).await, Reason::IssuerNotTrusted);

    let trusts = [reload.second.trust("orders")];
    reload.gate.replace_rules(trusts, policies("/new")).await.unwrap();
    assert_eq!(
        reload.fetched(&reload.second),
        1,
        "its keys were there before its tokens"
    );
    assert_eq!(status(&app, ask("/new", &two)).await, StatusCode::OK);
    assert_eq!(refused(&app, ask("/old", &two)).await, Reason::RouteNotFound);
    // It is rejected although it was verified before.
    assert_eq!(refused(&app, ask("/new", &one)).await, Reason::IssuerNotTrusted);
    // It is accepted again with its trust.
    let trusts = [reload.first.trust("orders"), reload.second.trust("orders")];
    reload.gate.replace_rules(trusts, policies("/new")).await.unwrap();
    for token in [&one, &two] {
        assert_eq!(status(&app, ask("/new", token)).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_is_unchanged_keeps_its_keys_its_verdicts_and_its_counts() {
    let reload = Reload::new().await;
    let app = reload.app();
    let token = reload.first.token().sign();
    let limited = || with_token("GET", "/limited", &token);
    assert_eq!(status(&app, limited()).await, StatusCode::OK);
    let trusts = [reload.second.trust("orders"), reload.first.trust("orders")];
    reload.gate.replace_rules(trusts, policies("/new")).await.unwrap();
    assert_eq!((reload.fetched(&reload.first), reload.fetched(&reload.second)), (1, 1));
    // The provider and its key set are gone: only a cached verdict can accept the token.
    reload.provider.set_down(true);
    for _ in 0..2 {
        assert_eq!(status(&app, limited()).await, StatusCode::OK);
    }
    assert_eq!(refused(&app, limited()).await, Reason::RateLimited);
    assert_eq!(reload.gate.validator().cached_tokens(), 1);
}

#[tokio::test]
async fn a_changed_trust_forgets_what_it_accepted() {
    let reload = Reload::new().await;
    let app = reload.app();
    let token = reload.first.token().sign();
    let call = || with_token("GET", "/old", &token);
    assert_eq!(status(&app, call()).await, StatusCode::OK);
    let stricter = reload.first.trust("invoices");
    reload.gate.replace_rules([stricter], policies("/old")).await.unwrap();
    assert_eq!(refused(&app, call()).await, Reason::AudienceMismatch);
}

#[tokio::test]
async fn wrong_rules_leave_the_old_ones() {
    let reload = Reload::new().await;
    let own = Policies::new().route("GET", "/own", Policy::signed_in());
    let router = Router::new().fallback(async || "reached");
    let app = reload.gate.protect(router, own).unwrap();
    let token = reload.first.token().sign();
    let replace = async |trust: Trust, policies: Policies| {
        let replaced = reload.gate.replace_rules([trust], policies).await;
        replaced.unwrap_err().0
    };
    let first = || reload.first.trust("orders");
    let shadowing = Policies::new().route("*", "/own", Policy::public());
    let shadowing = shadowing.route("GET", "old", Policy::public());
    assert_eq!(replace(first(), shadowing).await.len(), 1);
    let twice = Policies::new().route("GET", "/own", Policy::public());
    assert_eq!(
        replace(first(), twice).await.len(),
        1,
        "it would be hidden by the router's own"
    );
    let errors = replace(Trust::new(""), policies("old")).await;
    assert!(
        matches!(errors[..], [GateError::Route(_), GateError::Trust(_)]),
        "{errors:?}"
    );
    let mut other = reload.second.metadata();
    other["issuer"] = "https://other.example".into();
    reload.provider.put(reload.second.metadata_url(), &other);
    let errors = replace(reload.second.trust("orders"), policies("/old")).await;
    assert!(matches!(errors[..], [GateError::Keys(_)]), "{errors:?}");
    for path in ["/old", "/own"] {
        assert_eq!(status(&app, with_token("GET", path, &token)).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_router_keeps_its_own_policies() {
    let reload = Reload::new().await;
    let own = Policies::new().route("GET", "/own", Policy::signed_in());
    let router = Router::new().fallback(async || "reached");
    let app = reload.gate.protect(router, own).unwrap();
    let trusts = [reload.second.trust("orders")];
    reload.gate.replace_rules(trusts, policies("/new")).await.unwrap();
    let token = reload.second.token().sign();
    for path in ["/own", "/new"] {
        assert_eq!(
            status(&app, with_token("GET", path, &token)).await,
            StatusCode::OK,
            "{path}"
        );
    }
    assert_eq!(
        refused(&app, with_token("GET", "/old", &token)).await,
        Reason::RouteNotFound
    );
}

#[tokio::test]
async fn a_route_carries_a_target() {
    let reload = Reload::new().await;
    let name =
        async |Extension(context): Extension<GateContext>| context.target::<String>().cloned().unwrap_or_default();
    let upstream = |name: &str| name.to_owned();
    let policies = Policies::new()
        .route_to("GET", "/gw/orders/**", Policy::public(), upstream("orders"))
        .route_to("GET", "/gw/stock/**", Policy::public(), upstream("stock"))
        .route("GET", "/gw/**", Policy::public());
    let app: App = reload
        .gate
        .protect(Router::new().fallback(get(name)), policies)
        .unwrap();
    for (path, expected) in [("/gw/orders/7", "orders"), ("/gw/stock", "stock"), ("/gw/other", "")] {
        let response = send(&app, request("GET", path).body(Body::empty()).unwrap()).await;
        assert_eq!(text(response).await, expected, "{path}");
    }
}
