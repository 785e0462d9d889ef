use std::{any::Any, fmt, sync::Arc};

use hashbrown::HashMap;
use http::Method;

use super::{Methods, Pattern, PatternError, Policy, PolicyConflict};
use crate::gate::error::{GateError, GateErrors, RouteError};

/// The [`Policy`] of each method and path. A path that is not listed is denied; the first route that matches counts.
///
/// Errors in a route are collected and reported when a gate is built with the policies, or by [`check`](Self::check).
///
/// ```
/// use pixygate::gate::{Policies, Policy};
///
/// let policies = Policies::new()
///     .route("GET", "/api/whoami", Policy::signed_in())
///     .route("*", "/gw/orders/**", Policy::signed_in().scope("orders:read"));
/// assert!(policies.check().is_ok());
/// assert_eq!(policies.missing([("POST", "/api/pay")]), [("POST", "/api/pay")]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policies {
    routes: Vec<Route>,
    /// Routes that could not be parsed.
    errors: Vec<RouteError>,
    /// The positions of the routes for one path only, so that many of them cost no more than one.
    exact: HashMap<String, Vec<usize>>,
    /// The positions of the other routes.
    open: Vec<usize>,
}

/// One entry of [`Policies`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// The methods that it is for.
    pub methods: Methods,
    /// The paths that it is for.
    pub pattern: Pattern,
    /// The requirements.
    pub policy: Policy,
    /// The target of the route's requests, for a proxy.
    pub(crate) target: Option<Target>,
    /// Whether the handler serves GET only and the gate answers HEAD with it.
    pub(crate) head_as_get: bool,
}

/// A value of the application in a route.
#[derive(Clone)]
pub(crate) struct Target(Arc<dyn Any + Send + Sync>);

impl Target {
    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target")
    }
}

impl Route {
    /// Returns its target, as it was given to [`Policies::route_to`].
    pub fn target<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.target.as_ref()?.get()
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.methods, self.pattern)
    }
}

/// The result of looking up a method and path in [`Policies`].
pub(crate) enum Lookup {
    /// The position of a route.
    Route(usize),
    /// The path has these methods.
    OtherMethods(String),
    NotFound,
}

impl Policies {
    /// Denies everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route. Methods are a [`Method`], [`Methods`], a name, or `"*"`; `GET` includes `HEAD`. In the path, `*` or `{name}`
    /// is one segment and a last `**` any number of them; see [`Pattern`].
    #[must_use]
    pub fn route<M>(self, methods: M, pattern: &str, policy: Policy) -> Self
    where
        M: TryInto<Methods>,
        M::Error: Into<PatternError>,
    {
        self.add(methods, pattern, policy, None)
    }

    /// Adds a route with a value that a proxy finds with [`GateContext::target`](crate::gate::GateContext::target).
    #[must_use]
    pub fn route_to<M>(self, methods: M, pattern: &str, policy: Policy, target: impl Any + Send + Sync) -> Self
    where
        M: TryInto<Methods>,
        M::Error: Into<PatternError>,
    {
        self.add(methods, pattern, policy, Some(Target(Arc::new(target))))
    }

    fn add<M>(mut self, methods: M, pattern: &str, policy: Policy, target: Option<Target>) -> Self
    where
        M: TryInto<Methods>,
        M::Error: Into<PatternError>,
    {
        let methods = methods.try_into().map_err(Into::into);
        match methods.and_then(|methods| Ok((methods, pattern.parse()?))) {
            Ok((methods, pattern)) => self.push(Route {
                methods,
                pattern,
                policy,
                target,
                head_as_get: false,
            }),
            Err(error) => self.errors.push(error.into()),
        }
        self
    }

    /// Adds the route of a server function; its path and method come from the type.
    #[cfg(feature = "leptos")]
    #[must_use]
    pub fn server_fn<F: server_fn::ServerFn>(self, policy: Policy) -> Self {
        use server_fn::Protocol as _;
        let count = self.routes.len();
        let mut policies = self.route(F::Protocol::METHOD, F::PATH, policy);
        // Server functions are registered for one method, so Leptos answers HEAD with 400.
        if let Some(route) = policies.routes.get_mut(count) {
            route.head_as_get = F::Protocol::METHOD == Method::GET;
        }
        policies
    }

    /// Adds the routes of another after its own.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        others.routes.into_iter().for_each(|route| self.push(route));
        self.errors.extend(others.errors);
        self
    }

    /// Returns the same routes in the order in which an axum router matches them.
    pub(crate) fn by_precedence(mut self) -> Self {
        let mut routes = std::mem::take(&mut self.routes);
        routes.sort_by(|one, other| one.pattern.precedence().cmp(&other.pattern.precedence()));
        let sorted = Self {
            routes,
            ..Self::default()
        };
        Self {
            errors: self.errors,
            ..Self::new().merge(sorted)
        }
    }

    pub(crate) fn push(&mut self, route: Route) {
        let position = self.routes.len();
        match route.pattern.exact() {
            Some(path) => self.exact.entry(path.to_owned()).or_default().push(position),
            None => self.open.push(position),
        }
        self.routes.push(route);
    }

    /// Checks that each route could be parsed, that a request can meet its policy, and that no earlier route takes all its requests.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn check(&self) -> Result<(), GateErrors> {
        let mut errors = self.errors.clone();
        for (position, route) in self.routes.iter().enumerate() {
            if !route.policy.is_satisfiable() {
                errors.push(RouteError::Unsatisfiable(route.to_string()));
            }
            let earlier = &self.routes[..position];
            let by = |methods: &Methods| {
                let mut covering = earlier.iter().filter(|other| other.pattern.covers(&route.pattern));
                covering.find(|other| other.methods.include(methods))
            };
            let each = route.methods.each();
            let shadowed = by(&route.methods).or_else(|| {
                let by_each: Option<Vec<_>> = each.iter().map(by).collect();
                by_each?.into_iter().next()
            });
            if let Some(by) = shadowed {
                errors.push(RouteError::Shadowed {
                    route: route.to_string(),
                    by: by.to_string(),
                });
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(GateErrors(errors.into_iter().map(GateError::Route).collect()))
        }
    }

    /// Adds requirements to the routes that methods and a pattern cover, and returns how many routes that are. It never removes a
    /// requirement, so the configuration of an operator cannot weaken a policy in the code.
    ///
    /// ```
    /// use pixygate::gate::{Policies, Policy, policy::Methods};
    ///
    /// let mut policies = Policies::new().route("POST", "/api/pay", Policy::signed_in().scope("pay"));
    /// let count = policies.restrict(&Methods::ANY, &"/api/**".parse()?, &Policy::signed_in().acr("mfa"))?;
    /// assert_eq!(count, 1);
    /// assert_eq!(policies.routes()[0].policy.to_string(), "signed in, scope pay, acr mfa");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When no request could meet both policies, or only a part of a route is covered. Nothing is changed then.
    pub fn restrict(&mut self, methods: &Methods, pattern: &Pattern, more: &Policy) -> Result<usize, PolicyConflict> {
        let mut restricted = Vec::new();
        for (position, route) in self.routes.iter().enumerate() {
            if methods.are_disjoint(&route.methods) || pattern.is_disjoint(&route.pattern) {
                continue;
            }
            if !(methods.include(&route.methods) && pattern.covers(&route.pattern)) {
                return Err(PolicyConflict::Overlap(route.to_string()));
            }
            restricted.push((position, route.policy.clone().and(more.clone())?));
            // The first route that matches counts: no later one is asked.
            if route.methods.include(methods) && route.pattern.covers(pattern) {
                break;
            }
        }
        let count = restricted.len();
        for (position, policy) in restricted {
            self.routes[position].policy = policy;
        }
        Ok(count)
    }

    /// Returns every route, in order.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Returns the policy of a method and decoded path.
    pub fn find(&self, method: &Method, path: &str) -> Option<&Policy> {
        let position = self.position(method, path)?;
        Some(&self.routes[position].policy)
    }

    /// Returns those of the given methods and paths that have no policy: what is registered and would be denied.
    pub fn missing<M: AsRef<str>, P: AsRef<str>>(&self, served: impl IntoIterator<Item = (M, P)>) -> Vec<(M, P)> {
        served
            .into_iter()
            .filter(|(method, path)| {
                Method::from_bytes(method.as_ref().as_bytes())
                    .map_or(true, |method| self.find(&method, path.as_ref()).is_none())
            })
            .collect()
    }

    /// Returns every scope that a policy names, each once.
    pub fn scopes(&self) -> Vec<&str> {
        let mut scopes: Vec<_> = self
            .routes
            .iter()
            .flat_map(|route| route.policy.scopes_named())
            .collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }

    pub(crate) fn look_up(&self, method: &Method, path: &str) -> Lookup {
        if let Some(position) = self.position(method, path) {
            return Lookup::Route(position);
        }
        let candidates = self.candidates(path);
        let mut allowed: Vec<_> = candidates
            .flat_map(|position| self.routes[position].methods.iter().map(Method::as_str))
            .collect();
        if allowed.is_empty() {
            return Lookup::NotFound;
        }
        allowed.sort_unstable();
        allowed.dedup();
        Lookup::OtherMethods(allowed.join(", "))
    }

    fn position(&self, method: &Method, path: &str) -> Option<usize> {
        self.candidates(path)
            .filter(|&position| self.routes[position].methods.contains(method))
            .min()
    }

    /// Returns the positions of the routes that match a path, in any order.
    fn candidates<'a>(&'a self, path: &'a str) -> impl Iterator<Item = usize> + 'a {
        // Paths of callers are looked up and never stored, so a hash that is fast is enough.
        let exact = self.exact.get(path).into_iter().flatten().copied();
        let open = self.open.iter().copied();
        exact.chain(open.filter(|&position| self.routes[position].pattern.matches(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restricted(methods: &str, pattern: &str) -> Result<Vec<bool>, PolicyConflict> {
        let mut policies = Policies::new()
            .route("GET", "/api/users/me", Policy::signed_in())
            .route("*", "/api/users/{id}", Policy::signed_in())
            .route("POST", "/api/pay", Policy::signed_in())
            .route("GET", "/files/**", Policy::signed_in());
        let methods = Methods::named(methods.split(',')).unwrap();
        policies.restrict(&methods, &pattern.parse().unwrap(), &Policy::signed_in().role("staff"))?;
        let routes = policies.routes().iter();
        Ok(routes.map(|route| route.policy != Policy::signed_in()).collect())
    }

    #[test]
    fn a_route_is_restricted_as_a_whole_or_it_is_an_error() {
        for (methods, pattern, expected) in [
            ("*", "/**", [true; 4]),
            ("*", "/api/**", [true, true, true, false]),
            ("*", "/api/users/*", [true, true, false, false]),
            ("POST", "/api/pay", [false, false, true, false]),
            ("GET,POST", "/api/pay", [false, false, true, false]),
            ("GET", "/files/**", [false, false, false, true]),
            // The route for it comes before the one with `{id}`, which it would be a part of.
            ("GET", "/api/users/me", [true, false, false, false]),
            ("DELETE", "/api/pay", [false; 4]),
        ] {
            assert_eq!(
                restricted(methods, pattern),
                Ok(expected.to_vec()),
                "{methods} {pattern}"
            );
        }
        for (methods, pattern, part) in [
            ("POST", "/api/**", "* /api/users/{id}"),
            ("*", "/api/users/7", "* /api/users/{id}"),
            ("GET", "/files/secret/**", "GET /files/**"),
            ("HEAD", "/files/**", "GET /files/**"),
        ] {
            assert_eq!(
                restricted(methods, pattern),
                Err(PolicyConflict::Overlap(part.into())),
                "{methods} {pattern}"
            );
        }
    }
}
