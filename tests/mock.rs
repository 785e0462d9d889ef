//! Calls of an application under test, where there is a browser to make requests and answers of.

#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::cell::RefCell;
use std::rc::Rc;

use gloo_net::http::{Request, Response};
use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use pixygate::leptos::{CallError, Command, GateClient, MockAuth, MockUser, use_auth};
use pixygate::session::{Event, Remedy, SessionError};
use pixygate::{Reason, Refusal};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[server(prefix = "/api", input = GetUrl, output = Json, client = GateClient)]
async fn orders(year: u32) -> Result<Vec<String>, CallError> {
    Ok(vec![format!("never asked for {year}")])
}

fn not_sent(outcome: Result<Vec<String>, CallError>) -> Remedy {
    match outcome {
        Err(CallError::NotSent { remedy, .. }) => remedy,
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn a_call_gets_the_answer_of_the_test() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    mock.respond(|request| match request.url().contains("/api/orders") {
        true if request.url().contains("year=2026") => Response::builder().json(&["the first"]).ok(),
        true => {
            let reason = Reason::InsufficientScope;
            let refusal = Refusal {
                error: reason.error().to_owned(),
                reason,
                request_id: "1".to_owned(),
                detail: None,
            };
            Response::builder().status(403).json(&refusal).ok()
        }
        false => None,
    });
    assert_eq!(not_sent(orders(2026).await), Remedy::SignIn, "nobody is signed in");

    mock.sign_in(MockUser::new("alice"));
    assert_eq!(orders(2026).await, Ok(vec!["the first".to_owned()]));
    match orders(2025).await {
        Err(CallError::Refused(refusal)) => assert_eq!(refusal.reason, Reason::InsufficientScope),
        other => panic!("{other:?}"),
    }

    let request = || Request::get("https://api.example.com/orders").build().unwrap();
    let unanswered = use_auth().fetch(request()).await.map(drop);
    assert!(unanswered.unwrap_err().is_transient());
    mock.respond(|_| Response::builder().body(Some("two")).ok());
    assert_eq!(use_auth().fetch(request()).await.unwrap().text().await.unwrap(), "two");

    mock.fail(|asked| match asked {
        Command::Call(request) if request.url().contains("/api/") => Some(SessionError::AnotherUser),
        _ => None,
    });
    assert_eq!(not_sent(orders(2026).await), Remedy::CheckUser);
    assert!(use_auth().fetch(request()).await.is_ok());
}

#[wasm_bindgen_test]
async fn who_listens_hears_of_calls_as_of_those_of_a_session() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    mock.sign_in(MockUser::new("alice"));
    mock.respond(|request| match request.url().contains("/orders?year=2026") {
        true => Response::builder().status(201).body(None::<&str>).ok(),
        false => None,
    });
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hears = Rc::clone(&heard);
    use_auth().on(move |event| {
        hears.borrow_mut().push(match event {
            Event::CallStarted { method, url } => format!("{method} {url}"),
            Event::CallFinished { url, status } => format!("{status} {url}"),
            Event::CallFailed { url, error } => format!("{:?} {url}", error.remedy()),
            other => format!("{other:?}"),
        });
    });
    for path in ["orders?year=2026", "none"] {
        let request = Request::post(&format!("https://api.example.com/{path}"))
            .build()
            .unwrap();
        assert_eq!(use_auth().fetch(request).await.is_ok(), path != "none");
    }
    assert_eq!(
        *heard.borrow(),
        [
            "POST https://api.example.com/orders",
            "201 https://api.example.com/orders",
            "POST https://api.example.com/none",
            "TryAgain https://api.example.com/none",
        ]
    );
}
