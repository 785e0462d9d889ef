//! The response of a server function: a placeholder while it is loading, then its view, or the error and a button that tries again.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pixygate::leptos::{CallError, Texts, use_auth};

use crate::notice::Notice;
use crate::texts::frame as text;

/// Builds the view of a response. It runs within the page's reactive owner; a view that is built in a task has no context.
pub(crate) type Build = Box<dyn FnOnce() -> AnyView>;

/// A call in flight.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Build, CallError>>>>;

/// Makes the call and shows its response. `skeleton` is the class of the placeholder, which has the size of the view. The second value
/// repeats the call; the view stays until the next response arrives.
pub(crate) fn answer(skeleton: &'static str, call: Box<dyn Fn() -> Answer>) -> (AnyView, impl Fn() + Copy) {
    let call = StoredValue::new_local(call);
    let answer = RwSignal::new_local(None::<Result<Build, CallError>>);
    let ask = move || {
        spawn_local(async move {
            let Some(call) = call.try_with_value(|call| call()) else {
                return;
            };
            let answered = call.await;
            // The user may have left the page.
            answer.try_set(Some(answered));
        });
    };
    Effect::new(ask);
    let failed_before = StoredValue::new(false);
    let again = move || {
        answer.set(None);
        ask();
    };
    // A page that stayed while its session had ended asks again when there is a new one.
    let auth = use_auth();
    Effect::new(move |before: Option<bool>| {
        let signed_in = auth.state().with(|state| state.signed_in().is_some());
        if signed_in && before == Some(false) && failed_before.get_value() {
            again();
        }
        signed_in
    });
    let view = move || {
        answer.track();
        let answered = answer.write_untracked().take();
        failed_before.set_value(matches!(answered, Some(Err(_))));
        match answered {
            None => placeholder(skeleton),
            Some(Ok(build)) => build(),
            Some(Err(error)) => failed(&error, Box::new(again)),
        }
    };
    (view.into_any(), ask)
}

/// A placeholder while the response is loading.
pub(crate) fn placeholder(class: &'static str) -> AnyView {
    view! { <div class=class role="status" aria-label=text::loading()></div> }.into_any()
}

/// The error of a call, and a button that tries again.
pub(crate) fn failed(error: &CallError, again: Box<dyn Fn() + Send>) -> AnyView {
    let (title, text) = Texts::current().call(error);
    view! {
        <Notice kind="error" title text detail=error.to_string()>
            <button type="button" class="button" on:click=move |_| again()>{text::try_again()}</button>
        </Notice>
    }
    .into_any()
}
