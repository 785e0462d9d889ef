//! One call to one upstream, from the accepted request to the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use pixygate::gate::RequestId;
use pixygate::jwt::Principal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::body::{RequestBody, ResponseBody, Upload};
use super::client::{ClientError, Clients, HttpClient};
use super::counts::Counts;
use super::headers::{Filter, clean_response};
use super::identity::{Assertions, IdentityHeaders};
use super::reject::Failure;
use super::right::Streams;
use super::target::{InFlight, Outcome, Target, Targets};
use super::tunnel::Held;
use super::{Proxies, UpstreamSettings, cors, path, tunnel, upgrade};
use crate::traces::TraceContext;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Marks the answer to an upstream's call: it is passed on as it is, not compressed and not given the headers of a page.
#[derive(Clone, Copy, Debug)]
pub struct Proxied;

/// A service behind the gate.
pub struct Upstream {
    settings: UpstreamSettings,
    filter: Arc<Filter>,
    identity: IdentityHeaders,
    assertions: Option<Arc<dyn Assertions>>,
    clients: Clients,
    targets: Targets,
    places: Arc<Semaphore>,
    streams: Streams,
    proxies: Proxies,
    counts: Arc<Counts>,
}

/// What the gate knows of a call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The decoded path that was authorized.
    pub path: &'a str,
    /// Who is calling. A public path has none.
    pub principal: Option<&'a Principal>,
    /// Finds the call in the log.
    pub request_id: &'a RequestId,
    /// The route's own `max_body_bytes`; 0 lifts the limit.
    pub max_body_bytes: Option<u64>,
}

/// What an attempt came to.
enum Attempt {
    Answered(Box<Answer>),
    Failed { failure: Failure, reach: Reach },
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nothing of it has reached a target.
    Unsent,
    /// The target has said that it has not processed it, because it closes the connection.
    Refused,
    /// A target may have processed it.
    Sent,
}

struct Answer {
    response: http::Response<Incoming>,
    in_flight: InFlight,
    /// The handshake that was sent, where a WebSocket was asked for.
    asked: Option<HeaderMap>,
}

impl Upstream {
    /// Connects to nothing yet. `assertions` are needed where `identity` has a JWT; their header is withheld from callers in any case.
    ///
    /// # Errors
    ///
    /// When a target cannot be called, or certificate authorities cannot be loaded.
    pub fn new(
        settings: UpstreamSettings,
        assertions: &Arc<dyn Assertions>,
        streams: Streams,
        proxies: Proxies,
    ) -> Result<Arc<Self>, ClientError> {
        Self::with_counts(settings, assertions, streams, proxies, Arc::default())
    }

    /// As [`new`](Self::new), for one that takes the place of another and goes on counting.
    pub(super) fn with_counts(
        settings: UpstreamSettings,
        assertions: &Arc<dyn Assertions>,
        streams: Streams,
        proxies: Proxies,
        counts: Arc<Counts>,
    ) -> Result<Arc<Self>, ClientError> {
        let own = settings.identity_headers.keys().map(String::as_str);
        let filter = Filter::new(own.chain([assertions.header().as_str()]), settings.pass_token);
        let headers = settings
            .identity_headers
            .iter()
            .filter(|_| settings.identity.has_headers());
        let headers = headers.filter_map(|(name, claim)| Some((name.parse().ok()?, claim.clone())));
        let targets = Targets::new(&settings.targets).ok_or_else(|| ClientError::Target(settings.name.clone()))?;
        Ok(Arc::new(Self {
            identity: IdentityHeaders::new(headers),
            assertions: settings.identity.has_jwt().then(|| assertions.clone()),
            clients: Clients::new(&settings)?,
            targets,
            places: Arc::new(Semaphore::new(settings.max_connections.min(Semaphore::MAX_PERMITS))),
            filter: Arc::new(filter),
            settings,
            streams,
            proxies,
            counts,
        }))
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// Returns how many of its targets take calls.
    pub fn available_targets(&self) -> usize {
        self.targets.available()
    }

    /// Returns what is known of each target, in the order of the settings, with the number of calls that it is working on.
    pub(crate) fn target_states(&self) -> Vec<(app::api::TargetDetail, usize)> {
        self.targets.all().iter().map(|target| target.state()).collect()
    }

    /// Returns the number of calls and streams in flight.
    pub fn in_flight(&self) -> usize {
        self.settings
            .max_connections
            .saturating_sub(self.places.available_permits())
    }

    /// What became of its calls.
    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    pub(super) fn targets(&self) -> &Targets {
        &self.targets
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Sends an accepted call to a target, and returns its answer or one of the gateway's own.
    pub async fn call(&self, call: Call<'_>, request: Request<Body>) -> Response {
        let (mut parts, body) = request.into_parts();
        let started = Instant::now();
        let span = parts
            .extensions
            .get::<TraceContext>()
            .map(|context| context.call(&mut parts.headers));
        let mut response = match self.forward(call, &mut parts, body).await {
            Ok(response) => {
                self.counts.answered(response.status(), started.elapsed());
                if let Some(span) = span {
                    span.end(&self.settings.name, &parts.method, Ok(response.status().as_u16()));
                }
                response
            }
            Err(failure) => {
                self.counts.failed(failure.reason());
                if let Some(span) = span {
                    span.end(&self.settings.name, &parts.method, Err(failure.reason().name()));
                }
                failure.response(&self.settings.name)
            }
        };
        response.extensions_mut().insert(Proxied);
        let origin = parts.headers.get(http::header::ORIGIN);
        cors::allow(&self.settings.cors, origin, response.headers_mut());
        response
    }

    async fn forward(&self, call: Call<'_>, parts: &mut Parts, body: Body) -> Result<Response, Failure> {
        // A target would send TRACE back with the headers that the gateway has added (RFC 9110, section 9.3.8).
        if matches!(parts.method, Method::CONNECT | Method::TRACE) {
            return Err(Failure::Method);
        }
        let is_tunnel = upgrade::wants_websocket(parts, &body)?;
        let limit = match call.max_body_bytes {
            None => self.settings.max_body_bytes,
            Some(0) => None,
            limit => limit,
        };
        let upload = Upload::new(body, limit, self.settings.idle_timeout, self.filter.clone())?;
        let headers = self.headers(call, parts)?;
        let place = self.place().await?;
        self.targets.begin();
        let answer = self.attempts(call, parts, headers, &upload, is_tunnel).await?;
        if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.open_tunnel(call, parts, answer, place);
        }
        Ok(self.answer(call, answer, place))
    }

    /// Sends the call until a target answers or no further attempt is allowed.
    async fn attempts(
        &self,
        call: Call<'_>,
        parts: &Parts,
        headers: HeaderMap,
        upload: &Arc<Upload>,
        is_tunnel: bool,
    ) -> Result<Answer, Failure> {
        let below = path::below(call.path, &self.settings.prefix)
            .filter(|_| self.settings.strip_prefix)
            .unwrap_or(call.path);
        let mut first = Some(headers);
        let has_body = upload.has_body();
        let may_repeat = !has_body && parts.method.is_idempotent();
        let mut tried: Vec<Arc<Target>> = Vec::new();
        let mut left = self.settings.retries;
        let mut refused = 0;
        let mut last = None;
        loop {
            let Some(in_flight) = self.targets.choose(&tried) else {
                return match last {
                    Some(result) => result,
                    None => Err(Failure::NoTarget),
                };
            };
            // Rarely needed a second time, so they are written again then.
            let headers = match first.take() {
                Some(headers) => headers,
                None => self.headers(call, parts)?,
            };
            let target = in_flight.target.clone();
            let (result, may_retry, is_unsent) =
                match self.attempt(parts, headers, below, upload, in_flight, is_tunnel).await {
                    Attempt::Answered(mut answer) => {
                        let overloaded = matches!(answer.response.status().as_u16(), 502..=504);
                        // The only target's own words are worth more than an open circuit.
                        let counts = overloaded && self.targets.all().len() > 1;
                        answer
                            .in_flight
                            .record(if counts { Outcome::Failure } else { Outcome::Success });
                        (Ok(*answer), overloaded && may_repeat, false)
                    }
                    Attempt::Failed {
                        reach: Reach::Refused, ..
                    } if refused < MOST_REFUSED && upload.is_unread() && upload.failure().is_none() => {
                        // As if it had not been sent, so no budget is spent. Another connection takes it.
                        refused += 1;
                        continue;
                    }
                    Attempt::Failed { failure, reach } => {
                        let is_unsent = reach == Reach::Unsent;
                        let is_timeout = matches!(failure, Failure::Timeout(_));
                        let may_retry = (is_unsent && upload.is_unread()) || (may_repeat && !is_timeout);
                        (Err(failure), may_retry && upload.failure().is_none(), is_unsent)
                    }
                };
            if left == 0 || !may_retry || !self.targets.may_retry() {
                return result;
            }
            left -= 1;
            self.counts.retried();
            // The only target may have closed a connection that was idle, and a new one may do.
            let again = self.targets.all().len() == 1 && result.is_err() && !is_unsent;
            if !again {
                tried.push(target);
            }
            last = Some(result);
        }
    }

    async fn attempt(
        &self,
        parts: &Parts,
        mut headers: HeaderMap,
        below: &str,
        upload: &Arc<Upload>,
        mut in_flight: InFlight,
        is_tunnel: bool,
    ) -> Attempt {
        let Ok(address) = in_flight.target.base.address(below, parts.uri.query()) else {
            return Attempt::Failed {
                failure: Failure::InvalidRequest("an address that is too long"),
                reach: Reach::Unsent,
            };
        };
        let (client, body) = if is_tunnel {
            upgrade::ask(&mut headers);
            (&self.clients.tunnels, RequestBody::empty())
        } else {
            (&self.clients.calls, upload.attempt())
        };
        let asked = is_tunnel.then(|| headers.clone());
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = address;
        *request.headers_mut() = headers;
        upload.touch();
        match self.exchange(client, request, upload).await {
            Ok(response) => Attempt::Answered(Box::new(Answer {
                response,
                in_flight,
                asked,
            })),
            Err((failure, reach)) => {
                // What went wrong on the caller's side, or with one connection that ends, says nothing about the target.
                let outcome = match upload.failure() {
                    None if reach != Reach::Refused => Outcome::Failure,
                    _ => Outcome::Unknown,
                };
                in_flight.record(outcome);
                Attempt::Failed {
                    failure: upload.failure().unwrap_or(failure),
                    reach,
                }
            }
        }
    }

    async fn exchange(
        &self,
        client: &HttpClient,
        request: Request<RequestBody>,
        upload: &Upload,
    ) -> Result<http::Response<Incoming>, (Failure, Reach)> {
        let limit = self.settings.response_timeout;
        tokio::select! {
            biased;
            answer = client.request(request) => answer.map_err(|error| {
                let reach = match error.is_connect() {
                    true => Reach::Unsent,
                    false if is_refused(&error) => Reach::Refused,
                    false => Reach::Sent,
                };
                (Failure::Unreachable(with_cause(&error)), reach)
            }),
            () = upload.silence(limit) => Err((Failure::Timeout(limit), Reach::Sent)),
        }
    }

    /// Returns the headers for the target: the caller's as far as they may pass, then the gateway's own.
    fn headers(&self, call: Call<'_>, parts: &Parts) -> Result<HeaderMap, Failure> {
        let mut headers = self.filter.request(&parts.headers);
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
        self.proxies.write(peer, &parts.headers, &mut headers);
        headers.insert(REQUEST_ID, call.request_id.as_header());
        if let Some(principal) = call.principal {
            self.identity.write(principal, &mut headers);
            if let Some(assertions) = &self.assertions {
                let assertion = assertions.assertion(principal, &self.settings.name);
                headers.insert(assertions.header().clone(), assertion.ok_or(Failure::NoAssertion)?);
            }
        }
        Ok(headers)
    }

    /// Waits for a place among `max_connections`.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        match timeout(self.settings.connect_timeout, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Failure::Full),
        }
    }

    fn answer(&self, call: Call<'_>, answer: Answer, place: OwnedSemaphorePermit) -> Response {
        let (mut parts, body) = answer.response.into_parts();
        clean_response(&mut parts.headers);
        if let Some(assertions) = &self.assertions {
            // A target that sends back what it received must not give the caller a JWT for it.
            parts.headers.remove(assertions.header());
        }
        self.point_back(&answer.in_flight.target, &mut parts.headers);
        isolate(&mut parts.headers);
        let body = ResponseBody::new(
            body,
            &parts.headers,
            self.settings.idle_timeout,
            self.streams.clone(),
            call.principal.cloned(),
            place,
            answer.in_flight,
        );
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(body)
        };
        let mut response = Response::new(body);
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        response
    }

    fn open_tunnel(
        &self,
        call: Call<'_>,
        parts: &mut Parts,
        answer: Answer,
        place: OwnedSemaphorePermit,
    ) -> Result<Response, Failure> {
        let Answer {
            mut response,
            in_flight,
            asked,
        } = answer;
        let asked = asked.ok_or(Failure::BadAnswer("a 101 that was not asked for"))?;
        upgrade::check(&asked, response.headers())?;
        let caller = parts
            .extensions
            .remove::<hyper::upgrade::OnUpgrade>()
            .ok_or(Failure::InvalidRequest("a connection that cannot be upgraded"))?;
        let target = hyper::upgrade::on(&mut response);
        let held = Held {
            watched: self.streams.watch(call.principal.cloned()),
            _place: place,
            _in_flight: in_flight,
        };
        tunnel::start(caller, target, held);
        let (mut head, _) = response.into_parts();
        clean_response(&mut head.headers);
        upgrade::ask(&mut head.headers);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = head.headers;
        Ok(response)
    }

    /// Rewrites a redirect to the target's own address, or to a path of the target's, to where callers reach it.
    fn point_back(&self, target: &Target, headers: &mut HeaderMap) {
        if !self.settings.strip_prefix {
            return;
        }
        let Some(location) = headers.get(LOCATION).and_then(|location| location.to_str().ok()) else {
            return;
        };
        let Some(below) = target.base.below(location) else {
            return;
        };
        let location = format!("{}{below}", self.settings.prefix.trim_end_matches('/'));
        if let Ok(location) = HeaderValue::from_str(&location) {
            headers.insert(LOCATION, location);
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A connection of HTTP/2 that ends refuses the requests that crossed its end (RFC 9113, sections 6.8 and 8.7). So many are sent again on
/// another one.
const MOST_REFUSED: u32 = 5;

/// Returns whether the target has said that it has not processed the request.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let is_end = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            return error.is_remote() && (is_end || error.reason() == Some(h2::Reason::REFUSED_STREAM));
        }
        next = error.source();
    }
    false
}

/// The outermost and the innermost error: what failed, and what the system said.
fn with_cause(error: &dyn std::error::Error) -> String {
    let mut cause = None;
    let mut next = error.source();
    while let Some(inner) = next {
        (cause, next) = (Some(inner), inner.source());
    }
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// A document of a target is shown apart from the console, with which it shares its origin: a script in it could use the session.
fn isolate(headers: &mut HeaderMap) {
    let is_data = headers.get(CONTENT_TYPE).is_some_and(|media_type| {
        let media_type = media_type.as_bytes();
        [
            &b"application/json"[..],
            b"text/event-stream",
            b"application/grpc",
            b"application/octet-stream",
        ]
        .iter()
        .any(|data| media_type.starts_with(data))
    });
    if !is_data {
        headers.append(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; frame-ancestors 'none'"),
        );
    }
    headers.insert(
        http::header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}
