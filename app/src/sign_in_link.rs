//! The link **Sign in** in the language of the page.

use leptos::prelude::*;
use pixygate::authorization::ReturnTo;
use pixygate::leptos::{SignInButton, SignInButtonProps};

use crate::texts::frame as text;

/// Signs in, and returns to a page.
#[component]
pub(crate) fn SignInLink(
    class: &'static str,
    /// The page after the sign-in. The default is this page.
    #[prop(optional)]
    return_to: Option<ReturnTo>,
) -> impl IntoView {
    SignInButton(SignInButtonProps {
        class: class.into(),
        return_to,
        children: Some(ToChildren::to_children(text::sign_in)),
    })
}
