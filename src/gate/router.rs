use std::collections::HashSet;

use axum::{
    Router,
    handler::Handler,
    routing::{self, MethodRouter},
};

use super::{
    Gate,
    error::{GateError, GateErrors, RouteError},
    policy::{Methods, Policies, Policy},
    request::path::canonical,
};

/// A router in which each path is written once, with its policy and its handler. Made by [`Gate::router`].
///
/// Paths are axum's: `/orders/{id}`, `/files/{*path}`. As in axum the order of routes does not matter: at each segment a name
/// counts before a parameter, and a parameter before a rest.
///
/// ```
/// # fn example(gate: pixygate::gate::Gate) -> Result<(), pixygate::gate::GateErrors> {
/// use pixygate::{gate::Policy, jwt::Principal};
///
/// let app: axum::Router = gate
///     .router()
///     .get("/orders", Policy::signed_in().scope("orders:read"), |caller: Principal| async move {
///         format!("orders of {}", caller.subject())
///     })
///     .get("/health", Policy::public(), || async { "ok" })
///     .build()?;
/// # Ok(()) }
/// ```
#[must_use = "a router serves nothing until `build`"]
pub struct GateRouter<S = ()> {
    gate: Gate,
    policies: Policies,
    routes: Vec<(String, MethodRouter<S>)>,
    errors: Vec<GateError>,
}

impl<S> GateRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(gate: Gate) -> Self {
        Self {
            gate,
            policies: Policies::new(),
            routes: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Adds a handler for GET and HEAD.
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &str, policy: Policy, handler: H) -> Self {
        self.add("GET", path, policy, routing::get(handler))
    }

    /// Adds a handler for POST.
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &str, policy: Policy, handler: H) -> Self {
        self.add("POST", path, policy, routing::post(handler))
    }

    /// Adds a handler for PUT.
    pub fn put<H: Handler<T, S>, T: 'static>(self, path: &str, policy: Policy, handler: H) -> Self {
        self.add("PUT", path, policy, routing::put(handler))
    }

    /// Adds a handler for PATCH.
    pub fn patch<H: Handler<T, S>, T: 'static>(self, path: &str, policy: Policy, handler: H) -> Self {
        self.add("PATCH", path, policy, routing::patch(handler))
    }

    /// Adds a handler for DELETE.
    pub fn delete<H: Handler<T, S>, T: 'static>(self, path: &str, policy: Policy, handler: H) -> Self {
        self.add("DELETE", path, policy, routing::delete(handler))
    }

    /// Adds every method of a path with one policy, as in `route("/orders", policy, get(list).post(place))`.
    pub fn route(self, path: &str, policy: Policy, methods: MethodRouter<S>) -> Self {
        self.add("*", path, policy, methods)
    }

    fn add(mut self, method: &str, path: &str, policy: Policy, handler: MethodRouter<S>) -> Self {
        match pattern(path) {
            Ok(pattern) => {
                let count = self.policies.routes().len();
                self.policies = self.policies.route(method, &pattern, policy);
                if self.policies.routes().len() > count {
                    self.routes.push((path.to_owned(), handler));
                }
            }
            Err(why) => self.errors.push(unroutable(path, why)),
        }
        self
    }

    /// Makes the router, behind the gate. A request without a route is denied. Routes that are added to the result later are not
    /// behind the gate.
    ///
    /// # Errors
    /// Every route that cannot be used.
    pub fn build(self) -> Result<Router<S>, GateErrors> {
        let mut errors = self.errors;
        // axum's router panics on a path that its own table rejects, and on a second handler of a method.
        let mut table = matchit::Router::new();
        let (mut paths, mut every_method) = (HashSet::new(), HashSet::new());
        for ((path, _), route) in self.routes.iter().zip(self.policies.routes()) {
            let whole = route.methods == Methods::ANY;
            let (known, conflict) = (paths.contains(path), every_method.contains(path));
            if known && (whole || conflict) {
                errors.push(unroutable(
                    path,
                    "it has several routes; write its methods into one `route`",
                ));
            }
            if whole {
                every_method.insert(path);
            }
            if !known && let Err(why) = table.insert(canonical(path), ()) {
                errors.push(unroutable(path, why.to_string()));
            }
            paths.insert(path);
        }
        let gate = self.gate.with_routes(self.policies.by_precedence(), true);
        let gate = match gate {
            Ok(gate) if errors.is_empty() => gate,
            Ok(_) => return Err(GateErrors(errors)),
            Err(more) => {
                errors.extend(more.0);
                return Err(GateErrors(errors));
            }
        };
        let routes = self.routes.into_iter();
        let router = routes.fold(Router::new(), |router, (path, handler)| {
            router.route(&canonical(&path), handler)
        });
        Ok(gate.wrap(router))
    }
}

/// Converts a path of axum into a pattern.
fn pattern(path: &str) -> Result<String, &'static str> {
    let segments = path.split('/');
    if segments.clone().any(|segment| segment.starts_with([':', '*'])) {
        return Err("write `{name}` for one segment and `{*name}` for the rest");
    }
    match path.rsplit_once('/') {
        Some((before, last)) if last.len() > 3 && last.starts_with("{*") && last.ends_with('}') => {
            Ok(format!("{before}/**"))
        }
        _ => Ok(path.to_owned()),
    }
}

fn unroutable(path: &str, why: impl Into<String>) -> GateError {
    let (path, why) = (path.to_owned(), why.into());
    RouteError::Path { path, why }.into()
}
