//! 24 and 38: the details in a response, and the events for observers.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use pixygate::{
    Reason,
    gate::{
        Policies, Policy, RequestId,
        observe::{Metrics, Observer, Outcome},
    },
    jwt::Rejection,
    test_support::at,
};
use serde_json::json;

use crate::world::{World, explaining, refusal, request, send, signed_in, with_token, wrap};

#[tokio::test]
async fn who_brought_nothing_is_told_where_the_metadata_are_and_no_error() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let response = send(&app, request("GET", "/api/a").body(Body::empty()).unwrap()).await;
    let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.len(), 2);
    let metadata = "resource_metadata=\"https://shop.example/.well-known/oauth-protected-resource\"";
    for challenge in challenges {
        let challenge = challenge.to_str().unwrap();
        assert!(
            challenge.contains(metadata) && !challenge.contains("error="),
            "{challenge}"
        );
    }
    assert_eq!(refusal(response).await.detail, None);
}

#[tokio::test]
async fn details_are_in_the_body_only_when_the_gate_explains() {
    let world = World::new().await;
    let token = world.token().claim("iss", "https://idp.example/").sign();
    let app = world.app(signed_in());
    assert_eq!(
        refusal(send(&app, with_token("GET", "/api/a", &token)).await)
            .await
            .detail,
        None
    );
    let app = wrap(explaining(world.gate(signed_in())));
    let detail = refusal(send(&app, with_token("GET", "/api/a", &token)).await)
        .await
        .detail
        .unwrap();
    assert_eq!(detail.expected, "iss \"https://idp.example\"");
    assert!(detail.found.contains("ends with a slash"), "{}", detail.found);
    assert!(
        detail.hint.contains("aliases = [\"https://idp.example/\"]"),
        "{}",
        detail.hint
    );
}

#[tokio::test]
async fn keys_that_are_missing_are_503_with_retry_after() {
    let world = World::new().await;
    world.provider.set_down(true);
    world.clock.advance(3600);
    let app = world.app(signed_in());
    let response = send(
        &app,
        with_token("GET", "/api/a", &world.token().claim("exp", at(9000)).sign()),
    )
    .await;
    assert_eq!(response.headers()["retry-after"], "10");
    assert_eq!(refusal(response).await.reason, Reason::KeysUnavailable);
}

/// The reason of a denial, and the caller.
type Told = (Option<Reason>, Option<String>);

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Told>>>);

impl Observer for Seen {
    fn finished(&self, outcome: &Outcome) {
        let reason = outcome.rejection.as_ref().map(Rejection::reason);
        let subject = outcome
            .principal
            .as_ref()
            .map(|principal| principal.subject().to_owned());
        self.0.lock().unwrap().push((reason, subject));
    }
}

#[tokio::test]
async fn every_verdict_is_told() {
    let world = World::new().await;
    let seen = Seen::default();
    let policies = Policies::new().route("GET", "/api/a", Policy::signed_in().scope("x"));
    let metrics = Arc::new(Metrics::default());
    let app = wrap(world.gate(policies).observer((seen.clone(), metrics.clone())));
    send(&app, with_token("GET", "/api/a", &world.token().scope("x").sign())).await;
    send(&app, with_token("GET", "/api/a", &world.token().sign())).await;
    send(&app, request("GET", "/api/a").body(Body::empty()).unwrap()).await;
    send(&app, request("GET", "/api/zzz").body(Body::empty()).unwrap()).await;
    send(&app, request("GET", "/").body(Body::empty()).unwrap()).await;
    let alice = || Some("alice".to_owned());
    let expected = vec![
        (None, alice()),
        (Some(Reason::InsufficientScope), alice()),
        (Some(Reason::MissingToken), None),
        (Some(Reason::RouteNotFound), None),
    ];
    assert_eq!(*seen.0.lock().unwrap(), expected);
    assert_eq!(metrics.allowed(), 1);
    for reason in Reason::ALL {
        let count = u64::from(expected.iter().any(|(told, _)| *told == Some(reason)));
        assert_eq!(metrics.denied(reason), count, "{reason:?}");
    }
    let text = metrics.to_string();
    for line in [
        "pixygate_gate_verdicts_total{reason=\"accepted\"} 1\n",
        "pixygate_gate_verdicts_total{reason=\"insufficient_scope\"} 1\n",
        "pixygate_gate_verdicts_total{reason=\"expired\"} 0\n",
        "pixygate_gate_seconds_total ",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn the_request_id_of_an_outer_layer_is_kept() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let mut request = request("GET", "/api/a")
        .header("x-request-id", "forged")
        .body(Body::empty())
        .unwrap();
    request.extensions_mut().insert(RequestId::parse("outer-7").unwrap());
    assert_eq!(refusal(send(&app, request).await).await.request_id, "outer-7");
    assert_eq!(RequestId::parse("a\r\nb"), None);
}

#[tokio::test]
async fn the_metadata_are_made_from_trust_and_policies() {
    let world = World::new().await;
    let policies = Policies::new()
        .route("GET", "/api/a", Policy::signed_in().scope("b").any_scope(["a", "b"]))
        .route("GET", "/api/b", Policy::public());
    let metadata = world.gate(policies).build().unwrap().resource_metadata();
    assert_eq!(metadata["resource"], "https://shop.example");
    assert_eq!(metadata["authorization_servers"], json!(["https://idp.example"]));
    assert_eq!(metadata["scopes_supported"], json!(["a", "b"]));
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    assert_eq!(metadata["dpop_bound_access_tokens_required"], json!(false));
}
