//! What the session needs of the world around it. The browser is one implementation, a simulated one drives the tests.

use std::future::Future;
use std::pin::Pin;

use crate::authorization::{Crypto, CryptoError, EndpointResponse, Jwk, Moment, ServerClock};

/// A future on the browser's one thread.
///
/// ```
/// use pixygate::session::LocalFuture;
///
/// fn answer() -> LocalFuture<u32> {
///     Box::pin(async { 42 })
/// }
/// assert_eq!(futures::executor::block_on(answer()), 42);
/// ```
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Time, randomness, storage, network and the other tabs.
///
/// [`Browser`](super::browser::Browser) is that of a page. One without a browser, with the `Native` of the example of
/// [`Crypto`]:
///
/// ```
/// # mod native { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/crypto.rs")); }
/// # use native::Native;
#[doc = include_str!("../../docs/examples/platform.rs")]
/// ```
#[expect(async_fn_in_trait, reason = "the browser has one thread; its futures are not Send")]
pub trait Platform: Crypto + 'static {
    /// Held while a refresh is under way; dropping it lets the next tab in.
    type Lock;

    /// Both clocks of this device.
    fn now(&self) -> Moment;

    /// What is known of the server's time; the device's own clock may be wrong.
    fn server_clock(&self) -> ServerClock;

    /// Hears the time of this origin's server, as an HTTP date: [`Platform::server_clock`] counts from it.
    fn set_server_time(&self, date: &str);

    /// Asks this origin's server for its time, and learns it. Nothing changes when there is no answer.
    async fn fetch_server_time(&self);

    /// The origin of this page.
    fn origin(&self) -> String;

    /// The path of this page, with its query and fragment, as the address has them.
    fn page(&self) -> String;

    /// Waits for so many milliseconds.
    async fn sleep(&self, milliseconds: f64);

    /// A number from 0 to 1, for the jitter of retries.
    fn random(&self) -> f64;

    /// Posts a form, with a DPoP proof where there is one. Bounded in time.
    ///
    /// # Errors
    /// When no response came: offline, refused by CORS, timed out.
    async fn post_form(&self, url: &str, body: &str, proof: Option<&str>) -> Result<EndpointResponse, NetworkError>;

    /// Returns the status of the answer to a GET request, as far as this page may read it.
    ///
    /// # Errors
    /// When no response came, or the browser withholds it (CORS).
    async fn status(&self, url: &str) -> Result<u16, NetworkError>;

    /// Whether a GET request is answered at all. The answer is not read, so that CORS does not matter.
    ///
    /// # Errors
    /// When it is not.
    async fn responds(&self, url: &str) -> Result<(), NetworkError>;

    /// The provider's current keys.
    ///
    /// # Errors
    /// When they could not be had.
    async fn fetch_keys(&self, url: &str) -> Result<Vec<Jwk>, NetworkError>;

    /// Waits for the lock that all tabs of this origin share. Bounded in time, by more than a refresh takes.
    ///
    /// # Errors
    /// When another tab has not let go of it in that time.
    async fn lock(&self, name: &str) -> Result<Self::Lock, LockError>;

    /// Reads and unseals what is kept. `None` when there is nothing, or nothing that belongs to `binding`: that is discarded.
    ///
    /// # Errors
    /// When this browser keeps nothing, so that absence says nothing either.
    async fn load(&self, slot: &str, binding: &str) -> Result<Option<String>, StorageError>;

    /// Seals `text`, together with the `binding` that it is only good for, and keeps it. `false` when there was nothing to
    /// replace and `mode` wants that.
    ///
    /// # Errors
    /// When this browser keeps nothing (a private window, storage denied or full).
    async fn save(&self, slot: &str, binding: &str, text: &str, mode: SaveMode) -> Result<bool, StorageError>;

    /// Forgets all that is kept: every slot, and the keys.
    ///
    /// # Errors
    /// When what is kept cannot be reached.
    async fn clear(&self) -> Result<(), StorageError>;

    /// Has no key any more, and reads the kept ones when they are next needed: those of this page are of no use.
    fn drop_keys(&self);

    /// Reads the kept keys anew when they are next needed: another tab may have made others. Where they cannot be read this
    /// page goes on with the key that it has, as one that lives in memory. Such a key stays.
    fn reload_keys(&self);

    /// Makes a DPoP key that lives in the memory of this page, until it is forgotten or all is cleared. [`Platform::save`] keeps
    /// it beside what it keeps, and nothing where there is another key: no other page could use it.
    ///
    /// # Errors
    /// When the browser cannot make one.
    async fn create_memory_key(&self) -> Result<(), CryptoError>;

    /// Tells the other tabs to look at what is kept. The message itself says nothing, so a forged one does no harm.
    fn notify_other_tabs(&self);

    /// The public half of this browser's DPoP key, which is made when it is first asked for.
    ///
    /// # Errors
    /// When the browser cannot make or keep one.
    async fn dpop_key(&self) -> Result<Jwk, CryptoError>;

    /// Signs with the private half (ES256).
    ///
    /// # Errors
    /// When the browser cannot.
    async fn dpop_sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Runs a future to its end even when nobody waits for it any more.
    fn spawn(&self, future: LocalFuture<()>);

    /// Leaves the page for `url`.
    fn navigate(&self, url: &str, entry: HistoryEntry);

    /// Leaves the page for `url`; the back button leads back to it, and there [`Platform::take_mark`] has the mark. It is no secret.
    fn navigate_and_back(&self, url: &str, mark: &str);

    /// What this page was marked with when it was left, once; `None` for one that was reached in any other way than back from
    /// there.
    fn take_mark(&self) -> Option<String>;

    /// Remembers, for as long as this window lives and whichever page it shows, that it was opened for a sign-in which is still to
    /// succeed.
    fn set_sign_in_window(&self, for_sign_in: bool);

    /// Whether it was opened for a sign-in which is still to succeed.
    fn is_sign_in_window(&self) -> bool;

    /// Calls for [`Session::refresh_ahead`](super::Session::refresh_ahead) in so many milliseconds, instead of when it was
    /// last asked for; `None` for never.
    fn wake_in(&self, milliseconds: Option<f64>);
}

/// What becomes of the entry that a page has in the history when it is left.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # let platform = example::memory(&futures::executor::LocalPool::new());
/// use pixygate::session::{HistoryEntry, Platform};
///
/// platform.navigate("https://id.example/authorize", HistoryEntry::Keep);
/// # assert_eq!(*platform.went_to.borrow(), "https://id.example/authorize");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryEntry {
    /// The next page takes its place: the back button leads to the page before.
    Replace,
    /// It stays: the back button leads back to the page.
    Keep,
}

/// What a slot must hold for something to be kept in it.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # futures::executor::block_on(async {
/// # let platform = example::memory(&futures::executor::LocalPool::new());
/// use pixygate::session::{SaveMode, Platform};
///
/// // What another tab has deleted does not come back.
/// assert_eq!(platform.save("session", "issuer", "refreshed", SaveMode::Replace).await, Ok(false));
/// assert_eq!(platform.save("session", "issuer", "signed in", SaveMode::Insert).await, Ok(true));
/// assert_eq!(platform.save("session", "issuer", "refreshed", SaveMode::Replace).await, Ok(true));
/// # assert_eq!(platform.load("session", "issuer").await.ok().flatten().as_deref(), Some("refreshed"));
/// # assert_eq!(platform.load("session", "another").await, Ok(None));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveMode {
    /// Anything, or nothing: the record is inserted, or replaces another.
    Insert,
    /// Something that is replaced. Looking and replacing are one step.
    Replace,
}

/// No response came.
///
/// ```
/// use pixygate::session::{NetworkError, Remedy, SessionError};
///
/// let error = NetworkError {
///     url: "https://id.example/token".to_owned(),
///     problem: "it took longer than 10 s".to_owned(),
///     timed_out: true,
/// };
/// assert_eq!(error.to_string(), "no answer from https://id.example/token: it took longer than 10 s");
/// assert_eq!(SessionError::from(error).remedy(), Remedy::TryAgain);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer from {url}: {problem}")]
pub struct NetworkError {
    /// The endpoint, without its query.
    pub url: String,
    /// What the platform says.
    pub problem: String,
    /// Whether it gave up waiting; else there was none to wait for.
    pub timed_out: bool,
}

/// Another tab holds the lock of all tabs, and does not let go of it.
///
/// ```
/// use pixygate::session::{LockError, Remedy, SessionError};
///
/// assert_eq!(SessionError::from(LockError).remedy(), Remedy::TryAgain);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another tab of this site is busy with the session, and has not finished in time")]
pub struct LockError;

/// Nothing can be kept here.
///
/// ```
/// use pixygate::session::{Remedy, SessionError, StorageError};
///
/// let error = StorageError("the quota is used up".to_owned());
/// assert!(error.to_string().contains("the quota is used up"));
/// assert_eq!(SessionError::from(error).remedy(), Remedy::Configuration);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this browser keeps nothing for this site ({0}); a sign-in in a window of its own works without")]
pub struct StorageError(pub String);
