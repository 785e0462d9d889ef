use std::{
    convert::Infallible,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use http::Request;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{
    Gate,
    authorize::{Decision, decide, decide_at_once},
    request::RequestHead,
    response::Passage,
};

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
        GateService {
            gate: self.0.clone(),
            inner,
        }
    }
}

/// A service behind a [`Gate`].
#[derive(Clone, Debug)]
pub struct GateService<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for GateService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> GateFuture<S::Future> {
        let started = self.gate.state.settings.started();
        let rules = self.gate.rules();
        let stage = match decide_at_once(&self.gate, &rules, &RequestHead::of(&request)) {
            Some(Decision::NotProtected) => Stage::NotProtected {
                future: self.inner.call(request),
            },
            Some(Decision::Allowed(allowed)) => {
                let passage = Passage::open(&self.gate, &rules, allowed, &mut request, started);
                Stage::Allowed {
                    future: self.inner.call(request),
                    passage: Some(passage),
                }
            }
            Some(Decision::Denied(denied)) => Stage::Denied {
                response: Some(self.gate.deny(&rules, denied, &RequestHead::of(&request), started)),
            },
            None => {
                // The service that was polled ready is the one to call.
                let clone = self.inner.clone();
                let mut inner = mem::replace(&mut self.inner, clone);
                let gate = self.gate.clone();
                let rules = arc_swap::Guard::into_inner(rules);
                let future = async move {
                    let (parts, body) = request.into_parts();
                    let decision = decide(&gate, &rules, &RequestHead::of_parts(&parts)).await;
                    let mut request = Request::from_parts(parts, body);
                    match decision {
                        Decision::NotProtected => inner.call(request).await,
                        Decision::Denied(denied) => Ok(gate.deny(&rules, denied, &RequestHead::of(&request), started)),
                        Decision::Allowed(allowed) => {
                            let passage = Passage::open(&gate, &rules, allowed, &mut request, started);
                            let response = inner.call(request).await?;
                            Ok(passage.close(response))
                        }
                    }
                };
                Stage::Waiting {
                    future: Box::pin(future),
                }
            }
        };
        GateFuture { stage }
    }
}

pin_project! {
    /// The future of a [`GateService`]. Decisions that need no waiting are made before it is returned.
    pub struct GateFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F> {
        NotProtected { #[pin] future: F },
        Allowed { #[pin] future: F, passage: Option<Passage> },
        Denied { response: Option<Response> },
        Waiting { future: Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>> },
    }
}

impl<F> Future for GateFuture<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::NotProtected { future } => future.poll(context),
            StageProjection::Waiting { future } => future.as_mut().poll(context),
            StageProjection::Denied { response } => {
                Poll::Ready(Ok(response.take().expect("polled after it was ready")))
            }
            StageProjection::Allowed { future, passage } => {
                let response = ready!(future.poll(context))?;
                let passage = passage.take().expect("polled after it was ready");
                Poll::Ready(Ok(passage.close(response)))
            }
        }
    }
}
