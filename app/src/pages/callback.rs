//! Back from the provider.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_navigate;
use pixygate::leptos::use_auth;

use super::sign_in::{SigningIn, replace};

/// Completes the sign-in and goes where the person was going, or says what went wrong and offers to start again.
#[component]
pub(crate) fn CallbackPage() -> impl IntoView {
    let auth = use_auth();
    let failure = RwSignal::new(None);
    let navigate = use_navigate();
    Effect::new(move || {
        let navigate = navigate.clone();
        spawn_local(async move {
            match auth.complete_sign_in().await {
                Ok(landing) => navigate(landing.return_to.as_str(), replace()),
                Err(error) => failure.set(Some(error)),
            }
        });
    });
    view! { <SigningIn failure doing="One moment…" /> }
}
