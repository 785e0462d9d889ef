//! PgBouncer in transaction mode: each transaction may use another connection of the database.

use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::postgres::{Cluster, as_postgres, free_port, give_to_postgres, programs, signal};
use crate::store::{Engine, activity, ended, revocation, schema};

/// Tests of the store, through PgBouncer.
macro_rules! bounced {
    ($($room:ident::$name:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let Some(cluster) = Cluster::start() else { return };
            let Some(bouncer) = PgBouncer::start(&cluster) else { return };
            $room::$name(&Engine::Bounced(cluster, bouncer)).await;
        })+
    };
}

bounced!(
    activity::a_record_is_read_as_it_was_written,
    activity::pages_show_each_record_once_newest_first,
    activity::sums_of_all_nodes_fall_into_buckets,
    activity::nodes_count_each_other,
    activity::what_is_old_is_deleted_and_the_rest_stays,
    ended::a_logout_token_is_recorded_once,
    ended::concurrent_writers_are_read_without_a_gap,
    revocation::what_ends_at_one_node_ends_at_all,
    schema::several_nodes_that_start_at_once_make_the_tables_once,
);

pub(crate) struct PgBouncer {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts PgBouncer in front of the database; `None` if it is not installed. In CI it must be installed.
    pub(crate) fn start(cluster: &Cluster) -> Option<Self> {
        let program = programs("pgbouncer").map(|folder| folder.join("pgbouncer"));
        let program =
            program.or_else(|| Some("/usr/sbin/pgbouncer".into()).filter(|path: &std::path::PathBuf| path.is_file()));
        let Some(program) = program else {
            assert!(std::env::var_os("CI").is_none(), "CI skips nothing: install PgBouncer");
            eprintln!("skipped: PgBouncer is not installed here (Debian: apt-get install pgbouncer)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let settings = folder.path().join("pgbouncer.ini");
        // Fewer connections than the nodes have, so that nodes share them.
        let text = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} user=pixygate\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n",
            cluster.port()
        );
        std::fs::write(&settings, text).unwrap();
        give_to_postgres(folder.path());
        give_to_postgres(&settings);
        let process = as_postgres(&program)
            .arg("--quiet")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self {
            process,
            port,
            _folder: folder,
        };
        started.wait();
        Some(started)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://pixygate@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Waits until it accepts connections.
    fn wait(&self) {
        for _ in 0..2_000 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::yield_now();
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        panic!("PgBouncer did not start");
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        signal(&self.process, "TERM");
        signal(&self.process, "KILL");
        drop(self.process.wait());
    }
}
