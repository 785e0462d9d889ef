//! A load test with many faults at once: 2,000 slow readers, 2,000 slow writers, bursts of 20,000 bad requests, one
//! caller that floods DPoP proofs, and a provider that goes down and comes back. The server is a separate process, with defaults. The test
//! fails
//! if a valid caller gets an error, memory exceeds 200 MB or the log exceeds 1 MB.
//!
//! `make soak` builds what it needs; `SOAK_SECONDS=60 make soak` is shorter than its ten minutes.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should say where")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::{Json, Router, routing::get};
use http::header::AUTHORIZATION;
use pixygate::jwt::Algorithm;
use pixygate::test_support::{TestIssuer, TestKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, sleep_until};

const SLOW_READERS: usize = 2000;
const SLOW_WRITERS: usize = 2000;
/// Bad requests of a burst. On a fast enough machine, a burst ends within a second.
const BURST: usize = 20_000;
const BURST_EVERY: Duration = Duration::from_secs(5);
/// Requests that are sent before their responses are read. The server limits the number of unread responses.
const PIPELINED: usize = 50;
const FLOODERS: usize = 20;
const CALLERS: usize = 20;
const CALL_EVERY: Duration = Duration::from_millis(50);
const PROVIDER_UP: Duration = Duration::from_secs(20);
const PROVIDER_DOWN: Duration = Duration::from_secs(10);

const MEMORY_BOUND_KB: u64 = 200 * 1024;
const LOG_BOUND: u64 = 1024 * 1024;

type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

struct World {
    issuer: TestIssuer,
    /// Whether the measurement is over; errors do not count any more.
    over: AtomicBool,
    /// The server's address.
    address: String,
    /// The observed events, by observer and event.
    seen: Counts,
    delays: Mutex<Vec<Duration>>,
    errors: Mutex<Vec<String>>,
    id: AtomicUsize,
}

impl World {
    fn count(&self, who: &str, what: &str) {
        *self.seen.lock().unwrap().entry(format!("{who}: {what}")).or_default() += 1;
    }

    fn error(&self, error: String) {
        if self.over.load(Relaxed) {
            return;
        }
        let mut errors = self.errors.lock().unwrap();
        if errors.len() < 20 {
            eprintln!("a valid caller saw: {error}");
        }
        errors.push(error);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn token(&self, subject: &str) -> String {
        let token = self.issuer.token().subject(subject);
        token.claim("iat", now()).claim("exp", now() + 7200).sign()
    }

    fn bound_token(&self, subject: &str, key: &TestKey) -> String {
        let token = self.issuer.token().subject(subject).bound_to(&key.thumbprint());
        token.claim("iat", now()).claim("exp", now() + 7200).sign()
    }

    fn proof(&self, key: &TestKey, token: &str) -> String {
        let id = self.id.fetch_add(1, Relaxed);
        key.proof("GET", &self.url("/api/whoami"), token)
            .jti(&format!("proof-{id}"))
            .claim("iat", now())
            .sign()
    }
}

/// Returns the real time, in seconds since 1970: the server does not use the clock of tests.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[tokio::main]
async fn main() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(600, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();

    let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", provider.local_addr().unwrap());
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().to_string()
    };
    let world = Arc::new(World {
        issuer: TestIssuer::new(&issuer, [Algorithm::ES256]),
        address,
        seen: Counts::default(),
        over: AtomicBool::new(false),
        delays: Mutex::default(),
        errors: Mutex::default(),
        id: AtomicUsize::new(0),
    });
    tokio::spawn(up_and_down(world.clone(), provider));

    let log = folder.path().join("log");
    let mut server = serve(&world, &folder.path().join("pixygate.toml"), &log);
    let client = reqwest::Client::new();
    while client.get(world.url("/readyz")).send().await.is_err() {
        assert!(
            server.0.try_wait().unwrap().is_none(),
            "{}",
            std::fs::read_to_string(&log).unwrap()
        );
        sleep(Duration::from_millis(50)).await;
    }
    let asset = large_asset(&client, &world).await;

    for number in 0..CALLERS {
        tokio::spawn(call(world.clone(), format!("caller-{number}"), false));
    }
    tokio::spawn(call(world.clone(), "bound-caller".to_owned(), true));
    for number in 0..SLOW_READERS {
        tokio::spawn(read_slowly(world.clone(), asset.clone(), number));
    }
    for number in 0..SLOW_WRITERS {
        tokio::spawn(write_slowly(world.clone(), number));
    }
    for number in 0..FLOODERS {
        tokio::spawn(burst(world.clone(), number));
    }
    tokio::spawn(flood_proofs(world.clone()));

    let started = Instant::now();
    let mut connections = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        sleep(Duration::from_secs(1)).await;
        assert!(server.0.try_wait().unwrap().is_none(), "the server ended");
        connections = connections.max(
            std::fs::read_dir(format!("/proc/{}/fd", server.0.id()))
                .unwrap()
                .count(),
        );
    }

    let memory = peak_memory_kb(server.0.id());
    let log_bytes = std::fs::metadata(&log).unwrap().len();
    world.over.store(true, Relaxed);
    drop(server);
    report(&world, seconds, memory, log_bytes, connections);
}

/// Serves metadata and keys, and rejects every connection at times.
async fn up_and_down(world: Arc<World>, first: TcpListener) {
    let (address, mut listener) = (first.local_addr().unwrap(), Some(first));
    let url = format!("http://{address}");
    let mut metadata = world.issuer.metadata();
    for (name, path) in [("authorization_endpoint", "authorize"), ("token_endpoint", "token")] {
        metadata[name] = Value::from(format!("{url}/{path}"));
    }
    metadata["response_types_supported"] = json!(["code"]);
    metadata["code_challenge_methods_supported"] = json!(["S256"]);
    let jwks = world.issuer.jwks();
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(async move || Json(metadata)))
        .route("/jwks", get(async move || Json(jwks)));
    loop {
        let listener = match listener.take() {
            Some(listener) => listener,
            None => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind(address).unwrap();
                socket.listen(64).unwrap()
            }
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serve = axum::serve(listener, router.clone());
        // Open connections end too, or the server would continue to use them.
        let served = tokio::spawn(
            serve
                .with_graceful_shutdown(async { drop(stopped.await) })
                .into_future(),
        );
        sleep(PROVIDER_UP).await;
        drop(stop);
        served.await.unwrap().unwrap();
        world.count("provider", "went down");
        sleep(PROVIDER_DOWN).await;
    }
}

/// Starts the server with defaults, except that keys are refreshed while the provider is down.
fn serve(world: &World, config: &PathBuf, log: &PathBuf) -> Server {
    let (issuer, address) = (world.issuer.issuer(), &world.address);
    let text = format!(
        "[server]\nlisten = \"{address}\"\npublic_url = \"http://{address}\"\n[provider]\nissuer = \"{issuer}\"\nclient_id = \"shop\"\n\
         [[trust]]\nissuer = \"{issuer}\"\naudience = [\"orders\"]\njwks_refresh_seconds = 10\n[telemetry]\nmetrics_listen = \"\"\n"
    );
    std::fs::write(config, text).unwrap();
    let binary = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .with_file_name("pixygate");
    let log = File::create(log).unwrap();
    let child = Command::new(binary)
        .env("PIXYGATE_CONFIG", config)
        .current_dir(config.parent().unwrap())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("target/release/pixygate has been built");
    Server(child)
}

/// The server's process, which ends with this one.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the path of the page's WebAssembly, the largest file of the server.
async fn large_asset(client: &reqwest::Client, world: &World) -> String {
    let page = client.get(world.url("/")).send().await.unwrap().text().await.unwrap();
    let end = page.find(".wasm").expect("the page names its WebAssembly") + ".wasm".len();
    page[page[..end].rfind('"').unwrap() + 1..end].to_owned()
}

/// A valid caller: makes each call when it is due, over kept-alive connections. Every response must be 200.
async fn call(world: Arc<World>, subject: String, bound: bool) {
    let client = reqwest::Client::new();
    let key = TestKey::generate(Algorithm::ES256, "caller");
    let token = match bound {
        true => world.bound_token(&subject, &key),
        false => world.token(&subject),
    };
    let mut due = tokio::time::Instant::now();
    loop {
        due += CALL_EVERY;
        sleep_until(due).await;
        let mut request = client.get(world.url("/api/whoami"));
        request = match bound {
            true => request
                .header(AUTHORIZATION, format!("DPoP {token}"))
                .header("dpop", world.proof(&key, &token)),
            false => request.header(AUTHORIZATION, format!("Bearer {token}")),
        };
        match request.send().await {
            Ok(response) if response.status() == 200 => {
                world.count(if bound { "valid, DPoP" } else { "valid" }, "200");
                let mut delays = world.delays.lock().unwrap();
                delays.push(due.elapsed());
                // The calls that came due meanwhile waited, too. They are not made up for: that would be one flood more.
                while due.elapsed() > CALL_EVERY {
                    due += CALL_EVERY;
                    delays.push(due.elapsed());
                }
            }
            Ok(response) => {
                let status = response.status();
                world.error(format!(
                    "{subject}: {status} {}",
                    response.text().await.unwrap_or_default()
                ));
            }
            Err(error) => world.error(format!("{subject}: {error:?}")),
        }
    }
}

/// Connects from a loopback address that differs from that of the valid callers.
async fn connect(world: &World, from: &str, receive_buffer: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(format!("{from}:0").parse().unwrap())?;
    socket.connect(world.address.parse().unwrap()).await
}

/// Requests a large file, reads a kilobyte a second, and reconnects when the server closes the connection.
async fn read_slowly(world: Arc<World>, path: String, number: usize) {
    let from = format!("127.0.2.{}", number % 250 + 1);
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", world.address);
    let mut chunk = [0; 1024];
    loop {
        if let Ok(mut connection) = connect(&world, &from, Some(4096)).await
            && connection.write_all(request.as_bytes()).await.is_ok()
        {
            while matches!(connection.read(&mut chunk).await, Ok(1..)) {
                sleep(Duration::from_secs(1)).await;
            }
            world.count("slow reader", "given up by the server");
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Writes a byte of a head or a body each second, and reconnects when the server closes the connection.
async fn write_slowly(world: Arc<World>, number: usize) {
    let from = format!("127.0.3.{}", number % 250 + 1);
    let begun = match number % 2 {
        0 => format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nx-slow: ", world.address),
        _ => format!(
            "POST /api/confirm HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: 1000\r\n\r\n",
            world.address,
            world.token(&format!("writer-{number}"))
        ),
    };
    loop {
        if let Ok(mut connection) = connect(&world, &from, None).await
            && connection.write_all(begun.as_bytes()).await.is_ok()
        {
            while connection.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
            world.count("slow writer", "given up by the server");
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Sends its share of each burst: no token, garbage, a forged signature, an unknown key.
async fn burst(world: Arc<World>, number: usize) {
    let from = format!("127.0.1.{}", number % 250 + 1);
    let stranger = TestIssuer::new(world.issuer.issuer(), [Algorithm::ES256]);
    let good = world.token("mallory");
    let forged = format!(
        "{}.{}",
        good.rsplit_once('.').unwrap().0,
        stranger.token().sign().rsplit_once('.').unwrap().1
    );
    let unknown = stranger.token().header("kid", format!("unknown-{number}")).sign();
    let bad = ["", "garbage", &forged, &unknown].map(|token| {
        let credentials = match token {
            "" => String::new(),
            token => format!("authorization: Bearer {token}\r\n"),
        };
        format!(
            "GET /api/whoami HTTP/1.1\r\nhost: {}\r\n{credentials}\r\n",
            world.address
        )
    });
    let chunk: String = (0..PIPELINED).map(|number| bad[number % bad.len()].as_str()).collect();
    let mut due = tokio::time::Instant::now();
    loop {
        due = (due + BURST_EVERY).max(tokio::time::Instant::now());
        sleep_until(due).await;
        let Ok(mut connection) = connect(&world, &from, None).await else {
            continue;
        };
        for _ in 0..BURST / FLOODERS / PIPELINED {
            if connection.write_all(chunk.as_bytes()).await.is_err() {
                break;
            }
            if !answers(&world, &mut connection, PIPELINED).await {
                break;
            }
        }
        let took = due.elapsed().as_secs();
        world.count(
            "burst of one flooder",
            if took == 0 { "within a second" } else { "longer" },
        );
    }
}

/// Reads this many responses, each with a `Content-Length`.
async fn answers(world: &World, connection: &mut TcpStream, wanted: usize) -> bool {
    let mut buffer = Vec::new();
    for _ in 0..wanted {
        let (head, length) = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
                let length: Option<usize> = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                break (head, end + 4 + length.unwrap_or(0));
            }
            if !matches!(connection.read_buf(&mut buffer).await, Ok(1..)) {
                return false;
            }
        };
        while buffer.len() < length {
            if !matches!(connection.read_buf(&mut buffer).await, Ok(1..)) {
                return false;
            }
        }
        world.count("bad", head.get(9..12).unwrap_or("?"));
        buffer.drain(..length);
    }
    true
}

/// A caller with a valid token and a new proof for each call, as fast as possible.
async fn flood_proofs(world: Arc<World>) {
    let key = Arc::new(TestKey::generate(Algorithm::ES256, "flooder"));
    let token = world.bound_token("flooder", &key);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (world, key, token) = (world.clone(), key.clone(), token.clone());
        callers.spawn(async move {
            let client = reqwest::Client::builder()
                .local_address(std::net::IpAddr::from([127, 0, 4, 1]))
                .build()
                .unwrap();
            loop {
                let request = client
                    .get(world.url("/api/whoami"))
                    .header(AUTHORIZATION, format!("DPoP {token}"))
                    .header("dpop", world.proof(&key, &token));
                match request.send().await {
                    Ok(response) => world.count("proof flooder", response.status().as_str()),
                    Err(_) => world.count("proof flooder", "connection lost"),
                }
            }
        });
    }
    callers.join_all().await;
}

/// Returns the peak memory of the process (`VmHWM`), in kilobytes.
fn peak_memory_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn report(world: &World, seconds: u64, memory: u64, log_bytes: u64, connections: usize) {
    let mut delays = std::mem::take(&mut *world.delays.lock().unwrap());
    delays.sort_unstable();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!("{seconds} s, at most {connections} open files of the server\n");
    println!("| who: what | times |\n|---|---|");
    for (what, times) in world.seen.lock().unwrap().iter() {
        println!("| {what} | {times} |");
    }
    println!(
        "\nvalid calls, from when they were due: p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    println!("memory at its peak {} MB, log {} KB", memory / 1024, log_bytes / 1024);
    let errors = world.errors.lock().unwrap().len();
    println!("errors that valid callers saw: {errors}");
    assert_eq!(errors, 0, "valid callers saw errors");
    assert!(memory < MEMORY_BOUND_KB, "memory");
    assert!(log_bytes < LOG_BOUND, "log");
}
