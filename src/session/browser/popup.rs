//! Signing in in a window of its own, so that the page and all that was typed into it stays.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::Function;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{BroadcastChannel, MessageEvent, Window};

use crate::authorization::{Callback, CallbackError, SignIn};
use crate::session::pending::Asked;
use crate::session::{Event, Platform as _, Session, SessionError, SignInFailure, StepUp};

use super::{Browser, window};

/// How often it is looked whether the window was closed, in milliseconds. No event tells.
const LOOK: f64 = 300.0;

/// How long a window waits for the page that can complete its sign-in, in milliseconds. It is in the same browser.
const ANSWER: f64 = 1_000.0;

/// A window that was opened for a sign-in. Browsers let a page open one only while it handles a click or a key.
///
/// ```
/// use pixygate::authorization::SignIn;
/// use pixygate::session::browser::{Browser, Popup};
/// use pixygate::session::{Session, SessionError};
/// use wasm_bindgen_futures::spawn_local;
///
/// fn on_click(session: Session<Browser>) {
///     // Here, before anything is waited for: afterwards no browser allows it.
///     let popup = Popup::open();
///     spawn_local(async move {
///         let signed_in = match popup {
///             Some(popup) => session.sign_in_popup(popup, &SignIn::default()).await,
///             // Off to the provider, then.
///             None => session.sign_in(&SignIn::default()).await,
///         };
///         if let Err(error) = signed_in {
///             web_sys::console::warn_1(&error.to_string().into());
///         }
///     });
/// }
/// ```
#[derive(Debug)]
pub struct Popup(Window);

/// It closes when nobody waits for it any more.
impl Drop for Popup {
    fn drop(&mut self) {
        // Closed already, or cut off from its opener: then it closes itself.
        drop(self.0.close());
    }
}

impl Popup {
    /// Opens the window, empty; `None` when the browser does not allow it.
    ///
    /// ```
    /// use pixygate::session::browser::Popup;
    ///
    /// // On the server, and where the browser blocks it:
    /// assert!(Popup::open().is_none());
    /// ```
    pub fn open() -> Option<Self> {
        let features = "popup,width=480,height=720";
        let opened = window()?.open_with_url_and_target_and_features("", "_blank", features);
        let popup = opened.ok().flatten()?;
        // The provider's page, and where it leads, could navigate this page away.
        drop(popup.set_opener(&JsValue::NULL));
        Some(Self(popup))
    }
}

impl Browser {
    /// Closes this window, which only one that was opened by a page lets itself.
    ///
    /// ```
    /// use pixygate::session::SignInOutcome;
    /// use pixygate::session::Session;
    /// use pixygate::session::browser::Browser;
    ///
    /// fn landed(session: &Session<Browser>, landing: &SignInOutcome) {
    ///     if landing.popup {
    ///         session.platform().close_window();
    ///     }
    /// }
    /// ```
    pub fn close_window(&self) {
        // Then it stays.
        drop(self.window.close());
    }
}

/// Where a window gives what it came back with to the page that waits for it. Browsers let no other origin on it, and its name
/// is the `state`, which no other sign-in has.
struct Handover(BroadcastChannel);

impl Drop for Handover {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Handover {
    fn open(state: &str) -> Option<Self> {
        BroadcastChannel::new(&format!("pixygate callback {state}"))
            .ok()
            .map(Self)
    }

    /// Hears the first message, and nothing after it.
    fn first(&self) -> oneshot::Receiver<String> {
        let (hear, heard) = oneshot::channel();
        let hear = RefCell::new(Some(hear));
        let listen = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            if let (Some(text), Some(hear)) = (message.data().as_string(), hear.take()) {
                // Nobody may want it any more.
                drop(hear.send(text));
            }
        });
        let listen: Function = listen.into_js_value().unchecked_into();
        self.0.set_onmessage(Some(&listen));
        heard
    }

    fn say(&self, text: &str) {
        // Refused only where the channel is closed.
        drop(self.0.post_message(&JsValue::from_str(text)));
    }
}

/// A sign-in whose window gives what it came back with to this page.
struct Handed {
    taken: Rc<Cell<bool>>,
    outcome: oneshot::Receiver<Result<(), SessionError>>,
}

impl Session<Browser> {
    /// Gives the query of a callback that this window cannot complete to the page that opened it, where that page waits for it:
    /// the browser keeps nothing that this window could complete it with. The code is good for nothing without the verifier,
    /// which does not leave that page. `false` when there is no such page.
    ///
    /// ```
    /// use pixygate::session::{Session, browser::Browser};
    ///
    /// # async fn example(session: Session<Browser>, query: &str) {
    /// if let Err(failure) = session.complete(query).await
    ///     && session.hand_over(query, &failure).await
    /// {
    ///     session.platform().close_window();
    /// }
    /// # }
    /// ```
    pub async fn hand_over(&self, query: &str, failure: &SignInFailure) -> bool {
        let elsewhere = matches!(
            failure.error,
            SessionError::Storage(_) | SessionError::Callback(CallbackError::UnknownState)
        );
        let Ok(callback) = Callback::parse(query) else {
            return false;
        };
        let Some(channel) = Handover::open(callback.state()).filter(|_| elsewhere) else {
            return false;
        };
        let taken = channel.first();
        channel.say(query);
        let late = Box::pin(self.platform().sleep(ANSWER));
        matches!(select(taken, late).await, Either::Left((Ok(_), _)))
    }

    /// Signs in in that window, and waits until it is done. The window completes the sign-in as any other tab does; this
    /// one hears of it. Where the browser keeps nothing the window gives what it came back with to this page.
    ///
    /// ```
    /// use pixygate::authorization::SignIn;
    /// use pixygate::session::browser::{Browser, Popup};
    /// use pixygate::session::{Session, SessionError};
    ///
    /// async fn sign_in(session: &Session<Browser>, popup: Popup) -> Result<(), SessionError> {
    ///     match session.sign_in_popup(popup, &SignIn::default()).await {
    ///         // The person closed it, and knows.
    ///         Err(SessionError::Cancelled) => Ok(()),
    ///         outcome => outcome,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Session::sign_in`]; [`SessionError::Cancelled`] when the window was closed before.
    pub async fn sign_in_popup(&self, popup: Popup, options: &SignIn) -> Result<(), SessionError> {
        self.wait_in(popup, options, Asked::ByPerson).await
    }

    async fn wait_in(&self, popup: Popup, options: &SignIn, asked: Asked) -> Result<(), SessionError> {
        let (state, url) = self.begin(options, true, asked).await?;
        let before = self.sign_in_id();
        let mut handed = self.take_over(&state);
        let Popup(window) = &popup;
        // Refused only for a URL that does not parse.
        drop(window.location().replace(&url));
        let browser = self.platform();
        loop {
            browser.sleep(LOOK).await;
            if let Some(Handed { outcome, .. }) = handed.take_if(|handed| handed.taken.get()) {
                return outcome.await.unwrap_or(Err(SessionError::Cancelled));
            }
            // A provider that cuts itself off from its opener looks closed; then the person is still there, not here.
            let document = browser.window.document();
            let back = document.is_some_and(|document| document.has_focus().unwrap_or(true));
            let closed = window.closed().unwrap_or(true) && back;
            if closed {
                self.sync().await;
            }
            if self.came_of(&state) {
                return Ok(());
            }
            if before.is_none() && self.sign_in_id().is_some() {
                // Another tab has signed in, and this window is not needed.
                return Ok(());
            }
            if closed {
                // They may have started again in the window.
                let again = self.sign_in_id().is_some_and(|now| before.as_ref() != Some(&now));
                return if again { Ok(()) } else { Err(SessionError::Cancelled) };
            }
        }
    }

    /// Completes the sign-in with this `state`, where only this page can, when its window gives it what it came back with: also
    /// when nobody waits any more, since a window that looks closed may not be. Then it is as if another tab had signed in.
    fn take_over(&self, state: &str) -> Option<Handed> {
        let handover = Handover::open(state).filter(|_| self.waits_for(state))?;
        let (taken, (done, outcome)) = (Rc::new(Cell::new(false)), oneshot::channel());
        let handed = Handed {
            taken: Rc::clone(&taken),
            outcome,
        };
        let (session, state) = (self.clone(), state.to_owned());
        self.platform().spawn(Box::pin(async move {
            let query = handover.first().await;
            // They may have signed out meanwhile.
            if let Some(query) = query.ok().filter(|_| session.waits_for(&state)) {
                taken.set(true);
                handover.say("taken");
                let completed = session.complete(&query).await;
                // As above: nobody may wait.
                drop(done.send(completed.map(drop).map_err(|failure| failure.error)));
            }
        }));
        Some(handed)
    }

    /// Meets the demand of a call in a window of its own; [`Session::call_stepping_up`] makes the call again. Whoever signs in
    /// there is signed in.
    ///
    /// ```
    /// use pixygate::session::browser::{Browser, Popup};
    /// use pixygate::session::{Credentials, LocalFuture, HttpResponse, Session, SessionError};
    ///
    /// async fn call<R: HttpResponse>(
    ///     session: &Session<Browser>,
    ///     send: impl AsyncFn(Credentials) -> Result<R, SessionError>,
    /// ) -> Result<R, SessionError> {
    ///     let sign_in = |demand| -> LocalFuture<Result<(), SessionError>> {
    ///         let (popup, session) = (Popup::open(), session.clone());
    ///         Box::pin(async move {
    ///             match popup {
    ///                 Some(popup) => session.step_up_popup(popup, &demand).await,
    ///                 None => Err(SessionError::Cancelled),
    ///             }
    ///         })
    ///     };
    ///     session.call_stepping_up("POST", "https://api.example.com/transfers", send, sign_in).await
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Session::sign_in_popup`].
    pub async fn step_up_popup(&self, popup: Popup, demand: &StepUp) -> Result<(), SessionError> {
        let record = self.record().ok_or_else(|| self.signed_out())?;
        let options = SignIn {
            resource: record.tokens.resource().map(str::to_owned),
            ..Self::options_for(demand, &record)
        };
        self.tell(&Event::StepUp(demand.clone()));
        self.wait_in(popup, &options, Asked::ByCall(None)).await
    }
}
