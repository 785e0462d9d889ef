//! The configuration and the state of this server.

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use pixygate::leptos::{CallError, GateClient};
use serde::{Deserialize, Serialize};

/// The configuration in use, and the state of issuers, upstreams and nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// The time of this response, in milliseconds since 1970 by the server's clock.
    pub at: u64,
    /// The version of this server.
    pub version: String,
    /// Every key with its effective value, in the order of `pixygate.example.toml`.
    pub settings: Vec<Setting>,
    /// The last attempt to reload the configuration; `None` if there was none since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
    /// The trusted issuers.
    pub trusts: Vec<TrustState>,
    /// The services behind the gate.
    pub upstreams: Vec<UpstreamState>,
    /// The live nodes that share the store, this one first.
    pub nodes: Vec<NodeState>,
}

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The key, as in `server.listen` or `trust[0].issuer`.
    pub key: String,
    /// Its value as TOML; a secret is masked.
    pub value: String,
    /// The place that set it: `default`, `pixygate.toml, line 12`, or the name of a variable.
    pub source: String,
    /// Whether it has the default value.
    pub is_default: bool,
}

/// An attempt to reload the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// The time of the attempt, in milliseconds since 1970.
    pub at: u64,
    /// The errors, for which the previous configuration stays in use; empty if the new one is in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// Changed keys that take effect only after a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub need_restart: Vec<String>,
}

/// An error in a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The key; empty if the error is about no key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The place that set it; empty if the error is about no key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The accepted value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// The value that was found. It may have several lines.
    pub found: String,
    /// The fix.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// A trusted issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustState {
    /// The exact `iss`.
    pub issuer: String,
    /// Further exact `iss` values.
    pub aliases: Vec<String>,
    /// The accepted audiences.
    pub audience: Vec<String>,
    /// The accepted clients, whatever the audience.
    pub client_ids: Vec<String>,
    /// The source of its keys: an address, the name of a file, or `configuration`.
    pub key_source: String,
    /// Its keys.
    pub keys: Vec<KeyState>,
    /// Whether it has keys that can still be used.
    pub ready: bool,
    /// The time at which the keys were fetched, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<u64>,
    /// The time of the next fetch, in milliseconds since 1970; `None` for configured keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_refresh: Option<u64>,
    /// The error of the last attempt; `None` if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A key of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// Its identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The algorithms that it verifies, as in `ES256` or `RS256, PS256`.
    pub algorithm: String,
}

/// A service behind the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamState {
    /// Its name.
    pub name: String,
    /// The beginning of its paths.
    pub prefix: String,
    /// Calls and streams in flight on this node.
    pub in_flight: usize,
    /// Its targets.
    pub targets: Vec<TargetState>,
}

/// A target of an upstream, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetState {
    /// Its address.
    pub url: String,
    /// Whether it gets calls.
    pub healthy: bool,
    /// The reason of the state.
    pub detail: TargetDetail,
    /// Calls in flight to it on this node.
    pub in_flight: usize,
}

/// The state of a target, as a node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum TargetDetail {
    /// No error.
    Fine,
    /// Its last calls failed; it still gets calls.
    Failing {
        /// How many failed in a row.
        failures: u32,
    },
    /// Too many calls failed in a row. After this time, the next call is sent to it as a probe.
    Out {
        /// In seconds, rounded up; 0 when the next call is the probe.
        seconds: u64,
    },
    /// It fails its health check.
    Unhealthy,
}

impl TargetDetail {
    /// Returns whether such a target gets calls.
    pub fn gets_calls(self) -> bool {
        matches!(self, Self::Fine | Self::Failing { .. })
    }
}

/// A node that shares the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// The host name and port.
    pub name: String,
    /// The version of its server.
    pub version: String,
    /// The time of its last heartbeat, in milliseconds since 1970.
    pub seen: u64,
    /// Whether it is the node that sent this response.
    pub this: bool,
    /// The time since it read the revocations, in seconds: until now for the node that sent this response, else until its last heartbeat.
    /// Nodes of older versions do not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_age_seconds: Option<u64>,
}

/// `GET /api/admin/configuration`: the effective settings and the state of issuers, upstreams and nodes. For administrators.
#[server(name = GetConfiguration, prefix = "/api", endpoint = "admin/configuration", input = GetUrl, output = Json, client = GateClient)]
pub async fn configuration() -> Result<Configuration, CallError> {
    let (_, backend) = super::backend::administrator().await?;
    let configuration = backend.configuration().await;
    configuration.map_err(super::backend::unavailable)
}
