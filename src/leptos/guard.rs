//! What only a signed-in person sees.

use leptos::prelude::*;

use crate::session::{AuthState, SignedIn};

use super::use_auth;

/// Shows its children to a signed-in person. Below it [`use_signed_in`] knows who that is.
///
/// The guard decides what is shown; what is allowed is the gate's matter. The children stay as they are when a token is
/// refreshed, and are made anew for another person.
#[component]
pub fn RequireSignedIn(
    /// Shown while it is not known yet: on the server, and until the kept session is read.
    #[prop(into)]
    unknown: ViewFn,
    /// Shown when nobody is signed in.
    #[prop(into)]
    signed_out: ViewFn,
    /// The protected part.
    children: ChildrenFn,
) -> impl IntoView {
    #[derive(Clone, PartialEq)]
    enum Shown {
        Unknown,
        SignedOut,
        Person(SignedIn),
    }
    let state = use_auth().state();
    // Another token of the same person is no other view.
    let shown = Memo::new_with_compare(
        move |_| match state.get() {
            AuthState::Unknown | AuthState::SigningOut => Shown::Unknown,
            AuthState::SignedOut(_) => Shown::SignedOut,
            AuthState::SignedIn(person) => Shown::Person(person),
        },
        |before, now| match (before, now) {
            (Some(Shown::Person(before)), Some(Shown::Person(now))) => before.identity() != now.identity(),
            (before, now) => before != now,
        },
    );
    move || match shown.get() {
        Shown::Unknown => unknown.run(),
        Shown::SignedOut => signed_out.run(),
        Shown::Person(person) => {
            provide_context(person);
            children().into_any()
        }
    }
}

/// The person, below [`RequireSignedIn`].
///
/// # Panics
/// Outside of a [`RequireSignedIn`].
#[expect(
    clippy::expect_used,
    reason = "a component outside of its guard is a mistake in the program"
)]
pub fn use_signed_in() -> SignedIn {
    use_context().expect("use_signed_in() is called outside of <RequireSignedIn>")
}
