//! What the session needs of the world around it. The browser is one implementation, a simulated one drives the tests.

use std::future::Future;
use std::pin::Pin;

use crate::authorization::{Crypto, CryptoError, HttpReply, Jwk, Moment, ServerClock};

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
    fn learn_time(&self, date: &str);

    /// Asks this origin's server for its time, and learns it. Nothing changes when there is no answer.
    async fn ask_time(&self);

    /// The origin of this page.
    fn origin(&self) -> String;

    /// A number from 0 to 1, for the jitter of retries.
    fn random(&self) -> f64;

    /// Posts a form, with a DPoP proof where there is one. Bounded in time.
    ///
    /// # Errors
    /// When no response came: offline, refused by CORS, timed out.
    async fn post_form(&self, url: &str, body: &str, proof: Option<&str>) -> Result<HttpReply, NetworkError>;

    /// Whether the host of `url` answers at all, and whether this page may read the answer. A status of 500 or more counts as no
    /// answer, as far as it can be seen.
    ///
    /// # Errors
    /// When it does not.
    async fn reach(&self, url: &str) -> Result<Reach, NetworkError>;

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
    /// replace and `over` wants that.
    ///
    /// # Errors
    /// When this browser keeps nothing (a private window, storage denied or full).
    async fn save(&self, slot: &str, binding: &str, text: &str, over: Over) -> Result<bool, StorageError>;

    /// Forgets all that is kept: every slot, and the keys.
    ///
    /// # Errors
    /// When what is kept cannot be reached.
    async fn clear(&self) -> Result<(), StorageError>;

    /// Has no key any more, and reads the kept ones when they are next needed: those of this page are of no use.
    fn forget_keys(&self);

    /// Reads the kept keys anew when they are next needed: another tab may have made others. Where they cannot be read this
    /// page goes on with the key that it has, as one that lives in memory. Such a key stays.
    fn reread_keys(&self);

    /// Makes a DPoP key that lives in the memory of this page, until it is forgotten or all is cleared. [`Platform::save`] keeps
    /// it beside what it keeps, and nothing where there is another key: no other page could use it.
    ///
    /// # Errors
    /// When the browser cannot make one.
    async fn make_key_in_memory(&self) -> Result<(), CryptoError>;

    /// Tells the other tabs to look at what is kept. The message itself says nothing, so a forged one does no harm.
    fn tell_other_tabs(&self);

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

    /// Leaves the page for `url`, without an entry in the history for the page that was left.
    fn navigate(&self, url: &str);

    /// Leaves the page for `url`; the back button leads back to it.
    fn navigate_away(&self, url: &str) {
        self.navigate(url);
    }

    /// Leaves the page for `url`; the back button leads back to it, and there [`Platform::take_mark`] has the mark. It is no secret.
    fn navigate_and_back(&self, url: &str, mark: &str);

    /// What this page was marked with when it was left, once; `None` for one that was reached in any other way than back from
    /// there.
    fn take_mark(&self) -> Option<String>;

    /// Remembers, for as long as this window lives and whichever page it shows, that it was opened for a sign-in which is still to
    /// succeed.
    fn mark_window(&self, for_sign_in: bool);

    /// Whether it was opened for a sign-in which is still to succeed.
    fn is_for_sign_in(&self) -> bool;

    /// Calls for [`Session::refresh_ahead`](super::Session::refresh_ahead) in so many milliseconds, instead of when it was
    /// last asked for; `None` for never.
    fn wake_in(&self, milliseconds: Option<f64>);
}

/// How far an answer came.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # futures::executor::block_on(async {
/// # let platform = example::memory(&futures::executor::LocalPool::new());
/// use pixygate::session::{Platform, Reach};
///
/// assert_eq!(platform.reach("https://id.example/jwks").await, Ok(Reach::Readable));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The page could read it.
    Readable,
    /// There was one, and the browser withholds it (CORS).
    Opaque,
}

/// What a slot must hold for something to be kept in it.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
/// # futures::executor::block_on(async {
/// # let platform = example::memory(&futures::executor::LocalPool::new());
/// use pixygate::session::{Over, Platform};
///
/// // What another tab has deleted does not come back.
/// assert_eq!(platform.save("session", "issuer", "refreshed", Over::Existing).await, Ok(false));
/// assert_eq!(platform.save("session", "issuer", "signed in", Over::Any).await, Ok(true));
/// assert_eq!(platform.save("session", "issuer", "refreshed", Over::Existing).await, Ok(true));
/// # assert_eq!(platform.load("session", "issuer").await.ok().flatten().as_deref(), Some("refreshed"));
/// # assert_eq!(platform.load("session", "another").await, Ok(None));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Anything, or nothing.
    Any,
    /// Something that is replaced. Looking and replacing are one step.
    Existing,
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
