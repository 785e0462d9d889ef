//! The landing page.

use leptos::prelude::*;
use pixygate::leptos::{Texts, use_auth};
use pixygate::session::{AuthState, SignOutReason};

use crate::notice::Notice;
use crate::preferences::provider_name;
use crate::sign_in_link::SignInLink;
use crate::texts::home as text;

/// The purpose of the site, **Sign in**, and the path of a call through the gate.
#[component]
pub(crate) fn Home() -> impl IntoView {
    let auth = use_auth();
    let state = auth.state();
    // The sign-out at the provider leads back here.
    let reason = Memo::new(move |_| match state.get() {
        AuthState::SignedOut(Some(reason @ (SignOutReason::Idle | SignOutReason::SignedOutLocally))) => Some(reason),
        _ => None,
    });
    // A returning user sees this before the WASM is loaded.
    let signed_in = Memo::new(move |_| match state.get() {
        AuthState::Unknown => auth.expected_name().with(Option::is_some),
        state => state.signed_in().is_some(),
    });
    let provider = provider_name();
    let unreachable = provider.is_none();
    view! {
        {move || {
            Texts::current().end(reason.get().as_ref()).map(|(title, text)| view! { <Notice kind="info" title text /> }.into_any())
        }}
        {unreachable.then(|| view! { <Notice kind="warning" title=text::no_provider() text=text::no_provider_text() /> }.into_any())}
        <section class="hero">
            <h1>{text::title()}</h1>
            <p class="lead">{text::lead()}</p>
            <div class="actions">
                {move || match signed_in.get() {
                    true => view! { <a href="/overview" class="button">{text::open_overview()}</a> }.into_any(),
                    false => view! { <SignInLink class="button" /> }.into_any(),
                }}
                {provider.map(|name| view! { <p class="hint">{text::provider()} <strong>{name}</strong></p> }.into_any())}
            </div>
        </section>
        <section aria-labelledby="way">
            <h2 id="way">{text::way()}</h2>
            <ol class="way">
                <li>
                    <strong>{text::browser()}</strong>
                    <span>{text::browser_text()}</span>
                </li>
                <li>
                    <strong>{text::gate()}</strong>
                    <span>{text::gate_text()}</span>
                </li>
                <li>
                    <strong>{text::service()}</strong>
                    <span>{text::service_text()}</span>
                </li>
            </ol>
            <p class="hint">{text::refused()}</p>
        </section>
    }
}
