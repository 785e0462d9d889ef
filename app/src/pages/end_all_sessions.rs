//! Ends all sessions of the user, here and at the provider.

use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;
use leptos::task::spawn_local;
use pixygate::Reason;
use pixygate::leptos::{CallError, Texts, use_auth};

use crate::api::EndMySessions;
use crate::notice::Notice;
use crate::texts::account as text;

/// The button. It needs a sign-in of the last minutes; a user who signed in longer ago does so again, comes back, and the sessions end.
#[component]
pub(crate) fn EndAllSessions() -> impl IntoView {
    let auth = use_auth();
    let busy = RwSignal::new(false);
    let failure = RwSignal::new(None::<CallError>);
    let end = move || {
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            let ended = async {
                // All tokens at this server, and then the sessions at the provider, if it has an endpoint for that.
                match (EndMySessions {}.run_on_client().await) {
                    // The call was repeated after its response was lost, or the sessions were ended elsewhere.
                    Err(CallError::Refused(refusal)) if refusal.reason == Reason::Revoked => {}
                    ended => ended?,
                }
                match auth.client().await?.sessions_url {
                    Some(_) => auth.sign_out_everywhere().await?,
                    None => auth.sign_out().await?,
                }
                Ok::<_, CallError>(())
            };
            let ended = ended.await;
            // The user may have left the page.
            failure.try_set(ended.err());
            busy.try_set(false);
        });
    };
    Effect::new(move || {
        if auth.take_pending::<EndMySessions>().is_some() {
            end();
        }
    });
    view! {
        <section class="card" aria-labelledby="everywhere">
            <h2 id="everywhere">{text::others()}</h2>
            <p>{text::others_text()}</p>
            <button type="button" class="button quiet" on:click=move |_| end() aria-busy=move || busy.get().to_string() disabled=busy>
                {text::end_all()}
            </button>
            {move || {
                let error = failure.get()?;
                let detail = error.to_string();
                let (title, text) = Texts::current().call(&error);
                Some(view! { <Notice kind="error" title text detail /> }.into_any())
            }}
        </section>
    }
}
