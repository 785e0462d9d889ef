//! Back from the provider.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::use_navigate;
use pixygate::leptos::use_auth;
use pixygate::session::SignInFailure;

use super::sign_in::SignInLink;
use crate::notice::{Notice, sign_in_failure};

/// Completes the sign-in and goes where the person was going, or says what went wrong and offers to start again.
#[component]
pub(crate) fn CallbackPage() -> impl IntoView {
    let auth = use_auth();
    let failure = RwSignal::new(None::<SignInFailure>);
    let navigate = use_navigate();
    Effect::new(move || {
        let navigate = navigate.clone();
        spawn_local(async move {
            match auth.complete_sign_in().await {
                Ok(return_to) => {
                    navigate(
                        return_to.as_str(),
                        NavigateOptions {
                            replace: true,
                            ..NavigateOptions::default()
                        },
                    );
                }
                Err(error) => failure.set(Some(error)),
            }
        });
    });
    view! {
        <Title text="Signing in" />
        {move || match failure.get() {
            None => view! {
                <section class="empty">
                    <h1>"Signing in"</h1>
                    <p class="busy" role="status">
                        <span class="spinner" aria-hidden="true"></span>
                        "One moment…"
                    </p>
                    <noscript>
                        <p>"Signing in needs JavaScript and WebAssembly. Allow them for this site, then start again."</p>
                    </noscript>
                    <p class="when-broken">
                        "The page could not be loaded completely. Check your connection, then reload it."
                    </p>
                </section>
            }
            .into_any(),
            Some(SignInFailure { error, return_to }) => {
                let (title, text) = sign_in_failure(&error);
                view! {
                    <Notice kind="error" title text detail=error.to_string()>
                        <SignInLink class="button" return_to />
                        <A href="/" attr:class="button quiet">"To the start page"</A>
                    </Notice>
                }
                .into_any()
            }
        }}
    }
}
