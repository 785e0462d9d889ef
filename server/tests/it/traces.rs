//! Spans, as a collector receives them. The messages are decoded by the field numbers of opentelemetry-proto, without the server's code.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use crate::house::House;
use crate::upstream::{echo, received, serve, upstream};

/// One field of a message of protocol buffers.
#[derive(Clone, Debug)]
struct Field<'a> {
    number: u64,
    value: u64,
    bytes: &'a [u8],
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// Splits a message into its fields.
fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (mut value, mut content) = (0, &bytes[..0]);
        match key & 7 {
            0 => value = varint(&mut bytes),
            1 => {
                value = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                bytes = &bytes[8..];
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                (content, bytes) = bytes.split_at(length);
            }
            other => panic!("wire type {other}"),
        }
        all.push(Field {
            number: key >> 3,
            value,
            bytes: content,
        });
    }
    all
}

fn each<'a>(bytes: &'a [u8], number: u64) -> impl Iterator<Item = Field<'a>> {
    fields(bytes).into_iter().filter(move |field| field.number == number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    nanoseconds: u64,
    attributes: Vec<(String, String)>,
    is_error: bool,
}

impl Span {
    fn read(bytes: &[u8]) -> Self {
        let content = |number| each(bytes, number).next().map_or(&[][..], |field| field.bytes);
        let value = |number| each(bytes, number).next().map_or(0, |field| field.value);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let attribute = |attribute: Field<'_>| {
            let name = text(each(attribute.bytes, 1).next().unwrap().bytes);
            let any = each(attribute.bytes, 2).next().unwrap();
            let any = fields(any.bytes)[0].clone();
            let value = if any.number == 1 {
                text(any.bytes)
            } else {
                any.value.to_string()
            };
            (name, value)
        };
        Self {
            trace: hex(content(1)),
            id: hex(content(2)),
            parent: hex(content(4)),
            name: text(content(5)),
            kind: value(6),
            nanoseconds: value(8) - value(7),
            attributes: each(bytes, 9).map(attribute).collect(),
            is_error: each(content(15), 3).any(|code| code.value == 2),
        }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What a collector has received.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Bytes>>>);

impl Collector {
    async fn serve(&self) -> std::net::SocketAddr {
        let received = self.0.clone();
        let take = move |headers: HeaderMap, body: Bytes| async move {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            received.lock().unwrap().push(body);
            StatusCode::OK
        };
        serve(Router::new().route("/base/v1/traces", post(take))).await
    }

    fn spans(&self) -> Vec<Span> {
        let messages = std::mem::take(&mut *self.0.lock().unwrap());
        let mut spans = Vec::new();
        for message in &messages {
            for resource_spans in each(message, 1) {
                let resource = each(resource_spans.bytes, 1).next().unwrap();
                assert!(String::from_utf8_lossy(resource.bytes).contains("service.name"));
                for scope_spans in each(resource_spans.bytes, 2) {
                    spans.extend(each(scope_spans.bytes, 2).map(|span| Span::read(span.bytes)));
                }
            }
        }
        spans
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

async fn traced(more: &str) -> (House, Collector, std::net::SocketAddr) {
    let collector = Collector::default();
    let address = collector.serve().await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let text = format!(
        "[telemetry]\notlp_endpoint = \"http://{address}/base\"\n{more}{}{}",
        upstream("echo", echo().await, ""),
        upstream("gone", gone, "")
    );
    let house = House::with(&text).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = listener.local_addr().unwrap();
    let router = house.started.router.clone();
    tokio::spawn(server::serve(
        listener,
        router,
        crate::house::limits(),
        std::future::pending(),
    ));
    (house, collector, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_continues_the_trace_of_its_caller_to_the_service_and_both_spans_reach_the_collector() {
    let (house, collector, served) = traced("").await;
    let token = house.access_token().await;
    let call = |path: &str, flags: &str| {
        let call = reqwest::Client::new()
            .get(format!("http://{served}{path}"))
            .bearer_auth(&token);
        call.header("traceparent", format!("00-{TRACE}-{PARENT}-{flags}"))
            .header("tracestate", "vendor=1")
    };
    let traces = house.started.state.traces.clone().unwrap();
    let description: serde_json::Value = call("/gw/echo/orders/secret-7?code=secret", "01")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(received(&description, "tracestate"), ["vendor=1"]);
    let sent = received(&description, "traceparent")[0].to_owned();
    traces.flush().await;
    let spans = collector.spans();
    let [client, server] = &spans[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(
        (server.trace.as_str(), server.parent.as_str(), server.kind),
        (TRACE, PARENT, 2)
    );
    assert_eq!(
        (client.trace.as_str(), &client.parent, client.kind),
        (TRACE, &server.id, 3)
    );
    assert_eq!(sent, format!("00-{TRACE}-{}-01", client.id));
    assert_eq!(server.name, "GET /gw/echo/**");
    assert_eq!(server.attribute("http.route"), Some("/gw/echo/**"));
    assert_eq!(server.attribute("pixygate.upstream"), Some("echo"));
    assert_eq!(client.attribute("http.response.status_code"), Some("200"));
    assert!(
        server.nanoseconds > client.nanoseconds && client.nanoseconds > 0,
        "{spans:#?}"
    );
    assert!(!server.is_error && !client.is_error);
    assert!(!format!("{spans:?}").contains("secret"), "no path and no query");

    // A service that is down is an error of both, and a call that the gate denies has its reason.
    assert_eq!(call("/gw/gone/a", "01").send().await.unwrap().status(), 502);
    let denied = reqwest::get(format!("http://{served}/gw/echo/a")).await.unwrap();
    assert_eq!(denied.status(), 401);
    traces.flush().await;
    let spans = collector.spans();
    let reasons: Vec<_> = spans
        .iter()
        .map(|span| (span.kind, span.attribute("error.type"), span.is_error))
        .collect();
    assert_eq!(
        reasons,
        [
            (3, Some("upstream_unavailable"), true),
            (2, Some("upstream_unavailable"), true),
            (2, Some("missing_token"), false)
        ]
    );
    assert!(
        spans[2].trace != TRACE && spans[2].parent.is_empty(),
        "a trace of its own: {spans:#?}"
    );

    // A caller that does not record its trace decides for the gateway as well.
    let description: serde_json::Value = call("/gw/echo/a", "00").send().await.unwrap().json().await.unwrap();
    let sent = received(&description, "traceparent")[0].to_owned();
    assert!(
        sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00"),
        "{sent}"
    );
    traces.flush().await;
    assert_eq!((collector.spans().len(), traces.sent(), traces.dropped()), (0, 5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_parent_that_is_not_valid_begins_a_trace_and_one_that_is_not_sampled_is_not_sent() {
    let (house, collector, served) = traced("otlp_sample_percent = 0\n").await;
    let token = house.access_token().await;
    let traces = house.started.state.traces.clone().unwrap();
    for (given, is_continued, spans) in [
        (format!("00-{TRACE}-{PARENT}-01"), true, 2),
        (format!("00-{TRACE}-{PARENT}"), false, 0),
        (format!("00-{}-{PARENT}-01", "0".repeat(32)), false, 0),
    ] {
        let call = reqwest::Client::new()
            .get(format!("http://{served}/gw/echo/a"))
            .bearer_auth(&token);
        let call = call.header("traceparent", &given).header("tracestate", "vendor=1");
        let description: serde_json::Value = call.send().await.unwrap().json().await.unwrap();
        let sent = received(&description, "traceparent")[0].to_owned();
        assert_eq!(sent.contains(TRACE), is_continued, "{given} {sent}");
        assert_eq!(
            received(&description, "tracestate").len(),
            usize::from(is_continued),
            "{given}"
        );
        traces.flush().await;
        assert_eq!(collector.spans().len(), spans, "{given}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_costs_spans_and_no_call() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let house = House::with(&format!("[telemetry]\notlp_endpoint = \"http://{gone}\"\n")).await;
    let bearer = format!("Bearer {}", house.access_token().await);
    assert_eq!(house.call("/api/whoami", &bearer).await.status(), StatusCode::OK);
    let traces = house.started.state.traces.clone().unwrap();
    traces.flush().await;
    assert_eq!((traces.sent(), traces.dropped()), (0, 1));
}
