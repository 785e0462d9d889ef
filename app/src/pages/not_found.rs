//! An address that leads nowhere.

use leptos::prelude::*;

/// Says so, with the way back. The server gives it the status 404.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    view! {
        <section class="empty">
            <h1>"There is nothing here"</h1>
            <p>"The address may be old, or mistyped."</p>
            <div class="actions">
                <a href="/" class="button">"To the start page"</a>
            </div>
        </section>
    }
}
