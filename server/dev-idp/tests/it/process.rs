//! The binary as a process of its own, that can be killed.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::world::World;

/// A folder with a `target/` in it, where `cargo run` would be called; taken away at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("target")).unwrap();
        Self(folder)
    }

    /// What the provider on this port keeps its state in.
    pub(crate) fn state(&self, port: u16) -> PathBuf {
        self.0.join("target").join(format!("dev-idp-{port}.json"))
    }

    /// Starts it and waits until it says where it listens. Port 0 takes a free one.
    pub(crate) fn start(&self, port: u16) -> Running {
        self.try_to_start(port)
            .unwrap_or_else(|said| panic!("it did not start: {said:?}"))
    }

    /// The same; answers its exit code and what it said about it when it cannot start.
    pub(crate) fn try_to_start(&self, port: u16) -> Result<Running, (Option<i32>, String)> {
        let log = self.0.join("stderr");
        let mut child = Command::new(env!("CARGO_BIN_EXE_dev-idp"))
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut said).unwrap();
        if said.is_empty() {
            let ended = child.wait().unwrap();
            return Err((ended.code(), std::fs::read_to_string(log).unwrap()));
        }
        // It shall not be stopped by a full pipe.
        std::thread::spawn(move || stdout.read_to_string(&mut String::new()));
        let port = said.trim_end().trim_end_matches('/').rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok());
        Ok(Running {
            child,
            port: port.unwrap_or_else(|| panic!("it said {said:?}")),
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

/// A running provider; killed at the latest when the test is over.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
}

impl Running {
    /// The same world as elsewhere in these tests, on the other side of a connection.
    pub(crate) fn world(&self) -> World {
        let origin = format!("http://127.0.0.1:{}", self.port);
        World {
            router: Router::new().fallback(forward).with_state(origin),
            tenant: "demo",
        }
    }

    /// Without a warning (SIGKILL), and gone when this returns.
    pub(crate) fn kill(mut self) -> u16 {
        self.end();
        self.port
    }

    fn end(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("the provider cannot be killed: {error}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends the request to the process, as one that was made for its address. Who is cut off gets a 502.
async fn forward(State(origin): State<String>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    *request.uri_mut() = format!("{origin}{path}").parse::<Uri>().unwrap();
    request.headers_mut().remove(header::HOST);
    if request.headers().contains_key(header::ORIGIN) {
        let origin = HeaderValue::try_from(origin).unwrap();
        request.headers_mut().insert(header::ORIGIN, origin);
    }
    // A client of its own for each request: a kept connection would be one of the killed process.
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    match client.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (axum::http::StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
