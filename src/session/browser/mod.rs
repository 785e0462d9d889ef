//! The platform of a real browser: IndexedDB, WebCrypto, Web Locks, BroadcastChannel, and gloo-net for requests.

mod crypto;
mod http;
mod idle;
mod js;
mod popup;
mod signals;
mod store;
mod tabs;
mod vault;

use std::cell::{Cell, OnceCell};

use js_sys::Function;
use wasm_bindgen::JsValue;
use web_sys::{BroadcastChannel, Window};

use crate::authorization::{ClockReading, Crypto, CryptoError, EndpointResponse, Hash, Jwk, ServerClock};

use super::{HistoryEntry, LocalFuture, LockError, NetworkError, Platform, SaveMode, StorageError};
use vault::Vault;

#[cfg(feature = "leptos")]
pub(crate) use http::notify_of_next_request;
pub use popup::Popup;

/// The name of a popup window whose sign-in has failed, so that another sign-in in it is recognized.
const FOR_SIGN_IN: &str = "pixygate sign-in";

/// The member of a history entry's state that marks a page which was left for a step-up.
const MARK: &str = "pixygate-left";

/// The browser's window as a [`Platform`].
///
/// ```
/// use pixygate::authorization::Client;
/// use pixygate::session::browser::Browser;
/// use pixygate::session::{Event, Session};
/// use wasm_bindgen_futures::spawn_local;
///
/// /// `AuthProvider` does this for a Leptos application. `served_at` comes with the page.
/// async fn open(client: Client, served_at: f64) -> Option<Session<Browser>> {
///     let session = Session::new(Browser::new(served_at)?, client, |event| match event {
///         Event::Changed(state) => { /* show it */ }
///         _ => {}
///     });
///     session.listen(|session| spawn_local(async move { session.refresh_ahead().await }));
///     session.restore().await;
///     session.watch_idle(|session| spawn_local(async move { session.sign_out_idle().await }));
///     Some(session)
/// }
/// ```
#[derive(Debug)]
pub struct Browser {
    window: Window,
    channel: Option<BroadcastChannel>,
    vault: Vault,
    server_clock: Cell<ServerClock>,
    timer: Cell<Option<i32>>,
    /// The timer's callback, set when the session listens.
    wake: OnceCell<Function>,
    /// The last user activity on this page, on the monotonic clock.
    active: Cell<f64>,
}

impl Browser {
    /// Returns the platform of this page, or `None` outside of a browser. `served_at` is the server's time when it rendered the page, in
    /// seconds since the Unix epoch.
    ///
    /// ```
    /// use pixygate::session::browser::Browser;
    ///
    /// // The same code on the server:
    /// assert!(Browser::new(1_800_000_000.0).is_none());
    /// ```
    pub fn new(served_at: f64) -> Option<Self> {
        let window = window()?;
        let performance = window.performance()?;
        let opened = ClockReading {
            wall: performance.time_origin(),
            monotonic: 0.0,
        };
        Some(Self {
            channel: channel(),
            vault: Vault::default(),
            active: Cell::new(performance.now()),
            window,
            server_clock: Cell::new(ServerClock {
                server_time: served_at * 1000.0,
                received_at: opened,
            }),
            timer: Cell::default(),
            wake: OnceCell::new(),
        })
    }

    /// Sets the state of the page's history entry. The browser returns it whenever the user comes back to the entry.
    fn mark(&self, state: &JsValue) {
        if let Ok(history) = self.window.history() {
            // Fails only if it is called too often. Then the page is not marked.
            drop(history.replace_state_with_url(state, "", None));
        }
    }

    fn subtle(&self) -> Result<web_sys::SubtleCrypto, CryptoError> {
        crypto::subtle(&self.window)
    }
}

/// Returns the window, or `None` outside of a browser, where `web_sys::window` would panic.
pub(crate) fn window() -> Option<Window> {
    cfg!(target_family = "wasm").then(web_sys::window).flatten()
}

/// Returns the channel on which tabs notify each other of changes in storage.
fn channel() -> Option<BroadcastChannel> {
    BroadcastChannel::new("pixygate").ok()
}

/// Removes the query from the address and the history, and returns it.
///
/// ```
/// use pixygate::session::browser::{Browser, take_query};
/// use pixygate::session::{SignInOutcome, Session, SignInFailure};
///
/// /// On the page of the redirect URI. Remove the code from the address before anything else.
/// async fn land(session: &Session<Browser>) -> Result<SignInOutcome, SignInFailure> {
///     session.complete(&take_query().unwrap_or_default()).await
/// }
/// # assert_eq!(take_query(), None);
/// ```
pub fn take_query() -> Option<String> {
    let window = window()?;
    let location = window.location();
    let query = location.search().ok()?;
    let (history, path) = (window.history().ok()?, location.pathname().ok()?);
    // Fails only for another origin, which a path cannot have.
    drop(history.replace_state_with_url(&JsValue::NULL, "", Some(&path)));
    Some(query)
}

impl Crypto for Browser {
    async fn verify(&self, alg: &str, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        crypto::verify(&self.subtle()?, alg, key, message, signature).await
    }

    async fn digest(&self, hash: Hash, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        crypto::digest(&self.subtle()?, hash, data).await
    }
}

impl Platform for Browser {
    type Lock = Option<tabs::Lock>;

    #[expect(clippy::disallowed_methods, reason = "this is the clock that others ask")]
    fn now(&self) -> ClockReading {
        let monotonic = self.window.performance().map_or(0.0, |performance| performance.now());
        ClockReading {
            wall: js_sys::Date::now(),
            monotonic,
        }
    }

    fn server_clock(&self) -> ServerClock {
        self.server_clock.get()
    }

    fn set_server_time(&self, date: &str) {
        let server_time = js_sys::Date::parse(date);
        if !server_time.is_nan() {
            self.server_clock.set(ServerClock {
                server_time,
                received_at: self.now(),
            });
        }
    }

    async fn fetch_server_time(&self) {
        if let Some(date) = http::date(&self.origin()).await {
            self.set_server_time(&date);
        }
    }

    fn origin(&self) -> String {
        self.window.location().origin().unwrap_or_default()
    }

    fn page(&self) -> String {
        let location = self.window.location();
        let parts = [location.pathname(), location.search(), location.hash()];
        parts.into_iter().map(Result::unwrap_or_default).collect()
    }

    async fn sleep(&self, milliseconds: f64) {
        js::sleep(&self.window, milliseconds as i32).await;
    }

    fn random(&self) -> f64 {
        js_sys::Math::random()
    }

    async fn post_form(&self, url: &str, body: &str, proof: Option<&str>) -> Result<EndpointResponse, NetworkError> {
        http::post_form(url, body, proof).await
    }

    async fn status(&self, url: &str) -> Result<u16, NetworkError> {
        http::status(url).await
    }

    async fn responds(&self, url: &str) -> Result<(), NetworkError> {
        http::responds(url).await
    }

    async fn fetch_keys(&self, url: &str) -> Result<Vec<Jwk>, NetworkError> {
        http::fetch_keys(url).await
    }

    async fn lock(&self, name: &str) -> Result<Self::Lock, LockError> {
        tabs::lock(&self.window, name).await
    }

    async fn load(&self, slot: &str, binding: &str) -> Result<Option<String>, StorageError> {
        self.vault.load(&self.window, slot, binding).await
    }

    async fn save(&self, slot: &str, binding: &str, text: &str, mode: SaveMode) -> Result<bool, StorageError> {
        self.vault.save(&self.window, slot, binding, text, mode).await
    }

    async fn clear(&self) -> Result<(), StorageError> {
        self.vault.clear(&self.window).await
    }

    fn drop_keys(&self) {
        self.vault.drop_keys();
    }

    fn reload_keys(&self) {
        self.vault.reload_keys();
    }

    async fn create_memory_key(&self) -> Result<(), CryptoError> {
        self.vault.create_memory_key(&self.window).await
    }

    fn notify_other_tabs(&self) {
        if let Some(channel) = &self.channel {
            // Fails only if the channel is closed.
            drop(channel.post_message(&"look".into()));
        }
    }

    async fn dpop_key(&self) -> Result<Jwk, CryptoError> {
        self.vault.dpop_public_key(&self.window).await
    }

    async fn dpop_sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.vault.dpop_sign(&self.window, message).await
    }

    fn spawn(&self, future: LocalFuture<()>) {
        wasm_bindgen_futures::spawn_local(future);
    }

    fn navigate(&self, url: &str, entry: HistoryEntry) {
        let location = self.window.location();
        // Fails only for an invalid URL. Then the page stays.
        drop(match entry {
            HistoryEntry::Replace => location.replace(url),
            HistoryEntry::Keep => location.assign(url),
        });
    }

    fn navigate_and_back(&self, url: &str, mark: &str) {
        self.mark(&js::object(&[(MARK, mark.into())]));
        // As above.
        drop(self.window.location().assign(url));
    }

    fn take_mark(&self) -> Option<String> {
        let state = self.window.history().ok()?.state().ok()?;
        let mark = js::text(&state, MARK)?;
        self.mark(&JsValue::NULL);
        Some(mark)
    }

    fn set_sign_in_window(&self, for_sign_in: bool) {
        // Never fails. A page of another origin does not see the name.
        drop(self.window.set_name(if for_sign_in { FOR_SIGN_IN } else { "" }));
    }

    fn is_sign_in_window(&self) -> bool {
        self.window.name().is_ok_and(|name| name == FOR_SIGN_IN)
    }

    fn wake_in(&self, milliseconds: Option<f64>) {
        if let Some(timer) = self.timer.take() {
            self.window.clear_timeout_with_handle(timer);
        }
        if let (Some(milliseconds), Some(wake)) = (milliseconds, self.wake.get()) {
            // Timers have 32 bits. A timer that fires early is set again.
            let milliseconds = milliseconds.min(f64::from(i32::MAX)) as i32;
            let timer = self
                .window
                .set_timeout_with_callback_and_timeout_and_arguments_0(wake, milliseconds);
            self.timer.set(timer.ok());
        }
    }
}
