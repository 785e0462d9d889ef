//! Calls of an application under test in a browser, and its warnings in the console.

#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::cell::RefCell;
use std::rc::Rc;

use gloo_net::http::{Request, Response};
use leptos::mount::mount_to;
use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use pixygate::leptos::{
    CallError, Command, GateClient, MockAuth, MockUser, RequireScope, RequireSignedIn, SignOutButton, use_auth,
    use_signed_in,
};
use pixygate::session::{Event, Remedy, SessionError, SignOutReason};
use pixygate::{Reason, Refusal};
use wasm_bindgen::prelude::*;
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

/// The warnings that are written to the console while this value exists.
struct Warnings {
    said: Rc<RefCell<Vec<String>>>,
    before: JsValue,
    _takes: Closure<dyn FnMut(JsValue)>,
}

fn console() -> JsValue {
    js_sys::Reflect::get(&js_sys::global(), &"console".into()).unwrap()
}

impl Warnings {
    fn watch() -> Self {
        let said = Rc::<RefCell<Vec<String>>>::default();
        let hears = Rc::clone(&said);
        let takes = Closure::new(move |text: JsValue| hears.borrow_mut().push(text.as_string().unwrap_or_default()));
        let before = js_sys::Reflect::get(&console(), &"warn".into()).unwrap();
        js_sys::Reflect::set(&console(), &"warn".into(), takes.as_ref()).unwrap();
        Self {
            said,
            before,
            _takes: takes,
        }
    }

    fn take(&self) -> Vec<String> {
        self.said.take()
    }
}

impl Drop for Warnings {
    fn drop(&mut self) {
        js_sys::Reflect::set(&console(), &"warn".into(), &self.before).unwrap();
    }
}

/// Reads the user in its body, which is not reactive, and in its view.
#[component]
fn Greeting() -> impl IntoView {
    let first = use_signed_in().name().to_owned();
    view! {
        <p id="greeting">"Hello, " {first} ", now " {move || use_signed_in().name().to_owned()}</p>
        <RequireScope scope="orders" missing=|| "No orders">
            <p id="orders">"Orders"</p>
        </RequireScope>
        <SignOutButton />
    }
}

/// In a development build, Leptos warns when a signal is read outside of a reactive context.
#[wasm_bindgen_test]
async fn no_component_reads_what_nothing_tracks() {
    let warnings = Warnings::watch();
    let owner = Owner::new();
    let signal = owner.with(|| RwSignal::new(1));
    assert_eq!(signal.get_untracked(), 1);
    assert_eq!(warnings.take(), [""; 0]);
    assert_eq!(signal.get(), 1);
    assert!(warnings.take()[0].contains("outside a reactive tracking context"));

    let place = document().create_element("div").unwrap();
    document().body().unwrap().append_child(&place).unwrap();
    let mock = Rc::new(RefCell::new(None));
    let provided = Rc::clone(&mock);
    let mounted = mount_to(place.clone().unchecked_into(), move || {
        provided.replace(Some(MockAuth::provide()));
        let auth = use_auth();
        view! {
            <RequireSignedIn unknown=|| "One moment" signed_out=|| "Please sign in">
                <Greeting />
            </RequireSignedIn>
            <p>{move || auth.idle_warning().get()} {move || auth.is_stored().get()} {move || auth.expected_name().get()}</p>
        }
    });
    let mock = mock.take().unwrap();
    let shown = async |text: &str| {
        leptos::task::tick().await;
        assert!(
            place.text_content().unwrap_or_default().contains(text),
            "{text}: {:?}",
            place.text_content()
        );
    };
    mock.sign_in(MockUser::new("alice").scope("orders").claim("name", "Alice"));
    shown("Hello, Alice, now Alice").await;
    shown("Orders").await;
    // Other claims of the same user.
    mock.sign_in(MockUser::new("alice").claim("name", "Alice Example"));
    shown("Hello, Alice, now Alice Example").await;
    shown("No orders").await;
    mock.emit(&Event::Idle(Some(60)));
    shown("60").await;
    mock.sign_out(Some(SignOutReason::EndedByProvider));
    shown("Please sign in").await;
    mock.sign_in(MockUser::new("bob"));
    mock.sign_out(Some(SignOutReason::SignedOut));
    shown("Please sign in").await;
    drop(mounted);
    assert_eq!(warnings.take(), [""; 0]);
    place.remove();
}
