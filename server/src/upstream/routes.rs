//! All upstreams of a server, with their routes.

use std::sync::Arc;
use std::time::Duration;

use pixygate::gate::policy::{Methods, Pattern};
use pixygate::gate::request::RequestPath;
use pixygate::gate::{Policies, Policy};

use super::{Streams, Upstream, path};

/// One `[[upstream.route]]`, validated.
#[derive(Clone, Debug)]
pub struct UpstreamRoute {
    /// The methods that it is for.
    pub methods: Methods,
    /// The paths that it is for, with the upstream's prefix.
    pub pattern: Pattern,
    /// What a call must bring.
    pub policy: Policy,
    /// The largest request body, where it is not the upstream's; 0 lifts the limit.
    pub max_body_bytes: Option<u64>,
    /// What the route is for, in the words of the operator.
    pub description: String,
}

/// An upstream with its routes.
#[derive(Clone, Debug)]
pub struct Routed {
    /// The service.
    pub upstream: Arc<Upstream>,
    /// The first that matches counts.
    pub routes: Vec<UpstreamRoute>,
}

/// Every upstream. Clones share them.
#[derive(Clone, Default)]
pub struct Upstreams {
    all: Arc<Vec<Arc<Routed>>>,
    streams: Option<Streams>,
}

/// Where a call goes: what a route of the gate has beside its policy, so that a path is matched once.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) routed: Arc<Routed>,
    position: usize,
}

impl Target {
    pub(crate) fn route(&self) -> &UpstreamRoute {
        &self.routed.routes[self.position]
    }
}

/// Adds the policies of routes that lead nowhere yet, to show them.
pub(crate) fn policies<'a>(policies: Policies, routes: impl IntoIterator<Item = &'a UpstreamRoute>) -> Policies {
    routes.into_iter().fold(policies, |policies, route| {
        policies.route(route.methods.clone(), &route.pattern.to_string(), route.policy.clone())
    })
}

impl Upstreams {
    /// Puts them together. Their prefixes do not overlap.
    pub fn new(all: impl IntoIterator<Item = Routed>, streams: Streams) -> Self {
        Self {
            all: Arc::new(all.into_iter().map(Arc::new).collect()),
            streams: Some(streams),
        }
    }

    /// Ends every stream, because the server is stopping.
    pub fn stop(&self) {
        if let Some(streams) = &self.streams {
            streams.stop();
        }
    }

    /// Resolves when no stream is left, or after two seconds.
    pub async fn stopped(&self) {
        let Some(streams) = &self.streams else { return };
        streams.stop();
        let ended = async {
            while !streams.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), ended).await;
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> &[Arc<Routed>] {
        &self.all
    }

    /// Adds a route for each of theirs, with the upstream as its target.
    pub(crate) fn policies(&self, policies: Policies) -> Policies {
        let routes = self.all.iter().flat_map(|routed| {
            let routes = routed.routes.iter().enumerate();
            routes.map(move |(position, route)| {
                (
                    route,
                    Target {
                        routed: routed.clone(),
                        position,
                    },
                )
            })
        });
        routes.fold(policies, |policies, (route, target)| {
            let pattern = route.pattern.to_string();
            policies.route_to(route.methods.clone(), &pattern, route.policy.clone(), target)
        })
    }

    /// Returns the upstream that a decoded path belongs to.
    fn find(&self, decoded: &str) -> Option<&Routed> {
        let is_below = |routed: &&Arc<Routed>| path::below(decoded, &routed.upstream.settings().prefix).is_some();
        self.all.iter().find(is_below).map(Arc::as_ref)
    }

    /// Returns the upstream that a path belongs to as it came, if it has one meaning.
    pub(crate) fn find_raw(&self, raw: &str) -> Option<(&Routed, RequestPath)> {
        if self.all.is_empty() {
            return None;
        }
        let path = RequestPath::parse(raw).ok()?;
        Some((self.find(path.as_str())?, path))
    }
}

impl Routed {
    /// Returns the methods that a route has for a decoded path, each once.
    pub(crate) fn methods(&self, decoded: &str) -> String {
        let routes = self.routes.iter().filter(|route| route.pattern.matches(decoded));
        let named: Vec<_> = routes.map(|route| route.methods.to_string()).collect();
        let mut methods: Vec<_> = named
            .iter()
            .flat_map(|methods| {
                match methods.as_str() {
                    "*" => "DELETE,GET,HEAD,PATCH,POST,PUT",
                    some => some,
                }
                .split(',')
            })
            .collect();
        methods.sort_unstable();
        methods.dedup();
        methods.join(", ")
    }

    /// Every scope that one of the routes names, each once.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let policies = policies(Policies::new(), &self.routes);
        policies.scopes().into_iter().map(str::to_owned).collect()
    }
}
