//! The session of this page.

use std::cell::{Cell, RefCell};

use futures_channel::oneshot;
// Leptos has no executor before it hydrates.
use wasm_bindgen_futures::spawn_local;

use crate::session::browser::{Browser, notify_of_next_request, take_query, window};
use crate::session::{AuthState, Landing, Session, SessionError, SignInFailure};

use super::{Auth, client_data, provider};

type Completion = oneshot::Receiver<Result<Landing, SignInFailure>>;

thread_local! {
    /// Server functions are called from where no context reaches.
    static SESSION: RefCell<Option<Session<Browser>>> = const { RefCell::new(None) };
    /// The sign-in that [`start`] completes.
    static COMPLETION: Cell<Option<Completion>> = const { Cell::new(None) };
}

/// Starts the session, then calls `mount`, which hydrates the page. The session's storage is read while the page is hydrated. On the
/// page of the redirect URI the code is exchanged first, and the page is hydrated while the provider answers.
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
    if !is_callback(&session) {
        // Tasks are polled in this order: the database is being opened when hydration begins.
        spawn_local(async move { session.restore().await });
        spawn_local(async move { mount() });
        return;
    }
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
pub(super) async fn complete_sign_in() -> Result<Landing, SignInFailure> {
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

async fn complete(session: &Session<Browser>, query: &str) -> Result<Landing, SignInFailure> {
    let mut landing = session.complete(query).await;
    if let Err(failure) = &landing
        && session.hand_over(query, failure).await
    {
        landing = Ok(Landing {
            popup: true,
            ..Landing::default()
        });
    }
    if landing.as_ref().is_ok_and(|landing| landing.popup) {
        session.platform().close_window();
    }
    landing
}

/// Shows the components of this page what the session knows, and opens it if [`start`] did not.
pub(super) fn show(auth: Auth) {
    if let Some(session) = opened() {
        auth.known(session.state());
        auth.keeps(session.is_kept());
    } else {
        spawn_local(async move {
            if restored().await.is_err() {
                auth.known(AuthState::SignedOut(None));
            }
        });
    }
}

/// The session, once its stored state is read.
pub(super) async fn restored() -> Result<Session<Browser>, SessionError> {
    let session = session()?;
    session.restore().await;
    Ok(session)
}

/// The session, if it is open.
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
            auth.hear(event);
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
