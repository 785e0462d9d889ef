use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures::executor::LocalSpawner;
use futures::lock::{Mutex, OwnedMutexGuard};
use futures::task::LocalSpawn as _;
use pixygate::authorization::{Crypto, CryptoError, Hash, EndpointResponse, Jwk, ClockReading, ServerClock};
use pixygate::session::{HistoryEntry, LocalFuture, LockError, NetworkError, SaveMode, Platform, StorageError};

/// One tab without a browser. Its clock stands still, its network is a function, and it keeps things in memory.
pub struct Memory {
    pub clock: Cell<ClockReading>,
    pub network: Box<dyn Fn(&str, &str) -> EndpointResponse>,
    pub spawner: LocalSpawner,
    pub went_to: Rc<RefCell<String>>,
    pub kept: RefCell<BTreeMap<String, (String, String)>>,
    pub locks: RefCell<BTreeMap<String, Arc<Mutex<()>>>>,
    pub wakes_in: Cell<Option<f64>>,
}

impl Crypto for Memory {
    async fn verify(&self, alg: &str, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        Native.verify(alg, key, message, signature).await
    }

    async fn digest(&self, hash: Hash, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Native.digest(hash, data).await
    }
}

impl Platform for Memory {
    type Lock = OwnedMutexGuard<()>;

    fn now(&self) -> ClockReading {
        self.clock.get()
    }

    fn server_clock(&self) -> ServerClock {
        let now = self.now();
        ServerClock {
            server_time: now.wall,
            received_at: now,
        }
    }

    // Its clock is right.
    fn set_server_time(&self, _: &str) {}

    async fn fetch_server_time(&self) {}

    fn origin(&self) -> String {
        "https://app.example".to_owned()
    }

    fn page(&self) -> String {
        "/".to_owned()
    }

    // Its clock stands still.
    async fn sleep(&self, _milliseconds: f64) {}

    fn random(&self) -> f64 {
        0.5
    }

    async fn post_form(&self, url: &str, body: &str, _proof: Option<&str>) -> Result<EndpointResponse, NetworkError> {
        Ok((self.network)(url, body))
    }

    async fn status(&self, _url: &str) -> Result<u16, NetworkError> {
        Ok(200)
    }

    async fn responds(&self, _url: &str) -> Result<(), NetworkError> {
        Ok(())
    }

    async fn fetch_keys(&self, url: &str) -> Result<Vec<Jwk>, NetworkError> {
        Err(NetworkError {
            url: url.to_owned(),
            problem: "it has those of the page only".to_owned(),
            timed_out: false,
        })
    }

    async fn lock(&self, name: &str) -> Result<Self::Lock, LockError> {
        let lock = Arc::clone(self.locks.borrow_mut().entry(name.to_owned()).or_default());
        Ok(lock.lock_owned().await)
    }

    async fn load(&self, slot: &str, binding: &str) -> Result<Option<String>, StorageError> {
        let kept = self.kept.borrow().get(slot).cloned();
        Ok(kept.filter(|(bound_to, _)| bound_to == binding).map(|(_, text)| text))
    }

    async fn save(&self, slot: &str, binding: &str, text: &str, mode: SaveMode) -> Result<bool, StorageError> {
        let mut kept = self.kept.borrow_mut();
        let allowed = mode == SaveMode::Insert || kept.contains_key(slot);
        if allowed {
            kept.insert(slot.to_owned(), (binding.to_owned(), text.to_owned()));
        }
        Ok(allowed)
    }

    async fn clear(&self) -> Result<(), StorageError> {
        self.kept.borrow_mut().clear();
        Ok(())
    }

    // It has no keys, and there are no other tabs.
    fn drop_keys(&self) {}

    fn reload_keys(&self) {}

    async fn create_memory_key(&self) -> Result<(), CryptoError> {
        Err(CryptoError("DPoP is not done here".to_owned()))
    }

    fn notify_other_tabs(&self) {}

    async fn dpop_key(&self) -> Result<Jwk, CryptoError> {
        Err(CryptoError("DPoP is not done here".to_owned()))
    }

    async fn dpop_sign(&self, _message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError("DPoP is not done here".to_owned()))
    }

    fn spawn(&self, future: LocalFuture<()>) {
        // Refused only when the pool is gone, and the page with it.
        drop(self.spawner.spawn_local_obj(future.into()));
    }

    fn navigate(&self, url: &str, _entry: HistoryEntry) {
        self.went_to.replace(url.to_owned());
    }

    // It has no back button.
    fn navigate_and_back(&self, url: &str, _mark: &str) {
        self.navigate(url, HistoryEntry::Keep);
    }

    fn take_mark(&self) -> Option<String> {
        None
    }

    // It opens no windows.
    fn set_sign_in_window(&self, _for_sign_in: bool) {}

    fn is_sign_in_window(&self) -> bool {
        false
    }

    fn wake_in(&self, milliseconds: Option<f64>) {
        self.wakes_in.set(milliseconds);
    }
}
