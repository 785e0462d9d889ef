//! 60: a client that is slow, or never finishes, uses time and memory for a limited time only. Over real connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, pause, resume};

use crate::house::{self, House};

/// Starts and serves a house. Returns it with its address.
async fn served() -> (House, SocketAddr) {
    let house = House::start().await;
    let address = serve(&house, house::limits()).await;
    (house, address)
}

async fn serve(house: &House, limits: server::Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = house.started.router.clone();
    tokio::spawn(server::serve(listener, router, limits, std::future::pending()));
    address
}

/// Reads until the server closes the connection.
async fn rest(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Sends a request, and reads until the server closes the connection.
async fn send(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    rest(&mut connection).await
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: localhost:3000\r\n\r\n";

async fn healthy(connection: &mut TcpStream) {
    connection.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let mut length = 0;
    while !answer[..length].ends_with(b"\r\n\r\nok\n") {
        length += connection.read(&mut answer[length..]).await.unwrap();
        assert!(length > 0);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// Some time may have passed before the clock was paused.
fn within(started: Instant, seconds: u64) {
    let passed = started.elapsed().as_secs();
    assert!(
        (seconds - 5..=seconds).contains(&passed),
        "{passed} s instead of {seconds}"
    );
}

/// Returns the head of a call whose body is read.
fn confirm(token: &str, length: &str) -> String {
    format!(
        "POST /api/confirm HTTP/1.1\r\nhost: localhost:3000\r\nauthorization: Bearer {token}\r\n\
         content-type: application/x-www-form-urlencoded\r\n{length}\r\nconnection: close\r\n\r\n"
    )
}

#[tokio::test]
async fn heads_and_bodies_that_never_come_are_given_up_in_time() {
    let (house, address) = served().await;
    let head = confirm(&house.access_token().await, "content-length: 13");
    healthy(&mut TcpStream::connect(address).await.unwrap()).await;

    // From here on, time advances whenever every task waits.
    pause();
    for partial in ["GET /healthz HTTP/1.1\r\nhost: localhost:3000\r\nx-slow: ", ""] {
        let started = Instant::now();
        let answer = send(address, partial).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        within(started, 10);
    }

    let started = Instant::now();
    let answer = send(address, &format!("{head}statement")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"reason\":\"request_timeout\""), "{answer}");
    within(started, 30);
    let answer = send(address, &format!("{head}statement=yes")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_lives_longer_than_a_load_balancers() {
    let (_house, address) = served().await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        healthy(&mut connection).await;
        // 74 s later the connection is still open …
        pause();
        tokio::time::advance(Duration::from_secs(74)).await;
        resume();
    }
    healthy(&mut connection).await;
    // … and 75 s later it is closed.
    pause();
    let started = Instant::now();
    assert_eq!(rest(&mut connection).await, "");
    within(started, 75);

    // The head of the next request has ten seconds, not 75.
    resume();
    let mut connection = TcpStream::connect(address).await.unwrap();
    healthy(&mut connection).await;
    pause();
    connection.write_all(b"GET /").await.unwrap();
    let started = Instant::now();
    assert_eq!(rest(&mut connection).await, "");
    within(started, 10);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go() {
    let mut house = House::start().await;
    // Larger than the buffers of the operating system.
    std::fs::write(house.site.path().join("large.txt"), vec![b'x'; 32 << 20]).unwrap();
    let config = house::config("[server]\nwrite_seconds = 20\n");
    let candidates = house::only_in(&house.site);
    house.started = server::start::start(&config, &candidates, None).await.unwrap();
    let address = serve(&house, config.limits()).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let get = "GET /large.txt HTTP/1.1\r\nhost: localhost:3000\r\n\r\n";
    connection.write_all(get.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    pause();
    tokio::time::sleep(Duration::from_secs(21)).await;
    resume();
    let mut left = Vec::new();
    // The connection was reset, or ended too early.
    let read = connection.read_to_end(&mut left).await;
    assert!(read.is_err() || left.len() < 32 << 20);
}

#[tokio::test]
async fn each_limit_of_a_connection_is_a_setting() {
    let house = House::start().await;
    let settings =
        "[server]\nkeep_alive_seconds = 40\nhead_seconds = 20\nmax_head_bytes = 4096\n[gate]\nmax_token_bytes = 512\n";
    let address = serve(&house, house::config(settings).limits()).await;
    let padded = |size: usize| {
        let padding = "x".repeat(size);
        format!("GET /healthz HTTP/1.1\r\nhost: localhost:3000\r\nconnection: close\r\nx-padding: {padding}\r\n\r\n")
    };
    let answer = send(address, &padded(4096)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = send(address, &padded(4096 + 512)).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");

    let mut idle = TcpStream::connect(address).await.unwrap();
    healthy(&mut idle).await;
    pause();
    let started = Instant::now();
    assert_eq!(send(address, "GET / HTTP/1.1\r\nhost: ").await, "");
    within(started, 20);
    assert_eq!(rest(&mut idle).await, "");
    within(started, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_connections_are_served_at_once() {
    let house = House::start().await;
    let limits = server::Limits {
        max_connections: 2,
        ..house::limits()
    };
    let address = serve(&house, limits).await;
    let mut served = Vec::new();
    for _ in 0..2 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        healthy(&mut connection).await;
        served.push(connection);
    }
    let mut waiting = TcpStream::connect(address).await.unwrap();
    waiting.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let early = tokio::time::timeout(Duration::from_millis(200), waiting.read_exact(&mut answer));
    assert!(early.await.is_err());
    served.pop();
    waiting.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_a_size() {
    let (_house, address) = served().await;
    let head = |size: usize| {
        let padding = "x".repeat(size);
        format!("GET /healthz HTTP/1.1\r\nhost: localhost:3000\r\nconnection: close\r\nx-padding: {padding}\r\n\r\n")
    };
    let answer = send(address, &head(40 * 1024 - 200)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = send(address, &head(40 * 1024 + 200)).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_cut_off() {
    let (house, address) = served().await;
    let head = confirm(&house.access_token().await, "transfer-encoding: chunked");
    let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
    let flood = tokio::spawn(async move {
        writing.write_all(head.as_bytes()).await?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let mut sent = 0;
        // The server buffers a mebibyte, and the network some more.
        while sent < 1 << 30 {
            writing.write_all(chunk.as_bytes()).await?;
            sent += chunk.len();
        }
        std::io::Result::Ok(())
    });
    let mut answer = [0; 12];
    reading.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let ended = tokio::time::timeout(Duration::from_secs(20), flood)
        .await
        .unwrap()
        .unwrap();
    assert!(ended.is_err(), "the connection is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_is_read_ahead_of_its_handler() {
    let (house, address) = served().await;
    let token = house.access_token().await;
    // Rejected by the gate, or answered by a handler that reads no body.
    for (head, status) in [
        ("POST /api/confirm HTTP/1.1\r\n".to_owned(), "401"),
        (
            format!("GET /api/whoami HTTP/1.1\r\nauthorization: Bearer {token}\r\n"),
            "200",
        ),
        ("POST /x HTTP/1.1\r\n".to_owned(), "404"),
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!("{head}host: localhost:3000\r\ncontent-length: 1000000\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_too_early_is_not_taken_for_a_whole_one() {
    let (house, address) = served().await;
    let head = confirm(&house.access_token().await, "content-length: 20");
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection
        .write_all(format!("{head}statement=yes").as_bytes())
        .await
        .unwrap();
    connection.shutdown().await.unwrap();
    let answer = rest(&mut connection).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_what_is_in_flight_is_finished_and_no_connection_is_accepted() {
    let house = House::start().await;
    let confirm = confirm(
        &house.access_token().await,
        "content-length: 13\r\nexpect: 100-continue",
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async { ended.await.unwrap() };
    let router = house.started.router.clone();
    let server = tokio::spawn(server::serve(listener, router, house::limits(), shutdown));

    let mut idle = TcpStream::connect(address).await.unwrap();
    healthy(&mut idle).await;

    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(confirm.as_bytes()).await.unwrap();
    let mut asked_for = [0; 25];
    busy.read_exact(&mut asked_for).await.unwrap();
    assert_eq!(&asked_for, b"HTTP/1.1 100 Continue\r\n\r\n");

    end.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // An idle connection is closed.
    rest(&mut idle).await;
    assert!(!server.is_finished());
    busy.write_all(b"statement=yes").await.unwrap();
    let answer = rest(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    tokio::time::timeout(Duration::from_secs(5), server)
        .await
        .unwrap()
        .unwrap();
}
