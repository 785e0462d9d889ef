//! Requests to protected paths by route, status and reason, and how long they took. A route is named by its pattern, never by a path of a
//! caller, so the number of series is bounded by the configuration and by `MAX_ROUTES`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pixygate::Reason;
use pixygate::gate::observe::{Observer, Outcome};
use pixygate::gate::policy::Route;

use crate::histogram::Histogram;

/// Routes with series of their own. Those of configurations that were replaced count as well; more are counted as [`OTHER`].
const MAX_ROUTES: usize = 1000;

/// The label of routes beyond [`MAX_ROUTES`].
const OTHER: &str = "other";

/// The label of requests that matched no route.
const NONE: &str = "none";

/// What the gate needs, in microseconds.
const GATE: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000, 100_000, 1_000_000];

/// What a request needs until the end of its response, in microseconds.
const REQUEST: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    60_000_000,
];

/// Observes the gate.
pub struct RouteMetrics {
    decision: Histogram<{ GATE.len() + 1 }>,
    none: Series,
    other: Arc<Series>,
    /// By the address of the route, which the entry holds, so that no other route has it.
    known: ArcSwap<KnownRoutes>,
    named: Mutex<BTreeMap<String, Arc<Series>>>,
}

type KnownRoutes = HashMap<usize, (Arc<Route>, Arc<Series>)>;

/// The counts of one route.
struct Series {
    /// Allowed requests with the statuses 100 to 599; the last is for all others.
    allowed: [AtomicU64; 501],
    /// Allowed requests whose client gave up before there was a response.
    unanswered: AtomicU64,
    denied: Mutex<BTreeMap<(Position, u16), u64>>,
    took: Histogram<{ REQUEST.len() + 1 }>,
}

/// A reason by its position, which has an order.
type Position = usize;

impl Series {
    fn new() -> Self {
        Self {
            allowed: std::array::from_fn(|_| AtomicU64::new(0)),
            unanswered: AtomicU64::new(0),
            denied: Mutex::default(),
            took: Histogram::new(&REQUEST),
        }
    }

    fn count(&self, outcome: &Outcome) {
        self.took.record(outcome.took);
        let status = outcome.status.map(|status| status.as_u16());
        if let Some(rejection) = &outcome.rejection {
            let key = (rejection.reason() as usize, status.unwrap_or_default());
            *self.denied.lock().entry(key).or_default() += 1;
            return;
        }
        let count = match status {
            None => &self.unanswered,
            Some(status) => {
                let position = usize::from(status).wrapping_sub(100);
                self.allowed.get(position).unwrap_or(&self.allowed[500])
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn write(&self, route: &str, requests: &mut String, seconds: &mut String) {
        let mut line = |status: &str, reason: &str, count: u64| {
            if count > 0 {
                // Writing to a string does not fail.
                writeln!(
                    requests,
                    "pixygate_requests_total{{route={route:?},status=\"{status}\",reason=\"{reason}\"}} {count}"
                )
                .unwrap_or_default();
            }
        };
        for (position, count) in self.allowed.iter().enumerate() {
            let status = match position {
                500 => OTHER.to_owned(),
                position => (position + 100).to_string(),
            };
            line(&status, "accepted", count.load(Ordering::Relaxed));
        }
        line(NONE, "accepted", self.unanswered.load(Ordering::Relaxed));
        for ((reason, status), count) in &*self.denied.lock() {
            let reason = Reason::ALL.get(*reason).map_or(OTHER, |reason| reason.name());
            let status = match status {
                0 => NONE.to_owned(),
                status => status.to_string(),
            };
            line(&status, reason, *count);
        }
        self.took
            .write("pixygate_request_seconds", &format!("route={route:?}"), seconds);
    }
}

impl Default for RouteMetrics {
    fn default() -> Self {
        Self {
            decision: Histogram::new(&GATE),
            none: Series::new(),
            other: Arc::new(Series::new()),
            known: ArcSwap::default(),
            named: Mutex::default(),
        }
    }
}

impl RouteMetrics {
    /// Finds the series of a route, also when the route is a new one with a known name.
    fn series(&self, route: &Arc<Route>) -> Arc<Series> {
        let address = Arc::as_ptr(route).addr();
        if let Some((_, series)) = self.known.load().get(&address) {
            return series.clone();
        }
        let mut named = self.named.lock();
        let name = route.to_string();
        let series = match named.get(&name) {
            Some(series) => series.clone(),
            None if named.len() < MAX_ROUTES => named.entry(name).or_insert_with(|| Arc::new(Series::new())).clone(),
            None => self.other.clone(),
        };
        let mut known = HashMap::clone(&self.known.load());
        // Routes of configurations that were replaced are held here alone.
        known.retain(|_, (route, _)| Arc::strong_count(route) > 1);
        known.insert(address, (route.clone(), series.clone()));
        self.known.store(Arc::new(known));
        series
    }
}

impl Observer for RouteMetrics {
    fn finished(&self, outcome: &Outcome) {
        self.decision.record(outcome.decided_in);
        match &outcome.route {
            None => self.none.count(outcome),
            Some(route) => self.series(route).count(outcome),
        }
    }
}

impl fmt::Display for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut requests, mut seconds, mut decision) = (String::new(), String::new(), String::new());
        self.decision.write("pixygate_gate_decision_seconds", "", &mut decision);
        let named = self.named.lock().clone();
        self.none.write(NONE, &mut requests, &mut seconds);
        self.other.write(OTHER, &mut requests, &mut seconds);
        for (route, series) in &named {
            series.write(route, &mut requests, &mut seconds);
        }
        write!(
            f,
            "# HELP pixygate_requests_total Requests to protected paths by route, status and reason.\n\
             # TYPE pixygate_requests_total counter\n\
             {requests}\
             # HELP pixygate_request_seconds How long requests took, until the end of the response.\n\
             # TYPE pixygate_request_seconds histogram\n\
             {seconds}\
             # HELP pixygate_gate_decision_seconds How long the gate took to decide.\n\
             # TYPE pixygate_gate_decision_seconds histogram\n\
             {decision}"
        )
    }
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMetrics").finish_non_exhaustive()
    }
}
