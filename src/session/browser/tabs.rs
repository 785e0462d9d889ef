//! One refresh for all tabs: Web Locks.

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Window;

use super::js::get;

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

/// Waits for the lock. `None` in a browser without Web Locks, or one that grants none here: then each tab is on its own.
pub(super) async fn lock(window: &Window, name: &str) -> Option<Lock> {
    // Web Locks are behind a compiler flag in web-sys; they are called by name instead.
    let locks = get(&window.navigator(), "locks")?;
    let request: Function = Reflect::get(&locks, &"request".into()).ok()?.dyn_into().ok()?;
    let (granted, wait) = oneshot::channel();
    let callback = Closure::once_into_js(move |_lock: JsValue| -> Promise {
        let mut granted = Some(granted);
        Promise::new(&mut |release, _| {
            if let Some(granted) = granted.take() {
                // Nobody waits any more: dropping the lock lets the next tab in at once.
                drop(granted.send(Lock { release }));
            }
        })
    });
    let asked: Promise = request.call2(&locks, &name.into(), &callback).ok()?.dyn_into().ok()?;
    match select(wait, JsFuture::from(asked)).await {
        Either::Left((granted, _)) => granted.ok(),
        // The browser grants none here. The callback, which is never called then, would be waited for without end.
        Either::Right(_) => None,
    }
}
