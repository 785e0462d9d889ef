//! The log: its format, and how many lines one place in the code may write. A caller who needs no token must not be able
//! to fill a disk.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::FilterExt as _;
use tracing_subscriber::layer::{Context, Filter, Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The embedded provider logs every request at `info`, which is more than an operator wants to read.
const DEFAULT: &str = "info,dev_idp=warn";

/// The lines that one place may write at once …
const BURST: f64 = 100.0;

/// … and for each second that passes.
const PER_SECOND: f64 = 1.0;

/// How often the lines that were left out are counted in the log.
const REPORT: Duration = Duration::from_secs(10);

/// Begins to log to standard error, as `RUST_LOG` says. Needs a tokio runtime.
pub fn init() {
    let limit = LogLimit::default();
    let levels = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines.with_filter(levels.and(limit.clone())))
        .init();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(REPORT).await;
            limit.report();
        }
    });
}

/// Lets each place in the code write [`BURST`] lines at once and [`PER_SECOND`] more each second. What is more detailed
/// than `info` is not limited: it was asked for.
#[derive(Clone, Debug, Default)]
pub struct LogLimit(Arc<Mutex<HashMap<Identifier, Place>>>);

#[derive(Debug)]
struct Place {
    name: &'static str,
    lines: f64,
    at: Instant,
    left_out: u64,
}

impl Place {
    fn new(name: &'static str, at: Instant) -> Self {
        Self {
            name,
            lines: BURST,
            at,
            left_out: 0,
        }
    }

    /// Whether it may write a line now.
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.lines = (self.lines + passed * PER_SECOND).min(BURST);
        self.at = now;
        let allowed = self.lines >= 1.0;
        match allowed {
            true => self.lines -= 1.0,
            false => self.left_out += 1,
        }
        allowed
    }
}

impl LogLimit {
    /// Writes how many lines were left out since the last time.
    pub fn report(&self) {
        let mut left_out = Vec::new();
        for place in self.0.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            if place.left_out > 0 {
                left_out.push((place.name, std::mem::take(&mut place.left_out)));
            }
        }
        for (place, count) in left_out {
            tracing::warn!(place, count, "lines were left out of the log");
        }
    }
}

impl<S: Subscriber> Filter<S> for LogLimit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let now = Instant::now();
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(metadata.callsite());
        place.or_insert_with(|| Place::new(metadata.name(), now)).take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_writes_so_many_lines_and_no_more_until_time_passes() {
        let now = Instant::now();
        let mut place = Place::new("here", now);
        let mut taken = |at| (0..1000).filter(|_| place.take(at)).count();
        assert_eq!(taken(now), 100);
        assert_eq!(taken(now + Duration::from_secs(10)), 10);
        assert_eq!(taken(now + Duration::from_secs(1000)), 100);
        assert_eq!(place.left_out, 2790);
    }

    #[test]
    fn a_flood_at_one_place_costs_no_other_place_its_lines() {
        let (limit, written) = (LogLimit::default(), Arc::new(Mutex::new(Vec::new())));
        let writer = {
            let written = written.clone();
            move || Lines(written.clone())
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(writer)
            .with_filter(limit.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            for _ in 0..500 {
                tracing::warn!("flood");
                tracing::debug!("asked for");
            }
            tracing::warn!("another place");
            limit.report();
        });
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let count = |what: &str| text.matches(what).count();
        assert!((100..110).contains(&count("flood")), "{}", count("flood"));
        assert_eq!(
            (count("asked for"), count("another place"), count("were left out")),
            (500, 1, 1)
        );
    }

    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
