//! Ends all sessions of another user, for administrators: asked once more in a dialog, and after a recent sign-in.

use leptos::html::Dialog;
use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;
use leptos::task::spawn_local;
use pixygate::leptos::{CallError, Texts, use_auth};
use pixygate::session::StepUpFailure;

use crate::api::EndSessionsOf;
use crate::notice::Notice;
use crate::texts::{activity as text, frame};

/// The user whose sessions are to end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whom {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) shown: String,
}

#[component]
pub(super) fn EndSessions(asked: RwSignal<Option<Whom>>) -> impl IntoView {
    let auth = use_auth();
    let dialog = NodeRef::<Dialog>::new();
    let busy = RwSignal::new(false);
    let done = RwSignal::new(None::<String>);
    let failure = RwSignal::new(None::<CallError>);
    let cancelled = RwSignal::new(None::<(Whom, StepUpFailure)>);
    let end = move |whom: Whom| {
        busy.set(true);
        done.set(None);
        failure.set(None);
        cancelled.set(None);
        spawn_local(async move {
            let Whom { issuer, subject, shown } = whom;
            let ended = EndSessionsOf { issuer, subject }.run_on_client().await;
            // The page may have been left meanwhile.
            busy.try_set(false);
            match ended {
                Ok(()) => drop(done.try_set(Some(text::ended(shown)))),
                Err(error) => drop(failure.try_set(Some(error))),
            }
        });
    };
    let whom = |call: EndSessionsOf| Whom {
        shown: call.subject.clone(),
        issuer: call.issuer,
        subject: call.subject,
    };
    Effect::new(move || {
        if let Some(call) = auth.take_pending::<EndSessionsOf>() {
            end(whom(call));
        } else if let Some((call, why)) = auth.take_cancelled::<EndSessionsOf>() {
            cancelled.set(Some((whom(call), why)));
        }
    });
    Effect::new(move || {
        if let (true, Some(dialog)) = (asked.with(Option::is_some), dialog.get())
            && !dialog.open()
        {
            // It fails only for one that is open.
            let _ = dialog.show_modal();
        }
    });
    let close = move || {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let confirm = move |_| {
        let whom = asked.get_untracked();
        close();
        if let Some(whom) = whom {
            end(whom);
        }
    };
    let title = move || asked.with(|asked| asked.as_ref().map(|whom| text::end_sessions_title(&whom.shown)));
    view! {
        <dialog node_ref=dialog class="question" aria-labelledby="end-title" aria-describedby="end-text" on:close=move |_| asked.set(None)>
            <h2 id="end-title">{title}</h2>
            <p id="end-text">{text::end_sessions_text()}</p>
            <div class="actions">
                <button type="button" class="button quiet" autofocus on:click=move |_| close()>{text::keep()}</button>
                <button type="button" class="button danger" on:click=confirm>{text::end_now()}</button>
            </div>
        </dialog>
        <div class="toast">
            // There before its text, or a screen reader says nothing.
            <p role="status">
                {move || match busy.get() {
                    true => Some(text::ending().to_owned()),
                    false => done.get(),
                }}
            </p>
            {move || {
                let error = failure.get()?;
                let (title, text) = Texts::here().call(&error);
                Some(view! {
                    <Notice kind="error" title text detail=error.to_string()>
                        <button type="button" class="button quiet" on:click=move |_| failure.set(None)>{frame::close()}</button>
                    </Notice>
                }
                .into_any())
            }}
            {move || {
                let (whom, why) = cancelled.get()?;
                Some(view! {
                    <Notice kind="warning" title=text::not_ended() text=text::not_ended_text() detail=why.to_string()>
                        <button type="button" class="button" on:click=move |_| end(whom.clone())>{frame::try_again()}</button>
                        <button type="button" class="button quiet" on:click=move |_| cancelled.set(None)>{frame::close()}</button>
                    </Notice>
                }
                .into_any())
            }}
        </div>
    }
}
