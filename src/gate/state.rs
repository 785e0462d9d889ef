//! The gate as it runs: state that lives as long as the gate, and rules that are replaced as a whole.

use std::{
    fmt,
    sync::{Arc, Once},
    time::Instant,
};

use arc_swap::ArcSwap;
use axum::Router;
use http::{HeaderValue, Uri};
use parking_lot::Mutex;
use url::Url;

use super::{
    GateBuilder, GateConfig, GateRouter,
    binding::{Nonces, ReplayStore},
    builder::load_keys,
    error::{GateError, GateErrors, RouteError},
    limit::{Limiter, Nodes, advertise, log_limit::LogLimit},
    observe::Observer,
    policy::{Policies, Route},
    request::{client_address::TrustedProxies, cross_site::PageOrigin},
    response::resource_metadata,
    service::GateLayer,
};
use crate::jwt::{Clock, RefreshTask, Trust, Validator, unix};

/// Authorizes requests before they reach a handler. Cloning is cheap; all clones share keys, limits and the memory of DPoP proofs.
#[derive(Clone)]
pub struct Gate {
    pub(crate) state: Arc<State>,
    /// The position of this gate's routes in [`Rules::tables`].
    table: usize,
}

/// Lives as long as the gate.
pub(crate) struct State {
    rules: ArcSwap<Rules>,
    /// Refreshes the keys of the present rules, until the last clone of the gate is dropped.
    refresh: Mutex<Option<RefreshTask>>,
    pub(crate) settings: Settings,
}

/// The trusted issuers and the policies of the routes.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) validator: Validator,
    /// The first is that of the builder; each protected router has its own.
    tables: Vec<Arc<RouteTable>>,
}

/// The routes of one router.
pub(crate) struct RouteTable {
    /// The router's own policies.
    own: Policies,
    /// The same, and the builder's after them.
    pub(crate) policies: Policies,
    /// By position.
    pub(crate) routes: Vec<RouteEntry>,
    /// Whether the gate made the router, so that it knows how the router spells characters that are not ASCII.
    pub(crate) canonical: bool,
}

pub(crate) struct RouteEntry {
    pub(crate) route: Arc<Route>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Every limit of its calls, for the response.
    pub(crate) limits: Option<HeaderValue>,
}

impl RouteTable {
    /// Makes the table of a router. A route that a previous table had with the same rate keeps counting where it was.
    fn new(own: Policies, base: &Policies, canonical: bool, previous: &[RouteEntry], settings: &Settings) -> Arc<Self> {
        let policies = own.clone().merge(base.clone());
        let entry = |route: &Route| {
            let limiter = route.policy.rate.map(|rate| {
                let same = |entry: &&RouteEntry| {
                    let other = &entry.route;
                    (&other.methods, &other.pattern, other.policy.rate) == (&route.methods, &route.pattern, Some(rate))
                };
                let known = previous.iter().find(same).and_then(|entry| entry.limiter.clone());
                known.unwrap_or_else(|| Arc::new(Limiter::new(rate, settings.nodes.clone())))
            });
            RouteEntry {
                limits: settings.limits_of(route),
                route: Arc::new(route.clone()),
                limiter,
            }
        };
        Arc::new(Self {
            routes: policies.routes().iter().map(entry).collect(),
            own,
            policies,
            canonical,
        })
    }
}

impl Rules {
    pub(crate) fn table(&self, gate: &Gate) -> &RouteTable {
        &self.tables[gate.table]
    }
}

/// The settings that do not change while the gate lives.
pub(crate) struct Settings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) replays: Arc<dyn ReplayStore>,
    pub(crate) nonces: Option<Nonces>,
    pub(crate) rate_limit: Option<Limiter>,
    pub(crate) client_limit: Option<Limiter>,
    pub(crate) address_limit: Option<Limiter>,
    pub(crate) failure_limit: Option<Limiter>,
    pub(crate) nodes: Nodes,
    pub(crate) proxies: TrustedProxies,
    pub(crate) certificate_header: Option<String>,
    pub(crate) public_url: Option<Url>,
    pub(crate) allowed_origins: Vec<PageOrigin>,
    pub(crate) metadata_url: Option<String>,
    pub(crate) realm: String,
    /// The root is the empty string here: every path is under it.
    pub(crate) protected: Vec<String>,
    pub(crate) explain: bool,
    pub(crate) missing_address: Once,
    pub(crate) log_limit: LogLimit,
}

impl Settings {
    /// Returns the time, in seconds since 1970.
    pub(crate) fn second(&self) -> u64 {
        unix(self.clock.now()).max(0.0) as u64
    }

    /// Returns the start of a request, if an observer will ask how long it took.
    pub(crate) fn started(&self) -> Option<Instant> {
        self.observer.is_some().then(Instant::now)
    }

    /// Logs once that limits and certificates that depend on the peer's address do not work.
    pub(crate) fn warn_of_missing_address(&self) {
        self.missing_address.call_once(|| {
            tracing::error!(
                "the address of peers is not known, so limits per address count nothing and no proxy is trusted; \
                 serve with `into_make_service_with_connect_info::<SocketAddr>()`"
            );
        });
    }

    /// Returns every limit of the calls to a route, as the response names them.
    fn limits_of(&self, route: &Route) -> Option<HeaderValue> {
        let rate = |name, limiter: &Option<Limiter>| limiter.as_ref().map(|limiter| (name, limiter.rate()));
        if route.policy.is_public() {
            return advertise::policies(rate(advertise::name::ADDRESS, &self.address_limit));
        }
        let own = route.policy.rate.map(|rate| (advertise::name::ROUTE, rate));
        let subject = rate(advertise::name::SUBJECT, &self.rate_limit);
        let client = rate(advertise::name::CLIENT, &self.client_limit);
        advertise::policies([subject, client, own].into_iter().flatten())
    }

    /// Returns the address of a request as clients see it, without query: the expected `htu` (RFC 9449, section 4.2).
    pub(crate) fn public_address(&self, uri: &Uri) -> Option<Url> {
        let base = self.public_url.as_ref()?.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{}", uri.path())).ok()
    }

    /// Returns whether a decoded path is protected.
    pub(crate) fn protects(&self, path: &str) -> bool {
        let is_under = |prefix: &String| {
            let rest = path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        self.protected.iter().any(is_under)
    }

    /// Runs [`Policies::check`], and the checks that depend on the gate's settings.
    pub(crate) fn check_routes(&self, policies: &Policies) -> Vec<GateError> {
        let mut errors = policies.check().map_or_else(|errors| errors.0, |()| Vec::new());
        for route in policies.routes() {
            if !self.protects(&route.pattern.to_string()) {
                errors.push(RouteError::Unprotected(route.to_string()).into());
            }
            if route.policy.dpop && self.public_url.is_none() {
                errors.push(RouteError::DpopWithoutPublicUrl(route.to_string()).into());
            }
        }
        errors
    }
}

impl Gate {
    /// Starts from nothing; a gate needs at least one [`trust`](GateBuilder::trust).
    pub fn builder() -> GateBuilder {
        GateBuilder::default()
    }

    /// Starts from a configuration file. Errors in it are reported when the gate is started.
    pub fn from_config(config: GateConfig) -> GateBuilder {
        config.into_builder()
    }

    pub(crate) fn new(
        settings: Settings,
        validator: Validator,
        policies: Policies,
        refresh: Option<RefreshTask>,
    ) -> Self {
        let rules = Rules {
            validator,
            tables: vec![RouteTable::new(policies, &Policies::new(), false, &[], &settings)],
        };
        let state = State {
            rules: ArcSwap::from_pointee(rules),
            refresh: Mutex::new(refresh),
            settings,
        };
        Self {
            state: Arc::new(state),
            table: 0,
        }
    }

    /// Starts a router in which each path is written once, with its policy and its handler.
    pub fn router<S>(&self) -> GateRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        GateRouter::new(self.clone())
    }

    /// Puts the gate in front of a router, with the policies of its paths. A path without a policy is denied. Routes that are added
    /// to the result later are not behind the gate.
    ///
    /// The builder's [`policies`](GateBuilder::policies) hold too, after these.
    ///
    /// ```
    /// # fn example(gate: pixygate::gate::Gate) -> Result<(), pixygate::gate::GateErrors> {
    /// use axum::{Router, routing::get};
    /// use pixygate::gate::{Policies, Policy};
    ///
    /// let router = Router::new().route("/orders/{id}", get(|| async { "an order" }));
    /// let policies = Policies::new().route("GET", "/orders/{id}", Policy::signed_in().scope("orders:read"));
    /// let app: Router = gate.protect(router, policies)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Every route that cannot be used.
    pub fn protect<S>(&self, router: Router<S>, policies: Policies) -> Result<Router<S>, GateErrors>
    where
        S: Clone + Send + Sync + 'static,
    {
        Ok(self.with_routes(policies, false)?.wrap(router))
    }

    /// Puts the gate in front of a router, with the builder's [`policies`](GateBuilder::policies) alone.
    pub fn wrap<S>(&self, router: Router<S>) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        router.layer(self.layer())
    }

    /// Returns the tower layer, for services other than an axum router. It must see whole paths: inside of `Router::nest` the beginning of
    /// the path is missing, and protected paths are denied.
    pub fn layer(&self) -> GateLayer {
        GateLayer::new(self.clone())
    }

    /// Returns a gate with this one's state and with routes of its own, before the builder's.
    pub(crate) fn with_routes(&self, own: Policies, canonical: bool) -> Result<Self, GateErrors> {
        let with_base = own.clone().merge(self.rules().tables[0].policies.clone());
        let errors = self.state.settings.check_routes(&with_base);
        if !errors.is_empty() {
            return Err(GateErrors(errors));
        }
        let settings = &self.state.settings;
        let previous = self.state.rules.rcu(|rules| {
            let mut rules = Rules::clone(rules);
            let table = RouteTable::new(own.clone(), &rules.tables[0].policies, canonical, &[], settings);
            rules.tables.push(table);
            rules
        });
        Ok(Self {
            state: self.state.clone(),
            table: previous.tables.len(),
        })
    }

    /// Replaces the trusts and the builder's policies, for a configuration that is loaded again. Each request is decided by the old
    /// rules or by the new ones, never by a mixture.
    ///
    /// The keys of new trusts are loaded first. A trust that is unchanged keeps its keys and its cached tokens, and a route with the
    /// same rate its counts. The policies of [`protect`](Self::protect) and [`router`](Self::router) stay.
    ///
    /// ```
    /// # async fn example(gate: pixygate::gate::Gate) -> Result<(), pixygate::gate::GateErrors> {
    /// use pixygate::prelude::*;
    ///
    /// let policies = Policies::new().route("GET", "/orders", Policy::signed_in().scope("orders:read"));
    /// gate.replace_rules([Trust::new("https://idp.example").audience("orders")], policies).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Every trust and route that cannot be used. The old rules stay then.
    pub async fn replace_rules(
        &self,
        trusts: impl IntoIterator<Item = Trust>,
        policies: Policies,
    ) -> Result<(), GateErrors> {
        let current = self.state.rules.load_full();
        let mut errors = self.state.settings.check_routes(&policies);
        for table in &current.tables[1..] {
            let merged = table.own.clone().merge(policies.clone());
            let more = self.state.settings.check_routes(&merged);
            errors.extend(
                more.into_iter()
                    .filter(|error| !errors.contains(error))
                    .collect::<Vec<_>>(),
            );
        }
        let validator = current.validator.with_trusts(trusts.into_iter().collect());
        let validator = match validator {
            Ok(validator) if errors.is_empty() => validator,
            Ok(_) => return Err(GateErrors(errors)),
            Err(error) => {
                errors.push(error.into());
                return Err(GateErrors(errors));
            }
        };
        load_keys(validator.load_missing()).await?;
        let settings = &self.state.settings;
        self.state.rules.rcu(|rules| {
            let renewed = |(position, table): (usize, &Arc<RouteTable>)| match position {
                0 => RouteTable::new(policies.clone(), &Policies::new(), false, &table.routes, settings),
                _ => RouteTable::new(table.own.clone(), &policies, table.canonical, &table.routes, settings),
            };
            Rules {
                validator: validator.clone(),
                tables: rules.tables.iter().enumerate().map(renewed).collect(),
            }
        });
        let mut refresh = self.state.refresh.lock();
        if refresh.is_some() {
            *refresh = Some(validator.spawn_refresh());
        }
        Ok(())
    }

    /// Returns the present rules for longer than a moment.
    pub(crate) fn rules_in_full(&self) -> Arc<Rules> {
        self.state.rules.load_full()
    }

    pub(crate) fn rules(&self) -> arc_swap::Guard<Arc<Rules>> {
        self.state.rules.load()
    }

    /// Returns the validator of tokens.
    pub fn validator(&self) -> Validator {
        self.state.rules.load().validator.clone()
    }

    /// Returns the policies of this gate's routes.
    pub fn policies(&self) -> Policies {
        self.state.rules.load().table(self).policies.clone()
    }

    /// Returns the document at `/.well-known/oauth-protected-resource` (RFC 9728), made from trusts and policies. Its `resource`, which
    /// clients require, is the [`public_url`](GateBuilder::public_url).
    pub fn resource_metadata(&self) -> serde_json::Value {
        resource_metadata(self)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("protected", &self.state.settings.protected)
            .finish_non_exhaustive()
    }
}
