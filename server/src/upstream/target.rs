//! The targets of one upstream: the better of two, and none that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use app::api::TargetDetail;
use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

use super::path::Base;

/// So many failures in a row take a target out.
const FAILURES: u32 = 5;

/// The first time for this long, doubled each time that the probe fails as well.
const OUT: Duration = Duration::from_secs(1);

const LONGEST_OUT: Duration = Duration::from_secs(60);

/// Two health checks that fail in a row take a target out; one that passes brings it back.
const FAILED_CHECKS: u32 = 2;

/// All targets of an upstream.
pub(crate) struct Targets {
    all: Vec<Arc<Target>>,
    /// Spreads the choices.
    next: AtomicU64,
    budget: Budget,
}

/// One target.
pub(crate) struct Target {
    pub(crate) base: Base,
    in_flight: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// How often in a row it was taken out.
    times_out: u32,
    /// Until then it is out; after it, one call probes it.
    out_until: Option<Instant>,
    probing: bool,
    failed_checks: u32,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    /// It tells nothing about the target.
    Unknown,
}

/// A call that a target is working on. Dropped without an outcome, it counts as unknown.
pub(crate) struct InFlight {
    pub(crate) target: Arc<Target>,
    is_probe: bool,
}

impl Targets {
    /// Returns `None` where an address cannot be called.
    pub(crate) fn new(urls: &[Url]) -> Option<Self> {
        let target = |url| {
            Some(Arc::new(Target {
                base: Base::new(url)?,
                in_flight: AtomicUsize::new(0),
                state: Mutex::default(),
            }))
        };
        Some(Self {
            all: urls.iter().map(target).collect::<Option<_>>()?,
            next: AtomicU64::new(0),
            budget: Budget::default(),
        })
    }

    pub(crate) fn all(&self) -> &[Arc<Target>] {
        &self.all
    }

    /// Counts a call, from which the budget for further attempts grows.
    pub(crate) fn begin(&self) {
        self.budget.deposit();
    }

    /// Returns whether the budget has room for a further attempt, and takes it.
    pub(crate) fn may_retry(&self) -> bool {
        self.budget.withdraw()
    }

    /// Chooses the one of two with fewer calls in flight, among the available ones that were not tried. `None` where there is none.
    pub(crate) fn choose(&self, tried: &[Arc<Target>]) -> Option<InFlight> {
        let now = Instant::now();
        if let [target] = self.all.as_slice()
            && tried.is_empty()
        {
            return target.take(now);
        }
        let untried = |target: &&Arc<Target>| !tried.iter().any(|tried| Arc::ptr_eq(tried, target));
        // A target whose time out is over is probed before the others are asked: it would never come back otherwise.
        let due = self.all.iter().filter(untried).find(|target| target.is_due(now));
        if let Some(probe) = due.and_then(|target| target.take(now)) {
            return Some(probe);
        }
        let candidates: Vec<_> = self
            .all
            .iter()
            .filter(untried)
            .filter(|target| target.is_available())
            .collect();
        let (one, other) = match candidates.len() {
            0 => return None,
            1 => (0, 0),
            count => {
                let random = scatter(self.next.fetch_add(1, Ordering::Relaxed));
                let one = random as usize % count;
                (one, (one + 1 + (random >> 32) as usize % (count - 1)) % count)
            }
        };
        let (one, other) = (candidates[one], candidates[other]);
        let fewer = if other.in_flight() < one.in_flight() {
            other
        } else {
            one
        };
        fewer.take(now)
    }

    /// Returns how many targets take calls.
    pub(crate) fn available(&self) -> usize {
        self.all.iter().filter(|target| target.is_available()).count()
    }
}

impl Target {
    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Returns what is known of it, and the number of calls that it is working on.
    pub(crate) fn state(&self) -> (TargetDetail, usize) {
        let state = self.state.lock();
        let detail = match state.out_until {
            _ if state.failed_checks >= FAILED_CHECKS => TargetDetail::Unhealthy,
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                TargetDetail::Out {
                    seconds: left.as_secs_f64().ceil() as u64,
                }
            }
            None if state.failures > 0 => TargetDetail::Failing {
                failures: state.failures,
            },
            None => TargetDetail::Fine,
        };
        (detail, self.in_flight())
    }

    fn is_available(&self) -> bool {
        let state = self.state.lock();
        state.out_until.is_none() && state.failed_checks < FAILED_CHECKS
    }

    /// Returns whether its time out is over and nothing probes it.
    fn is_due(&self, now: Instant) -> bool {
        let state = self.state.lock();
        let over = state.out_until.is_some_and(|until| until <= now);
        over && !state.probing && state.failed_checks < FAILED_CHECKS
    }

    fn take(self: &Arc<Self>, now: Instant) -> Option<InFlight> {
        let mut state = self.state.lock();
        if state.failed_checks >= FAILED_CHECKS {
            return None;
        }
        let is_probe = match state.out_until {
            None => false,
            Some(until) if until <= now && !state.probing => true,
            Some(_) => return None,
        };
        state.probing |= is_probe;
        drop(state);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(InFlight {
            target: self.clone(),
            is_probe,
        })
    }

    /// Records an active health check.
    pub(crate) fn checked(&self, is_healthy: bool) {
        let mut state = self.state.lock();
        let was_out = state.failed_checks >= FAILED_CHECKS;
        if is_healthy {
            *state = State::default();
        } else {
            state.failed_checks = state.failed_checks.saturating_add(1);
        }
        let is_out = state.failed_checks >= FAILED_CHECKS;
        drop(state);
        if was_out != is_out {
            let target = self.base.authority();
            match is_out {
                true => tracing::warn!(%target, "a target fails its health checks and gets no more calls"),
                false => tracing::info!(%target, "a target passes its health check and gets calls again"),
            }
        }
    }
}

impl InFlight {
    /// Records what became of the attempt. The call may go on.
    pub(crate) fn record(&mut self, outcome: Outcome) {
        let mut state = self.target.state.lock();
        let is_probe = std::mem::take(&mut self.is_probe);
        if is_probe {
            state.probing = false;
        }
        match outcome {
            Outcome::Unknown => return,
            Outcome::Success if state.out_until.is_some() && !is_probe => return,
            Outcome::Success => {
                let was_out = state.out_until.take().is_some();
                (state.failures, state.times_out) = (0, 0);
                drop(state);
                if was_out {
                    tracing::info!(target = %self.target.base.authority(), "a target answers again");
                }
                return;
            }
            Outcome::Failure => state.failures = state.failures.saturating_add(1),
        }
        let counts = is_probe || (state.out_until.is_none() && state.failures >= FAILURES);
        if counts {
            let time = (OUT * 2u32.saturating_pow(state.times_out.min(10))).min(LONGEST_OUT);
            state.out_until = Some(Instant::now() + time);
            state.times_out = state.times_out.saturating_add(1);
            drop(state);
            if !is_probe {
                let target = self.target.base.authority();
                tracing::warn!(%target, "a target failed {FAILURES} times in a row and gets no more calls for now");
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.is_probe {
            self.target.state.lock().probing = false;
        }
        self.target.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Further attempts are at most a fifth of all calls, so that they do not add to an overload.
struct Budget(AtomicI64);

const DEPOSIT: i64 = 1;
const WITHDRAWAL: i64 = 5;
/// For upstreams with few calls.
const RESERVE: i64 = 10 * WITHDRAWAL;

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicI64::new(RESERVE))
    }
}

impl Budget {
    fn deposit(&self) {
        // Two at once may go beyond the bound by one.
        if self.0.load(Ordering::Relaxed) < RESERVE {
            self.0.fetch_add(DEPOSIT, Ordering::Relaxed);
        }
    }

    fn withdraw(&self) -> bool {
        let take = |left: i64| (left >= WITHDRAWAL).then_some(left - WITHDRAWAL);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// Takes every number to another, neighbours far from each other (the finalizer of SplitMix64).
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn targets(count: usize) -> Targets {
        let urls: Vec<_> = (0..count)
            .map(|number| Url::parse(&format!("http://t{number}:80")).unwrap())
            .collect();
        Targets::new(&urls).unwrap()
    }

    fn fail(targets: &Targets, times: u32) {
        for _ in 0..times {
            targets.choose(&[]).unwrap().record(Outcome::Failure);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_circuit_opens_lets_one_probe_through_and_closes_on_its_success() {
        let targets = targets(1);
        fail(&targets, FAILURES - 1);
        targets.choose(&[]).unwrap().record(Outcome::Success);
        fail(&targets, FAILURES);
        assert!(targets.choose(&[]).is_none(), "it is out");

        tokio::time::advance(OUT).await;
        let mut probe = targets.choose(&[]).unwrap();
        assert!(targets.choose(&[]).is_none(), "one probe at a time");
        probe.record(Outcome::Failure);
        drop(probe);
        tokio::time::advance(OUT).await;
        assert!(targets.choose(&[]).is_none(), "twice as long now");
        tokio::time::advance(OUT).await;
        drop(targets.choose(&[]).unwrap());
        targets.choose(&[]).unwrap().record(Outcome::Success);
        let both = (targets.choose(&[]), targets.choose(&[]));
        assert!(both.0.is_some() && both.1.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_go_to_the_one_of_two_that_has_fewer_and_never_to_one_that_is_out() {
        let targets = targets(3);
        let held: Vec<_> = (0..300).map(|_| targets.choose(&[]).unwrap()).collect();
        let loads: Vec<_> = targets.all().iter().map(|target| target.in_flight()).collect();
        assert!(loads.iter().all(|load| (90..=110).contains(load)), "{loads:?}");
        drop(held);

        let broken = targets.all()[1].clone();
        for _ in 0..FAILURES {
            broken.take(Instant::now()).unwrap().record(Outcome::Failure);
        }
        let mut chosen: HashMap<String, u32> = HashMap::new();
        for _ in 0..100 {
            let call = targets.choose(&[]).unwrap();
            *chosen.entry(call.target.base.authority().to_string()).or_default() += 1;
        }
        assert_eq!(chosen.len(), 2, "{chosen:?}");
        assert!(
            !chosen.contains_key("t1:80") && !chosen.contains_key("t1"),
            "{chosen:?}"
        );
        assert_eq!(targets.available(), 2);

        tokio::time::advance(OUT).await;
        let mut probe = targets.choose(&[]).unwrap();
        assert!(Arc::ptr_eq(&probe.target, &broken), "a target that is due is probed");
        probe.record(Outcome::Success);
        assert_eq!(targets.available(), 3);
    }

    #[test]
    fn another_attempt_goes_to_another_target() {
        let targets = targets(2);
        let first = targets.choose(&[]).unwrap();
        let second = targets.choose(std::slice::from_ref(&first.target)).unwrap();
        assert!(!Arc::ptr_eq(&first.target, &second.target));
        assert!(targets.choose(&[first.target.clone(), second.target.clone()]).is_none());
    }

    #[test]
    fn health_checks_take_a_target_out_and_bring_it_back() {
        let targets = targets(2);
        let target = targets.all()[0].clone();
        target.checked(false);
        assert_eq!(targets.available(), 2);
        target.checked(false);
        assert_eq!(targets.available(), 1);
        target.checked(true);
        assert_eq!(targets.available(), 2);
    }

    #[test]
    fn further_attempts_are_at_most_a_fifth_of_the_calls() {
        let targets = targets(2);
        let attempts = |calls: u32| {
            let mut attempts = 0;
            for _ in 0..calls {
                targets.begin();
                attempts += u32::from(targets.may_retry());
            }
            attempts
        };
        attempts(100);
        assert_eq!(attempts(1000), 200);
    }
}
