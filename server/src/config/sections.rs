//! The sections of the configuration. Each value is checked here, by its type; checks between several values are in
//! `check`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use pixygate::authorization::DpopMode;
use pixygate::discovery::BrowserEndpoints;
use pixygate::gate::policy::{Methods, Pattern};
use pixygate::gate::{Policy, Rate};
use serde::de::{Deserialize, Deserializer, Error, Unexpected};

use super::Source;
use super::url::{PublicUrl, origin, secure};
use crate::activity::{self, WhenFull};
use crate::log::LogFormat;
use crate::replay::Valkey;
use crate::revocation::Timing;
use crate::store::StoreUrl;
use crate::traces::{Collector, TraceSettings};

/// `[server]`
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Server {
    /// The address to listen on.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The origin under which browsers reach the server, the base of redirect URIs, DPoP `htu` and links.
    pub public_url: PublicUrl,
    /// The proxies whose `X-Forwarded-For` and client certificate headers are trusted.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The server's certificate chain, PEM; with `tls_key_file`, the server uses TLS.
    #[serde(deserialize_with = "non_empty")]
    pub tls_certificate_file: Option<String>,
    /// The key of the certificate, PEM.
    #[serde(deserialize_with = "non_empty")]
    pub tls_key_file: Option<String>,
    /// Concurrent connections.
    #[serde(deserialize_with = "within::<1, 1_000_000, _>")]
    pub max_connections: u64,
    /// How long a connection may be idle between two requests, in seconds.
    #[serde(deserialize_with = "within::<1, 3_600, _>")]
    pub keep_alive_seconds: u64,
    /// How long the head of a request may take, in seconds.
    #[serde(deserialize_with = "within::<1, 300, _>")]
    pub head_seconds: u64,
    /// Bytes of a request's head, without the token.
    #[serde(deserialize_with = "within::<4_096, 1_048_576, _>")]
    pub max_head_bytes: u64,
    /// How long a response waits for a client that reads nothing of it, in seconds.
    #[serde(deserialize_with = "within::<1, 3_600, _>")]
    pub write_seconds: u64,
    /// How long the server continues to serve after a signal to stop, in seconds.
    #[serde(deserialize_with = "within::<0, 300, _>")]
    pub drain_seconds: u64,
    /// The `max-age` of HSTS, in seconds; 0 for no header.
    #[serde(deserialize_with = "within::<0, 63_072_000, _>")]
    pub hsts_seconds: u64,
    /// Whether HSTS includes subdomains.
    pub hsts_include_subdomains: bool,
}

/// `[provider]`
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Provider {
    /// The issuer, exactly as the provider's tokens have it.
    pub issuer: String,
    /// The URL of its metadata, if it is not the issuer plus the well-known path.
    #[serde(deserialize_with = "non_empty")]
    pub discovery_url: Option<String>,
    /// The identifier that the provider gave this application.
    pub client_id: String,
    /// The requested scopes.
    #[serde(deserialize_with = "scopes")]
    pub scopes: Vec<String>,
    /// Whether to request `offline_access` if the provider lists it.
    pub offline_access: bool,
    /// The resource that access tokens are for (RFC 8707).
    #[serde(deserialize_with = "resource")]
    pub resource: Option<String>,
    /// Further parameters of the authorization request.
    pub extra_params: BTreeMap<String, String>,
    /// Whether tokens are bound to a key of the browser.
    pub dpop: DpopMode,
    /// The URL for sign-out, instead of the provider's `end_session_endpoint`.
    #[serde(deserialize_with = "url")]
    pub logout_url: Option<String>,
    /// The URL at which a `DELETE` with an access token ends all sessions of its user.
    #[serde(deserialize_with = "url")]
    pub sessions_url: Option<String>,
    /// Endpoints for the browser, if it reaches the provider under another name than the server does.
    pub browser_endpoints: BrowserEndpoints,
    /// Hosts from which metadata and keys may be fetched over plain http.
    pub insecure_http_hosts: Vec<String>,
    /// The place that set `issuer`, for messages.
    #[serde(skip)]
    pub issuer_origin: Source,
}

/// `[session]`
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Session {
    /// The idle time after which the session ends, in seconds; 0: never.
    #[serde(deserialize_with = "within::<0, 86_400, _>")]
    pub idle_sign_out_seconds: u64,
    /// Other origins to which calls may send the access token.
    #[serde(deserialize_with = "call_origins")]
    pub call_origins: Vec<String>,
}

/// `[gate]`
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Gate {
    /// The largest token in bytes. Longer ones are rejected without parsing.
    #[serde(deserialize_with = "within::<512, 65_536, _>")]
    pub max_token_bytes: u64,
    /// The number of cached verified tokens.
    #[serde(deserialize_with = "within::<0, 10_000_000, _>")]
    pub token_cache: u64,
    /// The limit for each subject.
    #[serde(deserialize_with = "rate")]
    pub rate_limit: Option<Rate>,
    /// The limit for each client, for all its users together.
    #[serde(deserialize_with = "rate")]
    pub client_limit: Option<Rate>,
    /// The limit of calls to public routes for each address.
    #[serde(deserialize_with = "rate")]
    pub address_limit: Option<Rate>,
    /// The limit of rejected calls for each address.
    #[serde(deserialize_with = "rate")]
    pub failure_limit: Option<Rate>,
    /// Origins of other sites whose pages may make calls with unsafe methods.
    pub allow_origins: Vec<String>,
    /// Whether DPoP proofs must carry a nonce of the gate.
    pub dpop_nonce: bool,
    /// The header in which trusted proxies send the client's certificate.
    #[serde(deserialize_with = "non_empty")]
    pub certificate_header: Option<String>,
    /// Whether rejections carry details.
    pub explain: bool,
    /// Requirements in addition to those in the code.
    #[serde(skip)]
    pub routes: Vec<GateRoute>,
}

/// `[[gate.route]]`
#[derive(Clone, Debug)]
pub struct GateRoute {
    /// For these methods …
    pub methods: Methods,
    /// … and paths …
    pub pattern: Pattern,
    /// … this is required as well.
    pub policy: Policy,
    /// The place of the entry.
    pub origin: Source,
}

/// The values of a `[[gate.route]]`; [`RouteConfig`](pixygate::gate::RouteConfig) makes the policy of them.
#[derive(serde::Deserialize)]
pub(super) struct RouteValues {
    #[serde(deserialize_with = "methods")]
    pub(super) methods: Methods,
    #[serde(deserialize_with = "pattern")]
    pub(super) path: Pattern,
    #[serde(rename = "scopes", deserialize_with = "scope_list")]
    _scopes: (),
    #[serde(rename = "any_scope", deserialize_with = "scope_list")]
    _any_scope: (),
    #[serde(rename = "roles", deserialize_with = "filled")]
    _roles: (),
    #[serde(rename = "any_role", deserialize_with = "filled")]
    _any_role: (),
    #[serde(rename = "acr", deserialize_with = "filled")]
    _acr: (),
    #[serde(rename = "claims", deserialize_with = "claims")]
    _claims: (),
    #[serde(rename = "rate_limit", deserialize_with = "rate")]
    _rate_limit: Option<Rate>,
}

/// `[store]`
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Store {
    /// Its URL.
    #[serde(deserialize_with = "store_url")]
    pub url: StoreUrl,
    /// How long calls are accepted while the store is not available, in seconds.
    #[serde(deserialize_with = "within::<2, 86_400, _>")]
    pub revocation_max_age_seconds: u64,
    /// How long ended sessions are stored individually, in seconds.
    #[serde(deserialize_with = "within::<600, 31_536_000, _>")]
    pub revocation_keep_seconds: u64,
    /// The Valkey server that stores used DPoP proofs, in place of the store.
    #[serde(deserialize_with = "replay_url")]
    pub dpop_replay_url: Option<Valkey>,
}

/// `[activity]`
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Activity {
    /// How long records are stored, in days.
    #[serde(deserialize_with = "within::<1, 3_650, _>")]
    pub retention_days: u64,
    /// The number of events that can wait to be written.
    #[serde(deserialize_with = "within::<64, 1_000_000, _>")]
    pub queue: u64,
    /// The handling of an event when the queue is full.
    pub when_full: WhenFull,
}

/// `[console]`
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Console {
    /// A user with one of these roles is an administrator …
    #[serde(deserialize_with = "filled_list")]
    pub admin_roles: Vec<String>,
    /// … and one whose token has one of these scopes.
    #[serde(deserialize_with = "filled_list")]
    pub admin_scopes: Vec<String>,
}

/// `[telemetry]`
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Telemetry {
    /// The address of the metrics; `None` for no metrics.
    #[serde(deserialize_with = "optional_address")]
    pub metrics_listen: Option<SocketAddr>,
    /// The collector that spans are sent to, if any.
    #[serde(deserialize_with = "collector")]
    pub otlp_endpoint: Option<Collector>,
    /// How many of a hundred traces that begin here are recorded.
    #[serde(deserialize_with = "within::<0, 100, _>")]
    pub otlp_sample_percent: u64,
    /// How the log is written.
    pub log_format: LogFormat,
}

impl Telemetry {
    /// How traces are recorded, if they are.
    pub fn traces(&self) -> Option<TraceSettings> {
        Some(TraceSettings {
            collector: self.otlp_endpoint.clone()?,
            sample_percent: self.otlp_sample_percent,
        })
    }
}

/// `[dev_idp]`
#[derive(Clone, Debug, serde::Deserialize)]
pub struct DevIdp {
    /// The loopback address to listen on.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
}

impl Store {
    /// Returns how nodes follow the store.
    pub fn timing(&self) -> Timing {
        Timing {
            max_age: Duration::from_secs(self.revocation_max_age_seconds),
            keep: Duration::from_secs(self.revocation_keep_seconds),
            ..Timing::default()
        }
    }
}

impl Activity {
    /// Returns the settings of the recorder.
    pub fn settings(&self) -> activity::Settings {
        activity::Settings {
            retention: Duration::from_secs(86_400 * self.retention_days),
            queue: self.queue as usize,
            when_full: self.when_full,
        }
    }
}

impl Server {
    /// Returns `Strict-Transport-Security` (RFC 6797), if browsers use TLS.
    pub fn hsts(&self) -> Option<http::HeaderValue> {
        let subdomains = match self.hsts_include_subdomains {
            true => "; includeSubDomains",
            false => "",
        };
        let value = format!("max-age={}{subdomains}", self.hsts_seconds);
        let wanted = self.public_url.is_https() && self.hsts_seconds > 0;
        wanted.then(|| http::HeaderValue::from_str(&value).ok()).flatten()
    }

    /// Returns whether only this machine can reach the server: it listens on loopback, and its public URL is a loopback address.
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback() && self.public_url.is_loopback()
    }
}

/// Parses a text. The error of `parse` is the expected form, or `(reason, expected form)`.
fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(|why| D::Error::custom(format_args!("{text:?}: {why}, expected {expected}")))
}

fn parse<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn optional<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    match text {
        "" => Ok(None),
        text => parse(text).map(Some),
    }
}

/// The value may contain a password, so the message does not repeat it.
fn store_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StoreUrl, D::Error> {
    let expected = "sqlite://FILE for one node, or postgres://USER:PASSWORD@HOST/DATABASE for several";
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|why| D::Error::custom(format_args!("{why}, expected {expected}")))
}

/// The value may have a password in it, so it is not repeated.
fn replay_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Valkey>, D::Error> {
    let expected = "valkeys://USER:PASSWORD@HOST:PORT, or valkey:// without TLS; empty for the store";
    let text = String::deserialize(deserializer)?;
    optional(&text, parse).map_err(|why| D::Error::custom(format_args!("{why}, expected {expected}")))
}

const ADDRESS: &str = "an IP address and a port";

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    read(deserializer, ADDRESS, parse)
}

fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    read(deserializer, ADDRESS, |text| optional(text, parse))
}

pub(super) fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    let expected = "a number of requests and a unit: 50/s, 600/m, 1000/h, or empty for no limit";
    read(deserializer, expected, |text| optional(text, parse))
}

/// The address may have a password in it, so it is not repeated.
fn collector<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Collector>, D::Error> {
    let expected = "the base address of a collector, as http://127.0.0.1:4318; empty for none";
    let text = String::deserialize(deserializer)?;
    optional(&text, Collector::parse).map_err(|why| D::Error::custom(format_args!("{why}, expected {expected}")))
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let expected = "an https URL, or http on loopback; empty for none";
    let secure = |text: &str| secure(text).map(|_| text.to_owned());
    read(deserializer, expected, |text| optional(text, secure))
}

/// Parses a resource indicator (RFC 8707, section 2).
fn resource<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let absolute = |text: &str| match ::url::Url::parse(text) {
        Ok(uri) if uri.fragment().is_none() => Ok(text.to_owned()),
        Ok(_) => Err("it has a fragment".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    read(deserializer, "an absolute URI without a fragment", |text| {
        optional(text, absolute)
    })
}

pub(super) fn within<'de, const LEAST: u64, const MOST: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<u64, D::Error> {
    let number = i64::deserialize(deserializer)?;
    match u64::try_from(number) {
        Ok(number) if (LEAST..=MOST).contains(&number) => Ok(number),
        _ => {
            let expected = format!("a whole number from {LEAST} to {MOST}");
            Err(D::Error::invalid_value(Unexpected::Signed(number), &expected.as_str()))
        }
    }
}

fn methods<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Methods, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let expected = "methods in capital letters; none means all";
    Methods::named(&names).map_err(|why| D::Error::custom(format_args!("{why}, expected {expected}")))
}

fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
    read(deserializer, "a path such as \"/api/**\"", parse)
}

fn scope_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let scopes = Vec::<String>::deserialize(deserializer)?;
    match scopes.iter().all(|scope| is_scope(scope)) {
        true => Ok(()),
        false => Err(D::Error::custom(
            "a scope is empty or has a space in it, expected one scope in each string",
        )),
    }
}

fn filled_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    match texts.iter().any(String::is_empty) {
        false => Ok(texts),
        true => Err(D::Error::custom("one is empty, expected values that a token can have")),
    }
}

fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Vec::<String>::deserialize(deserializer)?.iter().any(String::is_empty) {
        false => Ok(()),
        true => Err(D::Error::custom("one is empty, expected values that a token can have")),
    }
}

fn claims<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let claims = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let without_value = |value: &serde_json::Value| value.as_array().is_some_and(Vec::is_empty);
    match claims.values().any(without_value) {
        false => Ok(()),
        true => Err(D::Error::custom(
            "a claim has no value that would do, expected a value, or a list of values, for each claim",
        )),
    }
}

/// Returns whether the text is a scope (RFC 6749, section 3.3).
fn is_scope(scope: &str) -> bool {
    let is_token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !scope.is_empty() && scope.bytes().all(is_token)
}

fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let scopes = Vec::<String>::deserialize(deserializer)?;
    let why = match (
        scopes.iter().all(|scope| is_scope(scope)),
        scopes.iter().any(|scope| scope == "openid"),
    ) {
        (true, true) => return Ok(scopes),
        (false, _) => "a scope has a space in it",
        (true, false) => "without openid there is no ID token and no user is signed in",
    };
    Err(D::Error::custom(format_args!(
        "{why}, expected openid among the scopes, one in each string"
    )))
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let expected = "networks in CIDR notation, [\"10.0.0.0/8\"]; [\"192.0.2.1/32\"] for one address";
    let texts = Vec::<String>::deserialize(deserializer)?;
    let networks: Vec<IpNet> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let why = match networks.len() == texts.len() {
        false => "one is not a network",
        true if networks.iter().any(|network| network.prefix_len() == 0) => {
            "that is every network there is: anybody could forge an address"
        }
        true => return Ok(networks),
    };
    Err(D::Error::custom(format_args!("{why}, expected {expected}")))
}

fn call_origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let origins = texts.iter().map(|text| {
        origin(text).map_err(|why| {
            let expected = "origins: https, or http on loopback, without a path";
            D::Error::custom(format_args!("{text:?}: {why}, expected {expected}"))
        })
    });
    origins.collect()
}
