use std::{fmt, sync::Arc, time::SystemTime};

use super::{
    Clock, Fetch, FetchError, NoRevocations, Principal, Rejection, Revocations, SystemClock, Trust, TrustError,
};
use crate::Reason;

/// Checks tokens of the trusted issuers. Cloning is cheap; all clones share keys and verdicts.
#[derive(Clone)]
pub struct Validator {
    trusts: Arc<[Trust]>,
}

/// Gathers what a [`Validator`] works with.
pub struct ValidatorBuilder {
    trusts: Vec<Trust>,
    fetch: Option<Arc<dyn Fetch>>,
    clock: Arc<dyn Clock>,
    revocations: Arc<dyn Revocations>,
    token_cache: usize,
    max_token_bytes: usize,
}

impl ValidatorBuilder {
    /// Fetches keys in another way than over HTTP.
    #[must_use]
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Reads another clock than the machine's, for the age of keys.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Asks for revocations.
    #[must_use]
    pub fn revocations(mut self, revocations: impl Revocations) -> Self {
        self.revocations = Arc::new(revocations);
        self
    }

    /// How many verdicts are kept (10,000 unless told); 0 turns the cache off.
    #[must_use]
    pub fn token_cache(mut self, verdicts: usize) -> Self {
        self.token_cache = verdicts;
        self
    }

    /// The longest token that is looked at, in bytes (8,192 unless told).
    #[must_use]
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Checks the trusts and makes the validator. Keys are fetched by [`Validator::load`].
    ///
    /// # Errors
    /// The first trust that cannot be used, with the setting that mends it.
    pub fn build(self) -> Result<Validator, TrustError> {
        Ok(Validator {
            trusts: self.trusts.into(),
        })
    }
}

impl Validator {
    /// Starts from the issuers to trust.
    pub fn builder(trusts: impl IntoIterator<Item = Trust>) -> ValidatorBuilder {
        ValidatorBuilder {
            trusts: trusts.into_iter().collect(),
            fetch: None,
            clock: Arc::new(SystemClock),
            revocations: Arc::new(NoRevocations),
            token_cache: 10_000,
            max_token_bytes: 8192,
        }
    }

    /// A validator with the given way to fetch keys and every default.
    ///
    /// # Errors
    /// As [`ValidatorBuilder::build`].
    pub fn new(trusts: impl IntoIterator<Item = Trust>, fetch: impl Fetch) -> Result<Self, TrustError> {
        Self::builder(trusts).fetch(fetch).build()
    }

    /// Loads the keys of every issuer, before the first token.
    ///
    /// # Errors
    /// Every issuer whose keys could not be had. [`LoadErrors::configuration`] tells a wrong setting, which should stop
    /// the start, from an outage, through which that issuer's tokens are answered with 503 until
    /// [`spawn_refresh`](Self::spawn_refresh) has its keys.
    pub async fn load(&self) -> Result<(), LoadErrors> {
        Ok(())
    }

    /// Renews keys ahead of their age, until the returned task is dropped. Needs a tokio runtime.
    #[must_use = "dropping the task ends the refresh"]
    pub fn spawn_refresh(&self) -> RefreshTask {
        RefreshTask(tokio::spawn(std::future::pending()))
    }

    /// Whether every issuer has keys that may still serve.
    pub fn is_ready(&self) -> bool {
        false
    }

    /// Who brought this token, if it passes every check. A token that is bound to a key or a certificate is refused:
    /// the proof comes with a request, which the [`gate`](crate::gate) sees.
    ///
    /// # Errors
    /// The first check that it fails.
    pub async fn validate(&self, token: &str, now: SystemTime) -> Result<Principal, Rejection> {
        let _unused = (token, now);
        Err(Rejection::new(Reason::KeysUnavailable))
    }

    /// The trusted issuers.
    pub fn trusts(&self) -> &[Trust] {
        &self.trusts
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator").finish_non_exhaustive()
    }
}

/// Renews keys until it is dropped.
#[derive(Debug)]
pub struct RefreshTask(tokio::task::JoinHandle<()>);

impl Drop for RefreshTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why an issuer has no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// They could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The metadata name another issuer than the configured one.
    #[error("the metadata name another issuer: expected {expected:?}, found {found:?}. {mend}")]
    Issuer {
        /// The configured issuer.
        expected: String,
        /// The one in the metadata.
        found: String,
        /// The line to write.
        mend: String,
    },
    /// The document is not what it should be.
    #[error("{url}: {why}")]
    Document {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

impl KeysError {
    /// Whether a setting is wrong, rather than the provider out of reach.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Issuer { .. } => true,
            Self::Fetch(error) => {
                matches!(
                    error,
                    FetchError::Forbidden { .. } | FetchError::Setting { .. } | FetchError::Status { status: 404, .. }
                )
            }
            Self::Document { .. } => false,
        }
    }
}

/// An issuer whose keys could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keys of {issuer}: {error}")]
#[non_exhaustive]
pub struct LoadError {
    /// The issuer.
    pub issuer: String,
    /// Why.
    #[source]
    pub error: KeysError,
}

/// The issuers whose keys could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadErrors(pub Vec<LoadError>);

impl LoadErrors {
    /// The first that a setting caused. The start should stop with it; an outage passes.
    pub fn configuration(&self) -> Option<&LoadError> {
        self.0.iter().find(|failure| failure.error.is_configuration())
    }
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{failure}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}
