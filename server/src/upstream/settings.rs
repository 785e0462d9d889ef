use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, agreed on by ALPN.
    Http2,
    /// HTTP/2 without TLS, known to be understood (RFC 9113, section 3.3).
    H2c,
}

/// In what form the target learns who is calling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// A JWT that the gateway signs.
    #[default]
    Jwt,
    /// Plain headers.
    Headers,
    /// A JWT and plain headers.
    Both,
    /// Nothing.
    None,
}

impl Identity {
    /// Returns whether the target receives a JWT of the gateway.
    pub fn has_jwt(self) -> bool {
        matches!(self, Self::Jwt | Self::Both)
    }

    /// Returns whether the target receives plain headers.
    pub fn has_headers(self) -> bool {
        matches!(self, Self::Headers | Self::Both)
    }
}

/// The origins whose pages may call an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins. None means that only the console's own pages may.
    pub allow_origins: Vec<String>,
    /// Request headers beside those that every call needs.
    pub allow_headers: Vec<String>,
    /// How long a browser remembers the answer to a preflight.
    pub max_age: Duration,
}

/// One `[[upstream]]`, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// Names it in addresses, logs and metrics, and is the audience of its backend JWT.
    pub name: String,
    /// The path that it is reached under.
    pub prefix: String,
    /// Its targets, with a base path each. There is at least one.
    pub targets: Vec<Url>,
    /// Whether the prefix is left out of the path that the target receives.
    pub strip_prefix: bool,
    /// How a target is spoken to.
    pub protocol: Protocol,
    /// Whether the caller's own bearer token is passed on.
    pub pass_token: bool,
    /// In what form the target learns who is calling.
    pub identity: Identity,
    /// Header names, each with the claim whose value it carries.
    pub identity_headers: BTreeMap<String, String>,
    /// For DNS, TCP and TLS, and for a free place among `max_connections`.
    pub connect_timeout: Duration,
    /// From the end of the request to the head of the response.
    pub response_timeout: Duration,
    /// Between two chunks of a body.
    pub idle_timeout: Option<Duration>,
    /// The largest request body.
    pub max_body_bytes: Option<u64>,
    /// Calls in flight at once.
    pub max_connections: usize,
    /// Further attempts after one that failed.
    pub retries: u32,
    /// The path that a healthy target answers with a success.
    pub health_path: Option<String>,
    /// Between two health checks of a target.
    pub health_interval: Duration,
    /// The pages of other origins that may call it.
    pub cors: Cors,
    /// The certificate authorities that sign for its targets, instead of the system's.
    pub ca_file: Option<std::path::PathBuf>,
}

impl UpstreamSettings {
    /// Starts with the defaults of `pixygate.example.toml`.
    pub fn new(name: impl Into<String>, target: Url) -> Self {
        let name = name.into();
        Self {
            prefix: format!("/gw/{name}"),
            name,
            targets: vec![target],
            strip_prefix: true,
            protocol: Protocol::default(),
            pass_token: false,
            identity: Identity::default(),
            identity_headers: BTreeMap::new(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(30),
            idle_timeout: Some(Duration::from_secs(60)),
            max_body_bytes: Some(1024 * 1024),
            max_connections: 256,
            retries: 1,
            health_path: None,
            health_interval: Duration::from_secs(10),
            cors: Cors {
                max_age: Duration::from_secs(600),
                ..Cors::default()
            },
            ca_file: None,
        }
    }
}
