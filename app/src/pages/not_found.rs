//! The page of an unknown address.

use leptos::prelude::*;

use crate::texts::frame as text;

/// An error message with a link to the start page. The server sends it with the status 404.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    view! {
        <section class="empty">
            <h1>{text::nothing_here()}</h1>
            <p>{text::nothing_here_text()}</p>
            <div class="actions">
                <a href="/" class="button">{text::to_start()}</a>
            </div>
        </section>
    }
}
