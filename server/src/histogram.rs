//! A histogram of durations in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations by the smallest bound that they are within. `N` is one more than there are bounds.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    /// Upper bounds, in microseconds.
    bounds: &'static [u64],
    /// The last is for what took longer than every bound.
    counts: [AtomicU64; N],
    nanoseconds: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    pub(crate) fn new(bounds: &'static [u64]) -> Self {
        debug_assert_eq!(bounds.len() + 1, N);
        Self {
            bounds,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            nanoseconds: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, took: Duration) {
        let bucket = self
            .bounds
            .iter()
            .position(|bound| took <= Duration::from_micros(*bound));
        if let Some(count) = self.counts.get(bucket.unwrap_or(N - 1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Adds the lines of the metric `name` with these labels (`a="b"`, or nothing).
    pub(crate) fn write(&self, name: &str, labels: &str, text: &mut String) {
        let separator = if labels.is_empty() { "" } else { "," };
        let braced = match labels {
            "" => String::new(),
            some => format!("{{{some}}}"),
        };
        let mut sum = 0;
        let bounds = self.bounds.iter().map(|bound| (*bound as f64 / 1e6).to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&self.counts) {
            sum += count.load(Ordering::Relaxed);
            // Writing to a string does not fail.
            writeln!(text, "{name}_bucket{{{labels}{separator}le=\"{bound}\"}} {sum}").unwrap_or_default();
        }
        let seconds = self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
        writeln!(text, "{name}_sum{braced} {seconds}\n{name}_count{braced} {sum}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_every_bucket_that_it_is_within() {
        let histogram = Histogram::<3>::new(&[100, 2_000_000]);
        for took in [
            Duration::from_micros(100),
            Duration::from_millis(5),
            Duration::from_secs(3),
        ] {
            histogram.record(took);
        }
        let (mut plain, mut labelled) = (String::new(), String::new());
        histogram.write("x", "", &mut plain);
        histogram.write("x", "a=\"b\"", &mut labelled);
        let expected =
            "x_bucket{le=\"0.0001\"} 1\nx_bucket{le=\"2\"} 2\nx_bucket{le=\"+Inf\"} 3\nx_sum 3.0051\nx_count 3\n";
        assert_eq!(plain, expected);
        assert!(labelled.contains("x_bucket{a=\"b\",le=\"2\"} 2\n") && labelled.ends_with("x_count{a=\"b\"} 3\n"));
    }
}
