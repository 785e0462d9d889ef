//! What happens around the page: other tabs, waking up, the network, and whether someone is there.

use js_sys::Function;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{EventTarget, VisibilityState};

use crate::session::{Platform as _, Session};

use super::Browser;

/// Who has not touched the page for so long (in milliseconds) is not there: nothing is refreshed ahead for them.
const AWAY: f64 = 600_000.0;

/// What tells that someone is there.
const ACTIVITY: [&str; 5] = ["pointerdown", "pointermove", "keydown", "wheel", "click"];

impl Session<Browser> {
    /// Listens for as long as the page lives: to the other tabs, to becoming visible, to the network coming back, and to
    /// the page coming back from the back-forward cache.
    ///
    /// `refresh` is called when the access token should be replaced ahead of its expiry; it runs
    /// [`Session::refresh_ahead`].
    ///
    /// ```
    /// use pixygate::session::Session;
    /// use pixygate::session::browser::Browser;
    /// use wasm_bindgen_futures::spawn_local;
    ///
    /// fn start(session: &Session<Browser>) {
    ///     session.listen(|session| spawn_local(async move { session.refresh_ahead().await }));
    /// }
    /// ```
    pub fn listen(&self, refresh: impl Fn(Self) + Clone + 'static) {
        let browser = self.platform();
        let attend = move |session: &Self| {
            if !session.platform().someone_is_there() {
                return;
            }
            match session.refresh_due_in() {
                Some(0.0) => refresh(session.clone()),
                due => session.platform().wake_in(due),
            }
        };
        let look = {
            let attend = attend.clone();
            move |session: &Self| {
                session.retry_now();
                let (session, attend) = (session.clone(), attend.clone());
                let look = {
                    let session = session.clone();
                    async move {
                        session.look().await;
                        attend(&session);
                    }
                };
                session.platform().spawn(Box::pin(look));
            }
        };
        if let Some(channel) = &browser.channel {
            self.on(channel, "message", look.clone());
        }
        for event in ["pageshow", "online"] {
            self.on(&browser.window, event, look.clone());
        }
        if let Some(document) = browser.window.document() {
            self.on(&document, "visibilitychange", look);
        }
        let attending = attend.clone();
        self.on_activity(move |session| {
            let browser = session.platform();
            let was_there = browser.someone_is_there();
            browser.active.set(browser.now().monotonic);
            if !was_there {
                attending(session);
            }
        });
        // Set once: a page listens once.
        drop(browser.wake.set(self.listener(attend)));
    }

    pub(super) fn on(&self, target: &EventTarget, event: &str, act: impl Fn(&Self) + 'static) {
        // Refused only for what is no event target.
        drop(target.add_event_listener_with_callback(event, &self.listener(act)));
    }

    /// Hears of a sign of the person before any handler of the page can stop it.
    pub(super) fn on_activity(&self, act: impl Fn(&Self) + Clone + 'static) {
        for event in ACTIVITY {
            let act = self.listener(act.clone());
            let window = &self.platform().window;
            drop(window.add_event_listener_with_callback_and_bool(event, &act, true));
        }
    }

    fn listener(&self, act: impl Fn(&Self) + 'static) -> Function {
        let session = self.clone();
        Closure::<dyn Fn()>::new(move || act(&session))
            .into_js_value()
            .unchecked_into()
    }
}

impl Browser {
    /// Whether the page is visible, and was touched not long ago.
    fn someone_is_there(&self) -> bool {
        let visible = |document: web_sys::Document| document.visibility_state() == VisibilityState::Visible;
        self.window.document().is_some_and(visible) && self.now().monotonic - self.active.get() < AWAY
    }
}
