//! An address that leads nowhere.

use leptos::prelude::*;
use leptos_meta::Title;

/// Says so, with the status 404 and the way back.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(http::StatusCode::NOT_FOUND);
    }
    view! {
        <Title text="Not found" />
        <section class="empty">
            <h1>"There is nothing here"</h1>
            <p>"The address may be old, or mistyped."</p>
            <div class="actions">
                <a href="/" class="button">"To the start page"</a>
            </div>
        </section>
    }
}
