//! The configuration: `pixygate.toml` and the environment, checked completely before the server starts.
//!
//! 1. `defaults.toml`: every key, its type and its default.
//! 2. [`document`]: file and environment, merged over the defaults, with the place that set each value.
//! 3. [`sections`]: the sections as types, each of which checks its own values.
//! 4. `check`: checks between several values. The result is a [`Config`], or every [`Problem`] at once.

mod check;
mod document;
mod problem;
mod sections;
mod upstreams;
mod url;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pixygate::jwt::Trust;

use document::Document;
pub use document::{Setting, keys};
pub use problem::{Problem, Problems, Source};
pub use sections::{Activity, Console, DevIdp, Gate, GateRoute, Provider, Server, Session, Store, Telemetry};
pub use upstreams::{BackendJwt, UpstreamEntry};
pub use url::PublicUrl;

/// The file that is read when `PIXYGATE_CONFIG` names no other.
pub const FILE: &str = "pixygate.toml";

/// A configuration that has passed every check.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on, and the public URL.
    pub server: Server,
    /// The provider at which users sign in; `None` for the embedded provider.
    pub provider: Option<Provider>,
    /// The session in the browser.
    pub session: Session,
    /// The issuers whose access tokens are accepted, as written; [`Config::trust_of`] adds the default.
    pub trust: Vec<Trust>,
    /// The gate's own settings.
    pub gate: Gate,
    /// The services behind the gate.
    pub upstreams: Vec<UpstreamEntry>,
    /// The JWTs that identify callers to upstreams.
    pub backend_jwt: BackendJwt,
    /// The state that nodes share.
    pub store: Store,
    /// The activity log.
    pub activity: Activity,
    /// The administrators.
    pub console: Console,
    /// Metrics.
    pub telemetry: Telemetry,
    /// The embedded provider.
    pub dev_idp: DevIdp,
    /// Every known key with its value and the place that set it, in the order of the defaults.
    pub settings: Vec<(String, Setting)>,
    /// Warnings for the operator at the start.
    pub warnings: Vec<String>,
}

/// Returns the variables of an environment, for [`Config::load`]. Variables of other programs are left out.
///
/// # Errors
///
/// If the value of a `PIXYGATE_` variable is not UTF-8.
pub fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, Problems> {
    let mut variables = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PIXYGATE_")) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => variables.push((name.to_owned(), value)),
            Err(_) => problems.push(Problem {
                origin: Source::Environment {
                    variable: name.to_owned(),
                },
                key: name.to_owned(),
                expected: "text in UTF-8".to_owned(),
                found: "other bytes".to_owned(),
                hint: "write the value anew, or unset the variable".to_owned(),
            }),
        }
    }
    match problems.is_empty() {
        true => Ok(variables),
        false => Err(Problems(problems)),
    }
}

impl Config {
    /// Returns the file that [`load`](Self::load) reads.
    pub fn path(directory: &Path, environment: &[(String, String)]) -> PathBuf {
        let named = environment.iter().find(|(name, _)| name == "PIXYGATE_CONFIG");
        directory.join(named.map_or(FILE, |(_, name)| name))
    }

    /// Reads the file that `PIXYGATE_CONFIG` names, else `pixygate.toml` in `directory` if it exists, and merges the
    /// environment. Relative file names in it are relative to the file.
    ///
    /// # Errors
    ///
    /// Every problem that was found, not only the first.
    pub fn load(directory: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Problems> {
        let environment: Vec<_> = environment.into_iter().collect();
        let named = environment.iter().find(|(name, _)| name == "PIXYGATE_CONFIG").cloned();
        let shown = named.as_ref().map_or(FILE, |(_, name)| name);
        let path = Self::path(directory, &environment);
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::read_in(&folder, Some((shown, &text)), environment),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
                Self::read_in(directory, None, environment)
            }
            Err(error) => Err(Problems(vec![Problem {
                origin: match named {
                    Some((ref variable, _)) => Source::Environment {
                        variable: variable.clone(),
                    },
                    None => Source::File {
                        path: shown.to_owned(),
                        line: 1,
                    },
                },
                key: "(the file)".to_owned(),
                expected: "a readable file".to_owned(),
                found: format!("{shown}: {error}"),
                hint: "correct the name or the permissions, or copy pixygate.example.toml there".to_owned(),
            }])),
        }
    }

    /// Reads the text of a file with this name, and the environment. Relative file names are relative to the working directory.
    ///
    /// # Errors
    ///
    /// Every problem that was found, not only the first.
    pub fn read(
        file: Option<(&str, &str)>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        Self::read_in(&PathBuf::new(), file, environment)
    }

    fn read_in(
        folder: &Path,
        file: Option<(&str, &str)>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut document = Document::new();
        if let Some((name, text)) = file {
            document.read_file(name, text);
        }
        document.read_environment(environment);
        document.resolve_files(folder);
        check::check(document)
    }

    /// Returns the limits of connections.
    pub fn limits(&self) -> crate::Limits {
        crate::Limits {
            max_connections: self.server.max_connections as usize,
            keep_alive: Duration::from_secs(self.server.keep_alive_seconds),
            head: Duration::from_secs(self.server.head_seconds),
            write: Duration::from_secs(self.server.write_seconds),
            max_head_bytes: (self.server.max_head_bytes + self.gate.max_token_bytes) as usize,
        }
    }

    /// Returns the trust of the gate: `[[trust]]` if there is one, else one entry derived from the provider.
    pub fn trust_of(&self, provider: &Provider) -> Vec<Trust> {
        match self.trust.is_empty() {
            true => vec![provider.trust()],
            false => self.trust.clone(),
        }
    }
}

impl Provider {
    /// Returns the default trust: tokens that this provider issued for this application, or for the requested resource.
    pub fn trust(&self) -> Trust {
        // With a resource, a token whose `aud` is the client's own identifier is another token.
        let audience = self.resource.as_ref().or_else(|| self.extra_params.get("audience"));
        let mut trust = Trust::new(&self.issuer).audience(audience.unwrap_or(&self.client_id));
        trust.discovery_url = self.discovery_url.clone().unwrap_or_default();
        trust.insecure_http_hosts.clone_from(&self.insecure_http_hosts);
        trust
    }
}
