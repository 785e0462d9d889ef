//! What the first page does without. With the feature `split` (release builds) each of these is loaded when it is first
//! called, together with all that only it needs: the requests to the provider, the validation of ID tokens, the calls to
//! server functions.

use pixygate::authorization::{ReturnTo, SignIn};
use pixygate::leptos::{Auth, CallError};
use pixygate::session::{SessionError, SignInFailure};

use crate::api::{self, Profile, Whoami};

#[cfg_attr(feature = "split", leptos::lazy)]
pub(crate) async fn sign_in(auth: Auth, options: SignIn) -> Result<(), SessionError> {
    auth.sign_in(options).await
}

#[cfg_attr(feature = "split", leptos::lazy)]
pub(crate) async fn complete_sign_in(auth: Auth) -> Result<ReturnTo, SignInFailure> {
    auth.complete_sign_in().await
}

#[cfg_attr(feature = "split", leptos::lazy)]
pub(crate) async fn sign_out(auth: Auth) {
    auth.sign_out().await;
}

#[cfg_attr(feature = "split", leptos::lazy)]
pub(crate) async fn whoami() -> Result<Whoami, CallError> {
    api::whoami().await
}

#[cfg_attr(feature = "split", leptos::lazy)]
pub(crate) async fn profile() -> Result<Profile, CallError> {
    api::profile().await
}
