//! Reloads the configuration while the server runs: on SIGHUP, and when the file changes.
//!
//! `[[trust]]`, `[[upstream]]` and `[[gate.route]]` are replaced together: a request is decided by the old ones or by the new ones.
//! Other keys need a restart, and the log names those that changed. An invalid configuration changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use app::api::{Fault, Reload as LastReload};
use arc_swap::{ArcSwap, ArcSwapOption};
use pixygate::gate::Gate;
use tokio::sync::Mutex;

use crate::config::{Config, Problem, Problems, Provider};
use crate::start::{StartError, with_configured_requirements};
use crate::upstream::{Common, Upstreams, targeted};

/// The interval at which the file is read. Its whole content is compared, so every kind of change is detected: a write in place, a rename, or
/// a symbolic link with another target, as in Kubernetes.
const INTERVAL: Duration = Duration::from_secs(2);

/// The sections that are replaced.
const REPLACED: [&str; 3] = ["trust", "upstream", "gate.route"];

/// Replaces the rules and upstreams of a running server.
pub struct Reload {
    gate: Gate,
    upstreams: Upstreams,
    common: Common,
    /// The provider at which users sign in. It determines the default trust, and does not change until a restart.
    provider: Provider,
    /// The configuration in use.
    current: ArcSwap<Config>,
    /// Locked while another one is applied.
    applying: Mutex<()>,
    last: ArcSwapOption<LastReload>,
    applied: AtomicU64,
    failed: AtomicU64,
    last_failed: AtomicBool,
}

impl Reload {
    pub(crate) fn new(gate: Gate, upstreams: Upstreams, common: Common, provider: Provider, config: Config) -> Self {
        Self {
            gate,
            upstreams,
            common,
            provider,
            current: ArcSwap::from_pointee(config),
            applying: Mutex::new(()),
            last: ArcSwapOption::empty(),
            applied: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_failed: AtomicBool::new(false),
        }
    }

    /// Replaces the current configuration, and returns the changed keys that need a restart.
    ///
    /// The keys of new trusts are loaded first. Unchanged upstreams and trusts keep their state: connections, cached verdicts,
    /// rate limits. Open streams continue until their authorization ends.
    ///
    /// # Errors
    ///
    /// If the configuration is invalid. The current one then stays in use.
    pub async fn apply(&self, config: Config) -> Result<Vec<String>, StartError> {
        let _applying = self.applying.lock().await;
        let made = self.common.make(&config.upstreams, &self.upstreams)?;
        let policies = with_configured_requirements(&config, targeted(app::api::policies(), &made))?;
        self.gate
            .replace_rules(config.trust_of(&self.provider), policies)
            .await?;
        self.upstreams.replace(made);
        let restart = need_restart(&self.current.load(), &config);
        self.current.store(Arc::new(config));
        Ok(restart)
    }

    /// Loads the configuration and applies it. The outcome is logged and counted.
    pub async fn load(&self, load: impl FnOnce() -> Result<Config, Problems>) {
        let applied = match load() {
            Ok(config) => {
                let warnings = config.warnings.clone();
                self.apply(config).await.map(|restart| (restart, warnings))
            }
            Err(problems) => Err(problems.into()),
        };
        self.last_failed.store(applied.is_err(), Ordering::Relaxed);
        self.last.store(Some(Arc::new(LastReload {
            at: unix_milliseconds(),
            faults: applied.as_ref().err().map(faults).unwrap_or_default(),
            need_restart: applied.as_ref().map(|(keys, _)| keys.clone()).unwrap_or_default(),
        })));
        match applied {
            Ok((restart, warnings)) => {
                self.applied.fetch_add(1, Ordering::Relaxed);
                tracing::info!(
                    upstreams = self.upstreams.all().len(),
                    "the new configuration is in use"
                );
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                if !restart.is_empty() {
                    let keys = restart.join(", ");
                    tracing::warn!(%keys, hint = "restart the server", "these keys have changed and are not in use yet");
                }
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "the new configuration cannot be used; the one before it stays");
            }
        }
    }

    /// Reloads the configuration on SIGHUP and when its file changes, for as long as it is polled.
    pub async fn follow(self: Arc<Self>, mut file: ConfigFile, load: impl Fn() -> Result<Config, Problems>) {
        let mut hangups = Hangups::new();
        loop {
            let is_due = tokio::select! {
                () = hangups.next() => file.take(),
                () = tokio::time::sleep(INTERVAL) => file.look(),
            };
            if is_due {
                self.load(&load).await;
            }
        }
    }

    /// Returns the configuration in use.
    pub fn config(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Returns the outcome of the last reload.
    pub fn last(&self) -> Option<Arc<LastReload>> {
        self.last.load_full()
    }

    /// Returns the number of successful and of failed reloads.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.applied.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
        )
    }

    /// Returns whether the last reload succeeded.
    pub fn is_current(&self) -> bool {
        !self.last_failed.load(Ordering::Relaxed)
    }
}

/// Returns the problems of a configuration.
fn faults(error: &StartError) -> Vec<Fault> {
    let StartError::Config(Problems(problems)) = error else {
        return vec![Fault {
            found: error.to_string(),
            ..Fault::default()
        }];
    };
    let fault = |problem: &Problem| Fault {
        key: problem.key.clone(),
        source: problem.origin.to_string(),
        expected: problem.expected.clone(),
        found: problem.found.clone(),
        hint: problem.hint.clone(),
    };
    problems.iter().map(fault).collect()
}

fn unix_milliseconds() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Returns the changed keys that are not in the replaced sections.
fn need_restart(before: &Config, after: &Config) -> Vec<String> {
    let is_replaced = |key: &str| {
        let mut sections = REPLACED.iter().filter_map(|section| key.strip_prefix(section));
        sections.any(|rest| rest.is_empty() || rest.starts_with('['))
    };
    let values = |config: &Config| -> BTreeMap<String, String> {
        let settings = config.settings.iter().filter(|(key, _)| !is_replaced(key));
        settings
            .map(|(key, setting)| (key.clone(), setting.value.clone()))
            .collect()
    };
    let (old, new) = (values(before), values(after));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let changed = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    let mut changed: Vec<_> = changed.cloned().collect();
    // The allowed origins of the gate do not change without a restart.
    let origins = |config: &Config| -> BTreeSet<String> {
        let entries = config.upstreams.iter();
        entries
            .flat_map(|entry| entry.settings.cors.allow_origins.clone())
            .collect()
    };
    if origins(before) != origins(after) {
        changed.push("upstream.cors.allow_origins".to_owned());
    }
    changed
}

/// The file of a configuration, and the content that is in use.
pub struct ConfigFile {
    path: PathBuf,
    used: Option<Vec<u8>>,
    /// A new content that was found once. It is used when the next read finds it too, because half a file may be a valid configuration.
    found: Option<Vec<u8>>,
}

impl ConfigFile {
    /// Reads the content. Call it before the configuration is loaded, so that no change in between is missed.
    pub fn new(path: PathBuf) -> Self {
        let used = std::fs::read(&path).ok();
        Self {
            path,
            found: used.clone(),
            used,
        }
    }

    /// Returns whether the content has changed and is complete.
    fn look(&mut self) -> bool {
        let content = self.read();
        let is_stable = content == self.found;
        self.found = content;
        let is_due = is_stable && self.found.is_some() && self.found != self.used;
        if is_due {
            self.used.clone_from(&self.found);
        }
        is_due
    }

    /// Takes the content as current. Returns whether it may be loaded: without a file, the server would use the defaults.
    fn take(&mut self) -> bool {
        let content = self.read();
        if content.is_none() && self.used.is_some() {
            tracing::error!(file = %self.path.display(), "the file of the configuration cannot be read; the one in use stays");
            return false;
        }
        (self.found, self.used) = (content.clone(), content);
        true
    }

    fn read(&self) -> Option<Vec<u8>> {
        std::fs::read(&self.path).ok()
    }
}

/// The signal SIGHUP.
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let signal = signal(SignalKind::hangup());
        Self {
            signal: signal
                .inspect_err(|error| tracing::warn!(%error, "SIGHUP cannot be received"))
                .ok(),
        }
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        let received = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_used_when_two_looks_find_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pixygate.toml");
        std::fs::write(&path, "one").unwrap();
        let mut file = ConfigFile::new(path.clone());
        assert!(!file.look() && !file.look(), "nothing has changed");

        std::fs::write(&path, "tw").unwrap();
        assert!(!file.look());
        std::fs::write(&path, "two").unwrap();
        assert!(!file.look(), "it was being written");
        assert!(file.look());
        assert!(!file.look(), "once");

        std::fs::write(&path, "three").unwrap();
        assert!(!file.look());
        std::fs::write(&path, "two").unwrap();
        assert!(!file.look() && !file.look(), "it is the one in use again");
    }

    #[test]
    fn a_file_that_is_gone_leaves_its_configuration_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pixygate.toml");
        std::fs::write(&path, "one").unwrap();
        let mut file = ConfigFile::new(path.clone());
        assert!(file.take(), "a signal loads it again although it is the same");
        std::fs::remove_file(&path).unwrap();
        assert!(!file.look() && !file.look() && !file.take());
        std::fs::write(&path, "two").unwrap();
        assert!(!file.look());
        assert!(file.look());

        let mut none = ConfigFile::new(folder.path().join("absent.toml"));
        assert!(none.take(), "there was none, so the environment alone counts");
    }
}
