//! PostgreSQL from the distribution's package, in a temporary folder and on its own port. Each [`Cluster`] is one server process that ends
//! with the test.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running server.
pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    process: Child,
}

impl Cluster {
    /// Starts a server; `None` if it is not installed. In CI it must be installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs("initdb") else {
            assert!(std::env::var_os("CI").is_none(), "CI skips nothing: install PostgreSQL");
            eprintln!("skipped: PostgreSQL is not installed here (Debian: apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        give_to_postgres(folder.path());
        let mut initdb = as_postgres(&programs.join("initdb"));
        initdb.args([
            "-U",
            "pixygate",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        // Small segments, because a server writes one before it accepts its first connection.
        let created = initdb
            .arg("--wal-segsize=1")
            .arg("-D")
            .arg(folder.path().join("data"))
            .output();
        let created = created.unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        let port = free_port();
        let process = serve(&programs, folder.path(), port);
        Some(Self {
            folder,
            programs,
            port,
            process,
        })
    }

    pub(crate) fn url(&self) -> String {
        self.url_through(self.port)
    }

    /// Returns the URL of the same database through a proxy on another port.
    pub(crate) fn url_through(&self, port: u16) -> String {
        format!("postgres://pixygate@127.0.0.1:{port}/postgres?sslmode=disable")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections and the server, at once.
    pub(crate) fn stop(&mut self) {
        signal(&self.process, "INT");
        self.process.wait().unwrap();
    }

    /// Starts it again, with the same data.
    pub(crate) fn start_again(&mut self) {
        self.process = serve(&self.programs, self.folder.path(), self.port);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Immediate shutdown: the data are not needed any more.
        signal(&self.process, "QUIT");
        drop(self.process.wait());
    }
}

/// Starts the server and waits until it accepts connections.
fn serve(programs: &Path, folder: &Path, port: u16) -> Child {
    let mut server = as_postgres(&programs.join("postgres"));
    server.arg("-D").arg(folder.join("data"));
    for setting in [
        "listen_addresses=127.0.0.1",
        &format!("port={port}"),
        "unix_socket_directories=",
        "shared_buffers=16MB",
        "max_connections=100",
        // Durability is not needed: no test simulates a power failure.
        "fsync=off",
    ] {
        server.args(["-c", setting]);
    }
    let mut process = server
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let mut line = String::new();
    let mut all = String::new();
    while !line.contains("ready to accept connections") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "PostgreSQL did not start: {all}");
        all += &line;
    }
    // A full pipe would block the process.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    process
}

/// Returns the folder of the newest version that has the program.
pub(crate) fn programs(program: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    let version = |folder: &PathBuf| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    folders.sort_by_key(version);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    folders
        .into_iter()
        .rev()
        .chain(on_path)
        .find(|folder| folder.join(program).is_file())
}

/// The server does not run as root: `setpriv` switches to the user of the package, and ends the server if the test is killed.
pub(crate) fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
        "--pdeathsig=QUIT",
    ]);
    command.arg(program);
    command
}

pub(crate) fn give_to_postgres(path: &Path) {
    if is_root() {
        assert!(
            Command::new("chown")
                .arg("postgres:postgres")
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Returns a free port below the ephemeral range, so that it stays free while the server on it is stopped.
pub(crate) fn free_port() -> u16 {
    let random = || 15_000 + (RandomState::new().hash_one(std::process::id()) % 15_000) as u16;
    std::iter::repeat_with(random)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

pub(crate) fn signal(process: &Child, name: &str) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.id().to_string())
        .status();
    drop(sent);
}
