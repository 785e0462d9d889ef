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
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The embedded provider logs every request at `info`, which is more than an operator wants to read.
const DEFAULT: &str = "info,dev_idp=warn";

/// The lines that one place may write at once …
const BURST: f64 = 100.0;

/// … and for each second that passes.
const PER_SECOND: f64 = 1.0;

/// How often the lines that were left out are counted in the log.
const REPORT: Duration = Duration::from_secs(10);

/// `telemetry.log_format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Begins to log to standard error, as `RUST_LOG` says. Needs a tokio runtime.
pub fn init(format: LogFormat) {
    let limit = LogLimit::default();
    let levels = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = lines(format, std::io::stderr().is_terminal(), std::io::stderr);
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

/// The layer that writes lines. In JSON the fields of an event stand beside its `level` and `timestamp`, those of the request under `span`.
fn lines<S, W>(format: LogFormat, is_terminal: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let is_text = format == LogFormat::Text || (format == LogFormat::Auto && is_terminal);
    match is_text {
        true => lines.with_ansi(is_terminal).boxed(),
        false => lines.json().flatten_event(true).with_span_list(false).boxed(),
    }
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

    #[test]
    fn lines_are_json_where_no_terminal_reads_them_unless_text_is_asked_for() {
        for (format, is_terminal, is_json) in [
            (LogFormat::Auto, true, false),
            (LogFormat::Auto, false, true),
            (LogFormat::Text, false, false),
            (LogFormat::Json, true, true),
        ] {
            let written = Arc::new(Mutex::new(Vec::new()));
            let writer = {
                let written = written.clone();
                move || Lines(written.clone())
            };
            let layer = lines(format, is_terminal, writer);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                let span = tracing::info_span!("request", id = "42");
                span.in_scope(|| tracing::warn!(status = 502, found = "a \"quote\"", "refused"));
            });
            let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
            let line: Result<serde_json::Value, _> = serde_json::from_str(&text);
            assert_eq!(line.is_ok(), is_json, "{format:?} {text}");
            if let Ok(line) = line {
                assert_eq!(
                    (&line["level"], &line["message"]),
                    (&"WARN".into(), &"refused".into()),
                    "{text}"
                );
                assert_eq!(
                    (&line["status"], &line["found"]),
                    (&502.into(), &"a \"quote\"".into()),
                    "{text}"
                );
                assert_eq!(line["span"]["id"], "42", "{text}");
                assert!(line["timestamp"].is_string(), "{text}");
            } else {
                // On a terminal there are colours between a name and its value.
                assert!(text.contains("refused") && text.contains("502"), "{text}");
            }
        }
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
