//! 60: who is slow, or never ends, takes nobody's time and memory for long. Over real connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, pause};

use crate::house::House;

/// A house that is served, and where.
async fn served() -> (House, SocketAddr) {
    let house = House::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server::serve(
        listener,
        house.started.router.clone(),
        std::future::pending(),
    ));
    (house, address)
}

/// Sends what is given, nothing more, and reads until the server has enough of waiting.
async fn send(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn headers_and_bodies_that_never_come_are_given_up_in_time() {
    let (_house, address) = served().await;
    let whole = send(
        address,
        "GET /healthz HTTP/1.1\r\nhost: localhost:3000\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(whole.starts_with("HTTP/1.1 200"), "{whole}");

    // From here on, time passes as soon as everybody waits.
    pause();
    let started = Instant::now();
    let answer = send(address, "GET /healthz HTTP/1.1\r\nhost: localhost:3000\r\nx-slow: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(started.elapsed().as_secs(), 10);

    let started = Instant::now();
    let head = "POST /x HTTP/1.1\r\nhost: localhost:3000\r\ncontent-length: 10\r\nconnection: close\r\n\r\n";
    let answer = send(address, &format!("{head}abc")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(started.elapsed().as_secs(), 30);
    let answer = send(address, &format!("{head}abcdefghij")).await;
    assert!(
        answer.starts_with("HTTP/1.1 404"),
        "with its whole body it is answered: {answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_cut_off() {
    let (_house, address) = served().await;
    let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
    let flood = tokio::spawn(async move {
        let head = "POST /x HTTP/1.1\r\nhost: localhost:3000\r\ntransfer-encoding: chunked\r\n\r\n";
        writing.write_all(head.as_bytes()).await?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let mut sent = 0;
        // The server has a mebibyte of it, and the network's buffers some more.
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
async fn a_refused_call_is_answered_before_its_body_comes() {
    let (_house, address) = served().await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = "GET /api/whoami HTTP/1.1\r\nhost: localhost:3000\r\ncontent-length: 1000000\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_what_is_under_way_is_finished_and_nobody_new_is_taken() {
    let house = House::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let told = async { ended.await.unwrap() };
    let server = tokio::spawn(server::serve(listener, house.started.router.clone(), told));

    let mut idle = TcpStream::connect(address).await.unwrap();
    let call = "GET /healthz HTTP/1.1\r\nhost: localhost:3000\r\n\r\n";
    idle.write_all(call.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");

    let mut busy = TcpStream::connect(address).await.unwrap();
    let head = "POST /x HTTP/1.1\r\nhost: localhost:3000\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n";
    busy.write_all(head.as_bytes()).await.unwrap();
    let mut asked_for = [0; 25];
    busy.read_exact(&mut asked_for).await.unwrap();
    assert_eq!(&asked_for, b"HTTP/1.1 100 Continue\r\n\r\n");

    end.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // Whoever has asked for nothing is let go.
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(!server.is_finished());
    busy.write_all(b"abcdefghij").await.unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    tokio::time::timeout(Duration::from_secs(5), server)
        .await
        .unwrap()
        .unwrap();
}
