//! Bodies and tunnels are carried as they come, and end with the right to them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::service::{Direct, serve};

/// A service that sends each chunk back when it arrives, and the trailers at the end.
async fn mirror() -> SocketAddr {
    let handler = |request: Request| async {
        let trailer = request.headers().get("trailer").cloned();
        let mut response = Response::new(request.into_body());
        if let Some(trailer) = trailer {
            response.headers_mut().insert("trailer", trailer);
        }
        response
    };
    serve(Router::new().fallback(any(handler))).await
}

/// A service whose answers the test writes.
async fn dictated(media_type: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<Sender<Bytes>>) {
    let (bodies, received) = mpsc::unbounded_channel();
    let handler = move || {
        let (sender, body) = Channel::<Bytes, Infallible>::new(8);
        bodies.send(sender).unwrap();
        async move {
            Response::builder()
                .header("content-type", media_type)
                .body(Body::new(body))
                .unwrap()
        }
    };
    (serve(Router::new().fallback(any(handler))).await, received)
}

/// The next chunk as text; `None` at the end.
async fn next(body: &mut (impl hyper::body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin)) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_go_both_ways_without_waiting_for_each_other_and_trailers_follow() {
    let direct = Direct::with(mirror().await, 300, |_| {}).await;
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    let request = http::Request::post(direct.url("/"))
        .header("trailer", "x-sum, x-jwt-assertion")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    sender.send_data("one".into()).await.unwrap();
    let mut response = client.request(request).await.unwrap().into_body();
    assert_eq!(
        next(&mut response).await.as_deref(),
        Some("one"),
        "before the request has ended"
    );
    sender.send_data("two".into()).await.unwrap();
    assert_eq!(next(&mut response).await.as_deref(), Some("two"));
    let mut trailers = HeaderMap::new();
    for name in ["x-sum", "x-jwt-assertion"] {
        trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("6"));
    }
    sender.send_trailers(trailers).await.unwrap();
    drop(sender);
    let trailers = response.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers.get("x-sum").unwrap(), "6");
    assert!(!trailers.contains_key("x-jwt-assertion"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_go_both_ways() {
    let direct = Direct::with(mirror().await, 300, |settings| settings.max_body_bytes = None).await;
    let content: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|number| (number % 251) as u8).collect();
    let response = reqwest::Client::new()
        .post(direct.url("/"))
        .body(content.clone())
        .send()
        .await;
    assert!(response.unwrap().bytes().await.unwrap() == content);
    assert_eq!(direct.upstream.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_says_that_the_token_has_expired_and_ends() {
    let (target, mut bodies) = dictated("text/event-stream").await;
    let direct = Direct::with(target, 1, |_| {}).await;
    let mut response = reqwest::get(direct.url("/")).await.unwrap();
    let mut service = bodies.recv().await.unwrap();
    service.send_data("data: 1\n\n".into()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 1\n\n", "as it comes");
    let last = response.chunk().await.unwrap().unwrap();
    let last = String::from_utf8(last.to_vec()).unwrap();
    assert!(last.starts_with("event: end\ndata: {\"status\":401,"), "{last}");
    assert!(
        last.contains("\"reason\":\"expired\"") && last.ends_with("\n\n"),
        "{last}"
    );
    assert_eq!(response.chunk().await.unwrap(), None, "the end, not a break");
    assert!(direct.streams.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_event_never_lands_in_one_that_has_begun() {
    let (target, mut bodies) = dictated("text/event-stream").await;
    let direct = Direct::with(target, 1, |_| {}).await;
    let mut response = reqwest::get(direct.url("/")).await.unwrap();
    let mut service = bodies.recv().await.unwrap();
    service.send_data("data: half".into()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: half");
    assert!(response.chunk().await.is_err(), "it breaks off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_breaks_off_when_its_token_is_revoked_and_not_before() {
    let (target, mut bodies) = dictated("application/octet-stream").await;
    let direct = Direct::with(target, 300, |_| {}).await;
    let mut response = reqwest::get(direct.url("/")).await.unwrap();
    let mut service = bodies.recv().await.unwrap();
    service.send_data("one".into()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "one");
    direct.revocations.revoke("bob");
    service.send_data("two".into()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "two");
    let revoked = Instant::now();
    direct.revocations.revoke(direct.principal.subject());
    assert!(response.chunk().await.is_err(), "a part must not look like the whole");
    assert!(revoked.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_falls_silent_in_its_answer_is_cut_after_the_idle_time() {
    let (target, mut bodies) = dictated("text/plain").await;
    let direct = Direct::with(target, 300, |settings| {
        settings.idle_timeout = Some(Duration::from_millis(100))
    })
    .await;
    let mut response = reqwest::get(direct.url("/")).await.unwrap();
    let mut service = bodies.recv().await.unwrap();
    service.send_data("one".into()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "one");
    assert!(response.chunk().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_in_its_body_is_408_and_one_that_goes_on_slowly_is_not() {
    let direct = Direct::with(mirror().await, 300, |settings| {
        settings.idle_timeout = Some(Duration::from_millis(300));
        settings.response_timeout = Duration::from_secs(20);
    })
    .await;
    let service = super::service::echo().await;
    let waiting = Direct::with(service, 300, |settings| {
        settings.idle_timeout = Some(Duration::from_millis(300))
    })
    .await;
    let mut stream = TcpStream::connect(waiting.address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345")
        .await
        .unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");

    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    let request = http::Request::post(direct.url("/")).body(body).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    sender.send_data("1".into()).await.unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

/// An independent WebSocket service that sends everything back.
async fn websocket_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() || message.is_binary() {
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_carries_messages_and_closes_with_4401_when_the_token_expires() {
    let direct = Direct::with(websocket_echo().await, 2, |_| {}).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/live", direct.address))
        .await
        .unwrap();
    for message in [Message::text("hello"), Message::binary(vec![7; 100_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    assert_eq!(direct.upstream.in_flight(), 1);
    let close = socket.next().await.unwrap().unwrap();
    let expected = CloseFrame {
        code: 4401.into(),
        reason: "expired".into(),
    };
    assert_eq!(close, Message::Close(Some(expected)));
    assert!(socket.next().await.is_none_or(|message| message.is_err()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_closes_with_4401_when_the_token_is_revoked_and_with_1001_when_the_server_stops() {
    let direct = Direct::with(websocket_echo().await, 300, |_| {}).await;
    let connect = async || {
        let url = format!("ws://{}/live", direct.address);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket
    };
    let mut socket = connect().await;
    direct.revocations.revoke(direct.principal.subject());
    let close = socket.next().await.unwrap().unwrap();
    assert!(
        matches!(&close, Message::Close(Some(frame)) if u16::from(frame.code) == 4401 && frame.reason == "revoked"),
        "{close}"
    );

    let direct = Direct::with(websocket_echo().await, 300, |_| {}).await;
    let url = format!("ws://{}/live", direct.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    socket.next().await.unwrap().unwrap();
    direct.streams.stop();
    let close = socket.next().await.unwrap().unwrap();
    assert!(
        matches!(&close, Message::Close(Some(frame)) if u16::from(frame.code) == 1001),
        "{close}"
    );
}

/// A service that answers every connection with these bytes, and tells what it received after the head.
async fn scripted(answer: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (received, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let received = received.clone();
            tokio::spawn(async move {
                let mut all = Vec::new();
                let mut byte = [0];
                while !all.ends_with(b"\r\n\r\n") {
                    if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                        return;
                    }
                    all.push(byte[0]);
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                received.send(String::from_utf8_lossy(&rest).into_owned()).unwrap();
            });
        }
    });
    (address, heard)
}

const HANDSHAKE: &str = "GET /live HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn status(address: SocketAddr, bytes: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer[9..].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_passes_before_a_checked_101() {
    for answer in [
        "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: d3Jvbmc=\r\n\r\n",
        "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: other\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: not-offered\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ] {
        let (target, mut heard) = scripted(answer).await;
        let direct = Direct::with(target, 300, |_| {}).await;
        assert_eq!(
            status(direct.address, &format!("{HANDSHAKE}\r\nGET /admin HTTP/1.1\r\n\r\n")).await,
            502,
            "{answer}"
        );
        assert_eq!(heard.recv().await.unwrap(), "", "{answer}");
    }
    let good = "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let (target, _) = scripted(good).await;
    let direct = Direct::with(target, 300, |_| {}).await;
    assert_eq!(status(direct.address, &format!("{HANDSHAKE}\r\n")).await, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_with_a_body_or_a_wrong_handshake_is_400_and_another_protocol_is_not_upgraded_to() {
    let direct = Direct::with(websocket_echo().await, 300, |_| {}).await;
    for (bytes, expected) in [
        (format!("{HANDSHAKE}Content-Length: 4\r\n\r\nGET "), 400),
        (format!("{HANDSHAKE}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        (HANDSHAKE.replace("13", "8") + "\r\n", 400),
        (HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=") + "\r\n", 400),
        (HANDSHAKE.replace("GET", "POST") + "\r\n", 400),
        (format!("{HANDSHAKE}\r\n"), 101),
    ] {
        assert_eq!(status(direct.address, &bytes).await, expected, "{bytes}");
    }
    let direct = Direct::with(super::service::echo().await, 300, |_| {}).await;
    let other = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    assert_eq!(status(direct.address, other).await, 200);
}
