//! Bytes that two programs could read differently, and connections that end halfway. The caller writes bytes, and the service is a socket,
//! so that no library corrects either.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::service::{Direct, Served, echo, parsed, received, upstream};

/// A service that hands each of its connections to the test.
async fn connections() -> (SocketAddr, mpsc::UnboundedReceiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

/// Reads a request's head.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Sends bytes, and returns everything that comes back until the other side closes.
async fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    let lines = answer.match_indices("HTTP/1.1 ");
    lines.map(|(at, _)| &answer[at + 9..at + 12]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_two_framings_is_one_request_and_what_follows_passes_the_gate_by_itself() {
    let served = Served::with(&upstream("echo", echo().await, "")).await;
    let token = served.house.access_token().await;
    let request = |framing: &str, connection: &str, rest: &str| {
        format!(
            "POST /gw/echo/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{connection}{framing}\r\n{rest}"
        )
    };
    let close = "Connection: close\r\n";
    // The body ends where the chunks end, and the service sees no length beside them.
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let answer = exchange(served.address, &request(framing, close, "3\r\nabc\r\n0\r\n\r\n")).await;
        let (status, description) = parsed(&answer);
        assert_eq!((status, &description["body"]), (200, &"abc".into()), "{answer}");
        assert!(received(&description, "content-length").is_empty(), "{description}");
        // A request that hides behind the last chunk has no token of its own.
        let hidden = "0\r\n\r\nGET /gw/echo/admin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = exchange(served.address, &request(framing, "", hidden)).await;
        assert!(!answer.contains("/admin"), "{answer}");
        assert!(matches!(statuses(&answer)[..], ["200", "401"] | ["200"]), "{answer}");
    }
    for framing in [
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 4\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length : 3\r\n",
        "Content-Length: 3\r\n X-Folded: 1\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X-Null: a\0b\r\nContent-Length: 3\r\n",
    ] {
        let answer = exchange(served.address, &request(framing, close, "abc")).await;
        assert_eq!(statuses(&answer), ["400"], "{framing:?} {answer}");
    }
    let answer = exchange(served.address, &request("Content-Length: 3\r\n", close, "abc")).await;
    assert_eq!(parsed(&answer).1["body"], "abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_are_broken_never_reach_the_service_as_a_whole_body() {
    let (target, mut services) = connections().await;
    let served = Served::with(&upstream("raw", target, "")).await;
    let token = served.house.access_token().await;
    for (rest, is_whole) in [
        ("3\r\nabc\r\n0\r\n\r\n", true),
        ("3;name=value\r\nabc\r\n0\r\n\r\n", true),
        ("zz\r\nabc\r\n0\r\n\r\n", false),
        ("-3\r\nabc\r\n0\r\n\r\n", false),
        ("ffffffffffffffff1\r\nabc\r\n0\r\n\r\n", false),
        ("3\r\nabcX\r\n0\r\n\r\n", false),
        // The connection ends before the last chunk.
        ("3\r\nabc\r\n", false),
    ] {
        let request = format!(
            "POST /gw/raw/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n{rest}"
        );
        let address = served.address;
        let caller = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            if !request.ends_with("0\r\n\r\n") {
                stream.shutdown().await.unwrap();
            }
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        });
        let service = tokio::spawn(async move {
            let mut service = services.recv().await.unwrap();
            let mut all = Vec::new();
            let mut bytes = [0; 4096];
            loop {
                let read = service.read(&mut bytes).await.unwrap_or(0);
                all.extend_from_slice(&bytes[..read]);
                let is_whole = all.ends_with(b"0\r\n\r\n");
                if is_whole {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    service.write_all(answer).await.unwrap();
                }
                if is_whole || read == 0 {
                    return (is_whole, services);
                }
            }
        });
        let answer = caller.await.unwrap();
        assert_eq!(statuses(&answer) == ["200"], is_whole, "{rest:?} {answer}");
        // A request whose first chunk is broken need not reach the service at all.
        let seen = tokio::time::timeout(Duration::from_secs(if is_whole { 20 } else { 2 }), service).await;
        let (found, target) = match seen {
            Ok(seen) => {
                let (found, services) = seen.unwrap();
                (found, Some(services))
            }
            Err(_) => (false, None),
        };
        assert_eq!(found, is_whole, "{rest:?}");
        services = match target {
            Some(services) => services,
            None => panic!("the connection to the service is left open: {rest:?}"),
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_in_the_request_line_does_not_choose_the_service() {
    let target = echo().await;
    let served = Served::with(&upstream("echo", target, "")).await;
    let token = served.house.access_token().await;
    let request = format!(
        "GET http://evil.example/gw/echo/x HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let (status, description) = parsed(&exchange(served.address, &request).await);
    assert_eq!((status, &description["uri"]), (200, &"/x".into()));
    assert_eq!(received(&description, "host"), [target.to_string()]);
    for method in ["CONNECT evil.example:443", "TRACE /gw/echo/x"] {
        let request = format!(
            "{method} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(served.address, &request).await;
        assert!(!statuses(&answer).contains(&"200"), "{method} {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_for_100_is_asked_for_its_body_only_when_the_call_is_accepted() {
    let served = Served::with(&upstream("echo", echo().await, "")).await;
    let token = served.house.access_token().await;
    let request = |authorization: &str| {
        format!(
            "POST /gw/echo/x HTTP/1.1\r\nHost: localhost\r\n{authorization}Expect: 100-continue\r\nContent-Length: 5\r\n\
             Connection: close\r\n\r\n"
        )
    };
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let accepted = request(&format!("Authorization: Bearer {token}\r\n"));
    stream.write_all(accepted.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (status, description) = parsed(&answer);
    assert_eq!((status, &description["body"]), (200, &"hello".into()));
    assert!(received(&description, "expect").is_empty());

    let answer = exchange(served.address, &request("")).await;
    assert_eq!(statuses(&answer), ["401"], "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_passed_on_as_far_as_it_keeps_to_the_protocol() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some("ok")),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Some("ok"),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Some("ok"),
        ),
        // Without a length the body ends with the connection, which the service closes in one direction only.
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", Some("ok")),
        // The chunks count, and the length is not passed on.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Some("ok"),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", None),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", None),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
            None,
        ),
    ] {
        let (target, mut services) = connections().await;
        let direct = Direct::with(target, 300, |_| {}).await;
        let service = tokio::spawn(async move {
            let mut service = services.recv().await.unwrap();
            head(&mut service).await;
            service.write_all(answer.as_bytes()).await.unwrap();
            service.shutdown().await.unwrap();
            // It goes on reading, so that what was written arrives.
            let _ = service.read(&mut [0; 16]).await;
        });
        // A break may come before the head has been written.
        let body = match reqwest::get(direct.url("/")).await {
            Ok(response) => {
                assert_eq!(response.status(), 200, "{answer}");
                response.text().await.ok()
            }
            Err(_) => None,
        };
        assert_eq!(body.as_deref(), expected, "{answer}");
        service.abort();
    }
    for answer in [
        "HTTP/9.9 200 OK\r\n\r\n",
        "200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "",
    ] {
        let (target, mut services) = connections().await;
        let direct = Direct::with(target, 300, |_| {}).await;
        tokio::spawn(async move {
            while let Some(mut service) = services.recv().await {
                head(&mut service).await;
                service.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        assert_eq!(reqwest::get(direct.url("/")).await.unwrap().status(), 502, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_reads_nothing_holds_up_its_service_and_no_other_call() {
    let (target, mut services) = connections().await;
    let served = Served::with(&(upstream("endless", target, "") + &upstream("echo", echo().await, ""))).await;
    let token = served.house.access_token().await;
    let mut caller = TcpStream::connect(served.address).await.unwrap();
    let request = format!("GET /gw/endless/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    caller.write_all(request.as_bytes()).await.unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    let counted = written.clone();
    let service = tokio::spawn(async move {
        let mut service = services.recv().await.unwrap();
        head(&mut service).await;
        service
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let piece = vec![b'x'; 64 * 1024];
        while service.write_all(&piece).await.is_ok() {
            counted.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = written.load(Ordering::Relaxed);
        // What the buffers of four sockets take, and no more.
        assert!(now < 64 << 20, "{now} bytes were read although the caller reads none");
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    assert_eq!(served.describe("/gw/echo/a", &[]).await["uri"], "/a");
    // It goes on when the caller reads.
    let mut bytes = vec![0; 1 << 20];
    while written.load(Ordering::Relaxed) <= before + (4 << 20) {
        assert!(caller.read(&mut bytes).await.unwrap() > 0);
    }
    drop(caller);
    // And ends with the caller.
    service.await.unwrap();
}

/// A service in a runtime of its own, so that it can be killed with all its connections.
struct Killable(Option<tokio::runtime::Runtime>);

impl Killable {
    fn start(address: SocketAddr) -> (Self, SocketAddr) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let socket = std::net::TcpListener::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(socket).unwrap();
            let router = axum::Router::new().fallback(axum::routing::any(|| async { "ok" }));
            axum::serve(listener, router).await.unwrap();
        });
        (Self(Some(runtime)), address)
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_killed_and_comes_back_under_load_costs_no_call() {
    let any = "127.0.0.1:0".parse().unwrap();
    let ((first, address), (_second, other)) = (Killable::start(any), Killable::start(any));
    let direct = Direct::with(address, 300, |settings| {
        settings.targets.push(format!("http://{other}").parse().unwrap());
    })
    .await;
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (url, done, calls) = (direct.url("/"), done.clone(), calls.clone());
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                while !done.load(Ordering::Relaxed) {
                    let response = client.get(&url).send().await.unwrap();
                    assert_eq!(response.status(), 200);
                    assert_eq!(response.text().await.unwrap(), "ok");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let more = async |count: u32| {
        let until = calls.load(Ordering::Relaxed) + count;
        while calls.load(Ordering::Relaxed) < until {
            assert!(
                !callers.iter().any(tokio::task::JoinHandle::is_finished),
                "a caller failed"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    more(200).await;
    drop(first);
    while direct.upstream.available_targets() == 2 {
        more(1).await;
    }
    more(200).await;
    let _back = Killable::start(address);
    while direct.upstream.available_targets() == 1 {
        more(1).await;
    }
    more(200).await;
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
}
