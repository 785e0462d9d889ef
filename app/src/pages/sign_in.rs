//! The content of the sign-in pages. The library has their routes and their logic.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use pixygate::authorization::{ReturnTo, SignIn};
use pixygate::leptos::{Texts, use_auth};
use pixygate::session::{SessionError, SignInFailure};

use crate::notice::Notice;
use crate::sign_in_link::SignInLink;
use crate::texts::{frame, sign_in as text};

/// The texts for a page whose front end does not load.
#[component]
pub(crate) fn Impossible() -> impl IntoView {
    view! {
        <noscript>
            <p>{text::needs_javascript()}</p>
        </noscript>
        <p class="when-broken" role="alert">{text::not_loaded()}</p>
    }
}

/// A sign-in in progress.
#[component]
pub(crate) fn SigningIn() -> impl IntoView {
    view! {
        <h1>{frame::signing_in()}</h1>
        <section>
            <p class="busy" role="status">
                <span class="spinner" aria-hidden="true"></span>
                {text::one_moment()}
            </p>
            <Impossible />
        </section>
    }
}

/// A sign-in that failed, and the next step.
pub(crate) fn failed(SignInFailure { error, return_to }: SignInFailure) -> impl IntoView {
    let (title, text) = Texts::current().sign_in(&error);
    let kind = if error == SessionError::NavigationPending {
        "info"
    } else {
        "error"
    };
    let in_window =
        matches!(error, SessionError::Storage(_)).then(|| view! { <InWindow return_to=return_to.clone() /> });
    // `NavigationPending` has no cause to find: the navigation is only slow.
    let detail = match error {
        SessionError::NavigationPending => String::new(),
        _ => error.to_string(),
    };
    // The server had not reached the provider when it rendered this page. A reload may work.
    let again = match error {
        SessionError::NoClient => view! { <ReloadButton /> }.into_any(),
        _ => view! { <SignInLink class="button" return_to /> }.into_any(),
    };
    view! {
        <h1>{frame::signing_in()}</h1>
        <Notice kind title text detail>
            {in_window}
            {again}
            <a href="/" class="button quiet">{frame::to_start()}</a>
        </Notice>
    }
}

#[component]
fn ReloadButton() -> impl IntoView {
    let reload = move |_| drop(window().location().reload());
    view! { <button type="button" class="button" on:click=reload>{frame::try_again()}</button> }
}

/// Signs in in a new window, for browsers that do not allow storage: this page stays open and completes the sign-in.
#[component]
fn InWindow(return_to: ReturnTo) -> impl IntoView {
    let (auth, texts, navigate) = (use_auth(), Texts::current(), use_navigate());
    let failure = RwSignal::new(None::<SessionError>);
    let sign_in = move |_| {
        let signed_in = auth.sign_in_popup(SignIn::default());
        let (navigate, return_to) = (navigate.clone(), return_to.clone());
        spawn_local(async move {
            let replacing = NavigateOptions {
                replace: true,
                ..NavigateOptions::default()
            };
            match signed_in.await {
                Ok(()) => navigate(return_to.as_str(), replacing),
                Err(error) => drop(failure.try_set(Some(error))),
            }
        });
    };
    view! {
        <button type="button" class="button" on:click=sign_in>
            {text::in_a_window()}
        </button>
        {move || {
            failure.get().map(|error| {
                let (title, text) = texts.sign_in(&error);
                view! { <p role="alert">{format!("{title}. {text}")}</p> }.into_any()
            })
        }}
    }
}
