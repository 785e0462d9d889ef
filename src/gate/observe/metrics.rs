use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Observer, Outcome};
use crate::{Reason, jwt::Rejection};

/// Counts decisions by their reason. It prints itself in Prometheus' text format.
///
/// ```
/// use std::sync::Arc;
/// use pixygate::{Reason, gate::observe::Metrics};
///
/// let metrics = Arc::new(Metrics::default());
/// // Gate::builder().observer(metrics.clone())
/// assert_eq!((metrics.allowed(), metrics.denied(Reason::Expired)), (0, 0));
/// assert!(metrics.to_string().contains("pixygate_gate_verdicts_total{reason=\"expired\"} 0"));
/// ```
#[derive(Debug, Default)]
pub struct Metrics {
    decisions: Counts,
    logouts: Counts,
    nanoseconds: AtomicU64,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    /// In the order of [`Reason::ALL`].
    rejected: [AtomicU64; Reason::ALL.len()],
}

impl Counts {
    fn count(&self, rejection: Option<&Rejection>) {
        let count = match rejection {
            None => Some(&self.accepted),
            Some(rejection) => self.rejected.get(rejection.reason() as usize),
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    fn rejected(&self, reason: Reason) -> u64 {
        let count = self.rejected.get(reason as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str, help: &str) -> fmt::Result {
        writeln!(f, "# HELP {name} {help}")?;
        writeln!(f, "# TYPE {name} counter")?;
        writeln!(f, "{name}{{reason=\"accepted\"}} {}", self.accepted())?;
        for reason in Reason::ALL {
            writeln!(f, "{name}{{reason=\"{}\"}} {}", reason.name(), self.rejected(reason))?;
        }
        Ok(())
    }
}

impl Metrics {
    /// Returns how many requests were allowed, by the gate and by their handlers.
    pub fn allowed(&self) -> u64 {
        self.decisions.accepted()
    }

    /// Returns how many requests were denied for a reason.
    pub fn denied(&self, reason: Reason) -> u64 {
        self.decisions.rejected(reason)
    }
}

impl Observer for Metrics {
    fn finished(&self, outcome: &Outcome) {
        self.decisions.count(outcome.rejection.as_ref());
        let took = u64::try_from(outcome.decided_in.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
    }

    fn logout_received(&self, rejection: Option<&Rejection>) {
        self.logouts.count(rejection);
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decisions.write(
            f,
            "pixygate_gate_verdicts_total",
            "Requests to protected paths, by what was decided.",
        )?;
        self.logouts.write(
            f,
            "pixygate_gate_logouts_total",
            "Logout tokens of the provider, by what was decided.",
        )?;
        let seconds = "pixygate_gate_seconds_total";
        writeln!(f, "# HELP {seconds} How long the gate took to decide.")?;
        writeln!(f, "# TYPE {seconds} counter")?;
        let nanoseconds = self.nanoseconds.load(Ordering::Relaxed);
        writeln!(f, "{seconds} {}", nanoseconds as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_place_and_its_name() {
        for (position, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position);
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
