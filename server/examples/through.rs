//! What a call through the gateway costs, beside others, in one run: calls a second, delays, and the processor time of the proxy's process.
//! The same service and the same callers are used for each row: nothing in between, nginx as a plain proxy, HAProxy with `jwt_verify`, and a
//! release build of the server. Then bodies of several sizes with the server's memory, and idle WebSockets.
//!
//! `scripts/bench-gateway.sh` builds what it needs. `BENCH_SECONDS=1` is shorter than its four seconds a row.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::{Json, Router, routing::get};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use pixygate::jwt::Algorithm;
use pixygate::test_support::{TestIssuer, TestKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const CONNECTIONS: usize = 16;
const SOCKETS: usize = 5000;
/// Calls with DPoP: each proof is made before the measurement and is good for one call.
const PROOFS: usize = 20_000;

#[tokio::main]
async fn main() {
    let seconds = std::env::var("BENCH_SECONDS").map_or(4.0, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = service.local_addr().unwrap();
    tokio::spawn(serve(service));
    let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", provider.local_addr().unwrap());
    let issuer = TestIssuer::new(&url, [Algorithm::RS256]);
    tokio::spawn(provide(provider, &issuer, &url));
    let [gateway, nginx, haproxy] = free();
    let token = issuer.token().claim("iat", now()).claim("exp", now() + 7200).sign();

    let proxies = [
        start_nginx(folder.path(), nginx, target),
        start_haproxy(folder.path(), haproxy, target, &issuer),
    ];
    let server = start_server(folder.path(), gateway, target, &url);
    for address in [gateway, nginx, haproxy] {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let call =
        |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nHost: {gateway}\r\n{headers}\r\n").into_bytes();

    println!("{CONNECTIONS} connections, {seconds} s a row\n");
    println!("| | calls/s | p50 ms | p99 ms | CPU µs a call |\n|---|---:|---:|---:|---:|");
    let duration = Duration::from_secs_f64(seconds);
    let one_kilobyte = [
        ("nothing between", target, "/1k", None),
        ("nginx, plain proxy", nginx, "/1k", Some(&proxies[0])),
        ("HAProxy, `jwt_verify`", haproxy, "/1k", Some(&proxies[1])),
        (
            "Pixygate, plain proxy (public route)",
            gateway,
            "/gw/plain/1k",
            Some(&server),
        ),
        ("Pixygate, backend JWT", gateway, "/gw/echo/1k", Some(&server)),
        ("Pixygate, `/healthz`", gateway, "/healthz", Some(&server)),
        ("Pixygate, `/api/whoami`", gateway, "/api/whoami", Some(&server)),
    ];
    for (name, address, path, process) in one_kilobyte {
        let request = call(path, &bearer);
        // Connections, caches and the first JWT are not what is measured.
        load(address, Duration::from_millis(500), |_| Some(request.clone())).await;
        measure(name, process, load(address, duration, |_| Some(request.clone()))).await;
    }
    let key = TestKey::generate(Algorithm::ES256, "caller");
    let bound = issuer
        .token()
        .bound_to(&key.thumbprint())
        .claim("iat", now())
        .claim("exp", now() + 7200)
        .sign();
    let proofs: Vec<_> = (0..PROOFS)
        .map(|number| {
            let proof = key.proof("GET", &format!("http://{gateway}/api/whoami"), &bound);
            let proof = proof.jti(&format!("proof-{number}")).claim("iat", now()).sign();
            call(
                "/api/whoami",
                &format!("Authorization: DPoP {bound}\r\nDPoP: {proof}\r\n"),
            )
        })
        .collect();
    let with_proof = load(gateway, duration, |number| proofs.get(number).cloned());
    measure("Pixygate, `/api/whoami` with DPoP", Some(&server), with_proof).await;

    println!(
        "\n| body | through | calls/s | MB/s | p99 ms | memory before, MB | at most, MB |\n|---|---|---:|---:|---:|---:|---:|"
    );
    for (size, path) in [(1 << 10, "1k"), (64 << 10, "64k"), (10 << 20, "10m")] {
        for (name, address, prefix) in [
            ("nothing", target, "/"),
            ("nginx", nginx, "/"),
            ("Pixygate", gateway, "/gw/echo/"),
        ] {
            let request = call(&format!("{prefix}{path}"), &bearer);
            let before = memory(&server, "VmRSS:");
            forget_peak(&server);
            let calls = load(address, duration, |_| Some(request.clone())).await;
            let (rate, p99) = (calls.rate(), calls.delay(0.99));
            let (most, megabytes) = (memory(&server, "VmHWM:"), rate * size as f64 / 1e6);
            println!("| {path} | {name} | {rate:.0} | {megabytes:.0} | {p99:.2} | {before} | {most} |");
        }
    }

    let before = memory(&server, "VmRSS:");
    let mut sockets = Vec::with_capacity(SOCKETS);
    let handshake = format!(
        "{bearer}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for _ in 0..SOCKETS {
        let mut socket = TcpStream::connect(gateway).await.unwrap();
        socket.write_all(&call("/gw/echo/ws", &handshake)).await.unwrap();
        let mut buffer = Vec::new();
        let head = head(&mut socket, &mut buffer).await.unwrap();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        sockets.push(socket);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = memory(&server, "VmRSS:");
    let each = (after.saturating_sub(before)) * 1024 / SOCKETS as u64;
    println!("\n{SOCKETS} idle WebSockets: {before} MB before, {after} MB with them, {each} KB for each");
    drop((sockets, proxies, server));
}

/// What a load brought.
struct Calls {
    delays: Vec<Duration>,
    took: Duration,
}

impl Calls {
    fn rate(&self) -> f64 {
        self.delays.len() as f64 / self.took.as_secs_f64()
    }

    /// In milliseconds.
    fn delay(&self, share: f64) -> f64 {
        self.delays[((self.delays.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0
    }
}

async fn measure(name: &str, process: Option<&Process>, load: impl Future<Output = Calls>) {
    let before = process.map(Process::processor_time);
    let calls = load.await;
    let spent = process
        .zip(before)
        .map(|(process, before)| process.processor_time() - before);
    let spent = spent.map_or_else(String::new, |spent| {
        format!("{:.1}", spent.as_secs_f64() * 1e6 / calls.delays.len() as f64)
    });
    println!(
        "| {name} | {:.0} | {:.2} | {:.2} | {spent} |",
        calls.rate(),
        calls.delay(0.5),
        calls.delay(0.99)
    );
}

/// Calls over so many connections, each as soon as the answer before it is there. `request` is asked with the number of the call, and ends
/// the load with `None`.
async fn load(address: SocketAddr, duration: Duration, request: impl Fn(usize) -> Option<Vec<u8>>) -> Calls {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let connection = async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut delays, mut buffer) = (Vec::new(), Vec::with_capacity(256 * 1024));
        while started.elapsed() < duration {
            let Some(request) = request(next.fetch_add(1, Relaxed)) else {
                break;
            };
            let begun = Instant::now();
            stream.write_all(&request).await.unwrap();
            answer(&mut stream, &mut buffer).await;
            delays.push(begun.elapsed());
        }
        delays
    };
    let mut delays = futures_util::future::join_all((0..CONNECTIONS).map(|_| connection()))
        .await
        .concat();
    delays.sort_unstable();
    Calls {
        delays,
        took: started.elapsed(),
    }
}

/// Reads a head, in lower case. What follows it stays in the buffer.
async fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            buffer.drain(..end + 4);
            return Some(head);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// Reads an answer with a length, and throws it away.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    let head = head(stream, buffer).await.expect("the connection stays open");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut left: usize = length.expect("a length").trim().parse().unwrap();
    left -= buffer.len();
    buffer.clear();
    while left > 0 {
        let read = stream.read_buf(buffer).await.unwrap();
        assert!(read > 0);
        left -= read;
        buffer.clear();
    }
}

/// The service: it answers with so many bytes, and holds WebSockets without a word.
async fn serve(listener: TcpListener) {
    let sized = |size: usize| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; size]].concat()
    };
    let answers = Arc::new([
        ("/1k", sized(1 << 10)),
        ("/64k", sized(64 << 10)),
        ("/10m", sized(10 << 20)),
    ]);
    while let Ok((mut stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let answers = answers.clone();
        tokio::spawn(async move {
            let mut buffer = Vec::new();
            while let Some(head) = head(&mut stream, &mut buffer).await {
                let path = head.split(' ').nth(1).unwrap_or_default();
                if path == "/ws" {
                    let accept = derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
                    let answer = format!(
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    continue;
                }
                let answer = answers.iter().find(|(known, _)| *known == path);
                if stream.write_all(&answer.expect("a known path").1).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn provide(listener: TcpListener, issuer: &TestIssuer, url: &str) -> impl Future<Output = ()> + use<> {
    let mut metadata = issuer.metadata();
    for (name, path) in [("authorization_endpoint", "authorize"), ("token_endpoint", "token")] {
        metadata[name] = Value::from(format!("{url}/{path}"));
    }
    metadata["response_types_supported"] = json!(["code"]);
    metadata["code_challenge_methods_supported"] = json!(["S256"]);
    let jwks = issuer.jwks();
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(async move || Json(metadata)))
        .route("/jwks", get(async move || Json(jwks)));
    async move { axum::serve(listener, router).await.unwrap() }
}

/// A proxy, which ends with the measurement.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("it is installed"),
        )
    }

    /// Of the process and its children, which nginx has.
    fn processor_time(&self) -> Duration {
        let ticks: u64 = self.family().iter().map(|process| ticks(*process).unwrap_or(0)).sum();
        // The kernel's unit is a hundredth of a second (`getconf CLK_TCK`).
        Duration::from_millis(ticks * 10)
    }

    fn family(&self) -> Vec<u32> {
        let own = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        children.chain([own]).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx ends its children on SIGTERM.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn ticks(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may have spaces: state is the first, utime the 12th, stime the 13th.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?)
}

/// In megabytes.
fn memory(process: &Process, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Makes the present memory the most that was held.
fn forget_peak(process: &Process) {
    let _ = std::fs::write(format!("/proc/{}/clear_refs", process.0.id()), "5");
}

fn start_nginx(folder: &Path, listen: SocketAddr, target: SocketAddr) -> Process {
    let root = folder.display();
    let text = format!(
        "worker_processes 2;\ndaemon off;\npid {root}/nginx.pid;\nerror_log {root}/nginx.log;\nevents {{ worker_connections 4096; }}\nhttp {{\n  \
         access_log off;\n  keepalive_requests 1000000000;\n  client_body_temp_path {root}/body;\n  proxy_temp_path {root}/proxy;\n  \
         fastcgi_temp_path {root}/fastcgi;\n  uwsgi_temp_path {root}/uwsgi;\n  scgi_temp_path {root}/scgi;\n  \
         upstream service {{ server {target}; keepalive 64; keepalive_requests 1000000000; }}\n  \
         server {{ listen {listen}; location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_max_temp_file_size 0; }} }}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    Process::start(Command::new("nginx").arg("-c").arg(file).stderr(Stdio::null()))
}

fn start_haproxy(folder: &Path, listen: SocketAddr, target: SocketAddr, issuer: &TestIssuer) -> Process {
    let (key, file) = (folder.join("key.pem"), folder.join("haproxy.cfg"));
    std::fs::write(&key, public_key(&issuer.jwks()["keys"][0])).unwrap();
    let text = format!(
        "global\n  nbthread 2\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         option http-keep-alive\n  http-reuse always\nfrontend gateway\n  bind {listen}\n  http-request deny unless {{ req.hdr(authorization) -m found }}\n  \
         http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')\n  \
         http-request set-var(txn.iss) http_auth_bearer,jwt_payload_query('$.iss')\n  \
         http-request set-var(txn.aud) http_auth_bearer,jwt_payload_query('$.aud')\n  \
         http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int')\n  \
         http-request set-var(txn.now) date()\n  \
         http-request deny unless {{ var(txn.alg) -m str RS256 }}\n  \
         http-request deny unless {{ var(txn.iss) -m str {issuer} }}\n  \
         http-request deny unless {{ var(txn.aud) -m found }}\n  \
         http-request deny if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}\n  \
         http-request deny unless {{ http_auth_bearer,jwt_verify(txn.alg,\"{key}\") 1 }}\n  \
         default_backend service\nbackend service\n  server one {target}\n",
        issuer = issuer.issuer(),
        key = key.display(),
    );
    std::fs::write(&file, text).unwrap();
    Process::start(Command::new("haproxy").arg("-f").arg(file))
}

fn start_server(folder: &Path, listen: SocketAddr, target: SocketAddr, issuer: &str) -> Process {
    let file = folder.join("pixygate.toml");
    let text = format!(
        "[server]\nlisten = \"{listen}\"\npublic_url = \"http://{listen}\"\n[provider]\nissuer = \"{issuer}\"\nclient_id = \"shop\"\n\
         [[trust]]\nissuer = \"{issuer}\"\naudience = [\"orders\"]\n[gate]\nrate_limit = \"\"\n[telemetry]\nmetrics_listen = \"\"\n\
         [[upstream]]\nname = \"echo\"\ntarget = \"http://{target}\"\nmax_connections = 8000\n[[upstream.route]]\npath = \"/**\"\n\
         [[upstream]]\nname = \"plain\"\ntarget = \"http://{target}\"\nidentity = \"none\"\n[[upstream.route]]\npath = \"/**\"\npublic = true\n"
    );
    std::fs::write(&file, text).unwrap();
    let binary: PathBuf = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .with_file_name("pixygate");
    let mut command = Command::new(binary);
    Process::start(command.env("PIXYGATE_CONFIG", &file).current_dir(folder))
}

/// A public key of RSA as PEM (RFC 8017, appendix A.1.1; RFC 5280, section 4.1).
fn public_key(jwk: &Value) -> String {
    let number = |name: &str| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        // A leading zero keeps a number positive whose first bit is set.
        let sign = if bytes[0] >= 0x80 { vec![0] } else { Vec::new() };
        der(2, &[sign, bytes].concat())
    };
    let key = der(0x30, &[number("n"), number("e")].concat());
    let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let info = der(0x30, &[&algorithm[..], &der(3, &[vec![0], key].concat())].concat());
    let text = BASE64_STANDARD.encode(info);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..128 => vec![short as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [&[tag][..], &length, content].concat()
}

fn free() -> [SocketAddr; 3] {
    let sockets = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

/// In seconds since 1970.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}
