use std::collections::HashMap;

use http::Method;

use super::{Contradiction, GateError, GateErrors, Methods, Pattern, PatternError, Policy, RouteError};

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
    /// Routes that could not be read.
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
    /// What a request must bring.
    pub policy: Policy,
    /// Whether the handler serves GET only and the gate answers HEAD with it.
    pub(crate) head_as_get: bool,
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.methods, self.pattern)
    }
}

/// What [`Policies`] say of a method and path.
pub(crate) enum Lookup<'a> {
    Policy(usize, &'a Policy),
    /// The path is known with these methods.
    OtherMethods(String),
    Unknown,
}

impl Policies {
    /// Nothing is allowed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route. Methods are a [`Method`], [`Methods`], a name, or `"*"`; `GET` includes `HEAD`. In the path, `*` or `{name}`
    /// is one segment and a last `**` any number of them; see [`Pattern`].
    #[must_use]
    pub fn route<M>(mut self, methods: M, pattern: &str, policy: Policy) -> Self
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

    /// Adds the routes of others after its own, which are matched first.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        others.routes.into_iter().for_each(|route| self.push(route));
        self.errors.extend(others.errors);
        self
    }

    /// The same routes in the order in which an axum router matches them.
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

    /// Checks that each route could be read and that no earlier one takes all of its requests.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the routes.
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

    /// Asks for more on the routes that methods and a pattern take in; the number of such routes. It never asks for less, so what an
    /// operator configures cannot open what the code has closed, and a route that is meant in part is an error, not left out.
    ///
    /// ```
    /// use pixygate::gate::{Methods, Policies, Policy};
    ///
    /// let mut policies = Policies::new().route("POST", "/api/pay", Policy::signed_in().scope("pay"));
    /// let found = policies.narrow(&Methods::ANY, &"/api/**".parse()?, &Policy::signed_in().acr("mfa"))?;
    /// assert_eq!(found, 1);
    /// assert_eq!(policies.routes()[0].policy.to_string(), "signed in, scope pay, acr mfa");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When no call could meet both, and when a route is taken in only in part; nothing is changed then.
    pub fn narrow(&mut self, methods: &Methods, pattern: &Pattern, more: &Policy) -> Result<usize, Contradiction> {
        let mut narrowed = Vec::new();
        for (position, route) in self.routes.iter().enumerate() {
            if methods.are_apart(&route.methods) || pattern.is_apart(&route.pattern) {
                continue;
            }
            if !(methods.include(&route.methods) && pattern.covers(&route.pattern)) {
                return Err(Contradiction::Overlap(route.to_string()));
            }
            narrowed.push((position, route.policy.clone().and(more.clone())?));
            // The first route that matches counts: no later one is asked.
            if route.methods.include(methods) && route.pattern.covers(pattern) {
                break;
            }
        }
        let found = narrowed.len();
        for (position, policy) in narrowed {
            self.routes[position].policy = policy;
        }
        Ok(found)
    }

    /// Every route, in the order written.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The policy of a method and decoded path.
    pub fn find(&self, method: &Method, path: &str) -> Option<&Policy> {
        match self.look_up(method, path) {
            Lookup::Policy(_, policy) => Some(policy),
            Lookup::OtherMethods(_) | Lookup::Unknown => None,
        }
    }

    /// Those of the given methods and paths that have no policy: what is registered and would be refused.
    pub fn missing<M: AsRef<str>, P: AsRef<str>>(&self, served: impl IntoIterator<Item = (M, P)>) -> Vec<(M, P)> {
        served
            .into_iter()
            .filter(|(method, path)| {
                Method::from_bytes(method.as_ref().as_bytes())
                    .map_or(true, |method| self.find(&method, path.as_ref()).is_none())
            })
            .collect()
    }

    /// Every scope that a policy names, each once.
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

    pub(crate) fn look_up(&self, method: &Method, path: &str) -> Lookup<'_> {
        let exact = self.exact.get(path).into_iter().flatten().copied();
        let open = self
            .open
            .iter()
            .copied()
            .filter(|&position| self.routes[position].pattern.matches(path));
        let candidates = || exact.clone().chain(open.clone());
        // Both halves are in the order written, and so is the answer.
        if let Some(position) = candidates()
            .filter(|&position| self.routes[position].methods.contains(method))
            .min()
        {
            return Lookup::Policy(position, &self.routes[position].policy);
        }
        let mut allowed: Vec<_> = candidates()
            .flat_map(|position| self.routes[position].methods.iter().map(Method::as_str))
            .collect();
        if allowed.is_empty() {
            return Lookup::Unknown;
        }
        allowed.sort_unstable();
        allowed.dedup();
        Lookup::OtherMethods(allowed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrowed(methods: &str, pattern: &str) -> Result<Vec<bool>, Contradiction> {
        let mut policies = Policies::new()
            .route("GET", "/api/users/me", Policy::signed_in())
            .route("*", "/api/users/{id}", Policy::signed_in())
            .route("POST", "/api/pay", Policy::signed_in())
            .route("GET", "/files/**", Policy::signed_in());
        let methods = Methods::named(methods.split(',')).unwrap();
        policies.narrow(&methods, &pattern.parse().unwrap(), &Policy::signed_in().role("staff"))?;
        let routes = policies.routes().iter();
        Ok(routes.map(|route| route.policy != Policy::signed_in()).collect())
    }

    #[test]
    fn what_is_meant_is_narrowed_whole_or_it_is_an_error() {
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
            assert_eq!(narrowed(methods, pattern), Ok(expected.to_vec()), "{methods} {pattern}");
        }
        for (methods, pattern, part) in [
            ("POST", "/api/**", "* /api/users/{id}"),
            ("*", "/api/users/7", "* /api/users/{id}"),
            ("GET", "/files/secret/**", "GET /files/**"),
            ("HEAD", "/files/**", "GET /files/**"),
        ] {
            assert_eq!(
                narrowed(methods, pattern),
                Err(Contradiction::Overlap(part.into())),
                "{methods} {pattern}"
            );
        }
    }
}
