//! The server as a process of its own: for what happens to processes.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::house;
use crate::postgres::{free_port, signal};

/// The server, with an embedded provider unless the settings name another.
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
    provider: String,
    client: reqwest::Client,
    _site: TempDir,
    _folder: TempDir,
}

impl Server {
    /// Starts it and waits until it is ready. `variables` are added to its environment.
    pub(crate) async fn start<const N: usize>(store: &str, variables: [(&str, &str); N]) -> Self {
        let (site, folder) = (house::site(), tempfile::tempdir().unwrap());
        let (port, provider) = (free_port(), free_port());
        // Where a limit stops a file from growing, the write fails and the process goes on, as with a full disk.
        let process = Command::new("/bin/sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\"", env!("CARGO_BIN_EXE_pixygate")])
            .current_dir(folder.path())
            .env_clear()
            .env("PIXYGATE_SITE", site.path())
            .env("PIXYGATE_SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("PIXYGATE_SERVER__PUBLIC_URL", format!("http://127.0.0.1:{port}"))
            .env("PIXYGATE_DEV_IDP__LISTEN", format!("127.0.0.1:{provider}"))
            .env("PIXYGATE_TELEMETRY__METRICS_LISTEN", "")
            .env("PIXYGATE_GATE__RATE_LIMIT", "")
            .env("PIXYGATE_STORE__URL", store)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            provider: format!("http://127.0.0.1:{provider}"),
            client: reqwest::Client::new(),
            _site: site,
            _folder: folder,
        };
        let ready = async {
            let url = format!("{}/readyz", server.url);
            while !reqwest::get(&url)
                .await
                .is_ok_and(|response| response.status().is_success())
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ready).await.unwrap();
        server
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.process, name);
    }

    /// An access token of the embedded provider.
    pub(crate) async fn token(&self, username: &str) -> String {
        let wanted = json!({ "username": username, "client_id": "pixygate" });
        let url = format!("{}/control/tokens?tenant=demo", self.provider);
        let tokens = self.client.post(url).json(&wanted).send().await.unwrap();
        let tokens: Value = tokens.json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// The status of `GET /api/whoami` and the request's id.
    pub(crate) async fn call(&self, token: &str) -> (StatusCode, String) {
        let call = self.client.get(format!("{}/api/whoami", self.url)).bearer_auth(token);
        let response = call.send().await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        (response.status(), id)
    }

    /// Ends every session of the token's user. Returns the status.
    pub(crate) async fn end_sessions(&self, token: &str) -> StatusCode {
        let end = self
            .client
            .post(format!("{}/api/sessions/end", self.url))
            .bearer_auth(token);
        let end = end.header("content-type", "application/x-www-form-urlencoded");
        end.send().await.unwrap().status()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("KILL");
        drop(self.process.wait());
    }
}
