use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Observe, Verdict};
use crate::{Reason, jwt::Rejection};

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
    verdicts: Counts,
    logouts: Counts,
    nanoseconds: AtomicU64,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    /// In the order of [`Reason::ALL`].
    refused: [AtomicU64; Reason::ALL.len()],
}

impl Counts {
    fn count(&self, rejection: Option<&Rejection>) {
        let count = match rejection {
            None => Some(&self.accepted),
            Some(rejection) => self.refused.get(rejection.reason() as usize),
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str, help: &str) -> fmt::Result {
        writeln!(f, "# HELP {name} {help}")?;
        writeln!(f, "# TYPE {name} counter")?;
        writeln!(f, "{name}{{reason=\"accepted\"}} {}", self.accepted())?;
        for reason in Reason::ALL {
            writeln!(f, "{name}{{reason=\"{}\"}} {}", reason.name(), self.refused(reason))?;
        }
        Ok(())
    }
}

impl Tally {
    /// How many calls the gate let through.
    pub fn accepted(&self) -> u64 {
        self.verdicts.accepted()
    }

    /// How many it refused for this reason.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.verdicts.refused(reason)
    }
}

impl Observe for Tally {
    fn judged(&self, verdict: &Verdict<'_>) {
        self.verdicts.count(verdict.rejection);
        let took = u64::try_from(verdict.took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
    }

    fn logout_judged(&self, rejection: Option<&Rejection>) {
        self.logouts.count(rejection);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdicts.write(
            f,
            "pixygate_gate_verdicts_total",
            "Calls to protected paths, by what the gate said.",
        )?;
        self.logouts.write(
            f,
            "pixygate_gate_logouts_total",
            "Logout tokens of the provider, by what became of them.",
        )?;
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
