//! Several targets: which one is called, and what is sent a second time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use http::StatusCode;
use http_body_util::BodyExt as _;
use server::upstream::UpstreamSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::service::{Direct, serve};

/// A service that counts its calls and answers with a status that the test sets.
struct Counting {
    address: SocketAddr,
    calls: Arc<AtomicU32>,
    status: Arc<AtomicU16>,
}

async fn counting(status: u16) -> Counting {
    let (calls, status) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU16::new(status)));
    let (counted, answered) = (calls.clone(), status.clone());
    let handler = move |request: Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        let status = StatusCode::from_u16(answered.load(Ordering::SeqCst)).unwrap();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            (status, body)
        }
    };
    Counting {
        address: serve(Router::new().fallback(any(handler))).await,
        calls,
        status,
    }
}

impl Counting {
    fn calls(&self) -> u32 {
        self.calls.swap(0, Ordering::SeqCst)
    }
}

/// An address where nothing listens.
fn nowhere() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A service that reads a request and closes without a word, and counts the requests.
async fn broken() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            if stream.read(&mut bytes).await.unwrap_or(0) > 0 {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, calls)
}

async fn both(one: SocketAddr, other: SocketAddr, set: impl FnOnce(&mut UpstreamSettings)) -> Direct {
    Direct::with(one, 300, |settings| {
        settings.targets.push(format!("http://{other}").parse().unwrap());
        set(settings);
    })
    .await
}

async fn status(direct: &Direct, method: &str, body: Option<&'static str>) -> u16 {
    let method = method.parse().unwrap();
    let request = reqwest::Client::new().request(method, direct.url("/"));
    let request = body.into_iter().fold(request, |request, body| request.body(body));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_did_not_reach_one_target_reaches_the_other_with_its_body() {
    let good = counting(200).await;
    let direct = both(nowhere(), good.address, |_| {}).await;
    for _ in 0..20 {
        let response = reqwest::Client::new()
            .post(direct.url("/"))
            .body("one order")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), "one order");
    }
    assert_eq!(good.calls(), 20);

    let without = both(nowhere(), nowhere(), |settings| settings.retries = 0).await;
    assert_eq!(status(&without, "GET", None).await, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_reached_a_target_is_sent_again_only_when_that_changes_nothing() {
    let (address, calls) = broken().await;
    let (other, others) = broken().await;
    let direct = both(address, other, |_| {}).await;
    let sum = || calls.swap(0, Ordering::SeqCst) + others.swap(0, Ordering::SeqCst);
    for (method, body, times) in [
        ("GET", None, 2),
        ("DELETE", None, 2),
        ("POST", None, 1),
        ("POST", Some("one order"), 1),
        ("PUT", Some("one order"), 1),
    ] {
        assert_eq!(status(&direct, method, body).await, 502, "{method}");
        assert_eq!(sum(), times, "{method} {body:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_target_is_left_for_another_and_comes_back() {
    let (one, other) = (counting(503).await, counting(200).await);
    let direct = both(one.address, other.address, |_| {}).await;
    for _ in 0..40 {
        assert_eq!(status(&direct, "GET", None).await, 200);
    }
    assert_eq!(other.calls(), 40);
    assert!(one.calls() < 10, "it is taken out");
    assert_eq!(direct.upstream.available_targets(), 1);

    // A POST is not repeated, so it shows whether the target is called.
    one.status.store(200, Ordering::SeqCst);
    let mut called = 0;
    for _ in 0..1000 {
        assert_eq!(status(&direct, "POST", Some("x")).await, 200);
        called += one.calls();
        if called > 0 && direct.upstream.available_targets() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(called > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_target_opens_the_circuit_when_it_is_gone_and_keeps_its_own_words() {
    let direct = Direct::with(nowhere(), 300, |_| {}).await;
    for _ in 0..5 {
        assert_eq!(status(&direct, "POST", None).await, 502);
    }
    assert_eq!(
        status(&direct, "POST", None).await,
        503,
        "at once, without another attempt"
    );

    let busy = counting(503).await;
    let direct = Direct::with(busy.address, 300, |_| {}).await;
    for _ in 0..20 {
        assert_eq!(status(&direct, "GET", None).await, 503);
    }
    assert_eq!(busy.calls(), 20, "its own answer, each time");
}

/// Reads a request and answers it.
async fn answer(service: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(service.read_u8().await.unwrap());
    }
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    service.write_all(answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_calls_are_in_flight_and_others_wait_or_are_503() {
    let (listener, connected) = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                sender.send(stream).unwrap();
            }
        });
        (address, receiver)
    };
    let mut connected = connected;
    let direct = Direct::with(listener, 300, |settings| {
        settings.max_connections = 1;
        settings.connect_timeout = std::time::Duration::from_millis(300);
    })
    .await;
    let first = tokio::spawn(reqwest::get(direct.url("/")));
    let mut service = connected.recv().await.unwrap();
    assert_eq!(direct.upstream.in_flight(), 1);
    assert_eq!(status(&direct, "GET", None).await, 503);

    let waiting = tokio::spawn(reqwest::get(direct.url("/")));
    answer(&mut service).await;
    assert_eq!(first.await.unwrap().unwrap().text().await.unwrap(), "ok");
    answer(&mut service).await;
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_takes_a_target_out_before_a_call_meets_it() {
    let (sick, good) = (counting(500).await, counting(200).await);
    let direct = both(sick.address, good.address, |settings| {
        settings.health_path = Some("/healthz".to_owned());
        settings.health_interval = std::time::Duration::from_millis(20);
    })
    .await;
    tokio::spawn(server::upstream::watch(direct.upstream.clone()));
    while direct.upstream.available_targets() == 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for _ in 0..20 {
        assert_eq!(status(&direct, "GET", None).await, 200);
    }
    sick.status.store(204, Ordering::SeqCst);
    while direct.upstream.available_targets() == 1 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
