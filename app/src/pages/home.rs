//! The landing page.

use leptos::prelude::*;
use pixygate::leptos::{SignInButton, Texts, use_auth};
use pixygate::session::{AuthState, SignOutReason};

use crate::notice::Notice;

/// What this is for, and **Sign in**.
#[component]
pub(crate) fn Home() -> impl IntoView {
    let auth = use_auth();
    let state = auth.state();
    // The sign-out at the provider leads back here.
    let reason = Memo::new(move |_| match state.get() {
        AuthState::SignedOut(Some(reason @ (SignOutReason::Idle | SignOutReason::SignedOutHere))) => Some(reason),
        _ => None,
    });
    // A returning user sees it before the WASM is loaded.
    let signed_in = Memo::new(move |_| match state.get() {
        AuthState::Unknown => auth.expected_name().with(Option::is_some),
        state => state.signed_in().is_some(),
    });
    view! {
        {move || {
            Texts::here().end(reason.get().as_ref()).map(|(title, text)| view! { <Notice kind="info" title text /> }.into_any())
        }}
        <section class="hero">
            <h1>"One sign-in, every call checked"</h1>
            <p class="lead">
                "Sign in through your browser. Pixygate checks each call that you make before it reaches a service."
            </p>
            <div class="actions">
                {move || match signed_in.get() {
                    true => view! { <a href="/account" class="button">"Open your account"</a> }.into_any(),
                    false => view! { <SignInButton class="button" /> }.into_any(),
                }}
            </div>
        </section>
        <ul class="cards" role="list">
            <li class="card">
                <h2>"Sign in once"</h2>
                <p>"Your other tabs are signed in too, and stay so after a reload. Signing out ends it everywhere."</p>
            </li>
            <li class="card">
                <h2>"Always fresh"</h2>
                <p>"Before each call the token is renewed when it is about to expire. You never notice."</p>
            </li>
            <li class="card">
                <h2>"Checked at the gate"</h2>
                <p>"Issuer, audience, signature, time, permission: every check is made on the server, and nothing passes without."</p>
            </li>
        </ul>
    }
}
