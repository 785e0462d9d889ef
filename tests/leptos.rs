//! The Leptos layer without a browser: on the server, and in the tests of an application.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use futures::executor::block_on;
use leptos::prelude::*;
use leptos::server_fn::client::Client;
use leptos::server_fn::codec::{Json, PostUrl};
use pixygate::authorization::{ReturnTo, SignIn, TokenExchange};
use pixygate::leptos::{
    AuthProvider, CallError, Command, GateClient, MockAuth, MockUser, RequireScope, RequireSignedIn, use_auth,
    use_signed_in,
};
use pixygate::session::{AuthState, Event, PendingRequest, SessionError, SignOutReason, StepUpFailure};

/// Everything that needs a browser returns an error without one.
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
        no_client(auth.end_exchange().await);
        no_client(auth.complete_sign_in().await.map(drop).map_err(|failure| failure.error));
        no_client(auth.sign_in_popup(SignIn::default()).await);
    });
    assert_eq!(auth.take_pending_request(|_| true), None);
    assert_eq!(auth.take_cancelled_request(|_| true), None);
}

#[server(prefix = "/api", input = PostUrl, output = Json, client = GateClient)]
async fn transfer(amount: u32) -> Result<u32, CallError> {
    Ok(amount)
}

#[test]
fn a_request_whose_sign_in_failed_is_returned_once_to_the_page_that_it_fits() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    mock.sign_in(MockUser::new("alice"));
    let auth = use_auth();
    let is_transfer = |call: &PendingRequest| call.url.starts_with("/api/transfer");
    let cancelled = StepUpFailure::Provider("access_denied".to_owned());
    mock.leave_cancelled(&Transfer { amount: 7 }, cancelled.clone());
    assert_eq!(auth.take_cancelled_request(|call| call.url == "/api/other"), None);
    assert_eq!(auth.take_pending_request(is_transfer), None, "it must not be made");
    let (call, failure) = auth.take_cancelled_request(is_transfer).expect("the request");
    assert_eq!((call.body.as_deref(), failure), (Some(r#"{"amount":7}"#), cancelled));
    assert_eq!(auth.take_cancelled_request(is_transfer), None);

    mock.leave_pending(&Transfer { amount: 8 });
    assert_eq!(auth.take_cancelled_request(is_transfer), None, "its sign-in succeeded");
    assert!(auth.take_pending_request(is_transfer).is_some());
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
fn a_mock_does_as_the_session_does() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    let auth = use_auth();
    let signed_out = |reason| Err(SessionError::SignedOut(reason));
    block_on(async {
        assert_eq!(auth.access_token().await.map(drop), signed_out(None));
        assert_eq!(auth.end_exchange().await, signed_out(None));
        let to_orders = SignIn {
            return_to: ReturnTo::parse("/orders"),
            ..SignIn::default()
        };
        assert_eq!(auth.sign_in(to_orders.clone()).await, Ok(()));
        assert_eq!(auth.state().get_untracked(), AuthState::SignedOut(None));
        mock.sign_in(MockUser::new("alice").scope("orders"));
        let landing = auth.complete_sign_in().await.unwrap();
        assert_eq!(Some(landing.return_to), to_orders.return_to);

        assert_eq!(auth.access_token().await.unwrap().secret(), "mock");
        assert_eq!(auth.refresh().await, Ok(()));
        let exchange = TokenExchange::organization("10084a8d-113f");
        assert_eq!(auth.exchange(exchange.clone()).await, Ok(()));
        let acting = || {
            let state = auth.state().get_untracked();
            let person = state.signed_in().unwrap();
            assert!(person.claims().sub == "alice" && person.has_scope("orders"));
            person.acting().cloned()
        };
        assert_eq!(acting(), Some(exchange));
        assert_eq!(auth.end_exchange().await, Ok(()));
        assert_eq!(acting(), None);

        assert_eq!(auth.sign_out().await, Ok(()));
        let ended = Some(SignOutReason::SignedOut);
        assert_eq!(auth.state().get_untracked(), AuthState::SignedOut(ended.clone()));
        assert_eq!(auth.refresh().await, signed_out(ended));
    });
}

#[test]
fn a_mock_fails_as_it_is_told() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    mock.sign_in(MockUser::new("alice"));
    let auth = use_auth();
    let down = SessionError::BackingOff { seconds: 4 };
    let fails = |which: fn(&Command<'_>) -> bool| {
        let down = down.clone();
        mock.fail(move |asked| which(asked).then(|| down.clone()));
    };
    block_on(async {
        fails(|asked| matches!(asked, Command::AccessToken));
        assert_eq!(auth.access_token().await.map(drop), Err(down.clone()));
        assert_eq!(auth.refresh().await, Ok(()), "the others go on");
        fails(|asked| matches!(asked, Command::SignIn(options) if options.prompt.as_deref() == Some("none")));
        assert_eq!(auth.sign_in_silently(ReturnTo::default()).await, Err(down.clone()));
        assert_eq!(auth.sign_in(SignIn::default()).await, Ok(()));
        fails(|asked| matches!(asked, Command::CompleteSignIn));
        assert_eq!(auth.complete_sign_in().await.unwrap_err().error, down);
        fails(|asked| matches!(asked, Command::SignOut));
        assert_eq!(auth.sign_out().await, Err(down.clone()));
        assert!(auth.state().get_untracked().signed_in().is_some());
        assert_eq!(auth.sign_out_here().await, Ok(()));
    });
}

#[test]
fn who_listens_to_a_mock_hears_what_happens_and_what_is_gone_does_not() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let component = owner.child();
    component.with(|| {
        let hears = Rc::clone(&heard);
        use_auth().on(move |event| hears.borrow_mut().push(event.clone()));
    });
    let auth = use_auth();
    mock.emit(&Event::Idle(Some(60)));
    assert_eq!(auth.idle_warning().get_untracked(), Some(60));
    mock.emit(&Event::NotStored);
    assert!(!auth.is_stored().get_untracked());
    block_on(auth.sign_out_here()).unwrap();
    let signed_out = Event::Changed(AuthState::SignedOut(Some(SignOutReason::SignedOut)));
    assert_eq!(*heard.borrow(), [Event::Idle(Some(60)), Event::NotStored, signed_out]);
    component.cleanup();
    mock.emit(&Event::Stored);
    assert_eq!(heard.borrow().len(), 3);
}

#[test]
fn a_mock_is_gone_with_its_owner() {
    let owner = Owner::new();
    owner.set();
    MockAuth::provide();
    let auth = use_auth();
    assert_eq!(block_on(auth.sign_in(SignIn::default())), Ok(()));
    owner.cleanup();
    let outcome = block_on(auth.sign_in(SignIn::default()));
    assert_eq!(outcome, Err(SessionError::NoClient));
}

#[test]
fn on_the_server_nobody_listens() {
    let owner = Owner::new();
    owner.set();
    let heard = Arc::new(());
    let hears = Arc::clone(&heard);
    let page = view! {
        <AuthProvider>
            {
                use_auth().on(move |_| drop(Arc::clone(&hears)));
                "a page"
            }
        </AuthProvider>
    };
    assert!(page.to_html().contains("a page"));
    assert_eq!(Arc::strong_count(&heard), 1, "nothing is kept on this thread");
}

/// The user's scopes, as a new component sees them.
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
    mock.sign_in(MockUser::new("alice").scope("orders"));
    let html = guarded().to_html();
    assert!(html.contains("may order") && html.contains("openid orders"), "{html}");
    mock.sign_in(MockUser::new("alice"));
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
    mock.sign_in(MockUser::new("alice"));
    let page = view! {
        <RequireSignedIn unknown=|| "unknown" signed_out=|| "signed out">{move || view! { <Scopes /> }}</RequireSignedIn>
    };
    let page = page.into_any();
    mock.sign_in(MockUser::new("alice").scope("orders"));
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

#[test]
fn what_happens_after_the_components_are_gone_is_heard_by_nobody_and_no_panic() {
    let owner = Owner::new();
    owner.set();
    let mock = MockAuth::provide();
    let heard = Rc::new(RefCell::new(0));
    let notes = Rc::clone(&heard);
    use_auth().on(move |_| *notes.borrow_mut() += 1);
    mock.emit(&Event::Refreshed);
    assert_eq!(*heard.borrow(), 1);
    owner.cleanup();
    for event in [
        Event::Changed(AuthState::SignedOut(Some(SignOutReason::EndedByProvider))),
        Event::Idle(Some(60)),
        Event::NotStored,
    ] {
        mock.emit(&event);
    }
    assert_eq!(*heard.borrow(), 1);
}
