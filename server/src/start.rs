//! From a configuration to a server that can take requests, or to the reason why not.

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
use crate::shared::{Shared, SharedError, Upkeep};
use crate::site::{self, Candidates, Site, SiteError};
use crate::state::AppState;
use crate::store::{Store, StoreUrl};
use crate::tls::TlsError;
use crate::upstream::{ClientError, Common, Proxies, Streams, Upstreams, targeted};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The files for the browser are not there.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The provider is another one than the configuration says, or cannot be used.
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
    /// The keys of backend JWTs cannot be used.
    #[error("The keys that sign backend JWTs: {0}")]
    BackendKeys(#[from] StorageError),
    /// A server function has no policy, so it would be refused to everybody, or worse, forgotten.
    #[error(
        "Server functions without a policy:{}\n    hint      add each to `app::api::policies()`", lines(.0)
    )]
    NoPolicy(Vec<(String, String)>),
    /// The address is taken, or not this machine's.
    #[error(
        "The server cannot listen on {address}: {source}\n    \
         hint      end the other program, or write another address under [server] listen"
    )]
    Listen {
        /// `server.listen`.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

fn lines(functions: &[(String, String)]) -> String {
    functions
        .iter()
        .map(|(method, path)| format!("\n    {method} {path}"))
        .collect()
}

/// A server that is ready to serve, and the tasks that keep it so. Dropping it ends them.
pub struct Started {
    /// What every request goes through.
    pub router: Router,
    /// The parts behind it.
    pub state: AppState,
    /// What to tell whoever started it.
    pub announcement: Announcement,
    /// What the gate has said so far.
    pub metrics: Arc<Metrics>,
    /// Replaces its rules and upstreams.
    pub reload: Arc<Reload>,
    /// The streams that are open.
    pub streams: Streams,
    upkeep: Option<Upkeep>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Started {
    /// Ends it: what waits to be recorded is written first. Call it when no more requests come.
    pub async fn stop(mut self) {
        if let Some(upkeep) = self.upkeep.take() {
            self.state.shared.close(upkeep).await;
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let upkeep = self.upkeep.iter().flat_map(|upkeep| &upkeep.tasks);
        for task in self.tasks.iter().chain(upkeep) {
            task.abort();
        }
    }
}

/// Puts everything together. Background tasks run from here on.
///
/// # Errors
///
/// The first thing that keeps the server from doing its work. Nothing has been served by then.
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

    let (shared, upkeep) = Shared::open(config).await?;
    let (replays, prune) = SharedReplays::new(&shared.store, config.store.dpop_replay_url.clone());
    tasks.extend(prune);
    let presence = shared.presence.clone();
    let revocations = Arc::new(shared.revocations.clone());
    tasks.extend(crate::demo::serve(config).await);
    let (common, backend_tokens) = common(config, &shared.store, revocations, &mut tasks).await?;
    let upstreams = Upstreams::default();
    let made = common.make(&config.upstreams, &upstreams)?;
    let policies = restricted(config, targeted(app::api::policies(), &made))?;
    upstreams.replace(made);
    let metrics = Arc::new(Metrics::default());
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
        // Pages are open to everybody: they have no data before a call brings a token.
        .protect_prefixes(["/api", "/gw"])
        .revocations(shared.revocations.clone())
        .replay_store(replays)
        .documents(shared.documents.clone())
        .nodes(move || presence.live())
        .token_cache(config.gate.token_cache as usize)
        .max_token_bytes(config.gate.max_token_bytes as usize)
        .listen(config.server.listen)
        .observer((metrics.clone(), shared.activity.clone()))
        .certificate_header(config.gate.certificate_header.clone())
        .public_url(public_url.as_str())
        .explain(config.gate.explain)
        .dpop_nonce(config.gate.dpop_nonce)
        .dpop_nonce_key(shared.nonce_key)
        .rate_limit(config.gate.rate_limit)
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

    let announcement = Announcement {
        open: public_url.to_string(),
        provider: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        embedded: config.provider.is_none(),
        accounts,
        trusted: trust.iter().map(|entry| entry.issuer.clone()).collect(),
        warnings: warnings(config, &sign_in, &gate.validator()),
    };
    let state = AppState::new(gate, logout, shared, sign_in, site, &config.server, reload_port);
    let state = state.with_upstreams(upstreams.clone(), backend_tokens);
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
        upkeep: Some(upkeep),
        reload,
        streams,
        tasks,
    })
}

/// What upstreams share, and the keys that sign statements about their callers. An upstream may be added later.
async fn common(
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

/// What the operator should know although the server starts.
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

/// The policies of the code, with what the configuration asks for as well.
///
/// # Errors
///
/// When an entry is about no route, or nobody could meet it.
pub fn policies(config: &Config) -> Result<Policies, StartError> {
    let routes = config.upstreams.iter().flat_map(|entry| &entry.routes);
    restricted(config, crate::upstream::policies(app::api::policies(), routes))
}

/// Adds what `[[gate.route]]` requires beside them.
pub(crate) fn restricted(config: &Config, mut policies: Policies) -> Result<Policies, StartError> {
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

/// Deny by default: a function that nobody thought of must be noticed at start, not in production.
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

/// What whoever starts the server wants to know first.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// Where to open it.
    pub open: String,
    /// The issuer at which people sign in.
    pub provider: String,
    /// As what.
    pub client_id: String,
    /// Whether that is the embedded one.
    pub embedded: bool,
    /// The accounts of the embedded provider.
    pub accounts: Vec<String>,
    /// Whose tokens pass.
    pub trusted: Vec<String>,
    /// What is worth a look.
    pub warnings: Vec<String>,
}

impl fmt::Display for Announcement {
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
