//! The account page: a guard, and behind it what the server verified about the person.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use pixygate::leptos::{RequireSignedIn, Texts, use_auth};
use pixygate::session::{AuthState, SignOutReason};

use super::sign_in::{Impossible, SignInLink};
use crate::deferred::{Coming, ended, verified};
use crate::notice::Notice;

/// The account page, for who is signed in.
#[component]
pub(crate) fn Account() -> impl IntoView {
    view! {
        <Title text="Account" />
        <h1>"Account"</h1>
        <RequireSignedIn unknown=Loading signed_out=SignedOut>
            <Part load=|| Box::pin(verified()) />
        </RequireSignedIn>
    }
}

#[component]
fn Loading() -> impl IntoView {
    let incomplete = use_auth().is_incomplete();
    move || {
        if !incomplete.get() {
            return view! {
                <div class="card" aria-busy="true">
                    <p class="visually-hidden" role="status">"Loading…"</p>
                    <div class="skeleton" aria-hidden="true"></div>
                </div>
                <Impossible />
            }
            .into_any();
        }
        let (title, text) = Texts::here().part_missing;
        view! {
            <Notice kind="error" title text>
                // The same address, from the server.
                <a href="/account" rel="external" class="button">"Reload"</a>
            </Notice>
        }
        .into_any()
    }
}

#[component]
fn SignedOut() -> impl IntoView {
    let reason = use_auth().state().with_untracked(|state| match state {
        AuthState::SignedOut(reason) => reason.clone(),
        _ => None,
    });
    let (title, text) = match reason {
        Some(reason) if reason.keeps_page() => {
            return view! { <Part load=|| Box::pin(ended()) /> }.into_any();
        }
        // The page is not kept for whoever comes by.
        Some(SignOutReason::Idle) => Texts::here().idle,
        Some(SignOutReason::SignedOutHere) => Texts::here().signed_out_here,
        _ => ("This page is for you alone", "You come back here after signing in."),
    };
    view! {
        <Notice kind="info" title text>
            <SignInLink class="button" />
        </Notice>
    }
    .into_any()
}

/// A view whose code is loaded when it is needed.
#[component]
pub(crate) fn Part(
    /// Loads it.
    load: fn() -> Coming,
) -> impl IntoView {
    let part = RwSignal::new(None);
    let again = move || {
        part.set(None);
        spawn_local(async move {
            let loaded = load().await;
            // The page may have been left meanwhile.
            part.try_set(Some(loaded));
        });
    };
    again();
    move || match part.get() {
        None => Loading().into_any(),
        Some(Ok(view)) => view(),
        Some(Err(error)) => {
            let (title, text) = Texts::here().call(&error);
            view! {
                <Notice kind="error" title text>
                    <button type="button" class="button" on:click=move |_| again()>"Try again"</button>
                </Notice>
            }
            .into_any()
        }
    }
}
