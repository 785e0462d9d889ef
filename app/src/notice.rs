//! A message, and the next step.

use leptos::prelude::*;

/// A message with the next step as children. Errors and warnings are announced at once.
#[component]
pub(crate) fn Notice(
    /// `info`, `warning` or `error`.
    kind: &'static str,
    /// The event.
    #[prop(into)]
    title: String,
    /// Its consequence.
    #[prop(into)]
    text: String,
    /// The original error, for developers.
    #[prop(optional, into)]
    detail: Option<String>,
    /// Links and buttons.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <section class="notice" data-kind=kind role=if kind == "info" { "status" } else { "alert" }>
            <h2>{title}</h2>
            <p>{text}</p>
            {detail.filter(|detail| !detail.is_empty()).map(|detail| view! { <p class="detail"><code>{detail}</code></p> }.into_any())}
            {children.map(|children| view! { <div class="actions">{children()}</div> }.into_any())}
        </section>
    }
}
