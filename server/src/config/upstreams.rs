//! Services behind the gate: `[[upstream]]` and `[backend_jwt]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use pixygate::gate::policy::PatternError;
use pixygate::gate::request::RequestPath;
use pixygate::gate::{Policy, RouteConfig};
use serde::Deserialize;
use url::Url;

use super::document::Document;
use super::sections::{RouteValues, non_empty, within};
use crate::backend_token::{ClaimNames, SigningAlgorithm};
use crate::upstream::{Cors, Identity, Protocol, UpstreamRoute, UpstreamSettings};

/// Headers with a meaning of their own, which cannot carry the JWT.
const TAKEN: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];

const LARGEST_BODY: u64 = 1 << 40;

/// `[[upstream]]`
#[derive(Clone, Debug)]
pub struct UpstreamEntry {
    /// The targets and how they are called.
    pub settings: UpstreamSettings,
    /// The routes with their policies.
    pub routes: Vec<UpstreamRoute>,
}

/// `[backend_jwt]`
#[derive(Clone, Debug)]
pub struct BackendJwt {
    /// The header that carries the JWT.
    pub header: HeaderName,
    /// The algorithm of new keys.
    pub algorithm: SigningAlgorithm,
    /// The lifetime of a JWT.
    pub lifetime: Duration,
    /// The time for which a key signs.
    pub rotation: Duration,
    /// Claims of the caller's token that the JWT contains.
    pub claims: ClaimNames,
    /// The file with the secret that encrypts the keys in a shared store.
    pub secret_file: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Values {
    name: String,
    prefix: String,
    target: String,
    targets: Vec<String>,
    strip_prefix: bool,
    protocol: Protocol,
    #[serde(deserialize_with = "non_empty")]
    ca_file: Option<String>,
    pass_token: bool,
    identity: Identity,
    identity_headers: BTreeMap<String, String>,
    #[serde(deserialize_with = "within::<1, 60_000, _>")]
    connect_timeout_ms: u64,
    #[serde(deserialize_with = "within::<1, 3_600_000, _>")]
    response_timeout_ms: u64,
    #[serde(deserialize_with = "within::<0, 3_600_000, _>")]
    idle_timeout_ms: u64,
    #[serde(deserialize_with = "within::<0, LARGEST_BODY, _>")]
    max_body_bytes: u64,
    #[serde(deserialize_with = "within::<1, 100_000, _>")]
    max_connections: u64,
    #[serde(deserialize_with = "within::<0, 5, _>")]
    retries: u64,
    #[serde(deserialize_with = "non_empty")]
    health_path: Option<String>,
    #[serde(deserialize_with = "within::<1, 3_600, _>")]
    health_interval_seconds: u64,
    cors: CorsValues,
}

#[derive(Deserialize)]
struct CorsValues {
    allow_origins: Vec<String>,
    allow_headers: Vec<String>,
    #[serde(deserialize_with = "within::<0, 86_400, _>")]
    max_age_seconds: u64,
}

/// The keys of an `[[upstream.route]]`, in addition to those of [`RouteValues`].
#[derive(Deserialize)]
struct Route {
    path: String,
    description: String,
    public: bool,
    scopes: Vec<String>,
    any_scope: Vec<String>,
    roles: Vec<String>,
    any_role: Vec<String>,
    acr: Vec<String>,
    #[serde(deserialize_with = "within::<0, 31_536_000, _>")]
    max_age_seconds: u64,
    claims: BTreeMap<String, serde_json::Value>,
    dpop: bool,
    rate_limit: String,
    #[serde(deserialize_with = "within::<0, LARGEST_BODY, _>")]
    max_body_bytes: u64,
}

#[derive(Deserialize)]
struct BackendJwtValues {
    header: String,
    algorithm: SigningAlgorithm,
    #[serde(deserialize_with = "within::<10, 600, _>")]
    lifetime_seconds: u64,
    #[serde(deserialize_with = "within::<1, 365, _>")]
    rotation_days: u64,
    claims: BTreeMap<String, String>,
    #[serde(deserialize_with = "non_empty")]
    secret_file: Option<String>,
}

pub(super) fn upstreams(document: &mut Document) -> Vec<UpstreamEntry> {
    let mut all: Vec<UpstreamEntry> = Vec::new();
    for index in 0..document.count("upstream") {
        let at = format!("upstream[{index}]");
        let Some(entry) = upstream(document, &at) else { continue };
        let (name, prefix) = (&entry.settings.name, &entry.settings.prefix);
        if all.iter().any(|other| other.settings.name == *name) {
            let expected = "a name of its own: it is the audience of the backend JWT";
            document.problem(&format!("{at}.name"), expected, "write another name");
        }
        let is_under = |one: &str, other: &str| format!("{one}/").starts_with(&format!("{other}/"));
        let overlaps = |other: &&UpstreamEntry| {
            let other = &other.settings.prefix;
            is_under(prefix, other) || is_under(other, prefix)
        };
        if let Some(other) = all.iter().find(overlaps) {
            let expected = format!("a prefix that does not overlap with {:?}", other.settings.prefix);
            document.problem(&format!("{at}.prefix"), &expected, "write another prefix");
        }
        all.push(entry);
    }
    all
}

fn upstream(document: &mut Document, at: &str) -> Option<UpstreamEntry> {
    let key = |name: &str| format!("{at}.{name}");
    let values: Values = document.section(at)?;
    let name = values.name;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) || name.starts_with('-') {
        let expected = "1 to 64 lower-case letters, digits and hyphens";
        document.problem(&key("name"), expected, "write for example name = \"orders\"");
        return None;
    }
    let prefix = match values.prefix {
        prefix if prefix.is_empty() => format!("/gw/{name}"),
        prefix => prefix,
    };
    let is_plain = RequestPath::parse(&prefix).is_ok_and(|path| path.as_str() == prefix);
    if !prefix.starts_with("/gw/") || prefix.ends_with('/') || prefix.contains(['*', '{', '}']) || !is_plain {
        let expected = "a path below /gw/, without escapes, patterns and a slash at its end";
        document.problem(&key("prefix"), expected, &format!("write prefix = \"/gw/{name}\""));
        return None;
    }
    let targets = targets(document, at, values.target, values.targets, values.protocol);
    if values.identity_headers.keys().any(|name| !can_carry_identity(name)) {
        let expected = "names of headers that carry nothing else";
        let hint = "write for example { \"X-User\" = \"sub\" }";
        document.problem(&key("identity_headers"), expected, hint);
    } else if values.identity.has_headers() && values.identity_headers.is_empty() {
        let expected = "at least one header, because identity asks for headers";
        let hint = "write for example { \"X-User\" = \"sub\" }";
        document.problem(&key("identity_headers"), expected, hint);
    }
    if values.health_path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        document.problem(
            &key("health_path"),
            "a path",
            "write for example health_path = \"/healthz\"",
        );
    }
    let cors = cors(document, at, values.cors);
    let routes = routes(document, at, &prefix);
    let above_zero = |number: u64| (number > 0).then_some(number);
    Some(UpstreamEntry {
        settings: UpstreamSettings {
            name,
            prefix,
            targets: targets?,
            strip_prefix: values.strip_prefix,
            protocol: values.protocol,
            pass_token: values.pass_token,
            identity: values.identity,
            identity_headers: values.identity_headers,
            connect_timeout: Duration::from_millis(values.connect_timeout_ms),
            response_timeout: Duration::from_millis(values.response_timeout_ms),
            idle_timeout: above_zero(values.idle_timeout_ms).map(Duration::from_millis),
            max_body_bytes: above_zero(values.max_body_bytes),
            max_connections: values.max_connections as usize,
            retries: values.retries as u32,
            health_path: values.health_path,
            health_interval: Duration::from_secs(values.health_interval_seconds),
            cors,
            ca_file: values.ca_file.map(PathBuf::from),
        },
        routes,
    })
}

fn targets(
    document: &mut Document,
    at: &str,
    target: String,
    targets: Vec<String>,
    protocol: Protocol,
) -> Option<Vec<Url>> {
    let (one, several) = (format!("{at}.target"), format!("{at}.targets"));
    let (path, written) = match (target.is_empty(), targets.is_empty()) {
        (false, true) => (one, vec![target]),
        (true, false) => (several, targets),
        _ => {
            document.problem(&one, "either target or targets", "write target = \"http://…\"");
            return None;
        }
    };
    let schemes: &[&str] = match protocol {
        Protocol::Http1 => &["http", "https"],
        Protocol::Http2 => &["https"],
        Protocol::H2c => &["http"],
    };
    let read = |text: &String| {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let wrong = |why: &str| Err(why.to_owned());
        match url.scheme() {
            scheme if !schemes.contains(&scheme) => wrong(&format!("the protocol needs {}", schemes.join(" or "))),
            _ if !url.username().is_empty() || url.password().is_some() => wrong("there are credentials in it"),
            _ if url.query().is_some() || url.fragment().is_some() => wrong("there is a query or a fragment in it"),
            _ if url.host_str().is_none_or(str::is_empty) => wrong("there is no host in it"),
            _ => Ok(url),
        }
    };
    match written.iter().map(read).collect::<Result<Vec<_>, String>>() {
        Ok(urls) => Some(urls),
        Err(why) => {
            let hint = "write for example \"http://127.0.0.1:9001\"";
            document.problem_because(&path, "addresses of http or https", &why, hint);
            None
        }
    }
}

fn cors(document: &mut Document, at: &str, values: CorsValues) -> Cors {
    let key = |name: &str| format!("{at}.cors.{name}");
    let is_origin = |origin: &String| {
        let url = Url::parse(origin).ok();
        url.is_some_and(|url| url.origin().ascii_serialization() == *origin)
    };
    if !values.allow_origins.iter().all(is_origin) {
        let hint = "write for example [\"https://app.example\"]";
        document.problem(&key("allow_origins"), "exact origins, as browsers write them", hint);
    }
    if values
        .allow_headers
        .iter()
        .any(|name| name.parse::<HeaderName>().is_err())
    {
        document.problem(
            &key("allow_headers"),
            "names of headers",
            "write for example [\"x-trace\"]",
        );
    }
    Cors {
        allow_origins: values.allow_origins,
        allow_headers: values.allow_headers,
        max_age: Duration::from_secs(values.max_age_seconds),
    }
}

fn routes(document: &mut Document, at: &str, prefix: &str) -> Vec<UpstreamRoute> {
    let count = document.count(&format!("{at}.route"));
    if count == 0 {
        let expected = "at least one [[upstream.route]]: a path without one is denied";
        document.problem(
            &format!("{at}.route"),
            expected,
            "write [[upstream.route]] with path = \"/**\"",
        );
    }
    let entries = (0..count).map(|index| format!("{at}.route[{index}]"));
    entries.filter_map(|at| route(document, &at, prefix)).collect()
}

fn route(document: &mut Document, at: &str, prefix: &str) -> Option<UpstreamRoute> {
    let checked = document.section::<RouteValues>(at);
    let values = document.section::<Route>(at);
    if document.has_problems(at) {
        return None;
    }
    let (checked, values) = (checked?, values?);
    let policy = match values.policy() {
        Ok(policy) => policy,
        Err(why) => {
            document.problem_because(at, "an entry that a call can meet", &why, "correct the entry");
            return None;
        }
    };
    // The path of the prefix itself is empty.
    let below = match values.path.as_str() {
        "/" => "",
        path => path,
    };
    match format!("{prefix}{below}").parse() {
        Ok(pattern) => Some(UpstreamRoute {
            methods: checked.methods,
            pattern,
            policy,
            max_body_bytes: document
                .has(&format!("{at}.max_body_bytes"))
                .then_some(values.max_body_bytes),
            description: values.description,
        }),
        Err(why) => {
            let why = PatternError::to_string(&why);
            document.problem_because(
                &format!("{at}.path"),
                "a path below the prefix",
                &why,
                "write path = \"/**\"",
            );
            None
        }
    }
}

impl Route {
    fn policy(&self) -> Result<Policy, String> {
        let mut route = RouteConfig::default();
        route.path.clone_from(&self.path);
        route.public = self.public;
        route.scopes.clone_from(&self.scopes);
        route.any_scope.clone_from(&self.any_scope);
        route.roles.clone_from(&self.roles);
        route.any_role.clone_from(&self.any_role);
        route.acr.clone_from(&self.acr);
        route.max_age_seconds = self.max_age_seconds;
        route.claims.clone_from(&self.claims);
        route.dpop = self.dpop;
        route.rate_limit = Some(self.rate_limit.clone());
        route.policy().map_err(|error| error.to_string())
    }
}

pub(super) fn backend_jwt(document: &mut Document) -> Option<BackendJwt> {
    let values: BackendJwtValues = document.section("backend_jwt")?;
    let header = Some(&values.header).filter(|name| can_carry_identity(name));
    let header = header.and_then(|name| name.parse::<HeaderName>().ok());
    if header.is_none() {
        let expected = "the name of a header that carries nothing else";
        document.problem("backend_jwt.header", expected, "write header = \"X-JWT-Assertion\"");
    }
    let claims = ClaimNames(values.claims);
    if let Some(name) = claims.conflict() {
        let why = format!("{name:?} is a claim of the gateway's own");
        let expected = "other names than those of the gateway's own claims";
        document.problem_because("backend_jwt.claims", expected, &why, "write another name for it");
    }
    Some(BackendJwt {
        header: header?,
        algorithm: values.algorithm,
        lifetime: Duration::from_secs(values.lifetime_seconds),
        rotation: Duration::from_secs(values.rotation_days * 86_400),
        claims,
        secret_file: values.secret_file.map(PathBuf::from),
    })
}

fn can_carry_identity(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.parse::<HeaderName>().is_ok() && !TAKEN.contains(&name.as_str()) && !name.starts_with("sec-")
}
