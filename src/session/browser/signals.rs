//! What happens around the page: other tabs, waking up, the network.

use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::EventTarget;

use crate::session::{Platform as _, Session};

use super::Browser;

impl Session<Browser> {
    /// Listens for as long as the page lives: to the other tabs, to becoming visible, to the network coming back, and to
    /// the page coming back from the back-forward cache.
    pub fn listen(&self) {
        let browser = self.platform();
        let look = |session: &Self| {
            session.retry_now();
            let session = session.clone();
            session.platform().spawn(Box::pin({
                let session = session.clone();
                async move { session.look().await }
            }));
        };
        if let Some(channel) = &browser.channel {
            self.on(channel, "message", look);
        }
        self.on(&browser.window, "online", Self::retry_now);
        self.on(&browser.window, "pageshow", look);
        if let Some(document) = browser.window.document() {
            self.on(&document, "visibilitychange", look);
        }
    }

    fn on(&self, target: &EventTarget, event: &str, act: impl Fn(&Self) + 'static) {
        let session = self.clone();
        let listener = Closure::<dyn Fn()>::new(move || act(&session));
        if target
            .add_event_listener_with_callback(event, listener.as_ref().unchecked_ref())
            .is_ok()
        {
            listener.forget();
        }
    }
}
