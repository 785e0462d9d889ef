//! The session: the tokens, what the gate makes of them, and what happens to them.

use leptos::prelude::*;
use pixygate::leptos::CallError;

use crate::part::PageFn;

pixygate::deferred! {
    /// The page.
    pub(crate) async fn page() -> Result<PageFn, CallError> {
        Ok(|| view! { <Session /> }.into_any())
    }
}

#[component]
fn Session() -> impl IntoView {
    view! { <p>"…"</p> }
}
