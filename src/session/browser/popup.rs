//! Signing in in a window of its own, so that the page and all that was typed into it stays.

use wasm_bindgen_futures::JsFuture;
use web_sys::Window;

use crate::authorization::SignIn;
use crate::session::{Demand, Event, Session, SessionError};

use super::{Browser, window};

/// How often it is looked whether the window was closed, in milliseconds. No event tells.
const LOOK: i32 = 300;

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
        opened.ok().flatten().map(Self)
    }
}

impl Browser {
    /// Closes this window, which only one that was opened by a page lets itself.
    ///
    /// ```
    /// use pixygate::session::Landing;
    /// use pixygate::session::Session;
    /// use pixygate::session::browser::Browser;
    ///
    /// fn landed(session: &Session<Browser>, landing: &Landing) {
    ///     if landing.popup {
    ///         session.platform().close_window();
    ///     }
    /// }
    /// ```
    pub fn close_window(&self) {
        // Then it stays.
        drop(self.window.close());
    }

    async fn pause(&self, milliseconds: i32) {
        let pause = js_sys::Promise::new(&mut |resolve, _| {
            drop(
                self.window
                    .set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds),
            );
        });
        drop(JsFuture::from(pause).await);
    }
}

impl Session<Browser> {
    /// Signs in in that window, and waits until it is done. The window completes the sign-in as any other tab does; this
    /// one hears of it.
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
        let (state, url) = self.begin(options, true, None).await?;
        let Popup(window) = &popup;
        // Refused only for a URL that does not parse.
        drop(window.location().replace(&url));
        let browser = self.platform();
        loop {
            browser.pause(LOOK).await;
            // A provider that cuts itself off from its opener looks closed; then the person is still there, not here.
            let document = browser.window.document();
            let back = document.is_some_and(|document| document.has_focus().unwrap_or(true));
            let closed = window.closed().unwrap_or(true) && back;
            if closed {
                self.look().await;
            }
            if self.came_of(&state) {
                return Ok(());
            }
            if closed {
                return Err(SessionError::Cancelled);
            }
        }
    }

    /// Meets the demand of a call in a window of its own; [`Session::call_stepping_up`] makes the call again. Whoever signs in
    /// there is signed in.
    ///
    /// ```
    /// use pixygate::session::browser::{Browser, Popup};
    /// use pixygate::session::{Credentials, LocalFuture, Reply, Session, SessionError};
    ///
    /// async fn call<R: Reply>(
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
    pub async fn step_up_popup(&self, popup: Popup, demand: &Demand) -> Result<(), SessionError> {
        let record = self.record().ok_or_else(|| self.signed_out())?;
        let options = SignIn {
            resource: record.tokens.resource().map(str::to_owned),
            ..Self::options_for(demand, record.tokens.scopes())
        };
        self.tell(&Event::StepUp(demand.clone()));
        self.sign_in_popup(popup, &options).await
    }
}
