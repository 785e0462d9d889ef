//! What a server function answers: a placeholder until it is there, then its view, or the error and a button that tries again.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pixygate::leptos::{CallError, Texts};

use crate::notice::Notice;
use crate::texts::frame as text;

/// Makes the view of an answer, where the page is: a view that is made in a task of its own has no context.
pub(crate) type Build = Box<dyn FnOnce() -> AnyView>;

/// A call in flight.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Build, CallError>>>>;

/// Makes the call and shows its answer. `skeleton` is the class of the placeholder, which has the size of the view. The second value
/// makes the call again; the answer stays until the next one is there.
pub(crate) fn answer(skeleton: &'static str, call: Box<dyn Fn() -> Answer>) -> (AnyView, impl Fn() + Copy) {
    let call = StoredValue::new_local(call);
    let answer = RwSignal::new_local(None::<Result<Build, CallError>>);
    let ask = move || {
        spawn_local(async move {
            let Some(call) = call.try_with_value(|call| call()) else {
                return;
            };
            let answered = call.await;
            // The page may have been left meanwhile.
            answer.try_set(Some(answered));
        });
    };
    Effect::new(ask);
    let again = move || {
        answer.set(None);
        ask();
    };
    let view = move || {
        answer.track();
        match answer.write_untracked().take() {
            None => placeholder(skeleton),
            Some(Ok(build)) => build(),
            Some(Err(error)) => failed(&error, Box::new(again)),
        }
    };
    (view.into_any(), ask)
}

/// Stands for what is not there yet.
pub(crate) fn placeholder(class: &'static str) -> AnyView {
    view! { <div class=class role="status" aria-label=text::loading()></div> }.into_any()
}

/// The error of a call, and a button that tries again.
pub(crate) fn failed(error: &CallError, again: Box<dyn Fn() + Send>) -> AnyView {
    let (title, text) = Texts::here().call(error);
    view! {
        <Notice kind="error" title text detail=error.to_string()>
            <button type="button" class="button" on:click=move |_| again()>{text::try_again()}</button>
        </Notice>
    }
    .into_any()
}
