use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Once},
};

use http::Uri;
use ipnet::IpNet;
use url::{Origin, Url};

use super::{
    GateLayer, GateService, LocalReplays, NoObserver, Observe, Pattern, Policies, Rate, Replays,
    client_address::TrustedProxies, limit::Limit, lines::Lines, metadata::resource_metadata, nonce::Nonces,
};
use crate::jwt::{Clock, SystemClock, Validator, is_loopback_host};

/// Everything that the gate judges by. Cloning is cheap.
#[derive(Clone)]
pub struct Gate {
    pub(crate) settings: Arc<Settings>,
}

pub(crate) struct Settings {
    pub(crate) validator: Validator,
    pub(crate) policies: Policies,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observe>,
    pub(crate) replays: Arc<dyn Replays>,
    pub(crate) nonces: Option<Nonces>,
    pub(crate) rate_limit: Option<Limit>,
    pub(crate) failure_limit: Option<Limit>,
    /// By the position of the route.
    pub(crate) route_limits: HashMap<usize, Limit>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) certificate_header: Option<String>,
    pub(crate) public_url: Option<Url>,
    pub(crate) allowed_origins: Vec<Origin>,
    pub(crate) metadata_url: Option<String>,
    pub(crate) realm: String,
    pub(crate) protected: Vec<String>,
    pub(crate) explain: bool,
    pub(crate) missed_address: Once,
    pub(crate) lines: Lines,
}

impl Settings {
    /// Says, once, that what depends on the peer's address does not work.
    pub(crate) fn miss_address(&self) {
        if self.failure_limit.is_some() || self.certificate_header.is_some() {
            self.missed_address.call_once(|| {
                tracing::error!(
                    "the address of peers is not known, so gate.failure_limit counts nothing and no proxy is trusted; \
                     serve with `into_make_service_with_connect_info::<SocketAddr>()`"
                );
            });
        }
    }

    /// The address of a request as clients see it, without query: what `htu` must say (RFC 9449, section 4.2).
    pub(crate) fn public_address(&self, uri: &Uri) -> Option<Url> {
        let base = self.public_url.as_ref()?.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{}", uri.path())).ok()
    }
}

/// Gathers what a [`Gate`] works with.
pub struct GateBuilder {
    validator: Validator,
    policies: Policies,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observe>,
    replays: Arc<dyn Replays>,
    public_url: String,
    allowed_origins: Vec<String>,
    realm: String,
    protected: Vec<String>,
    explain: bool,
    dpop_nonce: bool,
    dpop_nonce_key: Option<[u8; 32]>,
    rate_limit: Option<Rate>,
    failure_limit: Option<Rate>,
    trusted_proxies: Vec<IpNet>,
    certificate_header: Option<String>,
}

/// A gate that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The public URL is no base for links.
    #[error("server.public_url {0:?} is no http(s) URL without query; write where browsers reach this server")]
    PublicUrl(String),
    /// An origin is none.
    #[error("the allowed origin {0:?} is none; write scheme, host and port, as in \"https://app.example\"")]
    Origin(String),
    /// A protected prefix is no path.
    #[error(
        "the protected prefix {0:?} is no path; write it decoded, as in \"/api\": it begins with `/`, does not end with one, \
         and has no `*`, since everything under it is meant"
    )]
    Prefix(String),
    /// A policy is for a path that the gate never judges.
    #[error("the policy for {0:?} is outside the protected prefixes, so it would never be asked")]
    Unprotected(String),
    /// Explanations help an attacker too, so they are for development.
    #[error(
        "gate.explain is for development: it needs a server.public_url on this machine, not {0:?}; else set it to false"
    )]
    Explain(String),
    /// A client certificate header counts only when it comes from a trusted proxy.
    #[error("a client certificate header needs server.trusted_proxies; anybody else could send it")]
    CertificateHeader,
}

impl Gate {
    /// Starts from who is trusted and what they may do.
    pub fn builder(validator: Validator, policies: Policies) -> GateBuilder {
        GateBuilder {
            validator,
            policies,
            clock: Arc::new(SystemClock),
            observer: Arc::new(NoObserver),
            replays: Arc::new(LocalReplays::default()),
            public_url: String::new(),
            allowed_origins: Vec::new(),
            realm: "pixygate".into(),
            protected: vec!["/api".into(), "/gw".into()],
            explain: false,
            dpop_nonce: false,
            dpop_nonce_key: None,
            rate_limit: None,
            failure_limit: None,
            trusted_proxies: Vec::new(),
            certificate_header: None,
        }
    }

    /// The tower layer, for a service that sees whole paths. In front of a router [`wrap`](Self::wrap) is better: it judges before any
    /// routing. Inside of `Router::nest` the beginning of the path is gone, and what was protected is refused.
    pub fn layer(&self) -> GateLayer {
        GateLayer::new(self.clone())
    }

    /// Puts the gate in front of a whole router, before routing. The result serves as `axum::serve` and `oneshot` want it; to
    /// put more before the gate, give it to [`Router::fallback_service`](axum::Router::fallback_service).
    pub fn wrap(&self, router: axum::Router) -> GateService<axum::Router> {
        // With its state the router makes its routes ready now, and not anew for every request.
        GateService::new(self.clone(), router.with_state(()))
    }

    /// The validator that it asks.
    pub fn validator(&self) -> &Validator {
        &self.settings.validator
    }

    /// The policies that it follows.
    pub fn policies(&self) -> &Policies {
        &self.settings.policies
    }

    /// The document at `/.well-known/oauth-protected-resource` (RFC 9728), made from trust and policies. Its `resource`, which clients
    /// need, is the [`public_url`](GateBuilder::public_url).
    pub fn resource_metadata(&self) -> serde_json::Value {
        resource_metadata(&self.settings)
    }
}

impl GateBuilder {
    /// Where browsers reach this server: the one base for DPoP's `htu`, for origins and links.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = url.into();
        self
    }

    /// The prefixes that are judged, in place of `/api` and `/gw`: each with everything under it. `/` is every path.
    #[must_use]
    pub fn protect<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.protected = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Puts details into refusals. For development only: it needs a loopback [`public_url`](Self::public_url).
    #[must_use]
    pub fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// Requires a nonce of the gate in DPoP proofs (RFC 9449, section 9).
    #[must_use]
    pub fn dpop_nonce(mut self, required: bool) -> Self {
        self.dpop_nonce = required;
        self
    }

    /// The key of the nonces, where several nodes must accept each other's. Without it each process has its own.
    #[must_use]
    pub fn dpop_nonce_key(mut self, key: [u8; 32]) -> Self {
        self.dpop_nonce_key = Some(key);
        self
    }

    /// Remembers used proofs elsewhere than in this process.
    #[must_use]
    pub fn replays(mut self, replays: impl Replays) -> Self {
        self.replays = Arc::new(replays);
        self
    }

    /// Tells every verdict.
    #[must_use]
    pub fn observer(mut self, observer: impl Observe) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// The name of this resource in challenges and metadata, in place of `pixygate`.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// Another site whose pages may make calls that change something.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.allowed_origins.push(origin.into());
        self
    }

    /// Limits the calls of one subject.
    #[must_use]
    pub fn rate_limit(mut self, rate: Option<Rate>) -> Self {
        self.rate_limit = rate;
        self
    }

    /// Limits the refused calls of one address (of IPv6, one /64). It needs the addresses of peers:
    /// [`GateService::into_make_service_with_connect_info`].
    #[must_use]
    pub fn failure_limit(mut self, rate: Option<Rate>) -> Self {
        self.failure_limit = rate;
        self
    }

    /// The proxies whose `X-Forwarded-For` and certificate header count.
    #[must_use]
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted_proxies = networks.into_iter().collect();
        self
    }

    /// The header in which a trusted proxy tells the client's certificate (RFC 8705; RFC 9440).
    #[must_use]
    pub fn certificate_header(mut self, header: Option<String>) -> Self {
        self.certificate_header = header;
        self
    }

    /// Reads another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the gate.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn build(self) -> Result<Gate, GateError> {
        let public_url = match self.public_url.as_str() {
            "" => None,
            url => Some(base(url).ok_or_else(|| GateError::PublicUrl(url.to_owned()))?),
        };
        // Without one nothing says that only this machine is served.
        if self.explain && !public_url.as_ref().is_some_and(is_loopback_host) {
            return Err(GateError::Explain(self.public_url));
        }
        let mut allowed_origins = Vec::new();
        for origin in &self.allowed_origins {
            allowed_origins.push(base(origin).ok_or_else(|| GateError::Origin(origin.clone()))?.origin());
        }
        // What no path begins with would leave everything unjudged, without a word.
        if self.protected.is_empty() {
            return Err(GateError::Prefix(String::new()));
        }
        for prefix in &self.protected {
            let path = prefix.parse::<Pattern>().is_ok_and(|path| path.exact().is_some());
            if !path || (prefix.ends_with('/') && prefix != "/") {
                return Err(GateError::Prefix(prefix.clone()));
            }
        }
        for route in self.policies.routes() {
            let pattern = route.pattern.to_string();
            if !self.protected.iter().any(|prefix| is_under(&pattern, prefix)) {
                return Err(GateError::Unprotected(pattern));
            }
        }
        if self.certificate_header.is_some() && self.trusted_proxies.is_empty() {
            return Err(GateError::CertificateHeader);
        }
        let route_limits = self.policies.routes().iter().enumerate();
        let route_limits =
            route_limits.filter_map(|(position, route)| Some((position, Limit::new(route.policy.rate?))));
        let metadata_url = public_url.as_ref().map(|url| {
            // The path of the resource comes after the well-known one (RFC 9728, section 3.1).
            let path = url.path().trim_end_matches('/');
            format!(
                "{}/.well-known/oauth-protected-resource{path}",
                url.origin().ascii_serialization()
            )
        });
        let settings = Settings {
            route_limits: route_limits.collect(),
            validator: self.validator,
            policies: self.policies,
            clock: self.clock,
            observer: self.observer,
            replays: self.replays,
            nonces: self.dpop_nonce.then(|| Nonces::new(self.dpop_nonce_key)),
            rate_limit: self.rate_limit.map(Limit::new),
            failure_limit: self.failure_limit.map(Limit::new),
            proxies: TrustedProxies(self.trusted_proxies),
            certificate_header: self.certificate_header.map(|header| header.to_ascii_lowercase()),
            public_url,
            allowed_origins,
            metadata_url,
            realm: self.realm,
            // Everything is under the root, also what has no further slash.
            protected: self
                .protected
                .into_iter()
                .map(|prefix| if prefix == "/" { String::new() } else { prefix })
                .collect(),
            explain: self.explain,
            missed_address: Once::new(),
            lines: Lines::default(),
        };
        Ok(Gate {
            settings: Arc::new(settings),
        })
    }
}

fn base(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && plain).then_some(url)
}

fn is_under(pattern: &str, prefix: &str) -> bool {
    prefix == "/"
        || pattern
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("protected", &self.settings.protected)
            .finish_non_exhaustive()
    }
}
