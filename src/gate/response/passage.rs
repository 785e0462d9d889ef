use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use http::{
    HeaderName, HeaderValue, Method, Request,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION},
};

use super::{
    challenge::Context,
    refusal::{REQUEST_ID, answer},
};
use crate::{
    gate::{
        Gate, GateContext,
        authorize::{Allowed, Denied},
        limit::LimitState,
        observe::{Observed, Outcome},
        request::{RequestHead, RequestId, RequestPath, client_address::peer, credentials::Scheme},
        state::Rules,
    },
    jwt::{Principal, Rejection},
};

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// An allowed request on its way through the handler.
pub(crate) struct Passage {
    gate: Gate,
    context: GateContext,
    method: Method,
    peer: Option<IpAddr>,
    scheme: Option<Scheme>,
    dpop_only: bool,
    head_as_get: bool,
    limit: Option<LimitState>,
    /// On the heap, so that it makes no future larger.
    observed: Option<Box<Observed>>,
}

impl Passage {
    /// Puts the context into the request. It replaces the context of an outer gate.
    pub(crate) fn open(
        gate: &Gate,
        rules: &Rules,
        allowed: Allowed,
        request: &mut Request<Body>,
        started: Option<Instant>,
    ) -> Self {
        let head = RequestHead::of(request);
        let route = &rules.table(gate).routes[allowed.route].route;
        let request_id = head.request_id();
        let (method, peer) = (head.method.clone(), peer(head.extensions));
        let observed = gate.observed(started, |decided_in| Outcome {
            request_id: request_id.clone(),
            method: method.clone(),
            path: Some(allowed.path.clone()),
            route: Some(route.clone()),
            principal: allowed.principal.clone(),
            rejection: None,
            attachment: head.extensions.get().cloned(),
            peer,
            status: None,
            bytes: 0,
            complete: false,
            decided_in,
            took: Duration::ZERO,
        });
        let target = route.target.clone();
        let context = GateContext::new(request_id, allowed.path, allowed.principal, target, allowed.proof);
        let head_as_get = route.head_as_get && method == Method::HEAD;
        if head_as_get {
            *request.method_mut() = Method::GET;
        }
        request.extensions_mut().insert(context.clone());
        Self {
            gate: gate.clone(),
            context,
            method,
            peer,
            scheme: allowed.scheme,
            dpop_only: route.policy.dpop,
            head_as_get,
            limit: allowed.limit,
            observed,
        }
    }

    /// Completes the handler's response, or replaces it when the handler has rejected the request.
    pub(crate) fn close(mut self, mut response: Response) -> Response {
        let from_handler = self.context.rejection().cloned();
        let from_handler = from_handler.or_else(|| response.extensions_mut().remove());
        let mut response = match from_handler {
            Some(rejection) => self.reject(rejection, response),
            None => {
                let id = || self.context.request_id().as_header();
                response.headers_mut().entry(REQUEST_ID).or_insert_with(id);
                // The next proof then has its nonce already.
                if let Some(nonce) = self.gate.fresh_nonce().filter(|_| self.context.proof().is_some()) {
                    response.headers_mut().insert(DPOP_NONCE, nonce);
                }
                response
            }
        };
        if let Some(limit) = self.limit {
            limit.write(response.headers_mut());
        }
        if self.head_as_get {
            *response.body_mut() = Body::empty();
        }
        match self.observed {
            Some(observed) => observed.until_sent(response),
            None => response,
        }
    }

    fn reject(&mut self, rejection: Rejection, response: Response) -> Response {
        let context = &self.context;
        let head = Logged {
            request_id: context.request_id(),
            method: &self.method,
            path: Some(context.path()),
            principal: context.principal(),
            peer: self.peer,
        };
        self.gate.log(&rejection, &head);
        if let Some(observed) = &mut self.observed {
            observed.outcome.rejection = Some(rejection.clone());
        }
        let answer = self
            .gate
            .answer(&rejection, context.request_id(), self.scheme, self.dpop_only);
        in_place_of(response, answer)
    }
}

/// Replaces the handler's response with the gate's. Headers of the layers between them stay.
fn in_place_of(mut response: Response, answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let headers = response.headers_mut();
    for of_the_body in [CONTENT_LENGTH, CONTENT_ENCODING, LOCATION] {
        headers.remove(of_the_body);
    }
    headers.extend(parts.headers);
    *response.status_mut() = parts.status;
    *response.body_mut() = body;
    response
}

/// The fields of the log about a denied request, in addition to the rejection.
struct Logged<'a> {
    request_id: &'a RequestId,
    method: &'a Method,
    path: Option<&'a RequestPath>,
    principal: Option<&'a Principal>,
    peer: Option<IpAddr>,
}

impl Gate {
    /// Answers, logs and counts a denied request.
    pub(crate) fn deny(
        &self,
        rules: &Rules,
        denied: Denied,
        head: &RequestHead<'_>,
        started: Option<Instant>,
    ) -> Response {
        let request_id = head.request_id();
        let peer = peer(head.extensions);
        let logged = Logged {
            request_id: &request_id,
            method: head.method,
            path: denied.path.as_ref(),
            principal: denied.principal.as_ref(),
            peer,
        };
        self.log(&denied.rejection, &logged);
        let route = denied.route.map(|route| &rules.table(self).routes[route].route);
        let dpop_only = route.is_some_and(|route| route.policy.dpop);
        let mut response = self.answer(&denied.rejection, &request_id, denied.scheme, dpop_only);
        if let Some(allow) = denied.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            response.headers_mut().insert(ALLOW, allow);
        }
        if let Some(limit) = denied.limit {
            limit.write(response.headers_mut());
        }
        let observed = self.observed(started, |decided_in| Outcome {
            request_id,
            method: head.method.clone(),
            path: denied.path,
            route: route.cloned(),
            principal: denied.principal,
            rejection: Some(denied.rejection),
            attachment: head.extensions.get().cloned(),
            peer,
            status: None,
            bytes: 0,
            complete: false,
            decided_in,
            took: Duration::ZERO,
        });
        match observed {
            Some(observed) => observed.until_sent(response),
            None => response,
        }
    }

    fn observed(&self, started: Option<Instant>, outcome: impl FnOnce(Duration) -> Outcome) -> Option<Box<Observed>> {
        let observer = self.state.settings.observer.clone()?;
        let started = started?;
        Some(Box::new(Observed {
            observer,
            started,
            outcome: outcome(started.elapsed()),
        }))
    }

    fn answer(
        &self,
        rejection: &Rejection,
        request_id: &RequestId,
        scheme: Option<Scheme>,
        dpop_only: bool,
    ) -> Response {
        let settings = &self.state.settings;
        let context = Context {
            realm: &settings.realm,
            metadata: settings.metadata_url.as_deref(),
            scheme,
            dpop_only,
        };
        let mut response = answer(rejection, request_id, &context, settings.explain);
        if let Some(nonce) = self.fresh_nonce().filter(|_| rejection.status() == 401) {
            response.headers_mut().insert(DPOP_NONCE, nonce);
        }
        response
    }

    fn fresh_nonce(&self) -> Option<HeaderValue> {
        let nonces = self.state.settings.nonces.as_ref()?;
        HeaderValue::from_str(&nonces.issue(self.state.settings.second())).ok()
    }

    /// Logs a denied request. `expected` and `found` are escaped where they are made; debug form escapes the path.
    fn log(&self, rejection: &Rejection, logged: &Logged<'_>) {
        let settings = &self.state.settings;
        let reason = rejection.reason();
        if !settings.log_limit.admits(reason, settings.second()) {
            return;
        }
        let detail = rejection.detail();
        tracing::warn!(
            request_id = %logged.request_id,
            method = %logged.method,
            path = ?logged.path.map(RequestPath::as_str),
            status = rejection.status(),
            ?reason,
            code = reason.code(),
            expected = ?detail.expected,
            found = ?detail.found,
            hint = ?detail.hint,
            issuer = ?logged.principal.map(Principal::issuer),
            subject = ?logged.principal.map(Principal::subject),
            peer = ?logged.peer,
            "refused"
        );
    }
}
