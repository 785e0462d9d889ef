use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{Method, StatusCode};

use crate::{
    gate::{
        policy::Route,
        request::{RequestId, RequestPath},
    },
    jwt::{Principal, Rejection},
};

/// Is notified of requests to protected paths, for metrics and records. It is called on the request's task, so it must not block.
pub trait Observer: Send + Sync + 'static {
    /// Called once for each request, when its response has been sent or the client has disconnected.
    fn finished(&self, outcome: &Outcome);

    /// Called when a logout token of the provider was accepted or rejected ([`BackchannelLogout`](crate::gate::BackchannelLogout)).
    fn logout_received(&self, rejection: Option<&Rejection>) {
        let _ = rejection;
    }
}

/// A request that is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Identifies the request in the log.
    pub request_id: RequestId,
    /// The request's method.
    pub method: Method,
    /// The decoded path; `None` when it has more than one meaning.
    pub path: Option<RequestPath>,
    /// The route that matched.
    pub route: Option<Arc<Route>>,
    /// The caller. A denied request has one when the token was valid and the policy denied it.
    pub principal: Option<Principal>,
    /// Why the gate or the handler denied it; `None` when it was allowed.
    pub rejection: Option<Rejection>,
    /// The address of the peer, if the server provides it.
    pub peer: Option<IpAddr>,
    /// The status of the response; `None` when the client gave up, or the handler panicked, before there was one.
    pub status: Option<StatusCode>,
    /// How many bytes of the response's body were sent.
    pub bytes: u64,
    /// Whether the whole body was sent.
    pub complete: bool,
    /// How long the gate took to decide.
    pub decided_in: Duration,
    /// How long the request took, until the end of the response's body.
    pub took: Duration,
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn finished(&self, outcome: &Outcome) {
        (**self).finished(outcome);
    }

    fn logout_received(&self, rejection: Option<&Rejection>) {
        (**self).logout_received(rejection);
    }
}

/// Notifies one, then the other.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn finished(&self, outcome: &Outcome) {
        self.0.finished(outcome);
        self.1.finished(outcome);
    }

    fn logout_received(&self, rejection: Option<&Rejection>) {
        self.0.logout_received(rejection);
        self.1.logout_received(rejection);
    }
}
