use std::{
    net::SocketAddr,
    sync::{Arc, Once},
    time::Duration,
};

use http::HeaderName;
use ipnet::IpNet;
use url::Url;

use super::{
    Gate,
    binding::{LocalReplayStore, Nonces, ReplayStore},
    error::{GateError, GateErrors},
    limit::{Limiter, Nodes, Rate, log_limit::LogLimit},
    observe::Observer,
    policy::{Pattern, Policies},
    request::{client_address::TrustedProxies, cross_site::PageOrigin},
    state::Settings,
};
use crate::discovery::{DocumentStore, NoDocuments};
use crate::jwt::{
    Clock, Fetch, HttpFetch, LoadErrors, NoRevocations, Revocations, SystemClock, Trust, TrustError, Validator,
    is_loopback_host,
};

/// How long a start waits for keys.
const LOAD_LIMIT: Duration = Duration::from_secs(5);

/// Collects the settings of a [`Gate`].
#[must_use = "a builder does nothing until `start`"]
pub struct GateBuilder {
    trusts: Vec<Trust>,
    validator: Option<Validator>,
    fetch: Option<Arc<dyn Fetch>>,
    documents: Arc<dyn DocumentStore>,
    revocations: Arc<dyn Revocations>,
    token_cache: usize,
    max_token_bytes: usize,
    policies: Policies,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
    replays: Arc<dyn ReplayStore>,
    public_url: String,
    listen: Option<SocketAddr>,
    allowed_origins: Vec<String>,
    realm: String,
    protected: Vec<String>,
    explain: bool,
    dpop_nonce: bool,
    dpop_nonce_key: Option<[u8; 32]>,
    rate_limit: Option<Rate>,
    client_limit: Option<Rate>,
    address_limit: Option<Rate>,
    failure_limit: Option<Rate>,
    nodes: Nodes,
    trusted_proxies: Vec<IpNet>,
    certificate_header: Option<String>,
    /// Found wrong before `build`.
    pub(crate) errors: Vec<GateError>,
}

impl Default for GateBuilder {
    fn default() -> Self {
        Self {
            trusts: Vec::new(),
            validator: None,
            fetch: None,
            documents: Arc::new(NoDocuments),
            revocations: Arc::new(NoRevocations),
            token_cache: 10_000,
            max_token_bytes: 8192,
            policies: Policies::new(),
            clock: Arc::new(SystemClock),
            observer: None,
            replays: Arc::new(LocalReplayStore::default()),
            public_url: String::new(),
            listen: None,
            allowed_origins: Vec::new(),
            realm: "pixygate".into(),
            protected: vec!["/".into()],
            explain: false,
            dpop_nonce: false,
            dpop_nonce_key: None,
            rate_limit: None,
            client_limit: None,
            address_limit: None,
            failure_limit: None,
            nodes: Nodes::default(),
            trusted_proxies: Vec::new(),
            certificate_header: None,
            errors: Vec::new(),
        }
    }
}

impl GateBuilder {
    /// Accepts the access tokens of an issuer. Called again, it adds one more.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trusts.push(trust);
        self
    }

    /// Uses an existing validator in place of [`trust`](Self::trust), [`fetch`](Self::fetch), [`revocations`](Self::revocations),
    /// [`token_cache`](Self::token_cache) and [`max_token_bytes`](Self::max_token_bytes).
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Sets the address at which browsers reach this server: the base of DPoP's `htu`, of links, and of what counts as the same
    /// origin.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = url.into();
        self
    }

    /// Adds policies that hold in front of every router: for [`Gate::wrap`], and after the ones of [`Gate::protect`] and
    /// [`Gate::router`].
    pub fn policies(mut self, policies: Policies) -> Self {
        self.policies = self.policies.merge(policies);
        self
    }

    /// Protects only these path prefixes, with everything under them. Any other path passes without a check. By default the gate protects all
    /// paths.
    pub fn protect_prefixes<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.protected = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Limits the calls of one subject.
    pub fn rate_limit(mut self, rate: impl Into<Option<Rate>>) -> Self {
        self.rate_limit = rate.into();
        self
    }

    /// Limits the calls of all subjects of one client of one issuer together. A token that names no client is limited by its subject alone.
    pub fn client_limit(mut self, rate: impl Into<Option<Rate>>) -> Self {
        self.client_limit = rate.into();
        self
    }

    /// Limits the calls of one address (of IPv6, one /64) to public routes, where no token says who calls. It needs the addresses of
    /// peers, as [`failure_limit`](Self::failure_limit) does.
    pub fn address_limit(mut self, rate: impl Into<Option<Rate>>) -> Self {
        self.address_limit = rate.into();
        self
    }

    /// Limits the denied calls of one address (of IPv6, one /64). It needs the addresses of peers: serve with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn failure_limit(mut self, rate: impl Into<Option<Rate>>) -> Self {
        self.failure_limit = rate.into();
        self
    }

    /// Divides every rate by the number of nodes that share the callers, because each node counts for itself. `count` is called for each
    /// request, so it must not block.
    pub fn nodes(mut self, count: impl Fn() -> u32 + Send + Sync + 'static) -> Self {
        self.nodes = Nodes::new(count);
        self
    }

    /// Allows pages of another origin to make calls that change something, as `https://app.example` or, for a web view,
    /// `capacitor://localhost`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.allowed_origins.push(origin.into());
        self
    }

    /// Sets the name of this resource in challenges and metadata; `pixygate` by default.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// Requires a nonce of the gate in DPoP proofs (RFC 9449, section 9).
    pub fn dpop_nonce(mut self, required: bool) -> Self {
        self.dpop_nonce = required;
        self
    }

    /// Sets the key of the nonces, so that several nodes accept each other's. By default each process has its own.
    pub fn dpop_nonce_key(mut self, key: [u8; 32]) -> Self {
        self.dpop_nonce_key = Some(key);
        self
    }

    /// Stores used DPoP proofs elsewhere than in this process.
    pub fn replay_store(mut self, replays: impl ReplayStore) -> Self {
        self.replays = Arc::new(replays);
        self
    }

    /// Notifies an observer of every request to a protected path.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Sets the networks of proxies whose `X-Forwarded-For` and certificate header the gate trusts.
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted_proxies = networks.into_iter().collect();
        self
    }

    /// Sets the header in which a trusted proxy sends the client's certificate (RFC 8705; RFC 9440).
    pub fn certificate_header(mut self, header: impl Into<Option<String>>) -> Self {
        self.certificate_header = header.into();
        self
    }

    /// Puts details into refusals, for development: [`public_url`](Self::public_url) and [`listen`](Self::listen) must be loopback
    /// addresses.
    pub fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// Sets the address that the server listens on, which [`explain`](Self::explain) requires.
    pub fn listen(mut self, address: impl Into<Option<SocketAddr>>) -> Self {
        self.listen = address.into();
        self
    }

    /// Sets the revocations that tokens are checked against.
    pub fn revocations(mut self, revocations: impl Revocations) -> Self {
        self.revocations = Arc::new(revocations);
        self
    }

    /// Sets how many verified tokens are cached (10,000 by default); 0 turns the cache off.
    pub fn token_cache(mut self, tokens: usize) -> Self {
        self.token_cache = tokens;
        self
    }

    /// Sets the size of the longest token that is accepted, in bytes (8,192 by default).
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Fetches keys otherwise than with [`HttpFetch`].
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Stores metadata and keys for the next start, which uses them while a provider is down.
    pub fn documents(mut self, store: Arc<dyn DocumentStore>) -> Self {
        self.documents = store;
        self
    }

    /// Reads another clock than the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings, loads the keys of every issuer, and refreshes them as long as a clone of the gate lives. Needs a tokio
    /// runtime.
    ///
    /// A provider that is down is not an error: its tokens are answered with 503 until its keys are there.
    ///
    /// # Errors
    /// Every setting that is wrong, including those that prevent loading keys.
    pub async fn start(self) -> Result<Gate, GateErrors> {
        let (settings, validator, policies) = self.checked()?;
        load_keys(validator.load()).await?;
        let refresh = validator.spawn_refresh();
        Ok(Gate::new(settings, validator, policies, Some(refresh)))
    }

    /// Checks the settings and makes a gate that does not load keys ahead and does not refresh them: they are fetched when a
    /// token needs them. For a [`Validator`] that is loaded and refreshed elsewhere, and for tests.
    ///
    /// # Errors
    /// Every setting that is wrong.
    pub fn build(self) -> Result<Gate, GateErrors> {
        let (settings, validator, policies) = self.checked()?;
        Ok(Gate::new(settings, validator, policies, None))
    }

    fn checked(mut self) -> Result<(Settings, Validator, Policies), GateErrors> {
        let mut errors = std::mem::take(&mut self.errors);
        let validator = self.make_validator().map_err(|wrong| errors.extend(wrong)).ok();
        let public_url = match self.public_url.as_str() {
            "" => None,
            url => {
                let parsed = base(url);
                if parsed.is_none() {
                    errors.push(GateError::PublicUrl(url.to_owned()));
                }
                parsed
            }
        };
        let on_loopback = public_url.as_ref().is_some_and(is_loopback_host)
            && self
                .listen
                .is_some_and(|address| address.ip().to_canonical().is_loopback());
        if self.explain && !on_loopback {
            errors.push(GateError::Explain {
                public_url: self.public_url,
                listen: self.listen.map_or("none".into(), |address| address.to_string()),
            });
        }
        let mut allowed_origins = Vec::new();
        for origin in self.allowed_origins {
            match PageOrigin::parse(&origin) {
                Some(allowed) => allowed_origins.push(allowed),
                None => errors.push(GateError::Origin(origin)),
            }
        }
        // No path begins with an empty list of prefixes, so everything would pass.
        if self.protected.is_empty() {
            errors.push(GateError::Prefix(String::new()));
        }
        for prefix in &self.protected {
            let path = prefix.parse::<Pattern>().is_ok_and(|path| path.exact().is_some());
            if !path || (prefix.ends_with('/') && prefix != "/") {
                errors.push(GateError::Prefix(prefix.clone()));
            }
        }
        if let Some(header) = &self.certificate_header {
            if !can_carry_certificate(header) {
                errors.push(GateError::CertificateHeader(header.clone()));
            }
            if self.trusted_proxies.is_empty() {
                errors.push(GateError::CertificateHeaderWithoutProxy);
            }
        }
        let metadata_url = public_url.as_ref().map(|url| {
            // The path of the resource comes after the well-known one (RFC 9728, section 3.1).
            let path = url.path().trim_end_matches('/');
            format!(
                "{}/.well-known/oauth-protected-resource{path}",
                url.origin().ascii_serialization()
            )
        });
        let settings = Settings {
            clock: self.clock,
            observer: self.observer,
            replays: self.replays,
            nonces: self.dpop_nonce.then(|| Nonces::new(self.dpop_nonce_key)),
            rate_limit: self.rate_limit.map(|rate| Limiter::new(rate, self.nodes.clone())),
            client_limit: self.client_limit.map(|rate| Limiter::new(rate, self.nodes.clone())),
            address_limit: self.address_limit.map(|rate| Limiter::new(rate, self.nodes.clone())),
            failure_limit: self.failure_limit.map(|rate| Limiter::new(rate, self.nodes.clone())),
            nodes: self.nodes,
            proxies: TrustedProxies(self.trusted_proxies),
            certificate_header: self.certificate_header.map(|header| header.to_ascii_lowercase()),
            public_url,
            allowed_origins,
            metadata_url,
            realm: self.realm,
            protected: self
                .protected
                .into_iter()
                .map(|prefix| if prefix == "/" { String::new() } else { prefix })
                .collect(),
            explain: self.explain,
            missing_address: Once::new(),
            log_limit: LogLimit::default(),
        };
        errors.extend(settings.check_routes(&self.policies));
        match validator {
            Some(validator) if errors.is_empty() => Ok((settings, validator, self.policies)),
            _ => Err(GateErrors(errors)),
        }
    }

    fn make_validator(&mut self) -> Result<Validator, Vec<GateError>> {
        let trusts = std::mem::take(&mut self.trusts);
        if let Some(validator) = self.validator.take() {
            return match trusts.is_empty() {
                true => Ok(validator),
                false => Err(vec![GateError::TrustAndValidator]),
            };
        }
        let wrong: Vec<TrustError> = trusts.iter().filter_map(|trust| trust.check().err()).collect();
        if !wrong.is_empty() {
            return Err(wrong.into_iter().map(GateError::Trust).collect());
        }
        let builder = Validator::builder(trusts)
            .fetch(self.fetch.take().unwrap_or_else(|| Arc::new(HttpFetch::new())))
            .documents(self.documents.clone())
            .clock(self.clock.clone())
            .revocations(self.revocations.clone())
            .token_cache(self.token_cache)
            .max_token_bytes(self.max_token_bytes);
        builder.build().map_err(|error| vec![error.into()])
    }
}

/// Waits for keys. An outage of the provider is logged, and a setting that prevents loading them is an error.
pub(crate) async fn load_keys(load: impl Future<Output = Result<(), LoadErrors>>) -> Result<(), GateErrors> {
    let Ok(loaded) = tokio::time::timeout(LOAD_LIMIT, load).await else {
        tracing::warn!(
            "the keys of some issuers are slow to load; their tokens are answered with 503 until they are there"
        );
        return Ok(());
    };
    let failures = loaded.map_or_else(|failures| failures.0, |()| Vec::new());
    let (wrong, outages): (Vec<_>, Vec<_>) = failures
        .into_iter()
        .partition(|failure| failure.error.is_configuration());
    if !wrong.is_empty() {
        return Err(GateErrors(wrong.into_iter().map(GateError::Keys).collect()));
    }
    for outage in outages {
        tracing::warn!(%outage, "the keys of an issuer could not be loaded; its tokens are answered with 503 until they are");
    }
    Ok(())
}

fn base(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && plain).then_some(url)
}

/// Headers named `x-…` that say something else, to this gate or to the services behind it.
const TAKEN: [&str; 14] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
    "x-http-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-csrf-token",
    "x-xsrf-token",
];

/// Returns whether a header may contain certificates: its name contains `cert`, or it is an `x-` header without another meaning.
fn can_carry_certificate(header: &str) -> bool {
    let Ok(name) = header.parse::<HeaderName>() else {
        return false;
    };
    let name = name.as_str();
    name.contains("cert") || (name.starts_with("x-") && !TAKEN.contains(&name))
}
