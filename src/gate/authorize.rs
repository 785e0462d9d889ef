//! From a request to a decision: path, route, credentials, token, binding, rate, policy.

use std::{
    net::IpAddr,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::OriginalUri;
use http::{HeaderValue, Method, Uri, Version, header::HOST};

use super::{
    Gate, GateContext,
    binding::{ReplayCheck, check_certificate, dpop},
    limit::{Left, LimitState, Limiter, advertise},
    policy::{Lookup, Policy, permission},
    request::{
        RequestHead, RequestPath,
        client_address::{network, peer},
        credentials::{Credentials, Scheme, authorization, credentials},
        cross_site,
        path::may_decode_to,
    },
    state::{RouteEntry, RouteTable, Rules, Settings},
};
use crate::{
    Reason,
    jwt::{Principal, Rejection, printable, unix},
};

/// The gate's decision about a request.
pub(crate) enum Decision {
    /// The gate does not protect the path.
    NotProtected,
    Allowed(Allowed),
    Denied(Denied),
}

pub(crate) struct Allowed {
    pub(crate) path: RequestPath,
    /// The position of the route.
    pub(crate) route: usize,
    /// `None` where the policy is public.
    pub(crate) principal: Option<Principal>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) proof: Option<VerifiedProof>,
    /// What is left of its limits.
    pub(crate) limit: Option<LimitState>,
}

pub(crate) struct Denied {
    pub(crate) rejection: Rejection,
    pub(crate) path: Option<RequestPath>,
    /// The position of the route.
    pub(crate) route: Option<usize>,
    /// The caller, when the token was valid and the policy denied the request.
    pub(crate) principal: Option<Principal>,
    pub(crate) scheme: Option<Scheme>,
    /// The methods of the path, for a 405.
    pub(crate) allow: Option<String>,
    /// What is left of the caller's limits.
    pub(crate) limit: Option<LimitState>,
}

impl Denied {
    fn new(rejection: Rejection, path: Option<RequestPath>) -> Self {
        Self {
            rejection,
            path,
            route: None,
            principal: None,
            scheme: None,
            allow: None,
            limit: None,
        }
    }
}

/// The SHA-256 of a token whose DPoP proof was verified. A second gate in this process does not verify the proof again, which would look
/// replayed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct VerifiedProof([u8; 32]);

impl VerifiedProof {
    fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }
}

/// Decides without waiting: about a public route, a cached bearer token, and most requests that are denied. `None` means that
/// [`decide`] must.
pub(crate) fn decide_at_once(gate: &Gate, rules: &Rules, head: &RequestHead<'_>) -> Option<Decision> {
    let call = match Call::new(gate, rules, head) {
        Ok(call) => call,
        Err(decision) => return Some(decision),
    };
    let authentication = call.authenticate_from_cache()?;
    Some(call.decide(authentication))
}

pub(crate) async fn decide(gate: &Gate, rules: &Rules, head: &RequestHead<'_>) -> Decision {
    let call = match Call::new(gate, rules, head) {
        Ok(call) => call,
        Err(decision) => return decision,
    };
    let authentication = call.authenticate().await;
    call.decide(authentication)
}

/// The result of looking up the route of a request.
pub(super) enum RouteMatch<'a> {
    NotProtected,
    Route(RequestPath, usize, Option<&'a HeaderValue>),
}

/// Finds the route of a request, with its `Authorization` header.
#[expect(clippy::result_large_err, reason = "a flood of denied requests must not allocate")]
pub(super) fn match_route<'a>(
    settings: &Settings,
    table: &RouteTable,
    head: &RequestHead<'a>,
) -> Result<RouteMatch<'a>, Denied> {
    // The asterisk form of OPTIONS has no path (RFC 9112, section 3.2.4), and only the root covers it.
    if *head.method == Method::OPTIONS && head.uri.path() == "*" {
        if !settings.protects("*") {
            return Ok(RouteMatch::NotProtected);
        }
        let rejection = Rejection::new(Reason::RouteNotFound)
            .expected("a path with a policy")
            .found("OPTIONS *");
        return Err(Denied::new(rejection, None));
    }
    let path = match protected_path(settings, head.uri) {
        Ok(Some(path)) => path,
        Ok(None) if was_protected(settings, head) => return Err(Denied::new(shortened(), None)),
        Ok(None) => return Ok(RouteMatch::NotProtected),
        Err(rejection) => return Err(Denied::new(rejection, None)),
    };
    if let Err(rejection) = check_host(head) {
        return Err(Denied::new(rejection, Some(path)));
    }
    let position = match table.policies.look_up(head.method, path.as_str()) {
        Lookup::Route(position) => position,
        Lookup::OtherMethods(allow) => {
            let rejection = Rejection::new(Reason::MethodNotAllowed)
                .expected(&*allow)
                .found(head.method.as_str());
            let denied = Denied::new(rejection, Some(path));
            return Err(Denied {
                allow: Some(allow),
                ..denied
            });
        }
        Lookup::NotFound => {
            let rejection = Rejection::new(Reason::RouteNotFound)
                .expected("a path with a policy")
                .found(format!("{} {}", head.method, printable(path.as_str())))
                .hint("give the path a policy; a path without one is denied");
            return Err(Denied::new(rejection, Some(path)));
        }
    };
    if path.is_escaped() && !router_agrees(table, head, &path, position) {
        return Err(Denied::new(needlessly_escaped(), Some(path)));
    }
    let own = settings.public_url.as_ref();
    let checked = cross_site::check(head.method, head.headers, own, &settings.allowed_origins);
    // On public paths too: code behind the gate might read the other one of two headers.
    match checked.and_then(|()| authorization(head.headers)) {
        Ok(authorization) => Ok(RouteMatch::Route(path, position, authorization)),
        Err(rejection) => Err(Denied {
            route: Some(position),
            ..Denied::new(rejection, Some(path))
        }),
    }
}

/// Returns whether the router behind the gate, which matches the path with its escapes, chooses the handler of the same route.
fn router_agrees(table: &RouteTable, head: &RequestHead<'_>, path: &RequestPath, position: usize) -> bool {
    let agrees = |path: &str| match table.policies.look_up(head.method, path) {
        Lookup::Route(other) => Some(other == position),
        Lookup::OtherMethods(_) => Some(false),
        Lookup::NotFound => None,
    };
    let canonical = path.canonical_form().is_none_or(|routed| agrees(routed) == Some(true));
    // The application's own router may have no route in this spelling. It answers 404 then, or chooses the next route.
    canonical && (table.canonical || agrees(head.uri.path()).unwrap_or(true))
}

/// Returns the path of a request, if it is protected.
fn protected_path(settings: &Settings, uri: &Uri) -> Result<Option<RequestPath>, Rejection> {
    let path = match RequestPath::parse(uri.path()) {
        Ok(path) => path,
        Err(why) if may_decode_to(uri.path(), |path| settings.protects(path)) => {
            return Err(ambiguous(&why.to_string()));
        }
        Err(_) => return Ok(None),
    };
    if !settings.protects(path.as_str()) {
        return Ok(None);
    }
    if path.has_needless_escapes() {
        return Err(needlessly_escaped());
    }
    Ok(Some(path))
}

/// Returns whether a router in front of the gate has removed a protected prefix from the path (`Router::nest`).
fn was_protected(settings: &Settings, head: &RequestHead<'_>) -> bool {
    let original = head.extensions.get::<OriginalUri>();
    original.is_some_and(|OriginalUri(uri)| !matches!(protected_path(settings, uri), Ok(None)))
}

fn shortened() -> Rejection {
    Rejection::new(Reason::RouteNotFound)
        .expected("the whole path, which policies are for")
        .found("the rest of a path from which a router in front of the gate has removed a prefix")
        .hint("put the gate in front of all routers (Gate::protect)")
}

fn needlessly_escaped() -> Rejection {
    ambiguous("a protected path with escapes that it does not need, or that the router spells differently")
}

fn ambiguous(found: &str) -> Rejection {
    Rejection::new(Reason::InvalidRequest)
        .expected("a path with one meaning")
        .found(found)
}

/// Checks that there is exactly one Host (RFC 9112, section 3.2). HTTP/2 has it in the address.
fn check_host(head: &RequestHead<'_>) -> Result<(), Rejection> {
    let mut all = head.headers.get_all(HOST).iter();
    let in_address = || head.uri.authority().is_some() || head.version > Version::HTTP_11;
    match (all.next(), all.next()) {
        (Some(_), None) => Ok(()),
        (None, _) if head.version < Version::HTTP_11 || in_address() => Ok(()),
        (None, _) => Err(Rejection::new(Reason::InvalidRequest)
            .expected("a Host header")
            .found("none")),
        (Some(_), Some(_)) => Err(Rejection::new(Reason::InvalidRequest)
            .expected("one Host header")
            .found("several")),
    }
}

/// Returns the network that limits per address count.
fn address(settings: &Settings, head: &RequestHead<'_>) -> Option<IpAddr> {
    let address = settings.proxies.client(head.headers, head.extensions);
    if address.is_none() {
        settings.warn_of_missing_address();
    }
    address.map(network)
}

/// Counts the denied requests of an address, when they are limited and the address is known.
struct Failures<'a>(Option<(&'a Limiter, IpAddr)>);

impl<'a> Failures<'a> {
    fn of(settings: &'a Settings, head: &RequestHead<'_>) -> Self {
        let Some(limiter) = &settings.failure_limit else {
            return Self(None);
        };
        Self(address(settings, head).map(|address| (limiter, address)))
    }

    /// Returns the state of the limit, if it is what denied the request.
    fn state(&self, rejection: &Rejection) -> Option<LimitState> {
        let (limiter, _) = self.0.filter(|_| rejection.reason() == Reason::RateLimited)?;
        Some(LimitState {
            policies: advertise::policies([(advertise::name::FAILURES, limiter.rate())])?,
            name: advertise::name::FAILURES,
            left: Left::nothing(rejection.retry_delay()?),
        })
    }

    fn check(&self, now: f64) -> Result<(), Rejection> {
        let Some((limiter, address)) = self.0 else {
            return Ok(());
        };
        limiter
            .peek(address, now)
            .map(drop)
            .map_err(|wait| too_many("denied requests of one address", "gate.failure_limit", wait))
    }

    fn count(&self, rejection: &Rejection, now: f64) {
        // A client learns its first nonce from such a response.
        let caused_by_caller = !matches!(
            rejection.reason(),
            Reason::KeysUnavailable | Reason::RateLimited | Reason::UseDpopNonce
        );
        if let Some((limiter, address)) = self.0.filter(|_| caused_by_caller) {
            // The next request is denied for it.
            let _ = limiter.count(address, now);
        }
    }
}

/// A request to a route that requires a caller.
struct Call<'a> {
    settings: &'a Settings,
    rules: &'a Rules,
    head: &'a RequestHead<'a>,
    path: RequestPath,
    /// The position of the route.
    position: usize,
    route: &'a RouteEntry,
    authorization: Option<&'a HeaderValue>,
    failures: Failures<'a>,
    time: SystemTime,
    /// The same, in seconds since 1970.
    now: f64,
    /// The limit that the call is nearest to, once it has been counted.
    nearest: OnceLock<(&'static str, Left)>,
}

/// A caller with a valid token, who has proved possession if the token is bound.
struct Authenticated {
    principal: Principal,
    scheme: Scheme,
    proof: Option<VerifiedProof>,
}

type Authentication = Result<Authenticated, (Rejection, Option<Scheme>)>;

impl<'a> Call<'a> {
    /// Finds the route. A request that needs no caller, or has no route, is decided.
    #[expect(clippy::result_large_err, reason = "a flood of denied requests must not allocate")]
    fn new(gate: &'a Gate, rules: &'a Rules, head: &'a RequestHead<'a>) -> Result<Self, Decision> {
        let settings = &gate.state.settings;
        let table = rules.table(gate);
        let (path, position, authorization) = match match_route(settings, table, head) {
            Ok(RouteMatch::Route(path, position, authorization)) => (path, position, authorization),
            Ok(RouteMatch::NotProtected) => return Err(Decision::NotProtected),
            Err(denied) => {
                let now = unix(settings.clock.now());
                let failures = Failures::of(settings, head);
                return Err(Decision::Denied(match failures.check(now) {
                    Ok(()) => {
                        failures.count(&denied.rejection, now);
                        denied
                    }
                    Err(rejection) => Denied {
                        limit: failures.state(&rejection),
                        ..Denied::new(rejection, denied.path)
                    },
                }));
            }
        };
        let route = &table.routes[position];
        if route.route.policy.is_public() {
            return Err(admit(settings, head, route, path, position));
        }
        let time = settings.clock.now();
        Ok(Self {
            settings,
            rules,
            head,
            path,
            position,
            route,
            authorization,
            failures: Failures::of(settings, head),
            time,
            now: unix(time),
            nearest: OnceLock::new(),
        })
    }

    fn policy(&self) -> &'a Policy {
        &self.route.route.policy
    }

    fn credentials(&self) -> Result<Credentials<'a>, Rejection> {
        self.failures.check(self.now)?;
        credentials(self.authorization, self.head.uri)
    }

    /// Authenticates with a bearer token that was verified before. `None` means that there is none.
    fn authenticate_from_cache(&self) -> Option<Authentication> {
        let Credentials { scheme, token } = match self.credentials() {
            Ok(credentials) => credentials,
            Err(rejection) => return Some(Err((rejection, None))),
        };
        if scheme == Scheme::Dpop || self.policy().dpop {
            return None;
        }
        let principal = self.rules.validator.cached(token, self.time)?;
        let is_bound = principal.key_thumbprint().is_some() || principal.certificate_thumbprint().is_some();
        (!is_bound).then_some(Ok(Authenticated {
            principal,
            scheme,
            proof: None,
        }))
    }

    async fn authenticate(&self) -> Authentication {
        let credentials = self.credentials().map_err(|rejection| (rejection, None))?;
        let scheme = credentials.scheme;
        let result = async {
            let principal = self.rules.validator.verify(credentials.token, self.time).await?;
            let proof = self.check_binding(&credentials, &principal).await?;
            Ok(Authenticated {
                principal,
                scheme,
                proof,
            })
        };
        result.await.map_err(|rejection| (rejection, Some(scheme)))
    }

    /// Checks rate and policy.
    fn decide(self, authentication: Authentication) -> Decision {
        let (rejection, principal, scheme) = match authentication {
            Ok(Authenticated {
                principal,
                scheme,
                proof,
            }) => {
                // The rate comes first: otherwise a caller who only gets 403 would never be limited.
                let permitted = self
                    .check_rate(&principal, true)
                    .and_then(|()| permission::check(self.policy(), &principal, self.now));
                match permitted {
                    Ok(()) => {
                        return Decision::Allowed(Allowed {
                            limit: self.limit(),
                            path: self.path,
                            route: self.position,
                            principal: Some(principal),
                            scheme: Some(scheme),
                            proof,
                        });
                    }
                    Err(rejection) => (rejection, Some(principal), Some(scheme)),
                }
            }
            Err((rejection, scheme)) => (rejection, None, scheme),
        };
        self.failures.count(&rejection, self.now);
        Decision::Denied(Denied {
            limit: self.limit().or_else(|| self.failures.state(&rejection)),
            rejection,
            path: Some(self.path),
            route: Some(self.position),
            principal,
            scheme,
            allow: None,
        })
    }

    /// Checks that the caller has the key or certificate that the token is bound to.
    async fn check_binding(
        &self,
        credentials: &Credentials<'_>,
        principal: &Principal,
    ) -> Result<Option<VerifiedProof>, Rejection> {
        if let Some(thumbprint) = principal.certificate_thumbprint() {
            let header = self.settings.certificate_header.as_deref();
            let trusted = peer(self.head.extensions).map(|peer| self.settings.proxies.contains(peer));
            if trusted.is_none() {
                self.settings.warn_of_missing_address();
            }
            check_certificate(thumbprint, header, trusted, self.head.headers)?;
        }
        match (credentials.scheme, principal.key_thumbprint()) {
            (Scheme::Bearer, None) if self.policy().dpop => Err(not_bound()),
            (Scheme::Bearer, None) => Ok(None),
            (Scheme::Bearer, Some(_)) => Err(Rejection::new(Reason::DpopRequired)
                .expected("`Authorization: DPoP …` and a proof")
                .found("a token that is bound to a key, sent as Bearer")
                .hint("the client that holds the key sends the token with a proof; no other client may use it")),
            (Scheme::Dpop, None) => Err(Rejection::new(Reason::InvalidDpopProof)
                .expected("a token that is bound to the key of the proof")
                .found("a token that is not bound to a key")
                .hint("send it as Bearer, or let the provider bind tokens (cnf.jkt)")),
            (Scheme::Dpop, Some(thumbprint)) => {
                let verified = VerifiedProof::of(credentials.token);
                let context = self.head.extensions.get::<GateContext>();
                if context.and_then(GateContext::proof) != Some(&verified) {
                    self.check_proof(principal, thumbprint, &verified).await?;
                }
                Ok(Some(verified))
            }
        }
    }

    async fn check_proof(
        &self,
        principal: &Principal,
        thumbprint: &str,
        token: &VerifiedProof,
    ) -> Result<(), Rejection> {
        let proof = self.verify_proof(principal, thumbprint, token);
        let proof = proof.inspect_err(|rejection| self.count_failed_proof(principal, rejection))?;
        let now = self.now.max(0.0) as u64;
        match self.settings.replays.record(proof.id, now, proof.accepted_until).await {
            ReplayCheck::Fresh => Ok(()),
            ReplayCheck::Replayed => Err(Rejection::new(Reason::InvalidDpopProof)
                .expected("a proof for this request alone")
                .found("a `jti` that was used before")
                .hint("make a new proof for each request, also when it is sent again")),
            ReplayCheck::Unavailable => Err(Rejection::new(Reason::KeysUnavailable)
                .expected("to know whether the proof was used before")
                .found("a store of proofs that is full or out of reach")
                .retry_after(Duration::from_secs(1))),
        }
    }

    fn verify_proof(
        &self,
        principal: &Principal,
        thumbprint: &str,
        token: &VerifiedProof,
    ) -> Result<dpop::Proof, Rejection> {
        let address = self.settings.public_address(self.head.uri).ok_or_else(|| {
            Rejection::new(Reason::InvalidDpopProof)
                .expected("a public URL to compare `htu` with")
                .found("none is configured")
                .hint("set server.public_url to the address that clients use")
        })?;
        let expected = dpop::Expected {
            method: self.head.method,
            address: &address,
            token: &token.0,
            thumbprint,
            now: self.now,
            nonces: self.settings.nonces.as_ref(),
        };
        let unsigned = dpop::UnsignedProof::read(self.head.headers, &expected)?;
        // Neither verify nor store the proof of a request that is rate-limited anyway.
        self.check_rate(principal, false)?;
        unsigned.verify()
    }

    /// Counts a failed proof as a call of the subject, because it costs as much as a valid one. A replayed proof does not count: anyone who
    /// has seen it could use up the rate of its owner.
    fn count_failed_proof(&self, principal: &Principal, rejection: &Rejection) {
        if rejection.reason() == Reason::InvalidDpopProof {
            drop(self.check_rate(principal, true));
        }
    }

    /// Checks every limit of the caller, and counts the call if it `counts`. The first limit that is used up denies the call.
    fn check_rate(&self, principal: &Principal, counts: bool) -> Result<(), Rejection> {
        let mut nearest = None;
        let mut checked = |name, limiter: Option<&Limiter>, caller: (&str, &str)| {
            let result = match counts {
                true => limiter?.count(caller, self.now),
                false => limiter?.peek(caller, self.now),
            };
            let left = result.unwrap_or_else(Left::nothing);
            if nearest.is_none_or(|(_, known): (_, Left)| left.calls < known.calls) {
                nearest = Some((name, left));
            }
            result.err()
        };
        let settings = self.settings;
        let subject = (principal.issuer(), principal.subject());
        let mut over = checked(advertise::name::SUBJECT, settings.rate_limit.as_ref(), subject)
            .map(|wait| too_many("calls of one subject", "gate.rate_limit", wait));
        if let Some(client) = principal.client_id().filter(|_| over.is_none()) {
            let client = (principal.issuer(), client);
            over = checked(advertise::name::CLIENT, settings.client_limit.as_ref(), client)
                .map(|wait| too_many("calls of one client", "gate.client_limit", wait));
        }
        if over.is_none() {
            over = checked(advertise::name::ROUTE, self.route.limiter.as_deref(), subject)
                .map(|wait| too_many("calls of one subject to this route", "the route's rate_limit", wait));
        }
        // What a look ahead finds to be allowed is counted later.
        if let Some(nearest) = nearest.filter(|_| counts || over.is_some()) {
            self.nearest.get_or_init(|| nearest);
        }
        over.map_or(Ok(()), Err)
    }

    /// Returns what the response says of the limits, once the call has been counted.
    fn limit(&self) -> Option<LimitState> {
        let &(name, left) = self.nearest.get()?;
        let policies = self.route.limits.clone()?;
        Some(LimitState { policies, name, left })
    }
}

/// Decides about a request to a public route, where only the address of the caller can be limited.
fn admit(
    settings: &Settings,
    head: &RequestHead<'_>,
    route: &RouteEntry,
    path: RequestPath,
    position: usize,
) -> Decision {
    let counted = settings.address_limit.as_ref().and_then(|limiter| {
        let now = unix(settings.clock.now());
        Some(limiter.count(address(settings, head)?, now))
    });
    let limit = counted.and_then(|counted| {
        Some(LimitState {
            policies: route.limits.clone()?,
            name: advertise::name::ADDRESS,
            left: counted.unwrap_or_else(Left::nothing),
        })
    });
    match counted {
        Some(Err(wait)) => {
            let rejection = too_many("calls of one address without a token", "gate.address_limit", wait);
            Decision::Denied(Denied {
                route: Some(position),
                limit,
                ..Denied::new(rejection, Some(path))
            })
        }
        _ => Decision::Allowed(Allowed {
            path,
            route: position,
            principal: None,
            scheme: None,
            proof: None,
            limit,
        }),
    }
}

/// Returns the rejection of an unbound token on a route that requires a bound one.
pub(super) fn not_bound() -> Rejection {
    Rejection::new(Reason::DpopRequired)
        .expected("a token that is bound to a key")
        .found("a bearer token")
        .hint("sign in with DPoP (provider.dpop = \"required\"); the policy of the route requires it")
}

fn too_many(what: &str, setting: &str, wait: Duration) -> Rejection {
    Rejection::new(Reason::RateLimited)
        .expected(format!("fewer {what}"))
        .found(format!("more than {setting} allows"))
        .hint(format!("slow down, or raise {setting}"))
        .retry_after(wait)
}
