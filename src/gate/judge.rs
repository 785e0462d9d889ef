//! The judgement of one request, from its path to its principal.

use std::{net::IpAddr, time::Duration};

use axum::extract::OriginalUri;
use http::{Extensions, Method, Uri, Version, header::HOST, request::Parts};

use super::{
    Gate, Passed, Policy, RequestPath, Use, certificate,
    client_address::{TrustedProxies, network},
    credentials::{Credentials, Scheme, at_most_one, credentials},
    cross_site, dpop,
    limit::Limit,
    path::could_be,
    permission,
    policies::Lookup,
    state::{RouteTable, Rules, Settings},
};
use crate::{
    Reason,
    jwt::{Principal, Rejection, TokenDigest, printable, unix},
};

/// What the gate says of a request.
pub(crate) enum Judgement {
    /// Outside the protected prefixes: not the gate's business.
    Elsewhere,
    /// Allowed. A public path has no principal.
    Allowed {
        path: RequestPath,
        principal: Option<Principal>,
        proved: Option<Proved>,
        scheme: Option<Scheme>,
        dpop_only: bool,
        head_as_get: bool,
    },
    Refused(Refused),
}

/// A refused request, with what is known of it.
pub(crate) struct Refused {
    pub(crate) rejection: Box<Rejection>,
    pub(crate) path: Option<RequestPath>,
    pub(crate) principal: Option<Principal>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) dpop_only: bool,
    /// The methods that would do, for a 405.
    pub(crate) allow: Option<String>,
}

/// Stays with a request whose proof was checked, so that a second gate in the same process does not check it again: the
/// proof would look replayed. Extensions cannot come from outside.
#[derive(Clone)]
pub(crate) struct Proved(TokenDigest);

impl Refused {
    pub(crate) fn new(rejection: Rejection, path: Option<RequestPath>) -> Self {
        Self {
            rejection: Box::new(rejection),
            path,
            principal: None,
            scheme: None,
            dpop_only: false,
            allow: None,
        }
    }
}

/// What is known of a request before anybody is asked who it is from.
enum Looked<'a> {
    Elsewhere,
    Route(RequestPath, usize, &'a Policy),
}

pub(crate) async fn judge(gate: &Gate, parts: &Parts) -> Judgement {
    let settings = &gate.state.settings;
    let rules = gate.rules();
    let table = rules.table(gate);
    let (path, position, policy) = match look(settings, table, parts) {
        Ok(Looked::Route(path, position, policy)) => (path, position, policy),
        Ok(Looked::Elsewhere) => return Judgement::Elsewhere,
        Err(refused) => {
            let failures = Failures::of(settings, parts, unix(settings.clock.now()));
            return Judgement::Refused(match failures.peek() {
                Ok(()) => {
                    failures.count(&refused.rejection);
                    refused
                }
                Err(rejection) => Refused::new(rejection, refused.path),
            });
        }
    };
    let head_as_get = parts.method == Method::HEAD && table.policies.routes()[position].head_as_get;
    if policy.is_public() {
        return Judgement::Allowed {
            path,
            principal: None,
            proved: None,
            scheme: None,
            dpop_only: false,
            head_as_get,
        };
    }
    let caller = Caller {
        settings,
        rules: &rules,
        parts,
        policy,
        route_limit: table.limits[position].as_ref(),
        head_as_get,
    };
    caller.judge(path).await
}

fn look<'a>(settings: &Settings, table: &'a RouteTable, parts: &Parts) -> Result<Looked<'a>, Refused> {
    // The asterisk form of OPTIONS names no path (RFC 9112, section 3.2.4), and is under the root alone.
    if parts.method == Method::OPTIONS && parts.uri.path() == "*" {
        if !settings.protects("*") {
            return Ok(Looked::Elsewhere);
        }
        let rejection = Rejection::new(Reason::RouteNotFound)
            .expected("a path with a policy")
            .found("OPTIONS *");
        return Err(Refused::new(rejection, None));
    }
    let path = match path_of(settings, &parts.uri) {
        Ok(Some(path)) => path,
        Ok(None) if was_protected(settings, parts) => return Err(Refused::new(behind_a_cut(), None)),
        Ok(None) => return Ok(Looked::Elsewhere),
        Err(rejection) => return Err(Refused::new(rejection, None)),
    };
    if let Err(rejection) = check_host(parts) {
        return Err(Refused::new(rejection, Some(path)));
    }
    let (position, policy) = match table.policies.look_up(&parts.method, path.as_str()) {
        Lookup::Policy(position, policy) => (position, policy),
        Lookup::OtherMethods(allow) => {
            let rejection = Rejection::new(Reason::MethodNotAllowed)
                .expected(&*allow)
                .found(parts.method.as_str());
            let refused = Refused::new(rejection, Some(path));
            return Err(Refused {
                allow: Some(allow),
                ..refused
            });
        }
        Lookup::Unknown => {
            let rejection = Rejection::new(Reason::RouteNotFound)
                .expected("a path with a policy")
                .found(format!("{} {}", parts.method, printable(path.as_str())))
                .hint("give the path a policy; a path without one is denied");
            return Err(Refused::new(rejection, Some(path)));
        }
    };
    if path.is_escaped() && !reads_alike(table, parts, &path, position) {
        return Err(Refused::new(disguised(), Some(path)));
    }
    let own = settings.public_url.as_ref();
    let checked = cross_site::check(&parts.method, &parts.headers, own, &settings.allowed_origins);
    // Code behind the gate might read the other of two.
    let checked = checked.and_then(|()| at_most_one(&parts.headers).map(drop));
    if let Err(rejection) = checked {
        return Err(Refused::new(rejection, Some(path)));
    }
    Ok(Looked::Route(path, position, policy))
}

/// Whether the router behind the gate, which matches the path with its escapes, chooses the handler of the same policy.
fn reads_alike(table: &RouteTable, parts: &Parts, path: &RequestPath, position: usize) -> bool {
    let reads = |path: &str| match table.policies.look_up(&parts.method, path) {
        Lookup::Policy(other, _) => Some(other == position),
        Lookup::OtherMethods(_) => Some(false),
        Lookup::Unknown => None,
    };
    let canonical = path.as_routed().is_none_or(|routed| reads(routed) == Some(true));
    // A router that the application made may have no route in this spelling. It answers 404 then, or chooses the next one.
    canonical && (table.canonical || reads(parts.uri.path()).unwrap_or(true))
}

/// The path, if it is protected.
fn path_of(settings: &Settings, uri: &Uri) -> Result<Option<RequestPath>, Rejection> {
    let path = match RequestPath::parse(uri.path()) {
        Ok(path) => path,
        Err(why) if could_be(uri.path(), |path| settings.protects(path)) => {
            return Err(two_meanings(&why.to_string()));
        }
        Err(_) => return Ok(None),
    };
    if !settings.protects(path.as_str()) {
        return Ok(None);
    }
    if path.is_disguised() {
        return Err(disguised());
    }
    Ok(Some(path))
}

/// Whether a router in front, which takes the beginning off the path (`Router::nest`), has made it look like another's business.
fn was_protected(settings: &Settings, parts: &Parts) -> bool {
    let original = parts.extensions.get::<OriginalUri>();
    original.is_some_and(|OriginalUri(uri)| !matches!(path_of(settings, uri), Ok(None)))
}

fn behind_a_cut() -> Rejection {
    Rejection::new(Reason::RouteNotFound)
        .expected("the whole path, for which the policies are")
        .found("what a router in front of the gate has left of it")
        .hint("put the gate in front of all routers (Gate::protect)")
}

fn disguised() -> Rejection {
    two_meanings("a protected path with characters escaped that need no escape")
}

fn two_meanings(found: &str) -> Rejection {
    Rejection::new(Reason::InvalidRequest)
        .expected("a path with one meaning")
        .found(found)
}

/// Exactly one Host (RFC 9112, section 3.2); HTTP/2 has it in the address.
fn check_host(parts: &Parts) -> Result<(), Rejection> {
    let count = parts.headers.get_all(HOST).iter().count();
    let in_address = parts.uri.authority().is_some() || parts.version > Version::HTTP_11;
    match count {
        1 => Ok(()),
        0 if in_address || parts.version < Version::HTTP_11 => Ok(()),
        0 => Err(Rejection::new(Reason::InvalidRequest)
            .expected("a Host header")
            .found("none")),
        _ => Err(Rejection::new(Reason::InvalidRequest)
            .expected("one Host header")
            .found("several")),
    }
}

/// The refused calls of the address that a request comes from, where they are limited and it is known.
struct Failures<'a> {
    limit: Option<(&'a Limit, IpAddr)>,
    now: f64,
}

impl<'a> Failures<'a> {
    fn of(settings: &'a Settings, parts: &Parts, now: f64) -> Self {
        let address = settings.proxies.client(&parts.headers, &parts.extensions);
        if address.is_none() {
            settings.miss_address();
        }
        Self {
            limit: settings.failure_limit.as_ref().zip(address.map(network)),
            now,
        }
    }

    fn peek(&self) -> Result<(), Rejection> {
        let Some((limit, address)) = self.limit else {
            return Ok(());
        };
        limit
            .peek(address, self.now)
            .map_err(|wait| too_many("refused calls of one address", "gate.failure_limit", wait))
    }

    fn count(&self, rejection: &Rejection) {
        // A nonce is asked for as a matter of course.
        let caused_by_caller = !matches!(
            rejection.reason(),
            Reason::KeysUnavailable | Reason::RateLimited | Reason::UseDpopNonce
        );
        if let Some((limit, address)) = self.limit.filter(|_| caused_by_caller) {
            // The next call is refused for it, not this one.
            limit.count(address, self.now).unwrap_or_default();
        }
    }
}

/// A request to a path that asks who it is.
struct Caller<'a> {
    settings: &'a Settings,
    rules: &'a Rules,
    parts: &'a Parts,
    policy: &'a Policy,
    route_limit: Option<&'a Limit>,
    head_as_get: bool,
}

impl Caller<'_> {
    async fn judge(&self, path: RequestPath) -> Judgement {
        let time = self.settings.clock.now();
        let now = unix(time);
        let failures = Failures::of(self.settings, self.parts, now);
        let mut scheme = None;
        let mut known = None;
        let result = async {
            failures.peek()?;
            let credentials = credentials(&self.parts.headers, &self.parts.uri)?;
            scheme = Some(credentials.scheme);
            let verified = self.rules.validator.verify(credentials.token, time).await?;
            let proved = self.check_binding(&credentials, &verified, now).await?;
            let principal = known.insert(verified);
            // Before the policy: a subject who only meets 403 would never be too many, and each proof is remembered.
            self.check_rate(principal, |limit, subject| limit.count(subject, now))?;
            permission::check(self.policy, principal, now)?;
            Ok::<_, Rejection>(proved)
        }
        .await;
        match result {
            Ok(proved) => Judgement::Allowed {
                path,
                principal: known,
                proved,
                scheme,
                dpop_only: self.policy.dpop,
                head_as_get: self.head_as_get,
            },
            Err(rejection) => {
                failures.count(&rejection);
                let refused = Refused::new(rejection, Some(path));
                Judgement::Refused(Refused {
                    principal: known,
                    scheme,
                    dpop_only: self.policy.dpop,
                    ..refused
                })
            }
        }
    }

    /// Whether who brings the token holds what it is bound to.
    async fn check_binding(
        &self,
        credentials: &Credentials<'_>,
        principal: &Principal,
        now: f64,
    ) -> Result<Option<Proved>, Rejection> {
        if let Some(thumbprint) = principal.certificate_thumbprint() {
            let header = self.settings.certificate_header.as_deref();
            let peer = peer(&self.parts.extensions);
            let trusted = peer.map(|peer| self.settings.proxies.contains(peer));
            certificate::check(thumbprint, header, trusted, &self.parts.headers)?;
        }
        match (credentials.scheme, principal.key_thumbprint()) {
            (Scheme::Bearer, None) if self.policy.dpop => Err(Rejection::new(Reason::DpopRequired)
                .expected("a token that is bound to a key")
                .found("a bearer token")
                .hint("sign in with DPoP (provider.dpop = \"required\"); the route's policy asks for it")),
            (Scheme::Bearer, None) => Ok(None),
            (Scheme::Bearer, Some(_)) => Err(Rejection::new(Reason::DpopRequired)
                .expected("`Authorization: DPoP …` and a proof")
                .found("a token that is bound to a key, sent as Bearer")
                .hint("who holds the key sends the token with a proof; anybody else may not use it")),
            (Scheme::Dpop, None) => Err(Rejection::new(Reason::InvalidDpopProof)
                .expected("a token that is bound to the key of the proof")
                .found("a token that is bound to none")
                .hint("send it as Bearer, or let the provider bind tokens (cnf.jkt)")),
            (Scheme::Dpop, Some(thumbprint)) => {
                let digest = TokenDigest::of(credentials.token);
                let passed = self.parts.extensions.get::<Passed>();
                let proved = passed.and_then(Passed::proved);
                if proved.is_none_or(|Proved(proved)| *proved != digest) {
                    Box::pin(self.check_proof(principal, thumbprint, &digest, now)).await?;
                }
                Ok(Some(Proved(digest)))
            }
        }
    }

    async fn check_proof(
        &self,
        principal: &Principal,
        thumbprint: &str,
        token: &TokenDigest,
        now: f64,
    ) -> Result<(), Rejection> {
        let address = self.settings.public_address(&self.parts.uri).ok_or_else(|| {
            Rejection::new(Reason::InvalidDpopProof)
                .expected("a public URL to compare `htu` with")
                .found("none is configured")
                .hint("set server.public_url to the address that clients use")
        })?;
        let expected = dpop::Expected {
            method: &self.parts.method,
            address: &address,
            token,
            thumbprint,
            now,
        };
        let seconds = now.max(0.0) as u64;
        let proof = dpop::check(&self.parts.headers, &expected, |nonce| match &self.settings.nonces {
            None => dpop::Nonce::NotNeeded,
            Some(nonces) if nonce.is_some_and(|nonce| nonces.accepts(nonce, seconds)) => dpop::Nonce::Fresh,
            Some(_) => dpop::Nonce::Stale,
        })?;
        // What is too much already is not remembered either; it counts only when nothing else is wrong with it.
        self.check_rate(principal, |limit, subject| limit.peek(subject, now))?;
        match self
            .settings
            .replays
            .record(proof.id, seconds, seconds + dpop::REMEMBERED_SECONDS)
            .await
        {
            Use::First => Ok(()),
            Use::Again => Err(Rejection::new(Reason::InvalidDpopProof)
                .expected("a proof for this request alone")
                .found("a `jti` that was used before")
                .hint("make a new proof for each request, also when it is sent again")),
            Use::Unknown => Err(Rejection::new(Reason::KeysUnavailable)
                .expected("to know whether the proof was used before")
                .found("the record of proofs cannot be asked")
                .retry_after(Duration::from_secs(1))),
        }
    }

    fn check_rate(
        &self,
        principal: &Principal,
        ask: impl Fn(&Limit, (&str, &str)) -> Result<(), Duration>,
    ) -> Result<(), Rejection> {
        let subject = (principal.issuer(), principal.subject());
        if let Some(limit) = &self.settings.rate_limit {
            ask(limit, subject).map_err(|wait| too_many("calls of one subject", "gate.rate_limit", wait))?;
        }
        if let Some(limit) = self.route_limit {
            ask(limit, subject)
                .map_err(|wait| too_many("calls of one subject to this route", "the route's rate_limit", wait))?;
        }
        Ok(())
    }
}

fn too_many(what: &str, setting: &str, wait: Duration) -> Rejection {
    Rejection::new(Reason::RateLimited)
        .expected(format!("fewer {what}"))
        .found(format!("more than {setting} allows"))
        .hint(format!("slow down, or raise {setting}"))
        .retry_after(wait)
}

/// The peer's address, for the log.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    TrustedProxies::peer(extensions)
}
