//! Ends all sessions of another user, for administrators: after a confirmation in a dialog, and a recent sign-in.

use leptos::html::Dialog;
use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;
use leptos::task::spawn_local;
use pixygate::leptos::{CallError, Texts, use_auth};
use pixygate::session::StepUpFailure;

use crate::api::EndSessionsOf;
use crate::notice::Notice;
use crate::texts::{activity as text, frame};

use super::button;

/// The user whose sessions are to end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whom {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) shown: String,
}

/// The state of the dialog: the question, and the outcome.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    /// The user whom the dialog asks about.
    pub(super) asked: Option<Whom>,
    busy: bool,
    done: Option<String>,
    failure: Option<CallError>,
    cancelled: Option<(Whom, StepUpFailure)>,
}

/// Makes the call, and shows the outcome.
fn end(ending: RwSignal<Ending>, whom: Whom) {
    ending.set(Ending {
        busy: true,
        ..Ending::default()
    });
    spawn_local(async move {
        let Whom { issuer, subject, shown } = whom;
        let ended = EndSessionsOf { issuer, subject }.run_on_client().await;
        let outcome = match ended {
            Ok(()) => Ending {
                done: Some(text::ended(shown)),
                ..Ending::default()
            },
            Err(error) => Ending {
                failure: Some(error),
                ..Ending::default()
            },
        };
        // The user may have left the page.
        ending.try_set(outcome);
    });
}

pub(super) fn end_sessions(ending: RwSignal<Ending>) -> impl IntoView {
    let auth = use_auth();
    let dialog = NodeRef::<Dialog>::new();
    let whom = |call: EndSessionsOf| Whom {
        shown: call.subject.clone(),
        issuer: call.issuer,
        subject: call.subject,
    };
    Effect::new(move || {
        if let Some(call) = auth.take_pending::<EndSessionsOf>() {
            end(ending, whom(call));
        } else if let Some((call, why)) = auth.take_cancelled::<EndSessionsOf>() {
            ending.write().cancelled = Some((whom(call), why));
        }
    });
    Effect::new(move || {
        if let (true, Some(dialog)) = (ending.read().asked.is_some(), dialog.get())
            && !dialog.open()
        {
            // It fails only for a dialog that is already open.
            let _ = dialog.show_modal();
        }
    });
    let close = move || {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let confirm = move || {
        let whom = ending.read_untracked().asked.clone();
        close();
        if let Some(whom) = whom {
            end(ending, whom);
        }
    };
    let closed = move |_| ending.write().asked = None;
    let title = move || {
        ending
            .read()
            .asked
            .as_ref()
            .map(|whom| text::end_sessions_title(&whom.shown))
    };
    let outcome = move || {
        let now = ending.read();
        let words = match now.busy {
            true => Some(text::ending().to_owned()),
            false => now.done.clone(),
        };
        let close = || {
            button("button quiet", frame::close().to_owned(), move || {
                ending.set(Ending::default())
            })
        };
        let failure = now.failure.as_ref().map(|error| {
            let (title, text) = Texts::current().call(error);
            let close = close();
            view! { <Notice kind="error" title text detail=error.to_string()>{close}</Notice> }.into_any()
        });
        let cancelled = now.cancelled.clone().map(|(whom, why)| {
            let again = button("button", frame::try_again().to_owned(), move || {
                end(ending, whom.clone())
            });
            let close = close();
            view! {
                <Notice kind="warning" title=text::not_ended() text=text::not_ended_text() detail=why.to_string()>
                    {again}
                    {close}
                </Notice>
            }
            .into_any()
        });
        view! {
            // Present before its text, because screen readers announce only changes.
            <p role="status">{words}</p>
            {failure}
            {cancelled}
        }
        .into_any()
    };
    view! {
        <dialog node_ref=dialog class="question" aria-labelledby="end-title" aria-describedby="end-text" on:close=closed>
            <h2 id="end-title">{title}</h2>
            <p id="end-text">{text::end_sessions_text()}</p>
            <div class="actions">
                {button("button quiet", text::keep().to_owned(), close)}
                {button("button danger", text::end_now().to_owned(), confirm)}
            </div>
        </dialog>
        <div class="toast">{outcome}</div>
    }
}
