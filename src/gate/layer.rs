use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::Request;
use tower::{Layer, Service};

use super::Gate;
use crate::{Reason, jwt::Rejection};

/// Puts a [`Gate`] in front of a service.
#[derive(Clone)]
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
#[derive(Clone)]
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
        let protected = self
            .gate
            .settings
            .protected
            .iter()
            .any(|prefix| request.uri().path().starts_with(prefix));
        if protected {
            return Box::pin(async { Ok(Rejection::new(Reason::RouteNotFound).into_response()) });
        }
        Box::pin(self.inner.call(request))
    }
}
