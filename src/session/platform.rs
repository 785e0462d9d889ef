//! The interface between the session and its environment. One implementation is the browser, another simulates it for tests.

use std::future::Future;
use std::pin::Pin;

use crate::authorization::{ClockReading, Crypto, CryptoError, EndpointResponse, Jwk, ServerClock};

/// A future on the browser's single thread.
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
/// [`Browser`](super::browser::Browser) is the platform of a page. This one works without a browser; `Native` is from the example of
/// [`Crypto`]:
///
/// ```
/// # mod native { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/crypto.rs")); }
/// # use native::Native;
#[doc = include_str!("../../docs/examples/platform.rs")]
/// ```
#[expect(async_fn_in_trait, reason = "the browser has one thread; its futures are not Send")]
pub trait Platform: Crypto + 'static {
    /// The guard of the lock, held during a refresh. Dropping it releases the lock.
    type Lock;

    /// Returns a reading of both clocks of this device.
    fn now(&self) -> ClockReading;

    /// Returns the estimate of the server's time; the device's own clock may be wrong.
    fn server_clock(&self) -> ServerClock;

    /// Sets the time of this origin's server, an HTTP date, from which [`Platform::server_clock`] counts.
    fn set_server_time(&self, date: &str);

    /// Fetches the time of this origin's server and sets it. Without a response nothing changes.
    async fn fetch_server_time(&self);

    /// Returns the origin of this page.
    fn origin(&self) -> String;

    /// Returns the path of this page with query and fragment, as in its address.
    fn page(&self) -> String;

    /// Waits for a number of milliseconds.
    async fn sleep(&self, milliseconds: f64);

    /// Returns a random number from 0 to 1, for the jitter of retries.
    fn random(&self) -> f64;

    /// Posts a form, with a DPoP proof if there is one. Must time out.
    ///
    /// # Errors
    /// When there is no response: offline, withheld by CORS, timed out.
    async fn post_form(&self, url: &str, body: &str, proof: Option<&str>) -> Result<EndpointResponse, NetworkError>;

    /// Returns the status of the response to a GET request.
    ///
    /// # Errors
    /// When there is no response, or the browser withholds it (CORS).
    async fn status(&self, url: &str) -> Result<u16, NetworkError>;

    /// Checks that a GET request gets any response. The response is not read, so CORS does not matter.
    ///
    /// # Errors
    /// When there is no response.
    async fn responds(&self, url: &str) -> Result<(), NetworkError>;

    /// Fetches the provider's current keys.
    ///
    /// # Errors
    /// When they cannot be fetched.
    async fn fetch_keys(&self, url: &str) -> Result<Vec<Jwk>, NetworkError>;

    /// Waits for the lock that all tabs of this origin share. Must time out, but later than the longest refresh.
    ///
    /// # Errors
    /// When another tab does not release the lock in that time.
    async fn lock(&self, name: &str) -> Result<Self::Lock, LockError>;

    /// Reads and decrypts the text of a slot. `None` if there is none, or if it has another `binding`; then it is discarded.
    ///
    /// # Errors
    /// When this browser has no storage, so that it is unknown whether there is a text.
    async fn load(&self, slot: &str, binding: &str) -> Result<Option<String>, StorageError>;

    /// Encrypts `text` with `binding` as authenticated data, and stores it. Returns `false` if `mode` requires a text to replace and there is
    /// none.
    ///
    /// # Errors
    /// When this browser cannot store it (a private window, storage denied or full).
    async fn save(&self, slot: &str, binding: &str, text: &str, mode: SaveMode) -> Result<bool, StorageError>;

    /// Deletes everything: all slots, and the keys.
    ///
    /// # Errors
    /// When the storage cannot be accessed.
    async fn clear(&self) -> Result<(), StorageError>;

    /// Drops the keys in memory, which are of no use any more. The stored ones are read when they are next needed.
    fn drop_keys(&self);

    /// Reads the stored keys again when they are next needed, because another tab may have made new ones. If they cannot be read, this page
    /// continues with its key, as a key in memory. A key in memory stays.
    fn reload_keys(&self);

    /// Makes a DPoP key in the memory of this page, until [`Platform::drop_keys`] or [`Platform::clear`]. [`Platform::save`] stores the key
    /// with the text. If another key is stored, it stores neither, because no other page could use the tokens.
    ///
    /// # Errors
    /// When the browser cannot make a key.
    async fn create_memory_key(&self) -> Result<(), CryptoError>;

    /// Notifies the other tabs to read the stored session. The message has no content, so a forged one does no harm.
    fn notify_other_tabs(&self);

    /// Returns the public half of this browser's DPoP key. Makes the key if there is none.
    ///
    /// # Errors
    /// When the browser cannot make or store a key.
    async fn dpop_key(&self) -> Result<Jwk, CryptoError>;

    /// Signs with the private half (ES256).
    ///
    /// # Errors
    /// When the browser cannot sign.
    async fn dpop_sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Runs a future to its end, even if no caller waits for it.
    fn spawn(&self, future: LocalFuture<()>);

    /// Leaves the page for `url`.
    fn navigate(&self, url: &str, entry: HistoryEntry);

    /// Leaves the page for `url`. If the user comes back by the back button, [`Platform::take_mark`] returns the mark, which is not secret.
    fn navigate_and_back(&self, url: &str, mark: &str);

    /// Returns the mark with which this page was left, once. `None` if the user did not come back to the page from there.
    fn take_mark(&self) -> Option<String>;

    /// Marks this window as opened for a sign-in that has not succeeded yet. The mark survives navigation.
    fn set_sign_in_window(&self, for_sign_in: bool);

    /// Returns whether this window was opened for a sign-in that has not succeeded yet.
    fn is_sign_in_window(&self) -> bool;

    /// Schedules [`Session::refresh_ahead`](super::Session::refresh_ahead) in a number of milliseconds, in place of the previous schedule;
    /// `None` for never.
    fn wake_in(&self, milliseconds: Option<f64>);
}

/// Whether the history keeps the entry of a page that is left.
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
    /// The next page replaces the entry: the back button leads to the page before.
    Replace,
    /// The entry stays: the back button leads to the page.
    Keep,
}

/// Whether saving requires an existing record.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # futures::executor::block_on(async {
/// # let platform = example::memory(&futures::executor::LocalPool::new());
/// use pixygate::session::{SaveMode, Platform};
///
/// // A refresh does not restore a record that another tab has deleted.
/// assert_eq!(platform.save("session", "issuer", "refreshed", SaveMode::Replace).await, Ok(false));
/// assert_eq!(platform.save("session", "issuer", "signed in", SaveMode::Insert).await, Ok(true));
/// assert_eq!(platform.save("session", "issuer", "refreshed", SaveMode::Replace).await, Ok(true));
/// # assert_eq!(platform.load("session", "issuer").await.ok().flatten().as_deref(), Some("refreshed"));
/// # assert_eq!(platform.load("session", "another").await, Ok(None));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveMode {
    /// Inserts the record, or replaces an existing one.
    Insert,
    /// Only replaces an existing record, atomically.
    Replace,
}

/// A request got no response.
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
    /// The reason, from the platform.
    pub problem: String,
    /// Whether the request timed out; otherwise it failed.
    pub timed_out: bool,
}

/// Another tab holds the lock that all tabs share, and does not release it.
///
/// ```
/// use pixygate::session::{LockError, Remedy, SessionError};
///
/// assert_eq!(SessionError::from(LockError).remedy(), Remedy::TryAgain);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another tab of this site is busy with the session, and has not finished in time")]
pub struct LockError;

/// This browser cannot store the session.
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
