//! An observer is notified of each request once: when its response has been sent, or when the client has gone.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::get,
};
use http::StatusCode;
use http_body_util::BodyExt as _;
use pixygate::{
    Reason,
    gate::{
        Policies, Policy,
        observe::{Observer, Outcome},
    },
    jwt::Rejection,
};
use tower::ServiceExt as _;

use crate::world::{App, World, request, send, with_token};

#[derive(Clone, Default)]
struct Outcomes(Arc<Mutex<Vec<Outcome>>>);

impl Observer for Outcomes {
    fn finished(&self, outcome: &Outcome) {
        self.0.lock().unwrap().push(outcome.clone());
    }
}

impl Outcomes {
    fn take(&self) -> Vec<Outcome> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn app(world: &World, outcomes: &Outcomes) -> App {
    let chunks = || {
        let chunks = ["one", "two", "three"].map(|chunk| Ok::<_, Infallible>(Bytes::from(chunk)));
        Body::from_stream(futures::stream::iter(chunks))
    };
    let gate = world.whole_gate(Policies::new()).observer(outcomes.clone());
    let gate = gate.build().unwrap();
    let router = gate
        .router()
        .get("/whole", Policy::signed_in(), async || "whole")
        .get("/parts/{id}", Policy::public(), async move || chunks())
        .get("/nothing", Policy::public(), async || StatusCode::NO_CONTENT)
        .get("/never", Policy::public(), async || {
            std::future::pending::<()>().await;
        })
        .get("/rejects", Policy::signed_in(), async || {
            Rejection::new(Reason::InsufficientScope)
        });
    router.build().unwrap()
}

fn open(path: &str) -> http::Request<Body> {
    request("GET", path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_request_is_over_when_its_response_has_been_sent() {
    let world = World::new().await;
    let outcomes = Outcomes::default();
    let app = app(&world, &outcomes).await;
    let mut response = send(&app, open("/parts/7")).await;
    let first = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "one");
    assert!(outcomes.take().is_empty(), "two parts are still to come");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "twothree");
    let [outcome] = &outcomes.take()[..] else { panic!() };
    assert_eq!(
        (outcome.status, outcome.bytes, outcome.complete),
        (Some(StatusCode::OK), 11, true)
    );
    assert_eq!(outcome.path.as_ref().unwrap().as_str(), "/parts/7");
    assert_eq!(outcome.route.as_ref().unwrap().to_string(), "GET /parts/{id}");
    assert!(outcome.principal.is_none() && outcome.rejection.is_none());
    assert!(outcome.took >= outcome.decided_in && outcome.decided_in > Duration::ZERO);
}

#[tokio::test]
async fn every_way_to_end_is_one_outcome() {
    let world = World::new().await;
    let outcomes = Outcomes::default();
    let app = app(&world, &outcomes).await;
    let token = world.token().sign();
    let denied = |reason: Reason| Some(reason);
    for (call, status, bytes, complete, reason) in [
        (with_token("GET", "/whole", &token), 200, Some(5), true, None),
        (with_token("HEAD", "/whole", &token), 200, Some(0), true, None),
        (open("/nothing"), 204, Some(0), true, None),
        (open("/whole"), 401, None, true, denied(Reason::MissingToken)),
        (open("/elsewhere"), 404, None, true, denied(Reason::RouteNotFound)),
        (open("/a//b"), 400, None, true, denied(Reason::InvalidRequest)),
        (
            with_token("GET", "/rejects", &token),
            403,
            None,
            true,
            denied(Reason::InsufficientScope),
        ),
    ] {
        let name = format!("{} {}", call.method(), call.uri());
        let sent = send(&app, call).await.into_body().collect().await.unwrap().to_bytes();
        let [outcome] = &outcomes.take()[..] else {
            panic!("{name}")
        };
        assert_eq!(outcome.status.unwrap().as_u16(), status, "{name}");
        if let Some(bytes) = bytes {
            assert_eq!(outcome.bytes, bytes, "{name}");
        } else {
            assert!(outcome.bytes > 0 && outcome.bytes == sent.len() as u64, "{name}");
        }
        assert_eq!(outcome.complete, complete, "{name}");
        assert_eq!(outcome.rejection.as_ref().map(Rejection::reason), reason, "{name}");
    }
}

#[tokio::test]
async fn a_client_that_gives_up_is_an_outcome_too() {
    let world = World::new().await;
    let outcomes = Outcomes::default();
    let app = app(&world, &outcomes).await;
    let mut response = send(&app, open("/parts/7")).await;
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    let [outcome] = &outcomes.take()[..] else { panic!() };
    assert_eq!(
        (outcome.status, outcome.bytes, outcome.complete),
        (Some(StatusCode::OK), 3, false)
    );

    let call = tokio::spawn(app.clone().oneshot(open("/never")));
    tokio::task::yield_now().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let [outcome] = &outcomes.take()[..] else { panic!() };
    assert_eq!((outcome.status, outcome.complete), (None, false));
}

#[tokio::test]
async fn a_request_to_an_unprotected_path_has_no_outcome() {
    let world = World::new().await;
    let outcomes = Outcomes::default();
    let gate = world.gate(Policies::new()).observer(outcomes.clone()).build().unwrap();
    let app: App = gate.wrap(Router::new().route("/open", get(async || "open")));
    drop(send(&app, open("/open")).await);
    assert!(outcomes.take().is_empty());
}
