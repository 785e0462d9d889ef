//! Rejections by a handler are answered, logged and observed like those of the gate.

use std::sync::{Arc, Mutex};

use axum::{Extension, Router, body::Body, routing::get};
use http::{Request, StatusCode};
use pixygate::{
    Reason,
    gate::{
        Gate, GateContext, Policies, Policy, RequestId,
        observe::{Metrics, Observer, Outcome},
    },
    jwt::{Principal, Rejection},
};
use tower::ServiceExt as _;

use crate::{
    log::Log,
    world::{World, refusal, request, send, signed_in, text, with_token},
};

/// Handlers that check again: one returns the rejection, the other can only add it to the response.
fn handlers() -> Router {
    Router::new()
        .route(
            "/api/returns",
            get(|principal: Principal| async move {
                principal.require_scope("pay")?;
                Ok::<_, Rejection>("paid")
            }),
        )
        .route(
            "/api/objects",
            get(
                |principal: Principal, Extension(context): Extension<GateContext>| async move {
                    if let Err(rejection) = principal.require_scope("pay") {
                        context.reject(rejection);
                    }
                    "paid"
                },
            ),
        )
}

/// The path of a request, and the reason of its denial.
type Told = (String, Option<Reason>);

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Told>>>);

impl Observer for Seen {
    fn finished(&self, outcome: &Outcome) {
        assert_eq!(outcome.principal.as_ref().unwrap().subject(), "alice");
        let reason = outcome.rejection.as_ref().map(Rejection::reason);
        let path = outcome.path.as_ref().unwrap().as_str().to_owned();
        self.0.lock().unwrap().push((path, reason));
    }
}

#[tokio::test]
async fn what_a_handler_refuses_looks_like_what_the_gate_refuses() {
    let world = World::new().await;
    let (seen, metrics) = (Seen::default(), Arc::new(Metrics::default()));
    let gate = world.gate(signed_in()).observer((seen.clone(), metrics.clone()));
    let app = gate.realm("till").build().unwrap().wrap(handlers());
    let may = world.token().scope("pay").sign();
    let may_not = world.token().scope("look").sign();
    for (number, path) in ["/api/returns", "/api/objects"].into_iter().enumerate() {
        let response = send(&app, with_token("GET", path, &may)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response).await, "paid");
        assert_eq!(std::mem::take(&mut *seen.0.lock().unwrap()), [(path.to_owned(), None)]);

        let (log, _guard) = Log::record();
        let mut call = with_token("GET", path, &may_not);
        let id = format!("outer-{number}");
        call.extensions_mut().insert(RequestId::parse(&id).unwrap());
        let response = send(&app, call).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        for part in [
            "Bearer realm=\"till\"",
            "resource_metadata=\"https://shop.example/",
            "error=\"insufficient_scope\"",
            "scope=\"pay\"",
        ] {
            assert!(challenge.contains(part), "{path} {challenge}");
        }
        assert_eq!(response.headers().get_all("www-authenticate").iter().count(), 1);
        let length = response.headers()["content-length"].to_str().unwrap().to_owned();
        let refusal = refusal(response).await;
        assert_eq!((refusal.reason, &refusal.request_id), (Reason::InsufficientScope, &id));
        let own = serde_json::to_string(&refusal).unwrap().len();
        assert_eq!(length, own.to_string(), "not that of the handler's own answer");
        let line = log.text();
        assert!(
            line.contains(&format!("request_id={id}")) && line.contains("InsufficientScope"),
            "{line}"
        );
        // Each request has one outcome.
        let denied = Some(Reason::InsufficientScope);
        assert_eq!(
            std::mem::take(&mut *seen.0.lock().unwrap()),
            [(path.to_owned(), denied)]
        );
    }
    assert_eq!((metrics.allowed(), metrics.denied(Reason::InsufficientScope)), (2, 2));
}

#[tokio::test]
async fn a_bound_call_that_a_handler_refuses_is_challenged_for_dpop() {
    use pixygate::{jwt::Algorithm, test_support::TestKey};
    let world = World::new().await;
    let app = world.gate(signed_in()).build().unwrap().wrap(handlers());
    let key = TestKey::generate(Algorithm::ES256, "");
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let proof = key.proof("GET", "https://shop.example/api/returns", &token).sign();
    let call = request("GET", "/api/returns")
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof);
    let response = send(&app, call.body(Body::empty()).unwrap()).await;
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(
        challenge.starts_with("DPoP ") && challenge.contains("scope=\"pay\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn without_a_gate_or_outside_its_prefixes_the_rejection_is_the_answer() {
    let world = World::new().await;
    let bare = Router::new().route("/open", get(|| async { Rejection::new(Reason::MissingToken) }));
    let policies = Policies::new().route("GET", "/api/a", Policy::public());
    let metrics = Arc::new(Metrics::default());
    let gate: Gate = world.gate(policies).observer(metrics.clone()).build().unwrap();
    let ask = || -> Request<Body> { request("GET", "/open").body(Body::empty()).unwrap() };
    assert_eq!(
        refusal(bare.clone().oneshot(ask()).await.unwrap()).await.reason,
        Reason::MissingToken
    );
    assert_eq!(
        refusal(send(&gate.wrap(bare), ask()).await).await.reason,
        Reason::MissingToken
    );
    assert_eq!(metrics.denied(Reason::MissingToken), 0);
}
