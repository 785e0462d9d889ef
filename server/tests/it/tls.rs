//! TLS in front of the server, over real connections.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{StatusCode, Version};
use server::tls::Tls;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::config::problem;

/// Writes a certificate for localhost, and returns it.
fn certify(folder: &Path) -> reqwest::Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // Renamed into place one after the other, as renewal tools do it.
    for (name, text) in [
        ("certificate.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
    ] {
        let beside = folder.join(format!("{name}.new"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, folder.join(name)).unwrap();
    }
    reqwest::Certificate::from_der(made.cert.der()).unwrap()
}

fn load(folder: &TempDir) -> Tls {
    Tls::load(folder.path().join("certificate.pem"), folder.path().join("key.pem")).unwrap()
}

async fn serve(tls: Tls) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let router = Router::new().route(
        "/",
        get(|request: axum::extract::Request| async move { format!("{:?}", request.version()) }),
    );
    let limits = crate::house::config("").limits();
    tokio::spawn(server::serve_with(listener, router, limits, Some(tls), async move {
        let _ = stopped.await;
    }));
    (address, stop)
}

fn client(certificates: impl IntoIterator<Item = reqwest::Certificate>, http1: bool) -> reqwest::Client {
    let builder = reqwest::Client::builder().tls_certs_only(certificates);
    let builder = if http1 { builder.http1_only() } else { builder };
    builder.build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_http2_or_http1_as_it_asks() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certify(folder.path());
    let (address, stop) = serve(load(&folder)).await;
    let url = format!("https://localhost:{}/", address.port());
    for (http1, version) in [(false, Version::HTTP_2), (true, Version::HTTP_11)] {
        let response = client([certificate.clone()], http1).get(&url).send().await.unwrap();
        assert_eq!(response.version(), version);
        assert_eq!(response.text().await.unwrap(), format!("{version:?}"));
    }
    let plain = reqwest::get(format!("http://{address}/")).await;
    assert!(plain.is_err());
    stop.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http2_that_reads_nothing_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certify(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    // Larger than the buffers of a client.
    let large = || async { "x".repeat(64 << 20) };
    let events = || async {
        let silence = futures_util::stream::once(async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok::<_, std::io::Error>("late")
        });
        axum::body::Body::from_stream(silence)
    };
    let router = Router::new().route("/large", get(large)).route("/events", get(events));
    let mut limits = crate::house::config("").limits();
    limits.write = Duration::from_secs(1);
    let tls = load(&folder);
    tokio::spawn(server::serve_with(
        listener,
        router,
        limits,
        Some(tls),
        std::future::pending(),
    ));

    // A slow service is not mistaken for a client that does not read, and a client that reads gets the whole response.
    let reads = client([certificate.clone()], false);
    let text = reads.get(format!("{url}/events")).send().await.unwrap().text().await;
    assert_eq!(text.unwrap(), "late");
    let whole = reads.get(format!("{url}/large")).send().await.unwrap().bytes().await;
    assert_eq!(whole.unwrap().len(), 64 << 20);

    let unread = client([certificate], false)
        .get(format!("{url}/large"))
        .send()
        .await
        .unwrap();
    assert_eq!((unread.version(), unread.status()), (Version::HTTP_2, StatusCode::OK));
    // The client answers pings in the meantime.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(unread.bytes().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_under_load_and_no_call_fails() {
    let folder = tempfile::tempdir().unwrap();
    let old = certify(folder.path());
    let tls = load(&folder);
    tokio::spawn(tls.clone().follow());
    let (address, _stop) = serve(tls).await;
    let url = format!("https://localhost:{}/", address.port());
    let new = certify(folder.path());
    let done = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU32::new(0));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (url, done, calls) = (url.clone(), done.clone(), calls.clone());
            let both = [old.clone(), new.clone()];
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    // On a new connection each time.
                    let response = client(both.clone(), false).get(&url).send().await.unwrap();
                    assert_eq!(response.status(), StatusCode::OK);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // Until only the new certificate is used.
    while client([new.clone()], false).get(&url).send().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    done.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    assert!(calls.load(Ordering::Relaxed) > 0);
    assert!(client([old], false).get(&url).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_nonsense_ends_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certify(folder.path());
    let (address, _stop) = serve(load(&folder)).await;
    let mut nonsense = TcpStream::connect(address).await.unwrap();
    nonsense
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = nonsense.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    let silent = TcpStream::connect(address).await.unwrap();
    let url = format!("https://localhost:{}/", address.port());
    assert!(
        client([certificate], false)
            .get(url)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    drop(silent);
}

#[test]
fn certificate_and_key_come_together_and_with_https() {
    for (text, key) in [
        ("[server]\ntls_certificate_file = \"c.pem\"\n", "server.tls_key_file"),
        ("[server]\ntls_key_file = \"k.pem\"\n", "server.tls_certificate_file"),
        (
            "[server]\ntls_certificate_file = \"c.pem\"\ntls_key_file = \"k.pem\"\n",
            "server.public_url",
        ),
    ] {
        assert_eq!(problem(text).key, key);
    }
}
