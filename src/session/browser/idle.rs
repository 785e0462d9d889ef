//! Idle sign-out: the time since the last user activity in any tab.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::Storage;

use crate::session::idle::Idle;
use crate::session::{Event, Platform as _, Session};

use super::Browser;

/// The key in `localStorage` for the last user activity, in milliseconds of the wall clock. It is not secret, and suspended tabs read it when
/// they wake up.
const ACTIVE: &str = "pixygate-active";

/// The shortest interval between two records of user activity, and the step of the countdown, in milliseconds.
const TICK: f64 = 1_000.0;

struct Watch {
    session: Session<Browser>,
    after: f64,
    storage: Option<Storage>,
    seen: Cell<f64>,
    warned: Cell<bool>,
    timer: Cell<Option<i32>>,
    end: Box<dyn Fn(Session<Browser>)>,
    tick: RefCell<Option<js_sys::Function>>,
}

impl Session<Browser> {
    /// Ends the session with `end` (which calls [`Session::sign_out_idle`]) when the user was idle for
    /// [`Client::idle_sign_out_seconds`](crate::authorization::Client). Before that [`Event::Idle`] counts down. User activity in any tab
    /// stops the countdown.
    ///
    /// ```
    /// use pixygate::session::Session;
    /// use pixygate::session::browser::Browser;
    /// use wasm_bindgen_futures::spawn_local;
    ///
    /// fn start(session: &Session<Browser>) {
    ///     session.watch_idle(|session| spawn_local(async move { session.sign_out_idle().await }));
    /// }
    /// ```
    pub fn watch_idle(&self, end: impl Fn(Self) + 'static) {
        let Some(seconds) = self.client().idle_sign_out_seconds else {
            return;
        };
        let browser = self.platform();
        let watch = Rc::new(Watch {
            session: self.clone(),
            after: f64::from(seconds) * 1000.0,
            storage: browser.window.local_storage().ok().flatten(),
            seen: Cell::new(0.0),
            warned: Cell::default(),
            timer: Cell::default(),
            end: Box::new(end),
            tick: RefCell::default(),
        });
        let ticking = Rc::clone(&watch);
        let tick = Closure::<dyn Fn()>::new(move || ticking.look()).into_js_value();
        watch.tick.replace(Some(tick.unchecked_into()));
        let noting = Rc::clone(&watch);
        self.on_activity(move |_| noting.note());
        for event in ["storage", "pageshow", "visibilitychange"] {
            let watch = Rc::clone(&watch);
            self.on(&browser.window, event, move |_| watch.look());
        }
        // Opening a page does not count as activity if the idle time is already over.
        watch.note();
        watch.look();
    }
}

impl Watch {
    fn now(&self) -> f64 {
        self.session.platform().now().wall
    }

    fn state(&self) -> Idle {
        let stored = self.storage.as_ref().and_then(|storage| storage.get_item(ACTIVE).ok()?);
        // As an integer: code that parses and formats decimal fractions is large.
        let stored: u64 = stored.and_then(|text| text.parse().ok()).unwrap_or(0);
        let stored = stored as f64;
        let last = stored.max(self.seen.get());
        let since = if last == 0.0 { 0.0 } else { self.now() - last };
        Idle::new(self.after, since)
    }

    fn signed_in(&self) -> bool {
        self.session.state().signed_in().is_some()
    }

    /// Records user activity, unless the idle time is already over.
    fn note(&self) {
        // The mouse moves often, and reading the storage is slow.
        if self.now() - self.seen.get() < TICK {
            return;
        }
        let too_late = self.signed_in() && matches!(self.state(), Idle::Expired);
        if !too_late {
            self.count_anew();
            self.look();
        }
    }

    fn count_anew(&self) {
        self.seen.set(self.now());
        if let Some(storage) = &self.storage {
            // Without storage each tab counts for itself.
            drop(storage.set_item(ACTIVE, &(self.now() as u64).to_string()));
        }
    }

    fn look(&self) {
        if !self.signed_in() {
            self.count_anew();
        }
        let state = self.state();
        if let Idle::Warning(seconds) = state {
            self.warned.set(true);
            self.session.emit(&Event::Idle(Some(seconds)));
        } else if self.warned.take() {
            self.session.emit(&Event::Idle(None));
        }
        let next = match state {
            Idle::Active(milliseconds) => milliseconds,
            Idle::Warning(_) => TICK,
            Idle::Expired => {
                return (self.end)(self.session.clone());
            }
        };
        let window = &self.session.platform().window;
        if let Some(timer) = self.timer.take() {
            window.clear_timeout_with_handle(timer);
        }
        if let Some(tick) = &*self.tick.borrow() {
            let timer = window.set_timeout_with_callback_and_timeout_and_arguments_0(tick, next.ceil() as i32);
            self.timer.set(timer.ok());
        }
    }
}
