//! The keys of one issuer through time: loaded, renewed ahead of their age, kept through an outage to a bound. Reading
//! them takes no lock, and nothing that a token asks for can hold up a token whose key is known.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::{
    Clock, FetchError, KeysError, Rejection, Trust,
    key_set::{KeySet, Wanted},
    printable,
    source::Source,
};
use crate::Reason;

/// So many calls with unknown kids may wait for one fetch; each holds its token and its connection.
const MOST_WAITING: usize = 1_000;

pub(crate) struct KeyEngine {
    trust: Arc<Trust>,
    source: Source,
    clock: Arc<dyn Clock>,
    state: ArcSwap<State>,
    flight: Mutex<Flight>,
    /// Places for calls with unknown kids.
    waiting: Semaphore,
}

/// What is known at one moment. Replaced as a whole, by the one fetch that is under way.
#[derive(Clone, Default)]
struct State {
    loaded: Option<(Arc<KeySet>, SystemTime)>,
    /// The last attempt since then, if it failed.
    failure: Option<(KeysError, SystemTime)>,
    /// Counts the sets from which a key was taken away: verdicts of an earlier count are void.
    generation: u64,
    fetches: KeyFetches,
}

/// How often the keys of an issuer were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFetches {
    /// With keys as the answer.
    pub loaded: u64,
    /// Without; why is in the log.
    pub failed: u64,
}

#[derive(Default)]
struct Flight {
    running: Option<Running>,
    last_for_unknown_key: Option<SystemTime>,
}

#[derive(Clone)]
struct Running {
    /// Closes when the fetch that is under way has ended.
    end: watch::Receiver<()>,
    /// Whether it asks for the metadata too.
    anew: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Age,
    UnknownKey(SystemTime),
}

enum Standing {
    Fresh,
    /// Older than `jwks_refresh_seconds`, and nothing has been tried yet.
    Due,
    /// Older than that, while the provider fails: good keys go on serving.
    Outage,
    /// Nothing that may serve.
    Gone,
}

enum Outcome {
    Verified,
    Forged,
    NoKey,
}

impl KeyEngine {
    pub(crate) fn new(trust: Arc<Trust>, source: Source, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            trust,
            source,
            clock,
            state: ArcSwap::default(),
            flight: Mutex::default(),
            waiting: Semaphore::new(MOST_WAITING),
        })
    }

    /// Loads the keys, whatever their age.
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

    /// Whether the keys may serve.
    pub(crate) fn is_ready(&self, now: SystemTime) -> bool {
        !matches!(self.standing(&self.state.load(), now), Standing::Gone)
    }

    /// How long until the next fetch: ahead of the keys' age, so that no caller meets keys that are due.
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
        // After a clock was set back, the moment can be far off.
        Some(wait.min(Duration::from_secs(self.trust.jwks_refresh_seconds).max(self.retry_pause())))
    }

    /// The count under which a verdict may be kept or is still good; `None` when the keys must be seen to first.
    pub(crate) fn generation(&self, now: SystemTime) -> Option<u64> {
        let state = self.state.load();
        match self.standing(&state, now) {
            Standing::Fresh => Some(state.generation),
            Standing::Due | Standing::Outage | Standing::Gone => None,
        }
    }

    /// Makes sure that there are keys which may serve, and says which count they have.
    pub(crate) async fn ensure(self: &Arc<Self>, now: SystemTime) -> Result<u64, Rejection> {
        let state = self.state.load_full();
        match self.standing(&state, now) {
            Standing::Fresh => return Ok(state.generation),
            Standing::Due => drop(self.fetch(Cause::Age).await),
            Standing::Outage => {
                if self.may_retry(&state, now) {
                    drop(self.join(Cause::Age));
                }
                return Ok(state.generation);
            }
            Standing::Gone if self.may_retry(&state, now) => drop(self.fetch(Cause::Age).await),
            Standing::Gone => {}
        }
        let state = self.state.load();
        match self.standing(&state, now) {
            Standing::Gone => Err(self.unavailable(&state, now)),
            _ => Ok(state.generation),
        }
    }

    /// Checks a signature. Returns the count under which the verdict may be kept.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        wanted: &Wanted<'_>,
        signed: &[u8],
        signature: &[u8],
        now: SystemTime,
    ) -> Result<u64, Rejection> {
        self.ensure(now).await?;
        let mut state = self.state.load_full();
        let mut outcome = check(&state, wanted, signed, signature);
        if matches!(outcome, Outcome::NoKey) && !self.source.is_fixed() {
            let _place = self.waiting.try_acquire().map_err(|_| self.crowded())?;
            let joined = self.fetch(Cause::UnknownKey(now)).await;
            state = self.state.load_full();
            outcome = check(&state, wanted, signed, signature);
            // A refresh may have begun before the key was there, and does not look where the keys have moved to.
            let only_renewed = joined.is_some_and(|running| !running.anew) && state.failure.is_none();
            if matches!(outcome, Outcome::NoKey) && only_renewed {
                self.fetch(Cause::UnknownKey(now)).await;
                state = self.state.load_full();
                outcome = check(&state, wanted, signed, signature);
            }
        }
        match outcome {
            Outcome::Verified => Ok(state.generation),
            Outcome::Forged => Err(Rejection::new(Reason::BadSignature)
                .expected(format!("a signature by a key of {}", self.trust.issuer))
                .found("another")
                .hint("the token was changed on its way, or signed by somebody else who used the same kid")),
            // The key may be new, and the provider is out of reach: that is no fault of the caller's.
            Outcome::NoKey if state.failure.is_some() => Err(self.unavailable(&state, now)),
            Outcome::NoKey => Err(self.unknown(&state, wanted)),
        }
    }

    fn standing(&self, state: &State, now: SystemTime) -> Standing {
        let Some((_, loaded)) = &state.loaded else {
            return Standing::Gone;
        };
        // When the clock was set back since, nobody knows the age: they may be due, and are not gone.
        let age = match now.duration_since(*loaded) {
            Ok(age) => age.as_secs(),
            Err(ahead) => ahead.duration().as_secs().min(self.trust.jwks_stale_seconds - 1),
        };
        if self.source.is_fixed() || age < self.trust.jwks_refresh_seconds {
            Standing::Fresh
        } else if age >= self.trust.jwks_stale_seconds {
            Standing::Gone
        } else if state.failure.is_some() {
            Standing::Outage
        } else {
            Standing::Due
        }
    }

    /// After a failure, one attempt for each cooldown.
    fn may_retry(&self, state: &State, now: SystemTime) -> bool {
        let tried = state.failure.as_ref().map(|(_, tried)| *tried);
        tried.is_none_or(|tried| apart(now, tried) >= self.retry_pause())
    }

    fn retry_pause(&self) -> Duration {
        Duration::from_secs(self.trust.jwks_cooldown_seconds.max(1))
    }

    /// Waits for a fetch: the one under way, or one of its own where the cause allows it.
    async fn fetch(self: &Arc<Self>, cause: Cause) -> Option<Running> {
        let mut running = self.join(cause)?;
        // Nothing is ever sent; the channel closes when the fetch has ended.
        while running.end.changed().await.is_ok() {}
        Some(running)
    }

    /// The fetch runs on its own, so that a caller who goes away takes it from nobody.
    fn join(self: &Arc<Self>, cause: Cause) -> Option<Running> {
        let mut flight = self.flight.lock();
        if let Some(running) = &flight.running {
            return Some(running.clone());
        }
        if let Cause::UnknownKey(now) = cause {
            let cooldown = Duration::from_secs(self.trust.jwks_cooldown_seconds);
            let last = flight.last_for_unknown_key;
            if last.is_some_and(|last| apart(now, last) < cooldown) {
                return None;
            }
            flight.last_for_unknown_key = Some(now);
        }
        let anew = matches!(cause, Cause::UnknownKey(_));
        let (ends, end) = watch::channel(());
        let running = Running { end, anew };
        flight.running = Some(running.clone());
        let mut landing = Landing {
            engine: self.clone(),
            result: None,
            _end: ends,
        };
        // Where nothing can be spawned any more, the landing is dropped here and now, and takes the lock.
        drop(flight);
        tokio::spawn(async move {
            let result = landing.engine.source.load(anew).await;
            landing.bring(result);
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
                if state.loaded.as_ref().is_some_and(|(old, _)| !old.is_kept_by(&set)) {
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
            .hint("see that the provider can be reached from here; the keys are asked for again by themselves")
            .retry_after(self.retry_pause().saturating_sub(passed).max(Duration::from_secs(1)))
    }

    fn crowded(&self) -> Rejection {
        Rejection::new(Reason::KeysUnavailable)
            .expected(format!("keys of {}", self.trust.issuer))
            .found("too many calls that wait for them, with keys that are not known yet")
            .retry_after(Duration::from_secs(1))
    }

    fn unknown(&self, state: &State, wanted: &Wanted<'_>) -> Rejection {
        let rejection = Rejection::new(Reason::UnknownKey);
        let known = state.loaded.as_ref().map(|(set, _)| set);
        let described = known.map(|set| set.described()).unwrap_or_default();
        let rejection = rejection.expected(format!("a key of {}: {described}", self.trust.issuer));
        let Some(id) = wanted.key_id else {
            return rejection
                .found("no kid, though the issuer has several keys")
                .hint("let the provider put `kid` into the header");
        };
        let algorithms = known.map(|set| set.algorithms_of(id)).unwrap_or_default();
        let found = format!("kid \"{}\" with {}", printable(id), wanted.algorithm);
        match algorithms.as_slice() {
            [] => rejection
                .found(found)
                .hint("the token is from another provider, or signed with a key that was taken back"),
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

/// How far two moments are apart. The one that is remembered is a little ahead for who came before it was written down; it
/// is far ahead only when the clock was set back, and then it must hold up nothing.
fn apart(now: SystemTime, remembered: SystemTime) -> Duration {
    now.duration_since(remembered).unwrap_or_else(|ahead| ahead.duration())
}

fn check(state: &State, wanted: &Wanted<'_>, signed: &[u8], signature: &[u8]) -> Outcome {
    let Some((set, _)) = &state.loaded else {
        return Outcome::NoKey;
    };
    let mut outcome = Outcome::NoKey;
    for key in set.candidates(wanted) {
        if key.verifies(wanted.algorithm, signed, signature) {
            return Outcome::Verified;
        }
        outcome = Outcome::Forged;
    }
    outcome
}

/// Ends the flight even when the fetch panics: it has failed then, like any other, or it would be tried again without a pause.
struct Landing {
    engine: Arc<KeyEngine>,
    result: Option<Result<KeySet, KeysError>>,
    _end: watch::Sender<()>,
}

impl Landing {
    fn bring(&mut self, result: Result<KeySet, KeysError>) {
        self.result = Some(result);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let given_up = || {
            Err(KeysError::Fetch(FetchError::Unreachable {
                url: self.engine.trust.issuer.clone(),
                why: "the fetch was given up in its middle".into(),
            }))
        };
        let result = self.result.take().unwrap_or_else(given_up);
        self.engine.record(result);
        self.engine.flight.lock().running = None;
    }
}
