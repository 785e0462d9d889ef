//! An address that leads nowhere.

use leptos::prelude::*;

use crate::texts::frame as text;

/// Says so, with the way back. The server gives it the status 404.
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
