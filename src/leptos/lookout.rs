//! What a page does while nobody is signed in: it looks whether a session is kept. The session itself, with all that it
//! needs, comes when there is one, or when someone wants to sign in.

use std::cell::Cell;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::EventTarget;

use crate::session::AuthState;
use crate::session::browser::{channel, is_anything_kept};

use super::Auth;
use super::work::{Work, work};

thread_local! {
    static RELIEVED: Cell<bool> = const { Cell::new(false) };
}

/// The session is there, and listens itself.
pub(super) fn relieve() {
    RELIEVED.set(true);
}

pub(super) fn start(auth: Auth) {
    if RELIEVED.get() {
        // The session is older than these components, and tells them how things stand.
        spawn_local(async { drop(work(Work::Start).await) });
        return;
    }
    look(auth);
    let look: js_sys::Function = Closure::<dyn Fn()>::new(move || look(auth))
        .into_js_value()
        .unchecked_into();
    let on = |target: &EventTarget, event| {
        // Refused only for what is no event target.
        drop(target.add_event_listener_with_callback(event, &look));
    };
    on(&window(), "pageshow");
    on(&window(), "online");
    on(&document(), "visibilitychange");
    if let Some(channel) = channel() {
        on(&channel, "message");
        // It is listened to for as long as the page lives.
        std::mem::forget(channel);
    }
}

fn look(auth: Auth) {
    if RELIEVED.get() {
        return;
    }
    spawn_local(async move {
        if is_anything_kept().await {
            // Where the session's code cannot be loaded it is still not known who is there; being online again looks again.
            auth.found_out(work(Work::Start).await.is_ok());
        } else if !RELIEVED.get() {
            auth.known(AuthState::SignedOut(None));
        }
    });
}
