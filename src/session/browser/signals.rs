//! Browser events for the session: other tabs, visibility, the network, and user activity.

use std::cell::Cell;
use std::pin::pin;

use futures_channel::oneshot;
use futures_util::future::{Either, pending, select};
use js_sys::Function;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventTarget, VisibilityState};

use crate::session::{Platform as _, Session, SessionError};

use super::Browser;
use super::js::get;

/// After this time without activity (in milliseconds) the user counts as away: tokens are not refreshed ahead of expiry.
const AWAY: f64 = 600_000.0;

/// How long the browser may take to leave the page, in milliseconds, before the page offers an alternative.
const LEAVE_TIMEOUT_MS: f64 = 4_000.0;

/// The events that count as user activity.
const ACTIVITY: [&str; 5] = ["pointerdown", "pointermove", "keydown", "wheel", "click"];

impl Session<Browser> {
    /// Listens, for the lifetime of the page, for changes of other tabs, visibility, the return of the network, and restoring from the
    /// back-forward cache.
    ///
    /// `refresh` is called when the access token should be replaced ahead of its expiry. It must run [`Session::refresh_ahead`].
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
            // A session without a refresh token must end on time, even if the user is away.
            if session.can_refresh() && !session.platform().user_is_active() {
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
                        session.sync().await;
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
            let was_active = browser.user_is_active();
            browser.active.set(browser.now().monotonic);
            if !was_active {
                attending(session);
            }
        });
        // Fails if the page listens already.
        drop(browser.wake.set(self.listener(attend)));
    }

    /// Waits until it is clear that the browser did not leave this page for the provider, and returns the reason. If the provider is down,
    /// it also stops the navigation, because the browser's error page would replace this page.
    ///
    /// ```
    /// use pixygate::authorization::SignIn;
    /// use pixygate::session::browser::Browser;
    /// use pixygate::session::{Session, SessionError};
    ///
    /// async fn leave(session: &Session<Browser>) -> Result<(), SessionError> {
    ///     session.sign_in(&SignIn::default()).await?;
    ///     Err(session.not_left().await)
    /// }
    /// ```
    pub async fn not_left(&self) -> SessionError {
        let probe = self.0.probe.borrow().clone();
        let down = pin!(async {
            match probe {
                Some(probe) => match probe.await {
                    Some(outage) => outage,
                    None => pending().await,
                },
                None => pending().await,
            }
        });
        match select(down, pin!(self.platform().still_here())).await {
            Either::Left((outage, _)) => {
                // Fails if there is no navigation to stop.
                drop(self.platform().window.stop());
                outage.into()
            }
            Either::Right(_) => SessionError::NavigationPending,
        }
    }

    pub(super) fn on(&self, target: &EventTarget, event: &str, act: impl Fn(&Self) + 'static) {
        // Fails only for an invalid event target.
        drop(target.add_event_listener_with_callback(event, &self.listener(act)));
    }

    /// Listens for user activity in the capture phase, before a handler of the page can stop the event.
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
    /// Waits until it is clear that the user is still on this page after a navigation: they came back, stopped the browser, or the browser
    /// did not leave within four seconds. Mouse moves do not count, because the mouse moves while the next page loads.
    ///
    /// ```
    /// use pixygate::session::Session;
    /// use pixygate::session::browser::Browser;
    ///
    /// async fn leave(session: &Session<Browser>) {
    ///     session.sign_out().await;
    ///     session.platform().still_here().await;
    ///     // The browser was stopped.
    /// }
    /// ```
    pub async fn still_here(&self) {
        let (here, wait) = oneshot::channel::<()>();
        let here = Cell::new(Some(here));
        let document = self.window.document();
        let seen = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            // A page that is being left is hidden, too. A first `pageshow` only means that the page has loaded.
            let visible = document
                .as_ref()
                .is_some_and(|document| document.visibility_state() == VisibilityState::Visible);
            let loads = event.type_() == "pageshow" && get(&event, "persisted").is_none_or(|it| it.is_falsy());
            if visible && !loads {
                here.take().map(|here| here.send(()));
            }
        });
        let seen: Function = seen.into_js_value().unchecked_into();
        let on = |target: &EventTarget, event| {
            // Fails only for an invalid event target.
            drop(target.add_event_listener_with_callback(event, &seen));
        };
        for event in ["pageshow", "focus", "pointerdown", "keydown"] {
            on(&self.window, event);
        }
        if let Some(document) = self.window.document() {
            on(&document, "visibilitychange");
        }
        // The only event without a delay, in browsers that support it.
        if let Some(navigation) = get(&self.window, "navigation").and_then(|it| it.dyn_into::<EventTarget>().ok()) {
            on(&navigation, "navigateerror");
        }
        select(wait, pin!(self.sleep(LEAVE_TIMEOUT_MS))).await;
    }

    /// Returns whether the page is visible and the user was recently active.
    fn user_is_active(&self) -> bool {
        let visible = |document: web_sys::Document| document.visibility_state() == VisibilityState::Visible;
        self.window.document().is_some_and(visible) && self.now().monotonic - self.active.get() < AWAY
    }
}
