//! What became of the calls to one upstream, for the metrics.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use pixygate::Reason;

use crate::histogram::Histogram;

/// Upper bounds of the histogram, in microseconds.
const BOUNDS: [u64; 12] = [
    1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// The reasons for which the gateway answers in place of a target.
const REASONS: [Reason; 6] = [
    Reason::UpstreamUnavailable,
    Reason::UpstreamTimeout,
    Reason::BodyTooLarge,
    Reason::RequestTimeout,
    Reason::InvalidRequest,
    Reason::MethodNotAllowed,
];

/// Counts calls by their outcome, and how long targets took until the head of their answer.
#[derive(Debug)]
pub(crate) struct Counts {
    /// By the first digit of the status.
    answered: [AtomicU64; 5],
    /// In the order of [`REASONS`].
    failed: [AtomicU64; REASONS.len()],
    retried: AtomicU64,
    took: Histogram<{ BOUNDS.len() + 1 }>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            answered: Default::default(),
            failed: Default::default(),
            retried: AtomicU64::new(0),
            took: Histogram::new(&BOUNDS),
        }
    }
}

/// The lines of each metric, for all upstreams.
#[derive(Default)]
pub(crate) struct Lines {
    answered: String,
    failed: String,
    retried: String,
    took: String,
}

fn raise(count: Option<&AtomicU64>) {
    if let Some(count) = count {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counts {
    pub(super) fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100);
        raise(class.checked_sub(1).and_then(|class| self.answered.get(class)));
        self.took.record(took);
    }

    pub(super) fn failed(&self, reason: Reason) {
        let position = REASONS.iter().position(|known| *known == reason);
        raise(position.and_then(|position| self.failed.get(position)));
    }

    pub(super) fn retried(&self) {
        raise(Some(&self.retried));
    }

    /// Adds the lines of an upstream.
    pub(crate) fn write(&self, upstream: &str, lines: &mut Lines) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let add = |text: &mut String, line: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            writeln!(text, "pixygate_upstream_{line}").unwrap_or_default();
        };
        let name = format!("upstream=\"{upstream}\"");
        for (class, count) in (1..).zip(&self.answered) {
            let count = read(count);
            add(
                &mut lines.answered,
                format_args!("responses_total{{{name},status=\"{class}xx\"}} {count}"),
            );
        }
        for (reason, count) in REASONS.iter().zip(&self.failed) {
            let (reason, count) = (reason.name(), read(count));
            add(
                &mut lines.failed,
                format_args!("failures_total{{{name},reason=\"{reason}\"}} {count}"),
            );
        }
        let retried = read(&self.retried);
        add(&mut lines.retried, format_args!("retries_total{{{name}}} {retried}"));
        self.took.write("pixygate_upstream_seconds", &name, &mut lines.took);
    }
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, kind, help, lines) in [
            (
                "responses_total",
                "counter",
                "Answers of an upstream's targets.",
                &self.answered,
            ),
            (
                "failures_total",
                "counter",
                "Calls that the gateway answered in place of a target.",
                &self.failed,
            ),
            (
                "retries_total",
                "counter",
                "Further attempts after one that failed.",
                &self.retried,
            ),
            (
                "seconds",
                "histogram",
                "How long an upstream took until the head of its answer.",
                &self.took,
            ),
        ] {
            write!(
                f,
                "# HELP pixygate_upstream_{name} {help}\n# TYPE pixygate_upstream_{name} {kind}\n{lines}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_in_every_bucket_that_it_was_quick_enough_for() {
        let counts = Counts::default();
        counts.answered(StatusCode::OK, Duration::from_millis(7));
        counts.answered(StatusCode::NOT_FOUND, Duration::from_secs(60));
        counts.failed(Reason::UpstreamTimeout);
        counts.failed(Reason::Expired);
        counts.retried();
        let mut lines = Lines::default();
        counts.write("orders", &mut lines);
        let text = lines.to_string();
        for line in [
            "responses_total{upstream=\"orders\",status=\"2xx\"} 1",
            "responses_total{upstream=\"orders\",status=\"4xx\"} 1",
            "failures_total{upstream=\"orders\",reason=\"upstream_timeout\"} 1",
            "failures_total{upstream=\"orders\",reason=\"upstream_unavailable\"} 0",
            "retries_total{upstream=\"orders\"} 1",
            "seconds_bucket{upstream=\"orders\",le=\"0.005\"} 0",
            "seconds_bucket{upstream=\"orders\",le=\"0.01\"} 1",
            "seconds_bucket{upstream=\"orders\",le=\"0.001\"} 0",
            "seconds_bucket{upstream=\"orders\",le=\"10\"} 1",
            "seconds_bucket{upstream=\"orders\",le=\"+Inf\"} 2",
            "seconds_sum{upstream=\"orders\"} 60.007",
            "seconds_count{upstream=\"orders\"} 2",
        ] {
            assert!(
                text.contains(&format!("pixygate_upstream_{line}\n")),
                "{line} in {text}"
            );
        }
    }
}
