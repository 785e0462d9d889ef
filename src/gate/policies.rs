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

    /// Asks for more on the routes for one path that a pattern matches, when every method of the route is among these; the number of
    /// such routes. It never asks for less, so what an operator configures cannot open what the code has closed.
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
    /// When no call could meet both; nothing is changed then.
    pub fn narrow(&mut self, methods: &Methods, pattern: &Pattern, more: &Policy) -> Result<usize, Contradiction> {
        let mut narrowed = Vec::new();
        for (position, route) in self.routes.iter().enumerate() {
            if methods.include(&route.methods) && route.pattern.exact().is_some_and(|path| pattern.matches(path)) {
                narrowed.push((position, route.policy.clone().and(more.clone())?));
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
