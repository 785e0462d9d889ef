//! Sign-in in a popup window, so that the page keeps the user's input.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::Function;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{BroadcastChannel, MessageEvent, Window};

use crate::authorization::{Callback, CallbackError, SignIn};
use crate::session::pending::Trigger;
use crate::session::{Event, Platform as _, Session, SessionError, SignInFailure, StepUp};

use super::{Browser, window};

/// How often to check whether the window was closed, in milliseconds. There is no event for it.
const LOOK: f64 = 300.0;

/// How long a window waits for the page that can complete its sign-in, in milliseconds. Both are in the same browser.
const ANSWER: f64 = 1_000.0;

/// A window that was opened for a sign-in. Browsers allow this only while a page handles a click or a key.
///
/// ```
/// use pixygate::authorization::SignIn;
/// use pixygate::session::browser::{Browser, Popup};
/// use pixygate::session::{Session, SessionError};
/// use wasm_bindgen_futures::spawn_local;
///
/// fn on_click(session: Session<Browser>) {
///     // Before any `await`: afterwards browsers do not allow it.
///     let popup = Popup::open();
///     spawn_local(async move {
///         let signed_in = match popup {
///             Some(popup) => session.sign_in_popup(popup, &SignIn::default()).await,
///             // Blocked: leave the page for the provider instead.
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

/// Closes the window when no task waits for it any more.
impl Drop for Popup {
    fn drop(&mut self) {
        // Fails if the window is closed or isolated from its opener. Then it closes itself.
        drop(self.0.close());
    }
}

impl Popup {
    /// Opens an empty window, or returns `None` if the browser does not allow it.
    ///
    /// ```
    /// use pixygate::session::browser::Popup;
    ///
    /// // On the server, and if the browser blocks it:
    /// assert!(Popup::open().is_none());
    /// ```
    pub fn open() -> Option<Self> {
        let features = "popup,width=480,height=720";
        let opened = window()?.open_with_url_and_target_and_features("", "_blank", features);
        let popup = opened.ok().flatten()?;
        // Otherwise the provider's page, or a page after it, could navigate this page.
        drop(popup.set_opener(&JsValue::NULL));
        Some(Self(popup))
    }
}

impl Browser {
    /// Closes this window. Browsers allow this only for a window that a page has opened.
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
        // If that fails, the window stays.
        drop(self.window.close());
    }
}

/// The channel on which a popup window sends its callback to the page that waits for it. No other origin can use it, and its name contains
/// the `state`, which is unique to the sign-in.
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

    /// Receives the first message only.
    fn receive_first(&self) -> oneshot::Receiver<String> {
        let (hear, heard) = oneshot::channel();
        let hear = RefCell::new(Some(hear));
        let listen = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            if let (Some(text), Some(hear)) = (message.data().as_string(), hear.take()) {
                // Fails if no task waits any more.
                drop(hear.send(text));
            }
        });
        let listen: Function = listen.into_js_value().unchecked_into();
        self.0.set_onmessage(Some(&listen));
        heard
    }

    fn send(&self, text: &str) {
        // Fails only if the channel is closed.
        drop(self.0.post_message(&JsValue::from_str(text)));
    }
}

/// A sign-in whose popup window sends its callback to this page.
struct PopupCallback {
    taken: Rc<Cell<bool>>,
    outcome: oneshot::Receiver<Result<(), SessionError>>,
}

impl Session<Browser> {
    /// Sends the query of a callback to the page that opened this window, if the browser stores nothing, so that only that page can complete
    /// the sign-in. The code is useless without the verifier, which does not leave that page. Returns `false` if no page waits for the
    /// callback.
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
        let taken = channel.receive_first();
        channel.send(query);
        let late = Box::pin(self.platform().sleep(ANSWER));
        matches!(select(taken, late).await, Either::Left((Ok(_), _)))
    }

    /// Signs the user in in the popup window, and waits until that is done. The window completes the sign-in as any other tab does, and this
    /// page is notified. If the browser stores nothing, the window sends its callback to this page.
    ///
    /// ```
    /// use pixygate::authorization::SignIn;
    /// use pixygate::session::browser::{Browser, Popup};
    /// use pixygate::session::{Session, SessionError};
    ///
    /// async fn sign_in(session: &Session<Browser>, popup: Popup) -> Result<(), SessionError> {
    ///     match session.sign_in_popup(popup, &SignIn::default()).await {
    ///         // The user closed the window, so no message is needed.
    ///         Err(SessionError::Cancelled) => Ok(()),
    ///         outcome => outcome,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Session::sign_in`]; [`SessionError::Cancelled`] when the window was closed before the sign-in succeeded.
    pub async fn sign_in_popup(&self, popup: Popup, options: &SignIn) -> Result<(), SessionError> {
        self.wait_in(popup, options, Trigger::User).await
    }

    async fn wait_in(&self, popup: Popup, options: &SignIn, trigger: Trigger) -> Result<(), SessionError> {
        let (state, url) = self.begin(options, true, trigger).await?;
        let before = self.sign_in_id();
        let mut callback = self.take_over(&state);
        let Popup(window) = &popup;
        // Fails only for an invalid URL.
        drop(window.location().replace(&url));
        let browser = self.platform();
        loop {
            browser.sleep(LOOK).await;
            if let Some(PopupCallback { outcome, .. }) = callback.take_if(|callback| callback.taken.get()) {
                return outcome.await.unwrap_or(Err(SessionError::Cancelled));
            }
            // A window that the provider isolates from its opener looks closed. Then the focus is there, not on this page.
            let document = browser.window.document();
            let back = document.is_some_and(|document| document.has_focus().unwrap_or(true));
            let closed = window.closed().unwrap_or(true) && back;
            if closed {
                self.sync().await;
            }
            if self.is_from_sign_in(&state) {
                return Ok(());
            }
            if before.is_none() && self.sign_in_id().is_some() {
                // Another tab has signed in, so this window is not needed.
                return Ok(());
            }
            if closed {
                // The user may have started another sign-in in the window.
                let again = self.sign_in_id().is_some_and(|now| before.as_ref() != Some(&now));
                return if again { Ok(()) } else { Err(SessionError::Cancelled) };
            }
        }
    }

    /// Completes the sign-in with this `state`, if only this page can, with the callback of its popup window. It does so even if no task
    /// waits any more, because a window that looks closed may be open. Then it is as if another tab had signed in.
    fn take_over(&self, state: &str) -> Option<PopupCallback> {
        let handover = Handover::open(state).filter(|_| self.waits_for(state))?;
        let (taken, (done, outcome)) = (Rc::new(Cell::new(false)), oneshot::channel());
        let callback = PopupCallback {
            taken: Rc::clone(&taken),
            outcome,
        };
        let (session, state) = (self.clone(), state.to_owned());
        self.platform().spawn(Box::pin(async move {
            let query = handover.receive_first().await;
            // The user may have signed out meanwhile.
            if let Some(query) = query.ok().filter(|_| session.waits_for(&state)) {
                taken.set(true);
                handover.send("taken");
                let completed = session.complete(&query).await;
                // Fails if no task waits any more.
                drop(done.send(completed.map(drop).map_err(|failure| failure.error)));
            }
        }));
        Some(callback)
    }

    /// Meets the demand of a call in a popup window; [`Session::call_stepping_up`] repeats the call. If another user signs in there, that
    /// user is signed in.
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
        self.emit(&Event::StepUp(demand.clone()));
        self.wait_in(popup, &options, Trigger::Call(None)).await
    }
}
