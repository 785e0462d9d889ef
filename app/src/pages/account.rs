//! The account page: a guard around the data that the server verified about the user.

use leptos::prelude::*;
use pixygate::leptos::{RequireSignedIn, Texts, use_auth};
use pixygate::session::{AuthState, SignOutReason};

use super::account_data::{AccountData, Ended};
use super::sign_in::Impossible;
use crate::notice::Notice;
use crate::sign_in_link::SignInLink;
use crate::texts::{account as text, frame};

/// The account page for signed-in users.
#[component]
pub(crate) fn Account() -> impl IntoView {
    view! {
        <h1>{frame::account()}</h1>
        <RequireSignedIn>
            <AccountData />
        </RequireSignedIn>
    }
}

/// The account page while the state of the session is unknown.
#[component]
pub(crate) fn Loading() -> impl IntoView {
    view! {
        <div class="card" aria-busy="true">
            <p class="visually-hidden" role="status">{frame::loading()}</p>
            <div class="skeleton" aria-hidden="true"></div>
        </div>
        <Impossible />
    }
}

/// The account page when no user is signed in.
#[component]
pub(crate) fn SignedOut() -> impl IntoView {
    let reason = use_auth().state().with_untracked(|state| match state {
        AuthState::SignedOut(reason) => reason.clone(),
        _ => None,
    });
    let (title, words) = match reason {
        Some(reason) if reason.may_keep_input() => {
            return view! { <Ended /> }.into_any();
        }
        // After idle time, another user may be at the screen, so no data is shown.
        Some(SignOutReason::Idle) => Texts::current().idle,
        Some(SignOutReason::SignedOutLocally) => Texts::current().signed_out_here,
        _ => (text::for_you(), text::come_back()),
    };
    view! {
        <Notice kind="info" title text=words>
            <SignInLink class="button" />
        </Notice>
    }
    .into_any()
}
