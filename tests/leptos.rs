//! The Leptos layer where there is no browser: on the server, and in the tests of an application.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::cell::Cell;
use std::rc::Rc;

use futures::executor::block_on;
use leptos::prelude::*;
use leptos::server_fn::client::Client;
use pixygate::authorization::{ReturnTo, SignIn, TokenExchange};
use pixygate::leptos::{AuthProvider, MockAuth, MockPerson, RequireScope, RequireSignedIn, use_auth, use_signed_in};
use pixygate::leptos::{CallError, GateClient};
use pixygate::session::{AuthState, SessionError};

/// Everything that needs a browser says that there is none.
fn says_so() {
    let auth = use_auth();
    let no_client = |outcome: Result<(), SessionError>| assert_eq!(outcome, Err(SessionError::NoClient));
    block_on(async {
        no_client(auth.access_token().await.map(drop));
        no_client(auth.client().await.map(drop));
        no_client(auth.refresh().await);
        no_client(auth.sign_in(SignIn::default()).await);
        no_client(auth.sign_in_silently(ReturnTo::default()).await);
        no_client(auth.sign_out().await);
        no_client(auth.sign_out_here().await);
        no_client(auth.exchange(TokenExchange::organization("x")).await);
        no_client(auth.exchange_back().await);
        no_client(auth.complete_sign_in().await.map(drop).map_err(|failure| failure.error));
        let popup = auth.sign_in_popup(SignIn::default()).await;
        assert_eq!(popup, Err(SessionError::Cancelled));
    });
    assert_eq!(auth.take_waiting_call(|_| true), None);
}

#[test]
fn on_the_server_what_needs_a_browser_is_an_error_and_no_panic() {
    let owner = Owner::new();
    owner.set();
    let page = view! {
        <AuthProvider>
            {move || {
                says_so();
                "a page"
            }}
        </AuthProvider>
    };
    assert!(page.to_html().contains("a page"));
}

#[test]
fn a_mock_has_a_person_and_no_token() {
    let owner = Owner::new();
    owner.set();
    MockAuth::provide().sign_in(MockPerson::new("alice"));
    assert!(use_auth().state().get_untracked().signed_in().is_some());
    says_so();
}

#[test]
fn on_the_server_nobody_listens() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    let heard = Rc::new(Cell::new(0));
    let hears = Rc::clone(&heard);
    use_auth().on(move |_| hears.set(hears.get() + 1));
    assert_eq!(Rc::strong_count(&heard), 1, "nothing is kept on this thread");
    mock.set(AuthState::Unknown);
    assert_eq!(heard.get(), 0);
}

/// The scopes of the person, as a component sees them that is made now.
#[component]
fn Scopes() -> impl IntoView {
    view! { <p>{use_signed_in().scopes().join(" ")}</p> }
}

fn guarded() -> AnyView {
    view! {
        <RequireSignedIn unknown=|| "unknown" signed_out=|| "signed out">
            <Scopes />
            <RequireScope scope="orders" missing=|| "may not order">
                "may order"
            </RequireScope>
        </RequireSignedIn>
    }
    .into_any()
}

#[test]
fn who_was_granted_a_scope_sees_what_needs_it_and_who_was_not_does_not() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    mock.sign_in(MockPerson::new("alice").scope("orders"));
    let html = guarded().to_html();
    assert!(html.contains("may order") && html.contains("openid orders"), "{html}");
    mock.sign_in(MockPerson::new("alice"));
    let html = guarded().to_html();
    assert!(html.contains("may not order"), "{html}");
    mock.sign_out(None);
    assert!(guarded().to_html().contains("signed out"));
}

#[test]
fn a_component_that_is_made_later_sees_the_person_as_they_are_by_then() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    mock.sign_in(MockPerson::new("alice"));
    let page = view! {
        <RequireSignedIn unknown=|| "unknown" signed_out=|| "signed out">{move || view! { <Scopes /> }}</RequireSignedIn>
    };
    let page = page.into_any();
    mock.sign_in(MockPerson::new("alice").scope("orders"));
    let html = page.to_html();
    assert!(html.contains("openid orders"), "{html}");
}

#[test]
fn a_websocket_is_refused_since_no_token_goes_with_it() {
    let opened = block_on(<GateClient as Client<CallError, CallError, CallError>>::open_websocket(
        "/api/live",
    ));
    let Err(error) = opened else {
        panic!("it is open, and nobody knows for whom");
    };
    assert_eq!(error, SessionError::WebSocket.into());
    assert!(!error.is_transient());
    assert!(error.to_string().contains("stream"), "and what to do instead is said");
}
