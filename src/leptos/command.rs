//! The commands of [`Auth`](super::Auth) to the session, which a mock can answer.

use gloo_net::http::Request;

use crate::authorization::{SignIn, TokenExchange};
use crate::session::browser::Browser;
use crate::session::{Session, SessionError};

use super::{current, mock};

/// A method of [`Auth`](super::Auth) that a component has called, for `MockAuth::fail`.
///
/// ```
/// # #[cfg(feature = "mock")] {
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// use leptos::prelude::*;
/// use pixygate::authorization::SignIn;
/// use pixygate::leptos::{Command, MockAuth, use_auth};
///
/// let owner = Owner::new();
/// owner.set();
/// let hints = Rc::new(RefCell::new(Vec::new()));
/// let notes = Rc::clone(&hints);
/// MockAuth::provide().fail(move |command| {
///     if let Command::SignIn(options) = command {
///         notes.borrow_mut().extend(options.login_hint.clone());
///     }
///     None
/// });
///
/// # futures::executor::block_on(async {
/// let options = SignIn { login_hint: Some("alice@example.com".to_owned()), ..SignIn::default() };
/// use_auth().sign_in(options).await?;
/// assert_eq!(*hints.borrow(), ["alice@example.com"]);
/// # Ok::<_, pixygate::session::SessionError>(())
/// # }).expect("a sign-in");
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
#[cfg_attr(
    not(feature = "mock"),
    expect(dead_code, reason = "only a mock reads what was asked")
)]
pub enum Command<'a> {
    /// `Auth::sign_in`, `Auth::sign_in_silently` or `Auth::sign_in_popup`.
    SignIn(&'a SignIn),
    /// `Auth::complete_sign_in`.
    CompleteSignIn,
    /// `Auth::sign_out`.
    SignOut,
    /// `Auth::sign_out_here`.
    SignOutHere,
    /// `Auth::sign_out_everywhere`.
    SignOutEverywhere,
    /// `Auth::access_token`.
    AccessToken,
    /// `Auth::refresh`.
    Refresh,
    /// `Auth::exchange`.
    Exchange(&'a TokenExchange),
    /// `Auth::end_exchange`.
    EndExchange,
    /// `Auth::client`.
    Client,
    /// `Auth::fetch`, or a call of a server function with `GateClient`.
    Call(&'a Request),
}

/// Calls `act` with the session of this page, after its stored state is read. If there is a mock, the mock answers instead.
pub(super) async fn run<T: mock::Answer>(
    command: Command<'_>,
    act: impl AsyncFnOnce(&Session<Browser>) -> Result<T, SessionError>,
) -> Result<T, SessionError> {
    match mock::answer(&command) {
        Some(answer) => answer,
        None => act(&current::restored().await?).await,
    }
}
