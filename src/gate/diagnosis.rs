//! The gate's decision about a token, and about calls with it, without a request.

use std::{fmt, sync::Arc, time::SystemTime};

use axum::body::Body;
use http::{Request, header::HOST};

use super::{
    Gate,
    authorize::{RouteMatch, match_route, not_bound},
    policy::{Policy, Requirement, Route, permission},
    request::RequestHead,
    state::Rules,
};
use crate::{
    Reason,
    jwt::{Principal, Rejection, printable, unix},
};

impl Gate {
    /// Judges a token as this gate would: by its trusts, keys, revocations and clock. Nothing is counted or logged, and no request is
    /// made but those for keys (and for the introspection of an opaque token) that a call would cause as well.
    ///
    /// ```
    /// # async fn example(gate: pixygate::gate::Gate, token: &str) {
    /// let diagnosis = gate.diagnose(token).await;
    /// match diagnosis.rejection() {
    ///     Some(rejection) => println!("rejected: {rejection}"),
    ///     None => println!("{:?}", diagnosis.call("GET", "/orders").rejection()),
    /// }
    /// # }
    /// ```
    pub async fn diagnose(&self, token: &str) -> Diagnosis {
        let rules = self.rules_in_full();
        let time = self.state.settings.clock.now();
        let verified = rules.validator.verify(token, time).await;
        Diagnosis {
            gate: self.clone(),
            rules,
            time,
            verified,
        }
    }
}

/// The gate's verdict on a token outside of a call, at one moment. For a token that is bound to a key or certificate, the proof is assumed.
/// So a diagnosis does not authenticate a caller, and contains no [`Principal`].
pub struct Diagnosis {
    gate: Gate,
    rules: Arc<Rules>,
    time: SystemTime,
    verified: Result<Principal, Rejection>,
}

/// A check of a call, in the order in which the gate makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CallCheck {
    /// Method and path have one meaning.
    Request,
    /// A policy names the path and the method.
    Route,
    /// The token is accepted.
    Token,
    /// The token is bound to a key, where the policy requires it.
    Proof,
    /// The token has the scopes.
    Scopes,
    /// The token has the roles.
    Roles,
    /// The sign-in was strong and recent enough.
    Authentication,
    /// The token has the claims.
    Claims,
}

impl CallCheck {
    /// Every check, in the gate's order.
    pub const ALL: [Self; 8] = [
        Self::Request,
        Self::Route,
        Self::Token,
        Self::Proof,
        Self::Scopes,
        Self::Roles,
        Self::Authentication,
        Self::Claims,
    ];

    /// Returns its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Route => "route",
            Self::Token => "token",
            Self::Proof => "proof",
            Self::Scopes => "scopes",
            Self::Roles => "roles",
            Self::Authentication => "authentication",
            Self::Claims => "claims",
        }
    }
}

/// The decision about a call with the token of a [`Diagnosis`]. Rates are not considered.
#[derive(Clone, Debug)]
pub struct CallDiagnosis {
    route: Option<Arc<Route>>,
    failed: Option<(CallCheck, Rejection)>,
}

impl CallDiagnosis {
    /// Returns the route that matches. Without one and without a rejection, the gate does not protect the path.
    pub fn route(&self) -> Option<&Route> {
        self.route.as_deref()
    }

    /// Returns the check that fails; the checks after it are not made. `None` when the call would pass.
    pub fn failed(&self) -> Option<CallCheck> {
        self.failed.as_ref().map(|(check, _)| *check)
    }

    /// Returns why the call would be denied.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.failed.as_ref().map(|(_, rejection)| rejection)
    }
}

impl Diagnosis {
    /// Returns why the token is rejected.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.verified.as_ref().err()
    }

    /// Returns the thumbprint of the key that an accepted token is bound to (`cnf.jkt`, RFC 9449).
    pub fn key_thumbprint(&self) -> Option<&str> {
        self.verified.as_ref().ok()?.key_thumbprint()
    }

    /// Returns the thumbprint of the client certificate that an accepted token is bound to (`cnf.x5t#S256`, RFC 8705).
    pub fn certificate_thumbprint(&self) -> Option<&str> {
        self.verified.as_ref().ok()?.certificate_thumbprint()
    }

    /// Returns whether the token is accepted and meets a requirement.
    pub fn meets(&self, requirement: &Requirement) -> bool {
        let principal = self.verified.as_ref();
        principal.is_ok_and(|principal| requirement.is_met(principal, self.time))
    }

    /// Judges a call to each route of the gate, in order.
    pub fn routes(&self) -> impl Iterator<Item = CallDiagnosis> {
        let routes = self.rules.table(&self.gate).routes.iter();
        routes.map(|entry| self.of_route(entry.route.clone()))
    }

    /// Judges a call with a method and a path without a query. Nothing is sent.
    pub fn call(&self, method: &str, path: &str) -> CallDiagnosis {
        let denied = |check, rejection, route| CallDiagnosis {
            route,
            failed: Some((check, rejection)),
        };
        let request = match request(method, path) {
            Ok(request) => request,
            Err(rejection) => return denied(CallCheck::Request, rejection, None),
        };
        let table = self.rules.table(&self.gate);
        match match_route(&self.gate.state.settings, table, &RequestHead::of(&request)) {
            Ok(RouteMatch::NotProtected) => CallDiagnosis {
                route: None,
                failed: None,
            },
            Ok(RouteMatch::Route(_, position, _)) => self.of_route(table.routes[position].route.clone()),
            Err(found) => {
                let check = match found.rejection.reason() {
                    Reason::RouteNotFound | Reason::MethodNotAllowed => CallCheck::Route,
                    _ => CallCheck::Request,
                };
                let route = found.route.map(|position| table.routes[position].route.clone());
                denied(check, found.rejection, route)
            }
        }
    }

    fn of_route(&self, route: Arc<Route>) -> CallDiagnosis {
        CallDiagnosis {
            failed: self.judge(&route.policy).err(),
            route: Some(route),
        }
    }

    fn judge(&self, policy: &Policy) -> Result<(), (CallCheck, Rejection)> {
        if policy.is_public() {
            return Ok(());
        }
        let principal = match &self.verified {
            Ok(principal) => principal,
            Err(rejection) => return Err((CallCheck::Token, rejection.clone())),
        };
        if policy.dpop && principal.key_thumbprint().is_none() {
            return Err((CallCheck::Proof, not_bound()));
        }
        permission::explain(policy, principal, unix(self.time))
    }
}

/// Makes the head of a request.
fn request(method: &str, path: &str) -> Result<Request<Body>, Rejection> {
    let odd = |expected: &str, found: &str| {
        Err(Rejection::new(Reason::InvalidRequest)
            .expected(expected)
            .found(format!("\"{}\"", printable(found))))
    };
    // Methods are case-sensitive (RFC 9110, section 9.1), and those of HTTP are in capitals.
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return odd("a method in capital letters, as in GET", method);
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    if !path.starts_with('/') || path.starts_with("//") || !path.bytes().all(plain) {
        return odd("a path that begins with one /, percent-encoded, without a query", path);
    }
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    let request = request.body(Body::empty());
    request.or_else(|_| odd("a path that can be in a request", path))
}

impl fmt::Debug for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnosis")
            .field("rejection", &self.rejection())
            .finish_non_exhaustive()
    }
}
