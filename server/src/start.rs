//! Builds a server from a configuration.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use pixygate::discovery::SignInConfig;
use pixygate::gate::{BackchannelLogout, Gate, GateErrors, Policies, observe::Metrics};
use pixygate::jwt::{Revocations, Validator};

use crate::backend_token::{BackendTokenSettings, BackendTokens, KeyStorage, Keys, Rotation, Seal, StorageError};
use crate::config::{Config, Problem, Problems};
use crate::console::Console;
use crate::embedded::{Embedded, EmbeddedError};
use crate::provider::{self, ProviderError};
use crate::reload::Reload;
use crate::replay::SharedReplays;
use crate::route_metrics::RouteMetrics;
use crate::shared::{BackgroundTasks, Shared, SharedError};
use crate::site::{self, Candidates, Site, SiteError};
use crate::state::AppState;
use crate::store::{Store, StoreUrl};
use crate::tls::TlsError;
use crate::traces::Traces;
use crate::upstream::{ClientError, Common, Proxies, Streams, Upstreams, targeted};

/// The reason why the server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The files for the browser are missing.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The provider has another issuer than the configuration, or cannot be used.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The embedded provider cannot run.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] SharedError),
    /// The gate cannot start: a setting, a trust or a policy is wrong.
    #[error(transparent)]
    Gate(#[from] GateErrors),
    /// An upstream cannot be connected to because of a setting.
    #[error("{0}\n    hint      correct the [[upstream]]")]
    Upstream(#[from] ClientError),
    /// Certificate and key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Spans cannot be sent.
    #[error("The client of telemetry.otlp_endpoint: {0}")]
    Traces(#[from] reqwest::Error),
    /// The keys of backend JWTs cannot be used.
    #[error("The keys that sign backend JWTs: {0}")]
    BackendKeys(#[from] StorageError),
    /// A server function has no policy.
    #[error(
        "Server functions without a policy:{}\n    hint      add each to `app::api::policies()`", lines(.0)
    )]
    NoPolicy(Vec<(String, String)>),
    /// The address is in use, or does not belong to this machine.
    #[error(
        "The server cannot listen on {address}: {source}\n    \
         hint      end the other program, or write another address under [server] listen"
    )]
    Listen {
        /// `server.listen`.
        address: std::net::SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

fn lines(functions: &[(String, String)]) -> String {
    functions
        .iter()
        .map(|(method, path)| format!("\n    {method} {path}"))
        .collect()
}

/// A server that is ready to serve, and its background tasks. Dropping it ends them.
pub struct Started {
    /// The routes and layers.
    pub router: Router,
    /// The state of the handlers.
    pub state: AppState,
    /// The information to print at the start.
    pub announcement: StartupInfo,
    /// The counts of the gate's decisions.
    pub metrics: Arc<Metrics>,
    /// The counts and durations by route.
    pub routes: Arc<RouteMetrics>,
    /// Reloads the configuration.
    pub reload: Arc<Reload>,
    /// The open streams.
    pub streams: Streams,
    background: Option<BackgroundTasks>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Started {
    /// Stops the server after writing the queued records. Call it after the last request.
    pub async fn stop(mut self) {
        if let Some(traces) = &self.state.traces {
            traces.flush().await;
        }
        if let Some(background) = self.background.take() {
            self.state.shared.close(background).await;
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let background = self.background.iter().flat_map(|background| &background.tasks);
        for task in self.tasks.iter().chain(background) {
            task.abort();
        }
    }
}

/// Builds the server and starts its background tasks.
///
/// # Errors
///
/// The first error. Nothing has been served by then.
pub async fn start(config: &Config, candidates: &Candidates, reload_port: Option<u16>) -> Result<Started, StartError> {
    every_function_has_a_policy(&policies(config)?, leptos::server_fn::axum::server_fn_paths())?;
    let site = Site::load(site::find(candidates)?, reload_port.is_some())?;

    let mut tasks = Vec::new();
    let mut accounts = Vec::new();
    let provider = match &config.provider {
        Some(provider) => provider.clone(),
        None => {
            let embedded = Embedded::bind(config).await?;
            let provider = embedded.provider();
            accounts = embedded.accounts();
            tasks.push(tokio::spawn(embedded.serve()));
            provider
        }
    };

    let public_url = &config.server.public_url;
    let trust = config.trust_of(&provider);
    let own = provider::reached(config, &provider);

    let (shared, background) = Shared::open(config).await?;
    let (replays, prune) = SharedReplays::new(&shared.store, config.store.dpop_replay_url.clone());
    tasks.extend(prune);
    let presence = shared.presence.clone();
    let revocations = Arc::new(shared.revocations.clone());
    tasks.extend(crate::demo::serve(config).await);
    let (common, backend_tokens) = shared_parts(config, &shared.store, revocations, &mut tasks).await?;
    let upstreams = Upstreams::default();
    let made = common.make(&config.upstreams, &upstreams)?;
    let policies = with_configured_requirements(config, targeted(app::api::policies(), &made))?;
    upstreams.replace(made);
    let metrics = Arc::new(Metrics::default());
    let routes = Arc::new(RouteMetrics::default());
    let traces = config
        .telemetry
        .traces()
        .map(|settings| Traces::start(&settings))
        .transpose()?;
    let gate = trust
        .iter()
        .cloned()
        .fold(Gate::builder(), |gate, trust| gate.trust(trust));
    let origins = config
        .upstreams
        .iter()
        .flat_map(|entry| &entry.settings.cors.allow_origins);
    let gate = origins.fold(gate, |gate, origin| gate.allow_origin(origin));
    let gate = gate
        .policies(policies)
        // Pages are public: they contain no data before a call with a token.
        .protect_prefixes(["/api", "/gw"])
        .revocations(shared.revocations.clone())
        .replay_store(replays)
        .documents(shared.documents.clone())
        .nodes(move || presence.live())
        .token_cache(config.gate.token_cache as usize)
        .max_token_bytes(config.gate.max_token_bytes as usize)
        .listen(config.server.listen)
        .observer((
            metrics.clone(),
            (routes.clone(), (traces.clone(), shared.activity.clone())),
        ))
        .certificate_header(config.gate.certificate_header.clone())
        .public_url(public_url.as_str())
        .explain(config.gate.explain)
        .dpop_nonce(config.gate.dpop_nonce)
        .dpop_nonce_key(shared.nonce_key)
        .rate_limit(config.gate.rate_limit)
        .client_limit(config.gate.client_limit)
        .address_limit(config.gate.address_limit)
        .failure_limit(config.gate.failure_limit)
        .trusted_proxies(config.server.trusted_proxies.iter().copied());
    let gate = config
        .gate
        .allow_origins
        .iter()
        .fold(gate, |gate, origin| gate.allow_origin(origin));
    let (sign_in, gate) = tokio::join!(
        provider::discover(&provider, &config.session, own, public_url, shared.documents.clone()),
        gate.start()
    );
    let (sign_in, gate) = (sign_in?, gate?);
    let recorder = shared.revocations.clone();
    let logout = BackchannelLogout::with_recorder(&gate, &provider.issuer, &provider.client_id, recorder);

    let announcement = StartupInfo {
        open: public_url.to_string(),
        provider: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        embedded: config.provider.is_none(),
        accounts,
        trusted: trust.iter().map(|entry| entry.issuer.clone()).collect(),
        warnings: warnings(config, &sign_in, &gate.validator()),
    };
    let state = AppState::new(gate, logout, shared, sign_in, site, &config.server, reload_port);
    let state = state
        .with_upstreams(upstreams.clone(), backend_tokens)
        .with_traces(traces);
    let (gate, streams) = (state.gate.clone(), common.streams.clone());
    let reload = Reload::new(gate.clone(), upstreams.clone(), common, provider, config.clone());
    let reload = Arc::new(reload);
    let console = Console::new(gate, state.shared.clone(), upstreams, reload.clone(), streams.clone());
    let state = state.with_console(Arc::new(console), streams.clone());
    Ok(Started {
        router: crate::router(state.clone()),
        state,
        announcement,
        metrics,
        routes,
        background: Some(background),
        reload,
        streams,
        tasks,
    })
}

/// Returns the shared parts of upstreams, and the signer of backend JWTs. It is there without upstreams too, because a reload can add one.
async fn shared_parts(
    config: &Config,
    store: &Store,
    revocations: Arc<dyn Revocations>,
    tasks: &mut Vec<tokio::task::JoinHandle<()>>,
) -> Result<(Common, Arc<BackendTokens>), StartError> {
    let public_url = config.server.public_url.as_str();
    let settings = &config.backend_jwt;
    let rotation = Rotation {
        algorithm: settings.algorithm,
        every: settings.rotation,
    };
    let storage = match (&settings.secret_file, config.store.url.beside("backend-keys.json")) {
        (Some(file), _) => KeyStorage::Store(store.clone(), Seal::read(file)?),
        (None, Some(file)) => KeyStorage::File(file),
        (None, None) => KeyStorage::memory(),
    };
    let keys = Keys::open(storage, rotation).await?;
    tasks.push(tokio::spawn(keys.clone().rotate()));
    let tokens = BackendTokenSettings {
        header: settings.header.clone(),
        issuer: public_url.to_owned(),
        lifetime: settings.lifetime,
        claims: settings.claims.clone(),
    };
    let tokens = Arc::new(BackendTokens::new(tokens, keys));
    let common = Common {
        assertions: tokens.clone(),
        streams: Streams::start(revocations),
        proxies: Proxies::new(config.server.trusted_proxies.iter().copied(), public_url),
    };
    Ok((common, tokens))
}

/// Returns the warnings for the operator.
fn warnings(config: &Config, sign_in: &SignInConfig, validator: &Validator) -> Vec<String> {
    let mut warnings = config.warnings.clone();
    let page = sign_in.page();
    if let Some(outage) = &page.outage {
        let effect = match page.client {
            Some(_) => "users can sign in with what is known",
            None => "until it answers, users cannot sign in",
        };
        warnings.push(format!("the provider is down, {effect}: {outage}"));
    }
    if matches!(config.store.url, StoreUrl::Postgres(_))
        && !config.upstreams.is_empty()
        && config.backend_jwt.secret_file.is_none()
    {
        let warning = "each node signs backend JWTs with keys of its own: set backend_jwt.secret_file where nodes share the store";
        warnings.push(warning.to_owned());
    }
    for (issuer, _) in validator.readiness().filter(|(_, ready)| !ready) {
        warnings.push(format!(
            "no keys of {issuer} yet; until they are there, its tokens are answered with 503"
        ));
    }
    warnings
}

/// Returns the policies of the code, restricted by the configuration.
///
/// # Errors
///
/// If an entry matches no route, or no token could meet the result.
pub fn policies(config: &Config) -> Result<Policies, StartError> {
    let routes = config.upstreams.iter().flat_map(|entry| &entry.routes);
    with_configured_requirements(config, crate::upstream::policies(app::api::policies(), routes))
}

/// Adds the requirements of `[[gate.route]]`.
pub(crate) fn with_configured_requirements(config: &Config, mut policies: Policies) -> Result<Policies, StartError> {
    let known: Vec<_> = policies
        .routes()
        .iter()
        .map(|route| (route.methods.to_string(), route.pattern.to_string()))
        .collect();
    for route in &config.gate.routes {
        let refuse = |expected: String, found: String, hint: &str| {
            StartError::Config(Problems(vec![Problem {
                origin: route.origin.clone(),
                key: "gate.route".to_owned(),
                expected,
                found,
                hint: hint.to_owned(),
            }]))
        };
        let found = policies
            .restrict(&route.methods, &route.pattern, &route.policy)
            .map_err(|why| {
                let expected = "what a call can bring beside what the code asks for";
                refuse(
                    expected.to_owned(),
                    why.to_string(),
                    "change the entry; `pixygate routes` shows the others",
                )
            })?;
        if found == 0 {
            let expected = format!("a server function:{}", lines(&known));
            let found = format!("{} {}", route.methods, route.pattern);
            return Err(refuse(
                expected,
                found,
                "correct path and methods, or take the entry out",
            ));
        }
    }
    Ok(policies)
}

/// Checks that every server function has a policy, so that a forgotten one is noticed at the start and not in production.
///
/// # Errors
///
/// The functions without a policy.
pub fn every_function_has_a_policy(
    policies: &Policies,
    functions: impl IntoIterator<Item = (&'static str, http::Method)>,
) -> Result<(), StartError> {
    let functions = functions
        .into_iter()
        .map(|(path, method)| (method.to_string(), path.to_owned()));
    let missing = policies.missing(functions);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(StartError::NoPolicy(missing))
    }
}

/// The information that is printed at the start.
#[derive(Clone, Debug)]
pub struct StartupInfo {
    /// The URL to open.
    pub open: String,
    /// The issuer at which users sign in.
    pub provider: String,
    /// The `client_id` at the provider.
    pub client_id: String,
    /// Whether the provider is the embedded one.
    pub embedded: bool,
    /// The accounts of the embedded provider.
    pub accounts: Vec<String>,
    /// The trusted issuers.
    pub trusted: Vec<String>,
    /// The warnings.
    pub warnings: Vec<String>,
}

impl fmt::Display for StartupInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.embedded {
            "   (embedded, for development)"
        } else {
            ""
        };
        writeln!(f, "\n  Pixygate is up.\n")?;
        writeln!(f, "  open      {}", self.open)?;
        if !self.accounts.is_empty() {
            writeln!(f, "  accounts  {}", self.accounts.join(", "))?;
        }
        writeln!(f, "  provider  {}{kind}", self.provider)?;
        writeln!(f, "  client    {}", self.client_id)?;
        for issuer in self.trusted.iter().filter(|issuer| **issuer != self.provider) {
            writeln!(f, "  trusts    {issuer}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning   {warning}")?;
        }
        Ok(())
    }
}
