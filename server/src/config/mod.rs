//! The configuration: `pixygate.toml`, with the environment laid over it, checked whole before the first byte is served.
//!
//! 1. [`keys`]: the table of everything that can be set.
//! 2. `settings`: file and environment, read into values that know where they came from.
//! 3. `check`: the rules between the values; out of it comes a [`Config`], or every [`Problem`] at once.

mod check;
pub mod keys;
mod problem;
mod settings;
mod url;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use pixygate::authorization::DpopMode;
use pixygate::gate::{Methods, Pattern, Policy, Rate};
use pixygate::jwt::Trust;

pub use problem::{Origin, Problem, Problems};
pub use settings::{Hidden, Setting, Value};
pub use url::PublicUrl;

/// The file that is read when `PIXYGATE_CONFIG` names no other.
pub const FILE: &str = "pixygate.toml";

/// A configuration that has passed every check.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens and what it is called from outside.
    pub server: Server,
    /// Where people sign in; none stands for the embedded provider.
    pub provider: Option<Provider>,
    /// What the session in the browser is told.
    pub session: Session,
    /// Whose access tokens pass the gate, as written; [`Config::trust_of`] adds the default.
    pub trust: Vec<Trust>,
    /// The gate's own settings.
    pub gate: Gate,
    /// What the server tells those who watch it.
    pub telemetry: Telemetry,
    /// The embedded provider.
    pub dev_idp: DevIdp,
    /// Every known key with its value and where that came from, in the order of the table of keys.
    pub settings: Vec<(String, Setting)>,
    /// What is worth saying at start although it stops nothing.
    pub warnings: Vec<String>,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The one base of redirect URIs, DPoP `htu` and links.
    pub public_url: PublicUrl,
    /// The proxies whose word about the client counts: `X-Forwarded-For`, and its certificate.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at once.
    pub max_connections: usize,
    /// How long a connection may be idle between two requests.
    pub keep_alive_seconds: u64,
    /// How long browsers use TLS only; 0: they are not told.
    pub hsts_seconds: u64,
    /// Whether that holds for all names under the server's too.
    pub hsts_include_subdomains: bool,
}

impl Server {
    /// `Strict-Transport-Security` (RFC 6797), when browsers come by TLS.
    pub fn hsts(&self) -> Option<http::HeaderValue> {
        let subdomains = if self.hsts_include_subdomains {
            "; includeSubDomains"
        } else {
            ""
        };
        let value = format!("max-age={}{subdomains}", self.hsts_seconds);
        let wanted = self.public_url.is_https() && self.hsts_seconds > 0;
        wanted.then(|| http::HeaderValue::from_str(&value).ok()).flatten()
    }
}

/// `[provider]`
#[derive(Clone, Debug)]
pub struct Provider {
    /// The issuer, exactly as the provider's tokens say it.
    pub issuer: String,
    /// Where its metadata is, when that is not the issuer plus the well-known path.
    pub discovery_url: Option<String>,
    /// The identifier that the provider gave this application.
    pub client_id: String,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// The resource that access tokens are for (RFC 8707).
    pub resource: Option<String>,
    /// Further parameters of the authorization request.
    pub extra_params: BTreeMap<String, String>,
    /// Whether tokens are bound to a key of the browser.
    pub dpop: DpopMode,
    /// Where sign-out goes at a provider without an `end_session_endpoint`.
    pub logout_url: Option<String>,
    /// Where a `DELETE` with an access token ends all sessions of its person.
    pub sessions_url: Option<String>,
    /// As in [`Config`].
    pub session: Session,
    /// Where `issuer` was set, for messages.
    pub issuer_origin: Origin,
}

/// `[session]`
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// After how many seconds without a sign of the person it ends.
    pub idle_sign_out_seconds: Option<u32>,
    /// The other origins that calls may carry the access token to.
    pub call_origins: Vec<String>,
}

/// `[gate]`
#[derive(Clone, Debug)]
pub struct Gate {
    /// Longer tokens are refused unread.
    pub max_token_bytes: usize,
    /// How many verdicts are kept.
    pub token_cache: usize,
    /// Per subject.
    pub rate_limit: Option<Rate>,
    /// Per address, for refused calls.
    pub failure_limit: Option<Rate>,
    /// Whether proofs must carry a nonce of the gate.
    pub dpop_nonce: bool,
    /// Where trusted proxies tell the client's certificate.
    pub certificate_header: Option<String>,
    /// Whether refusals carry details.
    pub explain: bool,
    /// What calls must bring beyond what the code asks for.
    pub routes: Vec<GateRoute>,
}

/// `[[gate.route]]`
#[derive(Clone, Debug)]
pub struct GateRoute {
    /// For these methods …
    pub methods: Methods,
    /// … and paths …
    pub pattern: Pattern,
    /// … this is asked for as well.
    pub policy: Policy,
    /// Where it is written.
    pub origin: Origin,
}

/// `[telemetry]`
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Where the metrics can be read; none where nobody is to read them.
    pub metrics_listen: Option<SocketAddr>,
}

/// `[dev_idp]`
#[derive(Clone, Debug)]
pub struct DevIdp {
    /// The loopback address to listen on.
    pub listen: SocketAddr,
}

impl Config {
    /// Reads the file that `PIXYGATE_CONFIG` names, else `pixygate.toml` in `directory` where there is one, and lays
    /// the environment over it.
    ///
    /// # Errors
    ///
    /// Every problem that was found, not only the first.
    pub fn load(directory: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Problems> {
        let environment: Vec<_> = environment.into_iter().collect();
        let named = environment
            .iter()
            .find(|(name, _)| name == "PIXYGATE_CONFIG")
            .map(|(_, value)| PathBuf::from(value));
        let path = named.clone().unwrap_or_else(|| directory.join(FILE));
        let shown = if named.is_some() {
            path.display().to_string()
        } else {
            FILE.to_owned()
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::read(Some((&shown, &text)), environment),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
                Self::read(None, environment)
            }
            Err(error) => Err(Problems(vec![Problem {
                origin: match named {
                    Some(_) => Origin::Environment {
                        variable: "PIXYGATE_CONFIG".to_owned(),
                    },
                    None => Origin::File {
                        path: shown.clone(),
                        line: 1,
                    },
                },
                key: "(the file)".to_owned(),
                expected: "a readable file".to_owned(),
                found: format!("{shown}: {error}"),
                mend: "correct the name or the permissions, or copy pixygate.example.toml there".to_owned(),
            }])),
        }
    }

    /// Reads a file's name and text, and the environment.
    ///
    /// # Errors
    ///
    /// Every problem that was found, not only the first.
    pub fn read(
        file: Option<(&str, &str)>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut settings = settings::Settings::default();
        if let Some((name, text)) = file {
            settings.read_file(name, text);
        }
        settings.read_environment(environment);
        check::check(settings)
    }

    /// The limits of connections.
    pub fn limits(&self) -> crate::Limits {
        crate::Limits {
            max_connections: self.server.max_connections,
            keep_alive: std::time::Duration::from_secs(self.server.keep_alive_seconds),
            // A token of the greatest size, and what else a head has.
            max_head_bytes: 32 * 1024 + self.gate.max_token_bytes,
        }
    }

    /// The trust of the gate: `[[trust]]` where it is written, else one entry made from the provider.
    pub fn trust_of(&self, provider: &Provider) -> Vec<Trust> {
        if self.trust.is_empty() {
            vec![default_trust(provider)]
        } else {
            self.trust.clone()
        }
    }
}

/// The default entry: tokens that this provider issued for this application, or for the resource that it asks for.
fn default_trust(provider: &Provider) -> Trust {
    // Where a resource is asked for, the client's own identifier in `aud` is the mark of another token.
    let audience = provider
        .resource
        .as_ref()
        .or_else(|| provider.extra_params.get("audience"));
    let mut trust = Trust::new(&provider.issuer).audience(audience.unwrap_or(&provider.client_id));
    trust.discovery_url = provider.discovery_url.clone().unwrap_or_default();
    trust
}
