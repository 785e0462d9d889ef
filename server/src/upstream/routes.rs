//! All upstreams of a server, with their routes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pixygate::gate::policy::{Methods, Pattern};
use pixygate::gate::request::RequestPath;
use pixygate::gate::{Policies, Policy};

use super::{Assertions, ClientError, Proxies, Streams, Upstream, path};
use crate::config::UpstreamEntry;

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

/// Every upstream, replaced as a whole when the configuration is loaded again. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Upstreams(Arc<ArcSwap<Vec<Arc<Routed>>>>);

/// What every upstream has beside its own settings.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) assertions: Arc<dyn Assertions>,
    pub(crate) streams: Streams,
    pub(crate) proxies: Proxies,
}

impl Common {
    /// Makes the upstreams of a configuration. One whose settings are the same as before is taken over with its connections, its places
    /// and what it knows of its targets.
    ///
    /// # Errors
    ///
    /// When a target cannot be called, or certificate authorities cannot be loaded.
    pub(crate) fn make(&self, entries: &[UpstreamEntry], before: &Upstreams) -> Result<Vec<Arc<Routed>>, ClientError> {
        let before = before.all();
        let make = |entry: &UpstreamEntry| {
            // A file with the same name may have other authorities in it.
            let same = |routed: &&Arc<Routed>| {
                let settings = routed.upstream.settings();
                settings.ca_file.is_none() && *settings == entry.settings
            };
            let upstream = match before.iter().find(same) {
                Some(routed) => routed.upstream.clone(),
                None => {
                    let common = self.clone();
                    let settings = entry.settings.clone();
                    let name = |routed: &&Arc<Routed>| routed.upstream.settings().name == settings.name;
                    let counts = before.iter().find(name).map(|routed| routed.upstream.counts().clone());
                    let counts = counts.unwrap_or_default();
                    Upstream::with_counts(settings, &common.assertions, common.streams, common.proxies, counts)?
                }
            };
            let routes = entry.routes.clone();
            Ok(Arc::new(Routed { upstream, routes }))
        };
        entries.iter().map(make).collect()
    }
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

/// Adds a route for each of theirs, with the upstream as its target.
pub(crate) fn targeted(policies: Policies, all: &[Arc<Routed>]) -> Policies {
    let routes = all.iter().flat_map(|routed| {
        let routes = routed.routes.iter().enumerate();
        routes.map(move |(position, route)| {
            let routed = routed.clone();
            (route, Target { routed, position })
        })
    });
    routes.fold(policies, |policies, (route, target)| {
        let pattern = route.pattern.to_string();
        policies.route_to(route.methods.clone(), &pattern, route.policy.clone(), target)
    })
}

impl Upstreams {
    /// Puts others in their place. Their prefixes do not overlap. The health checks of those that are new begin; those of the ones
    /// that are gone end with their last call.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub(crate) fn replace(&self, all: Vec<Arc<Routed>>) {
        let before = self.0.swap(Arc::new(all));
        for routed in self.all().iter() {
            let is_known = before
                .iter()
                .any(|other| Arc::ptr_eq(&other.upstream, &routed.upstream));
            if !is_known {
                tokio::spawn(super::watch(routed.upstream.clone()));
            }
        }
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> Arc<Vec<Arc<Routed>>> {
        self.0.load_full()
    }

    /// Returns the upstream that a path belongs to as it came, if it has one meaning.
    pub(crate) fn find_raw(&self, raw: &str) -> Option<(Arc<Routed>, RequestPath)> {
        let all = self.0.load();
        // Most paths are of no upstream, which their first letters tell unless one is written as an escape.
        let could_be = |routed: &Arc<Routed>| {
            let prefix = routed.upstream.settings().prefix.trim_end_matches('/').as_bytes();
            let same = prefix
                .iter()
                .zip(raw.as_bytes())
                .take_while(|(one, other)| one == other);
            let same = same.count();
            same == prefix.len() || raw.as_bytes().get(same) == Some(&b'%')
        };
        if !all.iter().any(could_be) {
            return None;
        }
        let path = RequestPath::parse(raw).ok()?;
        let is_below = |routed: &&Arc<Routed>| path::below(path.as_str(), &routed.upstream.settings().prefix).is_some();
        let routed = all.iter().find(is_below)?.clone();
        Some((routed, path))
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
