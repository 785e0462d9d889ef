use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Observe, Verdict};
use crate::Reason;

/// Counts verdicts by their reason, for a metric. It prints itself in Prometheus' text format.
///
/// ```
/// use std::sync::Arc;
/// use pixygate::{Reason, gate::Tally};
///
/// let tally = Arc::new(Tally::default());
/// // Gate::builder(validator, policies).observer(tally.clone())
/// assert_eq!((tally.accepted(), tally.refused(Reason::Expired)), (0, 0));
/// assert!(tally.to_string().contains("pixygate_gate_verdicts_total{reason=\"expired\"} 0"));
/// ```
#[derive(Debug, Default)]
pub struct Tally {
    accepted: AtomicU64,
    /// In the order of [`Reason::ALL`].
    refused: [AtomicU64; Reason::ALL.len()],
    nanoseconds: AtomicU64,
}

impl Tally {
    /// How many calls the gate let through.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many it refused for this reason.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }
}

impl Observe for Tally {
    fn judged(&self, verdict: &Verdict<'_>) {
        let count = match verdict.rejection {
            None => Some(&self.accepted),
            Some(rejection) => self.refused.get(rejection.reason() as usize),
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let took = u64::try_from(verdict.took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdicts = "pixygate_gate_verdicts_total";
        writeln!(f, "# HELP {verdicts} Calls to protected paths, by what the gate said.")?;
        writeln!(f, "# TYPE {verdicts} counter")?;
        writeln!(f, "{verdicts}{{reason=\"accepted\"}} {}", self.accepted())?;
        for reason in Reason::ALL {
            writeln!(f, "{verdicts}{{reason=\"{}\"}} {}", reason.name(), self.refused(reason))?;
        }
        let seconds = "pixygate_gate_seconds_total";
        writeln!(f, "# HELP {seconds} The time that those verdicts took.")?;
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
