//! The keys of one issuer over time: loaded, renewed ahead of their age, used through an outage up to a bound. Reading them takes
//! no lock, and a token with an unknown key never delays a token with a known one.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::{
    Algorithm, FetchError, KeysError,
    key_set::{KeyQuery, KeySet},
    source::Source,
};
use crate::{
    Reason,
    jwt::{Clock, Rejection, Trust, printable},
};

/// How many calls with unknown `kid`s may wait for a fetch. Each of them holds its token and its connection.
const MAX_WAITING: usize = 1_000;

pub(crate) struct IssuerKeys {
    trust: Arc<Trust>,
    source: Source,
    clock: Arc<dyn Clock>,
    state: ArcSwap<State>,
    in_flight: Mutex<InFlight>,
    /// Permits for calls with unknown `kid`s.
    waiting: Semaphore,
}

/// A snapshot, replaced as a whole by the one fetch that is in flight.
#[derive(Clone, Default)]
struct State {
    loaded: Option<(Arc<KeySet>, SystemTime)>,
    /// The last attempt after that, if it failed.
    failure: Option<(KeysError, SystemTime)>,
    /// Counts the sets in which a key of the one before was missing. Cached verdicts of an earlier count are void.
    generation: u64,
    fetches: KeyFetches,
}

/// How often the keys of an issuer were fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFetches {
    /// Successful fetches.
    pub loaded: u64,
    /// Failed fetches. The log has the reasons.
    pub failed: u64,
}

/// The keys of an issuer at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeysStatus {
    /// Every key that can be used.
    pub keys: Vec<KeyStatus>,
    /// Whether the keys may serve: they are there, and not too old.
    pub is_ready: bool,
    /// When they were fetched.
    pub loaded_at: Option<SystemTime>,
    /// The time until the next fetch; `None` for keys that are configured and never fetched.
    pub next_fetch: Option<Duration>,
    /// Why the last attempt to fetch them failed; `None` when it did not.
    pub last_error: Option<String>,
}

/// A key of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Its identifier.
    pub key_id: Option<String>,
    /// The algorithms that it verifies.
    pub algorithms: Vec<Algorithm>,
}

#[derive(Default)]
struct InFlight {
    running: Option<Running>,
    last_for_unknown_key: Option<SystemTime>,
}

#[derive(Clone)]
struct Running {
    /// Closes when the fetch has ended.
    end: watch::Receiver<()>,
    /// Whether it fetches the metadata as well.
    rediscovers: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Age,
    UnknownKey(SystemTime),
}

enum Freshness {
    Fresh,
    /// Older than `jwks_refresh_seconds`, and no fetch has failed since.
    Due,
    /// Older than that while the provider fails. The keys still serve.
    Outage,
    /// No keys, or older than `jwks_stale_seconds`.
    Expired,
}

enum SignatureCheck {
    Verified,
    Forged,
    NoKey,
}

impl IssuerKeys {
    pub(crate) fn new(trust: Arc<Trust>, source: Source, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            trust,
            source,
            clock,
            state: ArcSwap::default(),
            in_flight: Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
        })
    }

    /// Loads the keys, regardless of their age.
    pub(crate) async fn load(self: &Arc<Self>) -> Result<(), KeysError> {
        drop(self.fetch(Cause::Age).await);
        match &self.state.load().failure {
            Some((error, _)) => Err(error.clone()),
            None => Ok(()),
        }
    }

    pub(crate) fn fetches(&self) -> KeyFetches {
        self.state.load().fetches
    }

    pub(crate) fn status(&self, now: SystemTime) -> KeysStatus {
        let state = self.state.load();
        let loaded = state.loaded.as_ref();
        KeysStatus {
            keys: loaded.map(|(set, _)| set.statuses()).unwrap_or_default(),
            is_ready: self.is_ready(now),
            loaded_at: loaded.map(|(_, at)| *at),
            next_fetch: self.next_fetch(now),
            last_error: state.failure.as_ref().map(|(error, _)| error.to_string()),
        }
    }

    /// Returns whether the keys may serve.
    pub(crate) fn is_ready(&self, now: SystemTime) -> bool {
        !matches!(self.freshness(&self.state.load(), now), Freshness::Expired)
    }

    /// Returns the time until the next fetch. It is ahead of the keys' age, so that no call has to wait for it.
    pub(crate) fn next_fetch(&self, now: SystemTime) -> Option<Duration> {
        if self.source.is_fixed() {
            return None;
        }
        let state = self.state.load();
        let at = match (&state.failure, &state.loaded) {
            (Some((_, tried)), _) => *tried + self.retry_pause(),
            (None, Some((_, loaded))) => *loaded + Duration::from_secs(self.trust.jwks_refresh_seconds) * 4 / 5,
            (None, None) => now,
        };
        let wait = at.duration_since(now).unwrap_or_default();
        // If the clock was set back, the time can be far ahead.
        Some(wait.min(Duration::from_secs(self.trust.jwks_refresh_seconds).max(self.retry_pause())))
    }

    /// Returns the generation of the keys, or `None` when they have to be refreshed first.
    pub(crate) fn generation(&self, now: SystemTime) -> Option<u64> {
        let state = self.state.load();
        match self.freshness(&state, now) {
            Freshness::Fresh => Some(state.generation),
            Freshness::Due | Freshness::Outage | Freshness::Expired => None,
        }
    }

    /// Refreshes the keys if needed. Returns their generation.
    ///
    /// # Errors
    /// [`Reason::KeysUnavailable`] when there are no keys that may serve.
    pub(crate) async fn ensure(self: &Arc<Self>, now: SystemTime) -> Result<u64, Rejection> {
        let state = self.state.load_full();
        match self.freshness(&state, now) {
            Freshness::Fresh => return Ok(state.generation),
            Freshness::Due => drop(self.fetch(Cause::Age).await),
            Freshness::Outage => {
                if self.may_retry(&state, now) {
                    drop(self.join(Cause::Age));
                }
                return Ok(state.generation);
            }
            Freshness::Expired if self.may_retry(&state, now) => drop(self.fetch(Cause::Age).await),
            Freshness::Expired => {}
        }
        let state = self.state.load();
        match self.freshness(&state, now) {
            Freshness::Expired => Err(self.unavailable(&state, now)),
            _ => Ok(state.generation),
        }
    }

    /// Verifies a signature. Returns the generation of the keys.
    ///
    /// # Errors
    /// [`Reason::UnknownKey`], [`Reason::BadSignature`] or [`Reason::KeysUnavailable`].
    pub(crate) async fn verify(
        self: &Arc<Self>,
        query: &KeyQuery<'_>,
        signed: &[u8],
        signature: &[u8],
        now: SystemTime,
    ) -> Result<u64, Rejection> {
        self.ensure(now).await?;
        let mut state = self.state.load_full();
        let mut outcome = check(&state, query, signed, signature);
        if matches!(outcome, SignatureCheck::NoKey) && !self.source.is_fixed() {
            let _permit = self.waiting.try_acquire().map_err(|_| self.too_many_waiting())?;
            let joined = self.fetch(Cause::UnknownKey(now)).await;
            state = self.state.load_full();
            outcome = check(&state, query, signed, signature);
            // A refresh may have begun before the key was published, and does not fetch the metadata.
            let only_refreshed = joined.is_some_and(|running| !running.rediscovers) && state.failure.is_none();
            if matches!(outcome, SignatureCheck::NoKey) && only_refreshed {
                self.fetch(Cause::UnknownKey(now)).await;
                state = self.state.load_full();
                outcome = check(&state, query, signed, signature);
            }
        }
        match outcome {
            SignatureCheck::Verified => Ok(state.generation),
            SignatureCheck::Forged => Err(Rejection::new(Reason::BadSignature)
                .expected(format!("a signature by a key of {}", self.trust.issuer))
                .found("another")
                .hint("the token was changed on its way, or signed with another key under the same kid")),
            // The key may be new while the provider cannot be reached. That is not the caller's fault.
            SignatureCheck::NoKey if state.failure.is_some() => Err(self.unavailable(&state, now)),
            SignatureCheck::NoKey => Err(self.unknown(&state, query)),
        }
    }

    fn freshness(&self, state: &State, now: SystemTime) -> Freshness {
        let Some((_, loaded)) = &state.loaded else {
            return Freshness::Expired;
        };
        // If the clock was set back, the age is unknown: the keys may be due, but have not expired.
        let age = match now.duration_since(*loaded) {
            Ok(age) => age.as_secs(),
            Err(ahead) => ahead.duration().as_secs().min(self.trust.jwks_stale_seconds - 1),
        };
        if self.source.is_fixed() || age < self.trust.jwks_refresh_seconds {
            Freshness::Fresh
        } else if age >= self.trust.jwks_stale_seconds {
            Freshness::Expired
        } else if state.failure.is_some() {
            Freshness::Outage
        } else {
            Freshness::Due
        }
    }

    /// Returns whether the cooldown after a failure is over.
    fn may_retry(&self, state: &State, now: SystemTime) -> bool {
        let tried = state.failure.as_ref().map(|(_, tried)| *tried);
        tried.is_none_or(|tried| apart(now, tried) >= self.retry_pause())
    }

    fn retry_pause(&self) -> Duration {
        Duration::from_secs(self.trust.jwks_cooldown_seconds.max(1))
    }

    /// Waits for a fetch: the one in flight, or a new one if the cause allows it.
    async fn fetch(self: &Arc<Self>, cause: Cause) -> Option<Running> {
        let mut running = self.join(cause)?;
        // Nothing is sent. The channel closes when the fetch has ended.
        while running.end.changed().await.is_ok() {}
        Some(running)
    }

    /// Returns the fetch in flight, or starts one. It runs in a task of its own, so that a call that is cancelled does not
    /// cancel it for the others.
    fn join(self: &Arc<Self>, cause: Cause) -> Option<Running> {
        let mut in_flight = self.in_flight.lock();
        if let Some(running) = &in_flight.running {
            return Some(running.clone());
        }
        if let Cause::UnknownKey(now) = cause {
            let cooldown = Duration::from_secs(self.trust.jwks_cooldown_seconds);
            let last = in_flight.last_for_unknown_key;
            if last.is_some_and(|last| apart(now, last) < cooldown) {
                return None;
            }
            in_flight.last_for_unknown_key = Some(now);
        }
        let rediscovers = matches!(cause, Cause::UnknownKey(_));
        let (ends, end) = watch::channel(());
        let running = Running { end, rediscovers };
        in_flight.running = Some(running.clone());
        let guard = FetchGuard {
            keys: self.clone(),
            result: None,
            _end: ends,
        };
        // If the runtime is shutting down, `spawn` drops the guard at once, which takes the lock.
        drop(in_flight);
        tokio::spawn(async move {
            let result = guard.keys.source.load(rediscovers).await;
            guard.finish(result);
        });
        Some(running)
    }

    fn record(&self, result: Result<KeySet, KeysError>) {
        let now = self.clock.now();
        let mut state = State::clone(&self.state.load());
        let issuer = &self.trust.issuer;
        match result {
            Ok(set) => {
                tracing::debug!(%issuer, keys = set.len(), "keys loaded");
                if state.loaded.as_ref().is_some_and(|(old, _)| !old.is_covered_by(&set)) {
                    state.generation += 1;
                }
                state.loaded = Some((Arc::new(set), now));
                state.failure = None;
                state.fetches.loaded += 1;
            }
            Err(error) => {
                tracing::error!(%issuer, %error, "keys could not be loaded");
                if state.loaded.is_none()
                    && let Some((set, fetched_at)) = self.source.stored()
                {
                    tracing::warn!(%issuer, "the keys of an earlier process serve until they are too old");
                    state.loaded = Some((Arc::new(set), fetched_at));
                }
                state.failure = Some((error, now));
                state.fetches.failed += 1;
            }
        }
        self.state.store(Arc::new(state));
    }

    fn unavailable(&self, state: &State, now: SystemTime) -> Rejection {
        let (found, tried) = match &state.failure {
            Some((error, tried)) => (error.to_string(), *tried),
            None => ("not loaded yet".into(), now),
        };
        let passed = now.duration_since(tried).unwrap_or_default();
        Rejection::new(Reason::KeysUnavailable)
            .expected(format!("keys of {}", self.trust.issuer))
            .found(found)
            .hint("check that the provider can be reached from this server; the keys are fetched again automatically")
            .retry_after(self.retry_pause().saturating_sub(passed).max(Duration::from_secs(1)))
    }

    fn too_many_waiting(&self) -> Rejection {
        Rejection::new(Reason::KeysUnavailable)
            .expected(format!("keys of {}", self.trust.issuer))
            .found("too many calls that wait for keys that are not known yet")
            .retry_after(Duration::from_secs(1))
    }

    fn unknown(&self, state: &State, query: &KeyQuery<'_>) -> Rejection {
        let rejection = Rejection::new(Reason::UnknownKey);
        let known = state.loaded.as_ref().map(|(set, _)| set);
        let described = known.map(|set| set.described()).unwrap_or_default();
        let rejection = rejection.expected(format!("a key of {}: {described}", self.trust.issuer));
        let Some(id) = query.key_id else {
            return rejection
                .found("no kid, though the issuer has several keys")
                .hint("let the provider put `kid` into the header");
        };
        let algorithms = known.map(|set| set.algorithms_of(id)).unwrap_or_default();
        let found = format!("kid \"{}\" with {}", printable(id), query.algorithm);
        match algorithms.as_slice() {
            [] => rejection
                .found(found)
                .hint("the token is from another provider, or signed with a key that the provider removed"),
            known => {
                let names = known
                    .iter()
                    .map(|algorithm| algorithm.name())
                    .collect::<Vec<_>>()
                    .join(", ");
                rejection.found(format!("{found}; that key is for {names}"))
            }
        }
    }
}

/// Returns the distance of two times. The recorded one is slightly ahead for a call that read the clock before it was recorded.
/// It is far ahead only if the clock was set back, and then it must not delay anything.
fn apart(now: SystemTime, recorded: SystemTime) -> Duration {
    now.duration_since(recorded).unwrap_or_else(|ahead| ahead.duration())
}

fn check(state: &State, query: &KeyQuery<'_>, signed: &[u8], signature: &[u8]) -> SignatureCheck {
    let Some((set, _)) = &state.loaded else {
        return SignatureCheck::NoKey;
    };
    let mut outcome = SignatureCheck::NoKey;
    for key in set.candidates(query) {
        if key.verifies(query.algorithm, signed, signature) {
            return SignatureCheck::Verified;
        }
        outcome = SignatureCheck::Forged;
    }
    outcome
}

/// Records the result when it is dropped, also when the fetch panics: that is a failure, followed by the usual cooldown.
struct FetchGuard {
    keys: Arc<IssuerKeys>,
    result: Option<Result<KeySet, KeysError>>,
    _end: watch::Sender<()>,
}

impl FetchGuard {
    fn finish(mut self, result: Result<KeySet, KeysError>) {
        self.result = Some(result);
    }
}

impl Drop for FetchGuard {
    fn drop(&mut self) {
        let panicked = || {
            Err(KeysError::Fetch(FetchError::Unreachable {
                url: self.keys.trust.issuer.clone(),
                why: "the fetch panicked or was cancelled".into(),
            }))
        };
        let result = self.result.take().unwrap_or_else(panicked);
        self.keys.record(result);
        self.keys.in_flight.lock().running = None;
    }
}
