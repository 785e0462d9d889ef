//! The provider: configuration, store, clock and switches, shared by all handlers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::clock::{Clock, Random};
use crate::config::{Config, ConfigError, Tenant};
use crate::jose::KeyRing;
use crate::journal::Journal;
use crate::store::{Store, StoreFile, StoreFileError, TenantStore};
use crate::switches::Switches;

/// The provider could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state file could not be read or written.
    #[error(transparent)]
    StoreFile(#[from] StoreFileError),
    /// The address could not be bound.
    #[error("the development provider cannot listen on {listen}: {source}; set `listen` to a free port")]
    Listen {
        /// The address.
        listen: std::net::SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The listener failed.
    #[error("the development provider stopped: {0}")]
    Serve(std::io::Error),
}

/// The provider, without its listener. Clones share everything.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    config: RwLock<Config>,
    registered: Config,
    clock: Clock,
    random: Random,
    store: Mutex<Memory>,
    switches: RwLock<Switches>,
    journal: Mutex<Journal>,
    file: StoreFile,
    dpop_nonce_secret: String,
}

struct Memory {
    store: Store,
    changed: bool,
}

impl Provider {
    /// Makes a provider with the computer's clock and randomness. Generates missing keys, which takes a moment.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be served or the state file cannot be used.
    pub fn new(config: Config) -> Result<Self, StartError> {
        Self::with(config, Clock::system(), Random::system(), None)
    }

    /// Makes a provider with the given clock, randomness and keys.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be served or the state file cannot be used.
    pub fn with(config: Config, clock: Clock, random: Random, keys: Option<KeyRing>) -> Result<Self, StartError> {
        config.check()?;
        let file = StoreFile::new(&config.state, config.listen.port());
        let mut store = file.load()?;
        let mut changed = false;
        for tenant in &config.tenants {
            store.tenants.entry(tenant.name.clone()).or_insert_with(|| {
                changed = true;
                TenantStore::new(keys.clone().unwrap_or_else(|| KeyRing::generate(&random)))
            });
        }
        if changed {
            file.save(&store)?;
        }
        Ok(Self(Arc::new(Inner {
            registered: config.clone(),
            config: RwLock::new(config),
            clock,
            dpop_nonce_secret: random.secret(),
            random,
            store: Mutex::new(Memory { store, changed: false }),
            switches: RwLock::default(),
            journal: Mutex::default(),
            file,
        })))
    }

    /// Returns the configuration, with the changes of the control API.
    pub fn config(&self) -> Config {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the configuration at run time, for the control API.
    pub(crate) fn configure<T>(&self, change: impl FnOnce(&mut Config) -> T) -> T {
        change(&mut self.0.config.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the configuration at start.
    pub(crate) fn registered(&self) -> &Config {
        &self.0.registered
    }

    pub(crate) fn tenant(&self, name: &str) -> Option<Tenant> {
        self.0
            .config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .tenant(name)
            .cloned()
    }

    /// Returns the switches.
    pub fn switches(&self) -> Switches {
        self.0.switches.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets all switches.
    pub fn set_switches(&self, switches: Switches) {
        *self.0.switches.write().unwrap_or_else(PoisonError::into_inner) = switches;
    }

    /// Changes some switches (RFC 7396): the others stay as they are, and null turns one off.
    ///
    /// # Errors
    ///
    /// If there is no such switch, or it does not accept the value.
    pub fn patch_switches(&self, change: &serde_json::Value) -> Result<Switches, serde_json::Error> {
        let mut switches = self.0.switches.write().unwrap_or_else(PoisonError::into_inner);
        let mut value = serde_json::to_value(&*switches)?;
        crate::control::merge(&mut value, change);
        *switches = serde_json::from_value(value)?;
        Ok(switches.clone())
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn random(&self) -> &Random {
        &self.0.random
    }

    pub(crate) fn dpop_nonce_secret(&self) -> &str {
        &self.0.dpop_nonce_secret
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state_file(&self) -> &StoreFile {
        &self.0.file
    }

    /// Reads the store of a tenant.
    pub(crate) fn read<T>(&self, tenant: &str, look: impl FnOnce(&TenantStore) -> T) -> T {
        look(self.memory().tenant(tenant, &self.0.random))
    }

    /// Changes the store of a tenant. It is saved before the response is sent.
    pub(crate) fn write<T>(&self, tenant: &str, change: impl FnOnce(&mut TenantStore) -> T) -> T {
        let mut memory = self.memory();
        memory.changed = true;
        change(memory.tenant(tenant, &self.0.random))
    }

    /// Saves the store, if it has changed.
    ///
    /// # Errors
    ///
    /// When the state file cannot be written.
    pub(crate) fn save(&self) -> Result<(), StoreFileError> {
        let mut memory = self.memory();
        if !std::mem::take(&mut memory.changed) {
            return Ok(());
        }
        memory.store.purge(self.0.clock.now());
        // If it could not be saved, the next request tries again.
        self.0.file.save(&memory.store).inspect_err(|_| memory.changed = true)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Every configured tenant has a store from the start.
    fn tenant(&mut self, name: &str, random: &Random) -> &mut TenantStore {
        self.store
            .tenants
            .entry(name.to_owned())
            .or_insert_with(|| TenantStore::new(KeyRing::generate(random)))
    }
}
