//! What became of the calls to one upstream, for the metrics.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use pixygate::Reason;

/// Upper bounds of the histogram, in milliseconds.
const BOUNDS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

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
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// By the first digit of the status.
    answered: [AtomicU64; 5],
    /// In the order of [`REASONS`].
    failed: [AtomicU64; REASONS.len()],
    retried: AtomicU64,
    /// The last is for what took longer than every bound.
    took: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
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
        let milliseconds = took.as_millis();
        let bucket = BOUNDS.iter().position(|bound| milliseconds <= u128::from(*bound));
        raise(self.took.get(bucket.unwrap_or(BOUNDS.len())));
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
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
        let mut sum = 0;
        let bounds = BOUNDS.iter().map(|bound| (*bound as f64 / 1000.0).to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&self.took) {
            sum += read(count);
            add(
                &mut lines.took,
                format_args!("seconds_bucket{{{name},le=\"{bound}\"}} {sum}"),
            );
        }
        let seconds = read(&self.microseconds) as f64 / 1e6;
        add(&mut lines.took, format_args!("seconds_sum{{{name}}} {seconds}"));
        add(&mut lines.took, format_args!("seconds_count{{{name}}} {sum}"));
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
