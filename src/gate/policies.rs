use std::collections::HashMap;

use http::Method;

use super::{Contradiction, Methods, Pattern, PatternError, Policy};

/// Which policy each method and path has. What is not listed is refused; the first route that matches counts.
///
/// ```
/// use pixygate::gate::{Policies, Policy};
///
/// let policies = Policies::new()
///     .route("GET", "/api/whoami", Policy::signed_in())?
///     .route("*", "/gw/orders/**", Policy::signed_in().scope("orders:read"))?;
/// assert_eq!(policies.missing([("POST", "/api/pay")]), [("POST", "/api/pay")]);
/// # Ok::<(), pixygate::gate::PatternError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policies {
    routes: Vec<Route>,
    /// The positions of the routes for one path only, so that many of them cost no more than one.
    exact: HashMap<String, Vec<usize>>,
    /// The positions of the others.
    open: Vec<usize>,
}

/// One entry of [`Policies`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// For these methods …
    pub methods: Methods,
    /// … and paths …
    pub pattern: Pattern,
    /// … this counts.
    pub policy: Policy,
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

    /// Adds a route. Methods are a [`Method`], [`Methods`], a name, or `"*"`.
    ///
    /// # Errors
    /// When the method or the pattern cannot be read.
    pub fn route<M>(mut self, methods: M, pattern: &str, policy: Policy) -> Result<Self, PatternError>
    where
        M: TryInto<Methods>,
        M::Error: Into<PatternError>,
    {
        self.insert(methods, pattern, policy)?;
        Ok(self)
    }

    /// As [`route`](Self::route), in place.
    ///
    /// # Errors
    /// When the method or the pattern cannot be read.
    pub fn insert<M>(&mut self, methods: M, pattern: &str, policy: Policy) -> Result<(), PatternError>
    where
        M: TryInto<Methods>,
        M::Error: Into<PatternError>,
    {
        let methods = methods.try_into().map_err(Into::into)?;
        let pattern: Pattern = pattern.parse()?;
        let position = self.routes.len();
        match pattern.exact() {
            Some(path) => self.exact.entry(path.to_owned()).or_default().push(position),
            None => self.open.push(position),
        }
        self.routes.push(Route {
            methods,
            pattern,
            policy,
        });
        Ok(())
    }

    /// Asks for more on the routes that methods and a pattern take in; the number of such routes. It never asks for less, so what an
    /// operator configures cannot open what the code has closed, and a route that is meant in part is an error, not left out.
    ///
    /// ```
    /// use pixygate::gate::{Methods, Policies, Policy};
    ///
    /// let mut policies = Policies::new().route("POST", "/api/pay", Policy::signed_in().scope("pay"))?;
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
                return Err(Contradiction::Overlap(format!("{} {}", route.methods, route.pattern)));
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
        let mut policies = Policies::new();
        for (methods, path) in [
            ("GET", "/api/users/me"),
            ("*", "/api/users/{id}"),
            ("POST", "/api/pay"),
            ("GET", "/files/**"),
        ] {
            policies.insert(methods, path, Policy::signed_in()).unwrap();
        }
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
