//! What a server that starts says by itself.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::process::folder;
use super::world::World;
use crate::house;

/// A second, and more on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(5);

struct Server {
    process: Child,
    lines: Receiver<String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Server {
    fn start(configuration: &str) -> (Self, [tempfile::TempDir; 2]) {
        let (site, folder) = (house::site(), folder(configuration));
        let mut process = Command::new(env!("CARGO_BIN_EXE_pixygate"))
            .current_dir(folder.path())
            .env_remove("PIXYGATE_CONFIG")
            .env("PIXYGATE_SITE", site.path())
            .env("PIXYGATE_SERVER__LISTEN", "127.0.0.1:0")
            .env("PIXYGATE_STORE__URL", "sqlite::memory:")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(process.stdout.take().unwrap()),
            Box::new(process.stderr.take().unwrap()),
        ];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    drop(sender.send(line));
                }
            });
        }
        (Self { process, lines }, [site, folder])
    }

    /// Waits for a line with these words. Returns it with what was said before.
    fn said(&self, words: &str, within: Duration) -> Result<String, String> {
        let end = Instant::now() + within;
        let mut said = String::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                return Err(said);
            };
            said.push_str(&line);
            said.push('\n');
            if line.contains(words) {
                return Ok(said);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_conflict_is_in_the_log_though_the_keys_have_an_address_of_their_own() {
    let world = World::start().await;
    let (base, issuer) = (world.base(), format!("{}/oauth2/token", world.base()));
    // That the right issuer is no conflict is shown in `embedded`.
    let (server, _folders) = Server::start(&format!(
        "{}\n[[trust]]\nissuer = \"{base}\"\njwks_url = \"{base}/oauth2/jwks\"\naudience = [\"pixygate\"]\n",
        world.configuration()
    ));
    let said = tokio::task::spawn_blocking(move || {
        let begun = server.said("/t/demo", Duration::from_secs(60));
        begun.and_then(|_| server.said("PXG021", SOON))
    });
    let said = said.await.unwrap().unwrap();
    let line = said.lines().last().unwrap().replace('\\', "");
    assert!(
        line.contains(&format!("write issuer = \"{issuer}\" in place of \"{base}\"")),
        "{line}"
    );
}
