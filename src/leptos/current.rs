//! The session of this page.

use std::cell::{Cell, RefCell};

use futures_channel::oneshot;
// Leptos has no executor before it hydrates.
use wasm_bindgen_futures::spawn_local;

use crate::authorization::{ReturnTo, SignIn};
use crate::session::browser::{Browser, notify_of_next_request, take_query, window};
use crate::session::{AuthState, Session, SessionError, SignInFailure, SignInOutcome};

use super::{Auth, client_data, mock, provider};

/// The page that redirects to the provider.
pub(super) const SIGN_IN_PATH: &str = "/sign-in";

/// The page of the redirect URI.
pub(super) const CALLBACK_PATH: &str = "/callback";

type Completion = oneshot::Receiver<Result<SignInOutcome, SignInFailure>>;
type Departure = oneshot::Receiver<Result<(), SessionError>>;

thread_local! {
    /// Server functions are called from where no context reaches.
    static SESSION: RefCell<Option<Session<Browser>>> = const { RefCell::new(None) };
    /// The sign-in that [`start`] completes.
    static COMPLETION: Cell<Option<Completion>> = const { Cell::new(None) };
    /// The sign-in that [`start`] begins.
    static DEPARTURE: Cell<Option<Departure>> = const { Cell::new(None) };
}

/// Starts the session, then calls `mount`, which hydrates the page. The session's storage is read while the page is hydrated. On the
/// page of the redirect URI the code is exchanged first, and the page is hydrated while the provider answers. The page `/sign-in` leads
/// to the provider, and is hydrated only if the browser stays on it.
///
/// It replaces the call of `leptos::mount::hydrate_body` in the application's entry point. Without it
/// [`AuthProvider`](super::AuthProvider) starts the session after hydration.
///
/// ```
/// # use leptos::prelude::*;
/// # fn hydrate_body(_: fn()) {}
/// # fn App() {}
/// /// Exported with `#[wasm_bindgen]`.
/// pub fn hydrate() {
///     pixygate::leptos::start(|| hydrate_body(App));
/// }
/// # let _ = hydrate;
/// ```
pub fn start(mount: impl FnOnce() + 'static) {
    begin(Box::new(mount));
}

/// Not generic, so that its code is made once, in this crate.
fn begin(mount: Box<dyn FnOnce()>) {
    let Ok(session) = session() else { return mount() };
    if is_callback(&session) {
        return begin_at_callback(session, mount);
    }
    let location = window().map(|window| window.location());
    let is_sign_in = location.as_ref().and_then(|it| it.pathname().ok()).as_deref() == Some(SIGN_IN_PATH);
    if let Some(search) = location.and_then(|it| it.search().ok()).filter(|_| is_sign_in) {
        return begin_at_sign_in(session, return_to_of(&search), mount);
    }
    // Tasks are polled in this order: the database is being opened when hydration begins.
    spawn_local(async move { session.restore().await });
    spawn_local(async move { mount() });
}

fn begin_at_sign_in(session: Session<Browser>, return_to: ReturnTo, mount: Box<dyn FnOnce()>) {
    spawn_local(async move {
        session.restore().await;
        if matches!(session.state(), AuthState::SignedOut(_)) {
            let outcome = leave(&session, return_to).await;
            let (done, departure) = oneshot::channel();
            DEPARTURE.set(Some(departure));
            // It is received by the page, which is hydrated now.
            drop(done.send(outcome));
        }
        mount();
    });
}

/// Leaves for the provider. Returns only if the browser stays here.
async fn leave(session: &Session<Browser>, return_to: ReturnTo) -> Result<(), SessionError> {
    let options = SignIn {
        return_to: Some(return_to),
        replace_page: true,
        ..SignIn::default()
    };
    session.sign_in(&options).await?;
    match session.state().signed_in() {
        // Another tab has signed in meanwhile.
        Some(_) => Ok(()),
        None => Err(session.not_left().await),
    }
}

/// Prepares a sign-in that is likely.
pub(super) fn prepare_sign_in() {
    if let Some(session) = opened() {
        spawn_local(async move { session.prepare_sign_in().await });
    }
}

/// Returns the page to return to after the sign-in, from the query of the page `/sign-in`.
pub(super) fn return_to_of(search: &str) -> ReturnTo {
    // The router would decode the value twice.
    let path = ReturnTo::from_query(search);
    path.filter(|path| !leads_nowhere(path)).unwrap_or_default()
}

/// Returns whether the page only redirects.
fn leads_nowhere(path: &ReturnTo) -> bool {
    let path = path.as_str().split(['?', '#']).next().unwrap_or_default();
    [SIGN_IN_PATH, CALLBACK_PATH].contains(&path.trim_end_matches('/'))
}

/// Leaves for the provider from the page `/sign-in`, unless [`start`] has done so.
pub(super) async fn sign_in_of_page(auth: Auth, return_to: ReturnTo) -> Result<(), SessionError> {
    if let Some(departure) = DEPARTURE.take()
        && let Ok(outcome) = departure.await
    {
        return outcome;
    }
    match mock::is_here() {
        false => leave(&restored().await?, return_to).await,
        true => {
            let options = SignIn {
                return_to: Some(return_to),
                replace_page: true,
                ..SignIn::default()
            };
            auth.sign_in(options).await
        }
    }
}

fn begin_at_callback(session: Session<Browser>, mount: Box<dyn FnOnce()>) {
    let query = take_query().unwrap_or_default();
    let (done, completion) = oneshot::channel();
    COMPLETION.set(Some(completion));
    let (sent, exchanging) = oneshot::channel();
    notify_of_next_request(Some(sent));
    spawn_local(async move {
        let outcome = complete(&session, &query).await;
        // Without a request nothing was sent, and the page is hydrated now.
        notify_of_next_request(None);
        // The page may never ask for it.
        drop(done.send(outcome));
    });
    spawn_local(async move {
        // Either way: an exchange that ends without a request drops its end of the channel.
        let _ = exchanging.await;
        mount();
    });
}

fn is_callback(session: &Session<Browser>) -> bool {
    let Some(location) = window().map(|window| window.location()) else {
        return false;
    };
    let here = location.origin().and_then(|origin| Ok(origin + &location.pathname()?));
    here.is_ok_and(|here| here == session.client().redirect_uri)
}

/// Completes the sign-in of this page's address, once: [`start`] may have begun it.
pub(super) async fn complete_sign_in() -> Result<SignInOutcome, SignInFailure> {
    if let Some(completion) = COMPLETION.take()
        && let Ok(outcome) = completion.await
    {
        return outcome;
    }
    // Without a client the code stays in the address, so that loading the page again completes the sign-in.
    let session = session().map_err(|error| SignInFailure {
        error,
        return_to: Default::default(),
    })?;
    let query = take_query().unwrap_or_default();
    complete(&session, &query).await
}

async fn complete(session: &Session<Browser>, query: &str) -> Result<SignInOutcome, SignInFailure> {
    let mut landing = session.complete(query).await;
    if let Err(failure) = &landing
        && session.hand_over(query, failure).await
    {
        landing = Ok(SignInOutcome {
            popup: true,
            ..SignInOutcome::default()
        });
    }
    if landing.as_ref().is_ok_and(|landing| landing.popup) {
        session.platform().close_window();
    }
    landing
}

/// Connects the components of this page to the session, and opens the session if [`start`] did not.
pub(super) fn show(auth: Auth) {
    if let Some(session) = opened() {
        auth.set_state(session.state());
        auth.set_kept(session.is_stored());
    } else {
        spawn_local(async move {
            if restored().await.is_err() {
                auth.set_state(AuthState::SignedOut(None));
            }
        });
    }
}

/// Returns the session, after its stored state is read.
pub(super) async fn restored() -> Result<Session<Browser>, SessionError> {
    let session = session()?;
    session.restore().await;
    Ok(session)
}

/// Returns the session, if it is open.
pub(super) fn opened() -> Option<Session<Browser>> {
    SESSION.with_borrow(Clone::clone)
}

fn session() -> Result<Session<Browser>, SessionError> {
    if let Some(session) = opened() {
        return Ok(session);
    }
    let (client, served_at) = client_data::read().ok_or(SessionError::NoClient)?;
    let browser = Browser::new(served_at).ok_or(SessionError::NoClient)?;
    // Components come and go, so the listener is looked up for each event.
    let session = Session::new(browser, client, |event| {
        if let Some(auth) = provider::auth() {
            auth.notify(event);
        }
    });
    session.listen(|session| spawn_local(async move { session.refresh_ahead().await }));
    let watched = session.clone();
    spawn_local(async move {
        watched.restore().await;
        watched.watch_idle(|session| spawn_local(async move { session.sign_out_idle().await }));
    });
    SESSION.set(Some(session.clone()));
    Ok(session)
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::return_to_of;
    #[cfg(not(target_family = "wasm"))]
    use proptest::prelude::*;

    #[test]
    fn a_sign_in_does_not_lead_back_to_the_pages_that_only_lead_on() {
        let going = |search| return_to_of(search).as_str().to_owned();
        assert_eq!(going("?return_to=%2Faccount"), "/account");
        assert_eq!(going("?x=1&return_to=%2Fsign-in-help"), "/sign-in-help");
        for home in [
            "",
            "?",
            "?return_to=",
            "?return_to=%2Fsign-in",
            "?return_to=%2Fsign-in%3Freturn_to%3D%252Faccount",
            "?return_to=%2Fcallback%3Fcode%3Dc",
            "?return_to=https%3A%2F%2Fevil.example%2F",
        ] {
            assert_eq!(going(home), "/", "{home}");
        }
    }

    #[cfg(not(target_family = "wasm"))]
    proptest! {
        #[test]
        fn an_address_comes_back_from_the_link_byte_for_byte(
            path in "(/[a-zA-Z0-9%+~_-]{1,8}){1,3}",
            query in "(\\?[a-z0-9=&%+/;:@!'()*.,~-]{0,60})?",
            fragment in "(#[a-z0-9%+/?=-]{0,20})?",
        ) {
            prop_assume!(!path.split('/').any(|part| part.to_lowercase().starts_with("sign-in") || part.starts_with("callback")));
            let address = format!("{path}{query}{fragment}");
            let expected = crate::authorization::ReturnTo::parse(&address).unwrap_or_default();
            let link = format!("?return_to={}", leptos_router::location::Url::escape(&address));
            prop_assert_eq!(return_to_of(&link), expected);
        }
    }
}
