//! Valkey or Redis from the distribution's package, on a port of its own. It stores nothing on disk.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::postgres::{free_port, programs, signal};

/// A running server.
pub(crate) struct Server {
    program: PathBuf,
    port: u16,
    process: Child,
}

impl Server {
    /// Starts a server, or says why not.
    pub(crate) fn start() -> Option<Self> {
        let found = ["valkey-server", "redis-server"]
            .into_iter()
            .find_map(|name| programs(name).map(|folder| folder.join(name)));
        let Some(program) = found else {
            eprintln!("skipped: neither Valkey nor Redis is installed here (Debian: apt-get install redis-server)");
            return None;
        };
        let port = free_port();
        let process = serve(&program, port);
        Some(Self { program, port, process })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it, with all that it knows.
    pub(crate) fn stop(&mut self) {
        signal(&self.process, "KILL");
        self.process.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = serve(&self.program, self.port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the server and waits until it takes connections.
fn serve(program: &PathBuf, port: u16) -> Child {
    let mut process = Command::new(program)
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..2_000 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return process;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let _ = process.kill();
    let _ = process.wait();
    panic!("{} did not start", program.display());
}
