//! Ends all sessions of the user at the provider.

use leptos::prelude::*;
use leptos::task::spawn_local;
use pixygate::leptos::{Texts, use_auth};
use pixygate::session::SessionError;

use crate::notice::Notice;
use crate::texts::account as text;

/// The button, if the provider has an endpoint for it.
#[component]
pub(crate) fn EndAllSessions() -> impl IntoView {
    let auth = use_auth();
    let offered = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let failure = RwSignal::new(None::<SessionError>);
    spawn_local(async move {
        let known = auth.client().await.is_ok_and(|client| client.sessions_url.is_some());
        // The user may have left the page.
        offered.try_set(known);
    });
    let end = move |_| {
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            failure.try_set(auth.sign_out_everywhere().await.err());
            busy.try_set(false);
        });
    };
    let button = move || {
        view! {
            <section class="card" aria-labelledby="everywhere">
                <h2 id="everywhere">{text::others()}</h2>
                <p>{text::others_text()}</p>
                <button type="button" class="button quiet" on:click=end aria-busy=move || busy.get().to_string() disabled=busy>
                    {text::end_all()}
                </button>
                {move || {
                    let error = failure.get()?;
                    let detail = error.to_string();
                    let (title, text) = Texts::current().call(&error.into());
                    Some(view! { <Notice kind="error" title text detail /> }.into_any())
                }}
            </section>
        }
        .into_any()
    };
    view! { {move || offered.get().then(button)} }
}
