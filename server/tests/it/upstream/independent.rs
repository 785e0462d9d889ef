//! Services that share no code with the gateway: nginx and Node, each as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::service::{Served, received};
use crate::postgres::signal;

/// Finds a program, or says why its tests are left out. In CI it must be there.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI skips nothing: install {name}");
        eprintln!("skipped: {name} is not installed here (Debian: apt-get install {name})");
    }
    found
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Not killed: nginx ends its workers when it is asked to end, and they would live on without it.
        signal(&self.0, "TERM");
        let _ = self.0.wait();
    }
}

/// nginx with a folder of files, over HTTP/1.1 and h2c.
struct Nginx {
    _process: Process,
    program: PathBuf,
    folder: TempDir,
    http1: SocketAddr,
    h2c: SocketAddr,
}

/// Two free ports. The sockets are closed when both are known, so that they differ.
fn free() -> [SocketAddr; 2] {
    let sockets = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

impl Nginx {
    async fn start() -> Option<Self> {
        let program = program("nginx")?;
        let folder = tempfile::tempdir().unwrap();
        let [http1, h2c] = free();
        let root = folder.path().display();
        // As a user may have it: it closes connections often, and takes less than the gateway passes.
        let text = format!(
            "worker_processes 1;\ndaemon off;\npid {root}/nginx.pid;\nerror_log {root}/error.log;\nevents {{}}\n\
             http {{\n  access_log off;\n  client_body_temp_path {root}/body;\n  proxy_temp_path {root}/proxy;\n  \
             fastcgi_temp_path {root}/fastcgi;\n  uwsgi_temp_path {root}/uwsgi;\n  scgi_temp_path {root}/scgi;\n  \
             keepalive_requests 5;\n  client_max_body_size 1k;\n  large_client_header_buffers 4 2k;\n  server {{\n    \
             listen {http1};\n    listen {h2c} http2;\n    root {root}/files;\n    \
             location = /who {{ return 200 '{{\"jwt\":\"$http_x_jwt_assertion\",\"protocol\":\"$server_protocol\",\"token\":\"$http_authorization\"}}'; }}\n    \
             location = /busy {{ return 503; }}\n    location = /away {{ return 301 /who; }}\n  }}\n}}\n"
        );
        std::fs::create_dir(folder.path().join("files")).unwrap();
        // nginx gives up its rights where root starts it, and its own user must reach the files.
        open_to_all(folder.path());
        let content: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|number| (number % 251) as u8).collect();
        std::fs::write(folder.path().join("files/large.bin"), content).unwrap();
        std::fs::write(folder.path().join("files/small.txt"), "small").unwrap();
        let settings = folder.path().join("nginx.conf");
        std::fs::write(&settings, text).unwrap();
        let process = Command::new(&program)
            .arg("-c")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Process(process);
        while tokio::net::TcpStream::connect(http1).await.is_err() {
            assert!(process.0.try_wait().unwrap().is_none(), "nginx ended: see nginx -t");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(Self {
            _process: process,
            program,
            folder,
            http1,
            h2c,
        })
    }

    fn reload(&self) {
        let mut command = Command::new(&self.program);
        command
            .arg("-c")
            .arg(self.folder.path().join("nginx.conf"))
            .args(["-s", "reload"]);
        assert!(command.stderr(Stdio::null()).status().unwrap().success());
    }
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn upstreams(all: &[(&str, SocketAddr, &str)]) -> String {
    let entry = |(name, target, more): &(&str, SocketAddr, &str)| {
        format!(
            "[[upstream]]\nname = \"{name}\"\ntarget = \"http://{target}\"\nmax_body_bytes = 0\n{more}\n\
             [[upstream.route]]\npath = \"/**\"\n"
        )
    };
    "[gate]\nrate_limit = \"\"\nexplain = true\n".to_owned() + &all.iter().map(entry).collect::<String>()
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_serves_files_and_its_refusals_are_its_own() {
    let Some(nginx) = Nginx::start().await else { return };
    let served = Served::with(&upstreams(&[
        ("http1", nginx.http1, ""),
        ("h2c", nginx.h2c, "protocol = \"h2c\""),
    ]))
    .await;
    let token = served.house.access_token().await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let content = std::fs::read(nginx.folder.path().join("files/large.bin")).unwrap();
    for (name, protocol) in [("http1", "HTTP/1.1"), ("h2c", "HTTP/2.0")] {
        let url = |path: &str| served.url(&format!("/gw/{name}{path}"));
        let get = |path: &str| client.get(url(path)).bearer_auth(&token);
        let who: Value = get("/who").send().await.unwrap().json().await.unwrap();
        assert_eq!((&who["protocol"], &who["token"]), (&protocol.into(), &"".into()));
        assert_eq!(who["jwt"].as_str().unwrap().split('.').count(), 3);

        let large = get("/large.bin").send().await.unwrap();
        assert_eq!(large.headers()["content-length"], content.len().to_string(), "{name}");
        let tag = large.headers()["etag"].clone();
        assert!(large.bytes().await.unwrap() == content, "{name}");
        let part = get("/large.bin").header("range", "bytes=5-9").send().await.unwrap();
        assert_eq!(
            (part.status().as_u16(), part.bytes().await.unwrap().as_ref()),
            (206, &content[5..10])
        );
        let unchanged = get("/large.bin").header("if-none-match", tag).send().await.unwrap();
        assert_eq!(unchanged.status(), 304, "{name}");
        let head = client.head(url("/large.bin")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(head.headers()["content-length"], content.len().to_string(), "{name}");
        let away = get("/away").send().await.unwrap();
        assert_eq!(away.status(), 301, "{name}");

        let post = |length: usize| {
            client
                .post(url("/small.txt"))
                .bearer_auth(&token)
                .body(vec![b'x'; length])
        };
        // nginx answers before it has read the body.
        for (response, status) in [
            (get("/nothing").send().await, 404),
            (post(10).send().await, 405),
            (post(64 * 1024).send().await, 413),
            (get("/busy").send().await, 503),
            (get("/small.txt").send().await, 200),
        ] {
            let response = response.unwrap();
            assert_eq!(response.status(), status, "{name}");
            let server = response
                .headers()
                .get("server")
                .map(|server| server.to_str().unwrap().to_owned());
            let is_own = server.is_some_and(|server| server.starts_with("nginx"));
            assert!(is_own, "{name}: the answer to {status} is nginx's");
        }
        // A header that is too large for nginx is 400 over HTTP/1.1 and the end of the connection over HTTP/2.
        let large = get("/small.txt")
            .header("x-large", "x".repeat(9000))
            .send()
            .await
            .unwrap();
        assert_eq!(large.status(), if name == "http1" { 400 } else { 502 });
        assert_eq!(get("/small.txt").send().await.unwrap().status(), 200, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_nginx_closes_and_its_reloads_cost_no_call() {
    let Some(nginx) = Nginx::start().await else { return };
    let served = Served::with(&upstreams(&[
        ("http1", nginx.http1, ""),
        ("h2c", nginx.h2c, "protocol = \"h2c\""),
    ]))
    .await;
    let token: Arc<str> = served.house.access_token().await.into();
    let callers = (0..8).map(|number| {
        let name = ["http1", "h2c"][number % 2];
        let (url, token) = (served.url(&format!("/gw/{name}/small.txt")), token.clone());
        tokio::spawn(async move {
            let client = reqwest::Client::new();
            for _ in 0..150 {
                let response = client.get(&url).bearer_auth(&token).send().await.unwrap();
                let status = response.status();
                let text = response.text().await.unwrap();
                assert_eq!((status.as_u16(), text.as_str()), (200, "small"), "{url}");
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..3 {
        nginx.reload();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
}

/// `service.mjs`, with the addresses that it prints.
struct Node {
    _process: Process,
    http1: SocketAddr,
    h2c: SocketAddr,
}

impl Node {
    fn start() -> Option<Self> {
        let mut process = Command::new(program("node")?)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upstream/service.mjs"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ports: Vec<u16> = serde_json::from_str(&line).unwrap();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Some(Self {
            _process: Process(process),
            http1: address(ports[0]),
            h2c: address(ports[1]),
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_receives_what_was_sent_over_http1_and_h2c_with_its_trailers() {
    let Some(node) = Node::start() else { return };
    let served = Served::with(&upstreams(&[
        ("http1", node.http1, ""),
        ("h2c", node.h2c, "protocol = \"h2c\""),
    ]))
    .await;
    let token = served.house.access_token().await;
    let content: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|number| (number % 249) as u8).collect();
    for (name, version) in [("http1", "1.1"), ("h2c", "2.0")] {
        let url = |path: &str| served.url(&format!("/gw/{name}{path}"));
        let description = served
            .describe(&format!("/gw/{name}/describe?a=b"), &[("x-plain", "kept")])
            .await;
        assert_eq!(description["version"], version);
        assert_eq!(description["uri"], "/describe?a=b");
        assert_eq!(received(&description, "x-plain"), ["kept"]);
        assert_eq!(received(&description, "x-jwt-assertion").len(), 1);
        assert!(received(&description, "authorization").is_empty());

        let echoed = reqwest::Client::new()
            .post(url("/echo"))
            .bearer_auth(&token)
            .body(content.clone());
        assert!(echoed.send().await.unwrap().bytes().await.unwrap() == content, "{name}");

        let request = http::Request::get(url("/trailers"))
            .header("authorization", format!("Bearer {token}"))
            .header("te", "trailers");
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client
            .request(request.body(Empty::<bytes::Bytes>::new()).unwrap())
            .await
            .unwrap();
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0", "{name}");
        assert_eq!(collected.to_bytes(), "body");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_speaks_websocket_and_server_sent_events_through_the_gateway() {
    let Some(node) = Node::start() else { return };
    let served = Served::with(&upstreams(&[("http1", node.http1, "")])).await;
    let token = served.house.access_token().await;
    let mut request = format!("ws://{}/gw/http1/socket", served.address)
        .into_client_request()
        .unwrap();
    assert!(
        tokio_tungstenite::connect_async(request.clone()).await.is_err(),
        "without a token"
    );
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![7; 70_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));

    let mut events = reqwest::Client::new()
        .get(served.url("/gw/http1/events"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    for number in 0..3 {
        let event = events.chunk().await.unwrap().unwrap();
        assert_eq!(event, format!("data: {number}\n\n"), "each as it comes");
    }
    assert_eq!(events.chunk().await.unwrap(), None);
}
