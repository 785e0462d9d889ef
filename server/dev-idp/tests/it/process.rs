//! The binary as a separate process that can be killed.

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

/// A folder with a `target/` in it, in which `cargo run` would be called; removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("target")).unwrap();
        Self(folder)
    }

    /// Returns the state file of the provider on this port.
    pub(crate) fn state(&self, port: u16) -> PathBuf {
        self.0.join("target").join(format!("dev-idp-{port}.json"))
    }

    /// Starts the provider and waits until it prints its address. With port 0, a free port.
    pub(crate) fn start(&self, port: u16) -> Running {
        self.try_to_start(port)
            .unwrap_or_else(|said| panic!("it did not start: {said:?}"))
    }

    /// Like [`Self::start`]. If the provider cannot start, returns its exit code and its output.
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
        // Read to the end, so that a full pipe does not block the process.
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

/// A running provider; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
}

impl Running {
    /// Returns the same world as in other tests, over a connection.
    pub(crate) fn world(&self) -> World {
        let origin = format!("http://127.0.0.1:{}", self.port);
        World {
            router: Router::new().fallback(forward).with_state(origin),
            tenant: "demo",
        }
    }

    /// Kills it (SIGKILL), and returns when it is gone.
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

/// Forwards the request to the process, with its address. A broken connection is a 502.
async fn forward(State(origin): State<String>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    *request.uri_mut() = format!("{origin}{path}").parse::<Uri>().unwrap();
    request.headers_mut().remove(header::HOST);
    if request.headers().contains_key(header::ORIGIN) {
        let origin = HeaderValue::try_from(origin).unwrap();
        request.headers_mut().insert(header::ORIGIN, origin);
    }
    // A new client for each request, because a pooled connection may belong to the killed process.
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    match client.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (axum::http::StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
