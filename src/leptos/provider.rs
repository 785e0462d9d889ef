//! The session in the component tree.

use std::cell::RefCell;

use leptos::prelude::*;
use leptos::task::spawn_local;
use oauth2::AccessToken;

use crate::authorization::{ReturnTo, SignIn};
use crate::session::browser::Browser;
use crate::session::{AuthState, Session, SessionError, SignInFailure};

use super::page;

thread_local! {
    /// The session of this page. Server functions are called from where no context reaches.
    static SESSION: RefCell<Option<Session<Browser>>> = const { RefCell::new(None) };
}

pub(super) fn session() -> Result<Session<Browser>, SessionError> {
    SESSION.with_borrow(Clone::clone).ok_or(SessionError::SignedOut(None))
}

/// Who is signed in, and what can be done about it.
#[derive(Clone, Copy, Debug)]
pub struct Auth {
    state: RwSignal<AuthState>,
}

/// Opens the session for the components below. It belongs at the root, around the router; the server's shell needs
/// [`ClientData`](super::ClientData).
#[component]
pub fn AuthProvider(
    /// The application.
    children: Children,
) -> impl IntoView {
    let state = RwSignal::new(AuthState::Unknown);
    provide_context(Auth { state });
    // Effects run in the browser only, and only after hydration.
    Effect::new(move || {
        let Some((client, served_at)) = page::read() else {
            leptos::logging::error!("the page has no <ClientData>, so nobody can sign in");
            return;
        };
        let Some(browser) = Browser::new(served_at) else {
            return;
        };
        let session = Session::new(browser, client, move |now| state.set(now.clone()));
        session.listen();
        SESSION.set(Some(session.clone()));
        spawn_local(async move { session.restore().await });
    });
    children()
}

/// The session that [`AuthProvider`] opened.
///
/// # Panics
/// Outside of an [`AuthProvider`].
#[expect(
    clippy::expect_used,
    reason = "a component outside of its provider is a mistake in the program"
)]
pub fn use_auth() -> Auth {
    use_context().expect("use_auth() is called outside of <AuthProvider>")
}

impl Auth {
    /// Whether someone is signed in.
    pub fn state(self) -> Signal<AuthState> {
        self.state.into()
    }

    /// Leaves for the provider's sign-in page.
    ///
    /// # Errors
    /// When this browser cannot keep what must be remembered until the person is back.
    pub async fn sign_in(self, options: SignIn) -> Result<(), SessionError> {
        let session = session()?;
        session.restore().await;
        session.sign_in(&options).await
    }

    /// Completes the sign-in that the browser just came back from, and says where the person was going. The code is
    /// taken out of the address and the history before anything else.
    ///
    /// # Errors
    /// As for [`Session::complete`].
    pub async fn complete_sign_in(self) -> Result<ReturnTo, SignInFailure> {
        let session = session().map_err(|error| SignInFailure {
            error,
            return_to: ReturnTo::default(),
        })?;
        let query = session.platform().take_query();
        session.complete(&query).await
    }

    /// Signs out here, in all tabs and at the provider.
    pub async fn sign_out(self) {
        if let Ok(session) = session() {
            session.sign_out().await;
        }
    }

    /// A fresh access token, for requests that this library does not make.
    ///
    /// # Errors
    /// As for [`Session::access_token`].
    pub async fn access_token(self) -> Result<AccessToken, SessionError> {
        session()?.access_token().await
    }
}
