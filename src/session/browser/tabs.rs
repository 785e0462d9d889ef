//! Web Locks, so that one tab at a time refreshes.

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Window};

use crate::session::LockError;

use super::js::{get, object, text};

/// How long to wait for a lock, in milliseconds. A refresh makes a few requests, each with a timeout of 15 seconds.
const LOCK_TIMEOUT_MS: u32 = 60_000;

/// Held by this tab until it is dropped, or the tab is closed.
#[derive(Debug)]
pub struct Lock {
    release: Function,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Resolving a promise cannot fail.
        drop(self.release.call0(&JsValue::UNDEFINED));
    }
}

/// Waits for the lock. Returns `None` in a browser that has no Web Locks or denies them; then each tab is on its own.
pub(super) async fn lock(window: &Window, name: &str) -> Result<Option<Lock>, LockError> {
    match ask(window, name).await {
        Some(granted) => granted.map(Some),
        None => Ok(None),
    }
}

async fn ask(window: &Window, name: &str) -> Option<Result<Lock, LockError>> {
    // Web Locks are behind a compiler flag in web-sys; they are called by name instead.
    let locks = get(&window.navigator(), "locks")?;
    let request: Function = Reflect::get(&locks, &"request".into()).ok()?.dyn_into().ok()?;
    let options = object(&[("signal", AbortSignal::timeout_with_u32(LOCK_TIMEOUT_MS).into())]);
    let (granted, wait) = oneshot::channel();
    let callback = Closure::once_into_js(move |_lock: JsValue| -> Promise {
        let mut granted = Some(granted);
        Promise::new(&mut |release, _| {
            if let Some(granted) = granted.take() {
                // No task waits any more. Dropping the lock releases it at once.
                drop(granted.send(Lock { release }));
            }
        })
    });
    let asked: Promise = request
        .call3(&locks, &name.into(), &options, &callback)
        .ok()?
        .dyn_into()
        .ok()?;
    match select(wait, JsFuture::from(asked)).await {
        Either::Left((granted, _)) => granted.ok().map(Ok),
        Either::Right((Err(error), _)) if text(&error, "name").is_some_and(|name| name == "TimeoutError") => {
            Some(Err(LockError))
        }
        // The browser denies locks here and never calls the callback, so do not wait for it.
        Either::Right(_) => None,
    }
}
