//! Spans for an OpenTelemetry collector (OTLP/HTTP with protobuf), and the W3C trace context that joins them to those of others.
//!
//! 1. `begin` takes over the context of an incoming request, or begins a trace, and puts a `TraceContext` into its extensions.
//! 2. The upstream sends a context of its own to the target and records a client span.
//! 3. [`Traces`] observes the gate and records the server span with route, status and reason. A path or query is in no span.
//!
//! The messages are few and never read here, so they are encoded by hand: the exporter of the `opentelemetry` crates adds a dozen crates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use pixygate::gate::observe::{Attachment, Observer, Outcome};
use pixygate::jwt::Principal;
use tokio::sync::{mpsc, oneshot};

use crate::upstream::Target;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Spans that wait to be sent. Further ones are dropped and counted.
const QUEUE: usize = 4096;

/// Spans of one message.
const BATCH: usize = 512;

/// How long spans wait for others.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long a collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// `[telemetry]`, as far as it is about traces.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The address of the collector of spans.
    pub collector: Collector,
    /// How many of a hundred traces that begin here are recorded. A trace that began elsewhere says so itself.
    pub sample_percent: u64,
}

/// The base address of a collector. It may have a password in it, which is not shown.
#[derive(Clone)]
pub struct Collector(url::Url);

impl Collector {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// When it is no address of http or https. The message does not repeat it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text).map_err(|_| "not a URL".to_owned())?;
        let is_http = matches!(url.scheme(), "http" | "https");
        is_http
            .then_some(Self(url))
            .ok_or_else(|| "not an address of http or https".to_owned())
    }

    /// Returns where spans are posted to.
    fn traces(&self) -> url::Url {
        let mut address = self.0.clone();
        address.set_path(&format!("{}/v1/traces", address.path().trim_end_matches('/')));
        address
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// Records spans. Clones share the queue.
#[derive(Clone, Debug)]
pub struct Traces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sender: mpsc::Sender<Message>,
    sample_percent: u64,
    sent: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Span(Span),
    Flush(oneshot::Sender<()>),
}

/// The trace that a request belongs to, and the span of the request in it.
#[derive(Clone, Debug)]
pub(crate) struct TraceContext {
    traces: Traces,
    trace: [u8; 16],
    span: [u8; 8],
    parent: Option<[u8; 8]>,
    is_sampled: bool,
}

/// A piece of work with a beginning and an end.
#[derive(Debug)]
struct Span {
    trace: [u8; 16],
    span: [u8; 8],
    parent: Option<[u8; 8]>,
    name: String,
    kind: Kind,
    begin: Duration,
    end: Duration,
    attributes: Vec<(&'static str, Value)>,
    is_error: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Server = 2,
    Client = 3,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Number(u64),
}

/// The span of a call to an upstream.
pub(crate) struct ClientSpan {
    context: TraceContext,
    begin: Duration,
}

impl Traces {
    /// Starts to send spans.
    ///
    /// # Errors
    ///
    /// When the client cannot be set up.
    pub fn start(settings: &TraceSettings) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        let (sender, messages) = mpsc::channel(QUEUE);
        let traces = Self(Arc::new(Inner {
            sender,
            sample_percent: settings.sample_percent,
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }));
        // It ends with the last sender, so it must not hold one.
        tokio::spawn(send(
            Arc::downgrade(&traces.0),
            client,
            settings.collector.traces(),
            messages,
        ));
        Ok(traces)
    }

    /// Sends what waits. Call it when no more requests come.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.0.sender.send(Message::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }

    /// Returns the spans that a collector took.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Returns the spans that were lost: the queue was full, or the collector did not take them.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn record(&self, span: Span) {
        if self.0.sender.try_send(Message::Span(span)).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Continues the trace of a request, or begins one.
    fn context(&self, headers: &HeaderMap) -> TraceContext {
        let span = random();
        match parse(headers) {
            Some((trace, parent, is_sampled)) => TraceContext {
                traces: self.clone(),
                trace,
                span,
                parent: Some(parent),
                is_sampled,
            },
            None => TraceContext {
                traces: self.clone(),
                trace: random(),
                span,
                parent: None,
                is_sampled: u64::from(span[0]) * 100 < self.0.sample_percent * 256,
            },
        }
    }
}

/// Gives the request its place in a trace.
pub(crate) async fn begin(State(traces): State<Traces>, mut request: Request, next: Next) -> Response {
    let context = traces.context(request.headers());
    if context.parent.is_none() {
        // Without a valid `traceparent` it means nothing (W3C Trace Context, section 3.3.1).
        request.headers_mut().remove(TRACESTATE);
    }
    request.extensions_mut().insert(Attachment::new(context.clone()));
    request.extensions_mut().insert(context);
    next.run(request).await
}

impl TraceContext {
    /// Begins the span of a call to an upstream, and names it to the target.
    pub(crate) fn call(&self, headers: &mut HeaderMap) -> ClientSpan {
        let context = Self {
            span: random(),
            parent: Some(self.span),
            ..self.clone()
        };
        if let Ok(value) = HeaderValue::from_str(&context.to_header()) {
            headers.insert(TRACEPARENT, value);
        }
        ClientSpan { context, begin: now() }
    }

    fn to_header(&self) -> String {
        let flags = u8::from(self.is_sampled);
        format!("00-{}-{}-{flags:02x}", hex(&self.trace), hex(&self.span))
    }
}

impl ClientSpan {
    /// Records the span. `found` is the status of the target's answer, or why there was none.
    pub(crate) fn end(self, upstream: &str, method: &http::Method, found: Result<u16, &'static str>) {
        let TraceContext {
            traces,
            trace,
            span,
            parent,
            is_sampled,
        } = self.context;
        if !is_sampled {
            return;
        }
        let outcome = match found {
            Ok(status) => ("http.response.status_code", Value::Number(status.into())),
            Err(reason) => ("error.type", Value::Text(reason.to_owned())),
        };
        traces.record(Span {
            trace,
            span,
            parent,
            name: format!("{method} {upstream}"),
            kind: Kind::Client,
            begin: self.begin,
            end: now(),
            attributes: vec![
                ("http.request.method", Value::Text(method.to_string())),
                ("pixygate.upstream", Value::Text(upstream.to_owned())),
                outcome,
            ],
            is_error: found.map_or(true, |status| status >= 400),
        });
    }
}

impl Observer for Traces {
    fn finished(&self, outcome: &Outcome) {
        let context = outcome.attachment.as_ref();
        let context = context.and_then(|attachment| attachment.get::<TraceContext>());
        let Some(context) = context.filter(|context| context.is_sampled) else {
            return;
        };
        let end = now();
        let text = |text: &str| Value::Text(text.to_owned());
        let mut attributes = vec![
            ("http.request.method", text(outcome.method.as_str())),
            ("pixygate.request_id", text(outcome.request_id.as_str())),
            ("http.response.body.size", Value::Number(outcome.bytes)),
        ];
        let route = outcome.route.as_ref();
        attributes.extend(route.map(|route| ("http.route", Value::Text(route.pattern.to_string()))));
        let upstream = route.and_then(|route| route.target::<Target>());
        attributes.extend(upstream.map(|target| ("pixygate.upstream", text(&target.routed.upstream.settings().name))));
        let client = outcome.principal.as_ref().and_then(Principal::client_id);
        attributes.extend(client.map(|client| ("pixygate.client_id", text(client))));
        let status = outcome.status.map(|status| status.as_u16());
        attributes.extend(status.map(|status| ("http.response.status_code", Value::Number(status.into()))));
        let reason = outcome.rejection.as_ref().map(|rejection| rejection.reason().name());
        attributes.extend(reason.map(|reason| ("error.type", text(reason))));
        self.record(Span {
            trace: context.trace,
            span: context.span,
            parent: context.parent,
            name: match route {
                Some(route) => format!("{} {}", outcome.method, route.pattern),
                None => outcome.method.to_string(),
            },
            kind: Kind::Server,
            begin: end.saturating_sub(outcome.took),
            end,
            attributes,
            // The caller's mistakes are no errors of a server (OpenTelemetry's conventions for HTTP).
            is_error: status.is_none_or(|status| status >= 500),
        });
    }
}

async fn send(
    traces: std::sync::Weak<Inner>,
    client: reqwest::Client,
    address: url::Url,
    mut messages: mpsc::Receiver<Message>,
) {
    let mut spans = Vec::new();
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut flushed = None;
        let is_over = tokio::select! {
            message = messages.recv() => match message {
                Some(Message::Span(span)) => {
                    spans.push(span);
                    if spans.len() < BATCH {
                        continue;
                    }
                    false
                }
                Some(Message::Flush(done)) => {
                    flushed = Some(done);
                    false
                }
                None => true,
            },
            _ = tick.tick() => false,
        };
        if !spans.is_empty() {
            let count = spans.len() as u64;
            let result = post(&client, address.clone(), encode(&spans)).await;
            spans.clear();
            let traces = traces.upgrade();
            let counter = traces.as_ref().map(|traces| match result {
                Ok(()) => &traces.sent,
                Err(_) => &traces.dropped,
            });
            if let Some(counter) = counter {
                counter.fetch_add(count, Ordering::Relaxed);
            }
            if let Err(found) = result {
                tracing::warn!(
                    spans = count,
                    found,
                    hint = "correct telemetry.otlp_endpoint, or start the collector",
                    "spans could not be sent"
                );
            }
        }
        if let Some(flushed) = flushed {
            let _ = flushed.send(());
        }
        if is_over {
            return;
        }
    }
}

async fn post(client: &reqwest::Client, address: url::Url, body: Vec<u8>) -> Result<(), String> {
    let request = client
        .post(address)
        .header(http::header::CONTENT_TYPE, "application/x-protobuf");
    // The address may have a password in it.
    let response = request
        .body(body)
        .send()
        .await
        .map_err(|error| error.without_url().to_string())?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("status {status}")),
    }
}

/// Reads `traceparent` (W3C Trace Context, section 3.2): trace, parent, and whether the trace is recorded.
fn parse(headers: &HeaderMap) -> Option<([u8; 16], [u8; 8], bool)> {
    let mut lines = headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let text = value.to_str().ok()?.trim();
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let [version] = unhex(version)?;
    // A later version may add parts.
    if version == 0xff || (version == 0 && parts.next().is_some()) {
        return None;
    }
    let (trace, parent): ([u8; 16], [u8; 8]) = (unhex(trace)?, unhex(parent)?);
    let [flags] = unhex(flags)?;
    (trace != [0; 16] && parent != [0; 8]).then_some((trace, parent, flags & 1 == 1))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Reads lower-case digits, as the standard demands.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        // An identifier of zeros is not valid, and this one needs no secrecy.
        bytes.fill(1);
    }
    bytes
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes an `ExportTraceServiceRequest` (opentelemetry-proto 1.x, `trace/v1/trace.proto`).
fn encode(spans: &[Span]) -> Vec<u8> {
    let mut scope_spans = Writer::default();
    scope_spans.message(1, |scope| {
        scope.bytes(1, b"pixygate");
        scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    });
    for span in spans {
        scope_spans.message(2, |writer| span.write(writer));
    }
    let mut request = Writer::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |resource| {
            resource.message(1, |attribute| {
                attribute.attribute("service.name", &Value::Text("pixygate".to_owned()));
            });
        });
        resource_spans.bytes(2, &scope_spans.0);
    });
    request.0
}

impl Span {
    fn write(&self, writer: &mut Writer) {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        writer.bytes(1, &self.trace);
        writer.bytes(2, &self.span);
        if let Some(parent) = &self.parent {
            writer.bytes(4, parent);
        }
        writer.bytes(5, self.name.as_bytes());
        writer.number(6, self.kind as u64);
        writer.fixed64(7, nanoseconds(self.begin));
        writer.fixed64(8, nanoseconds(self.end));
        for (name, value) in &self.attributes {
            writer.message(9, |attribute| attribute.attribute(name, value));
        }
        if self.is_error {
            writer.message(15, |status| status.number(3, 2));
        }
    }
}

/// Writes the wire format of protocol buffers.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u64, value: u64) {
        self.varint((field << 3) | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint((field << 3) | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn attribute(&mut self, name: &str, value: &Value) {
        self.bytes(1, name.as_bytes());
        self.message(2, |any| match value {
            Value::Text(text) => any.bytes(1, text.as_bytes()),
            Value::Number(number) => any.number(3, *number),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parsed(lines: &[&str]) -> Option<(String, String, bool)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACEPARENT, line.parse().unwrap());
        }
        parse(&headers).map(|(trace, parent, sampled)| (hex(&trace), hex(&parent), sampled))
    }

    #[test]
    fn a_trace_parent_is_read_as_the_standard_says() {
        let expected = |sampled| {
            let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
            Some((trace.to_owned(), parent.to_owned(), sampled))
        };
        assert_eq!(parsed(&[VALID]), expected(true));
        assert_eq!(parsed(&[&VALID.replace("-01", "-00")]), expected(false));
        assert_eq!(parsed(&[&VALID.replace("-01", "-03")]), expected(true));
        assert_eq!(parsed(&[&format!("cc{}-what-the-future", &VALID[2..])]), expected(true));
        for wrong in [
            &VALID.to_uppercase(),
            &VALID.replace("00-0", "ff-0"),
            &format!("{VALID}-more"),
            &VALID.replace("b7ad6b7169203331", "0000000000000000"),
            &VALID.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &VALID[..54].to_owned(),
            &"".to_owned(),
        ] {
            assert_eq!(parsed(&[wrong]), None, "{wrong}");
        }
        assert_eq!(parsed(&[VALID, VALID]), None, "two are none");
    }

    #[test]
    fn numbers_and_lengths_are_written_in_groups_of_seven_bits() {
        let mut writer = Writer::default();
        writer.number(1, 300);
        writer.bytes(16, b"ab");
        writer.fixed64(2, 1);
        let expected = [
            0x08, 0xac, 0x02, 0x82, 0x01, 0x02, b'a', b'b', 0x11, 1, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(writer.0, expected);
    }
}
