use std::{
    convert::Infallible,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use http::{
    HeaderName, HeaderValue, Method, Request,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION},
    request::Parts,
};
use tower::{Layer, Service};

use super::{
    Gate, Passed, RequestId, Verdict, challenge,
    judge::{Judgement, Refused, judge, peer},
    refusal::{REQUEST_ID, answer},
};
use crate::jwt::{Principal, unix};

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Puts a [`Gate`] in front of a service.
#[derive(Clone, Debug)]
pub struct GateLayer(Gate);

impl GateLayer {
    pub(crate) fn new(gate: Gate) -> Self {
        Self(gate)
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> GateService<S> {
        GateService::new(self.0.clone(), inner)
    }
}

/// A service behind a [`Gate`].
#[derive(Clone, Debug)]
pub struct GateService<S> {
    gate: Gate,
    inner: S,
}

impl<S> GateService<S> {
    pub(crate) fn new(gate: Gate, inner: S) -> Self {
        Self { gate, inner }
    }
}

impl<S> Service<Request<Body>> for GateService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that was polled ready serves; the clone has not been asked yet.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let gate = self.gate.clone();
        let (parts, body) = request.into_parts();
        Box::pin(pass(gate, inner, parts, body))
    }
}

#[expect(
    clippy::manual_async_fn,
    reason = "what is captured lies in the future once, an argument of an `async fn` twice; and a small future is made quicker"
)]
fn pass<S>(
    gate: Gate,
    mut inner: S,
    mut parts: Parts,
    body: Body,
) -> impl Future<Output = Result<Response, Infallible>> + Send
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Send,
    S::Future: Send,
{
    async move {
        let started = Instant::now();
        let judgement = judge(&gate, &parts).await;
        let request_id = parts.extensions.get().cloned().unwrap_or_else(RequestId::random);
        let verdict = Verdict {
            request_id: &request_id,
            method: &parts.method,
            path: None,
            principal: None,
            rejection: None,
            took: started.elapsed(),
        };
        match judgement {
            Judgement::Elsewhere => inner.call(Request::from_parts(parts, body)).await,
            Judgement::Refused(refused) => {
                let Refused {
                    rejection,
                    path,
                    principal,
                    ..
                } = &refused;
                let verdict = Verdict {
                    path: path.as_ref(),
                    principal: principal.as_ref(),
                    rejection: Some(rejection),
                    ..verdict
                };
                tell(&gate, &verdict, peer(&parts.extensions));
                Ok(refuse(&gate, &refused, &request_id))
            }
            Judgement::Allowed {
                path,
                principal,
                proved,
                scheme,
                dpop_only,
                head_as_get,
            } => {
                gate.state.settings.observer.judged(&Verdict {
                    path: Some(&path),
                    principal: principal.as_ref(),
                    ..verdict
                });
                let (method, peer) = (parts.method.clone(), peer(&parts.extensions));
                let passed = Passed::new(request_id, path, principal, proved);
                // In the place of what a gate before this one has left: only what this one proved counts from here on.
                parts.extensions.insert(passed.clone());
                if head_as_get {
                    parts.method = Method::GET;
                }
                let mut response = inner.call(Request::from_parts(parts, body)).await?;
                if head_as_get {
                    *response.body_mut() = Body::empty();
                }
                let from_handler = passed.refused().or_else(|| response.extensions_mut().remove());
                if let Some(rejection) = from_handler {
                    let verdict = Verdict {
                        request_id: passed.request_id(),
                        method: &method,
                        path: Some(passed.path()),
                        principal: passed.principal(),
                        rejection: Some(&rejection),
                        took: Duration::ZERO,
                    };
                    tell(&gate, &verdict, peer);
                    let refused = Refused {
                        scheme,
                        dpop_only,
                        ..Refused::new(rejection, Some(passed.path().clone()))
                    };
                    return Ok(in_place_of(response, refuse(&gate, &refused, passed.request_id())));
                }
                let id = || passed.request_id().as_header();
                response.headers_mut().entry(REQUEST_ID).or_insert_with(id);
                // The next proof has its nonce already, and no call is lost to asking for it.
                if let Some(nonce) = fresh_nonce(&gate).filter(|_| passed.proved().is_some()) {
                    response.headers_mut().insert(DPOP_NONCE, nonce);
                }
                Ok(response)
            }
        }
    }
}

fn tell(gate: &Gate, verdict: &Verdict<'_>, peer: Option<std::net::IpAddr>) {
    log(gate, verdict, peer);
    gate.state.settings.observer.judged(verdict);
}

/// The gate's answer in place of the handler's; what layers between them have added stays.
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

fn refuse(gate: &Gate, refused: &Refused, request_id: &RequestId) -> Response {
    let settings = &gate.state.settings;
    let context = challenge::Context {
        realm: &settings.realm,
        metadata: settings.metadata_url.as_deref(),
        scheme: refused.scheme,
        dpop_only: refused.dpop_only,
    };
    let mut response = answer(&refused.rejection, request_id, &context, settings.explain);
    if let Some(allow) = refused
        .allow
        .as_deref()
        .and_then(|allow| HeaderValue::from_str(allow).ok())
    {
        response.headers_mut().insert(ALLOW, allow);
    }
    if let Some(nonce) = fresh_nonce(gate).filter(|_| refused.rejection.status() == 401) {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    response
}

fn fresh_nonce(gate: &Gate) -> Option<HeaderValue> {
    let nonces = gate.state.settings.nonces.as_ref()?;
    let now = unix(gate.state.settings.clock.now()).max(0.0) as u64;
    HeaderValue::from_str(&nonces.issue(now)).ok()
}

/// Expected and found were made fit for a log where they were written; debug form escapes what a path could bring.
fn log(gate: &Gate, verdict: &Verdict<'_>, peer: Option<std::net::IpAddr>) {
    let Some(rejection) = verdict.rejection else {
        return;
    };
    let reason = rejection.reason();
    let second = unix(gate.state.settings.clock.now()).max(0.0) as u64;
    let line = gate.state.settings.lines.count(reason, second);
    if line.left_out > 0 {
        tracing::warn!(
            ?reason,
            "{} more refusals of this reason were not logged",
            line.left_out
        );
    }
    if !line.written {
        return;
    }
    let detail = rejection.detail();
    tracing::warn!(
        request_id = %verdict.request_id,
        method = %verdict.method,
        path = ?verdict.path.map(|path| path.as_str()),
        status = rejection.status(),
        ?reason,
        expected = ?detail.expected,
        found = ?detail.found,
        hint = ?detail.hint,
        issuer = ?verdict.principal.map(Principal::issuer),
        subject = ?verdict.principal.map(Principal::subject),
        peer = ?peer,
        "refused"
    );
}
