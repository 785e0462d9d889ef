//! What happened, and the way on.

use leptos::prelude::*;
use pixygate::Reason;
use pixygate::authorization::CallbackError;
use pixygate::leptos::CallError;
use pixygate::session::{Remedy, SessionError};

/// A message with its way on as children. Errors are announced at once.
#[component]
pub(crate) fn Notice(
    /// `info`, `warning` or `error`.
    kind: &'static str,
    /// What happened.
    #[prop(into)]
    title: String,
    /// What that means.
    #[prop(into)]
    text: String,
    /// For who has to find the cause: the error as it is.
    #[prop(optional, into)]
    detail: Option<String>,
    /// Links and buttons.
    children: Children,
) -> impl IntoView {
    view! {
        <section class="notice" data-kind=kind role=if kind == "error" { "alert" } else { "status" }>
            <h2>{title}</h2>
            <p>{text}</p>
            {detail.map(|detail| view! { <p class="detail"><code>{detail}</code></p> })}
            <div class="actions">{children()}</div>
        </section>
    }
}

/// A failed sign-in in the words of the person who tried.
pub(crate) fn sign_in_failure(error: &SessionError) -> (&'static str, &'static str) {
    match error {
        SessionError::Callback(CallbackError::Provider { error, .. }) if error == "access_denied" => (
            "Sign-in was cancelled",
            "The sign-in page says that access was denied. Nothing has changed here.",
        ),
        SessionError::Callback(CallbackError::Provider { .. }) => (
            "The sign-in page reports a problem",
            "Signing in did not succeed. Nothing has changed here.",
        ),
        SessionError::Callback(CallbackError::Absent | CallbackError::UnknownState) => (
            "This sign-in is over",
            "The address belongs to a sign-in that was completed before, or was started in another browser. Start again to \
             get in.",
        ),
        SessionError::Callback(_) | SessionError::IdToken(_) => (
            "This sign-in was stopped",
            "What came back does not belong to the sign-in that was started here, so it was not used. Starting again is safe.",
        ),
        SessionError::Storage(_) | SessionError::Crypto(_) => (
            "This browser does not let you sign in",
            "Signing in needs to remember something until you are back. Allow this site to store data, or leave private \
             browsing.",
        ),
        _ => match error.remedy() {
            Remedy::TryAgain => (
                "The sign-in service does not answer",
                "It may be down, or you may be offline. Try again in a moment.",
            ),
            _ => (
                "Signing in did not succeed",
                "The sign-in service refused the last step. Starting again may help.",
            ),
        },
    }
}

/// A failed call in the words of the person who waits for it.
pub(crate) fn call_failure(error: &CallError) -> (&'static str, &'static str) {
    match error {
        CallError::Refused(refusal) => match refusal.reason {
            Reason::InsufficientScope => ("Not allowed", "Your sign-in does not include the permission for this."),
            Reason::InsufficientUserAuthentication => ("Sign in again for this", "This asks for a stronger sign-in."),
            Reason::RateLimited => ("Too many requests", "Wait a moment, then try again."),
            Reason::KeysUnavailable => (
                "Not available right now",
                "The server cannot check who you are at the moment.",
            ),
            _ => (
                "The server refused the call",
                "Signing in again may help. The details tell which check refused.",
            ),
        },
        CallError::NotSent {
            remedy: Remedy::SignIn, ..
        } => ("You are signed out", "Sign in again to go on."),
        CallError::NotSent {
            remedy: Remedy::TryAgain,
            ..
        } => (
            "No connection",
            "The call could not be made. You are still signed in; try again when you are back online.",
        ),
        CallError::NotSent { .. } | CallError::Failed { .. } => ("Something went wrong", "The call did not succeed."),
    }
}
