use std::{any::Any, fmt, net::IpAddr, sync::Arc, time::Duration};

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
    /// What a layer before the gate has left for the observer.
    pub attachment: Option<Attachment>,
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

/// A value in a request's extensions that a layer before the gate leaves for the [`Observer`], such as the context of a trace.
///
/// ```
/// use pixygate::gate::observe::Attachment;
///
/// let attachment = Attachment::new("a trace");
/// assert_eq!(attachment.get::<&str>(), Some(&"a trace"));
/// ```
#[derive(Clone)]
pub struct Attachment(Arc<dyn Any + Send + Sync>);

impl Attachment {
    /// Holds a value.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// Returns the value, if it is of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").finish_non_exhaustive()
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn finished(&self, outcome: &Outcome) {
        (**self).finished(outcome);
    }

    fn logout_received(&self, rejection: Option<&Rejection>) {
        (**self).logout_received(rejection);
    }
}

/// Notifies the observer, if there is one.
impl<O: Observer> Observer for Option<O> {
    fn finished(&self, outcome: &Outcome) {
        if let Some(observer) = self {
            observer.finished(outcome);
        }
    }

    fn logout_received(&self, rejection: Option<&Rejection>) {
        if let Some(observer) = self {
            observer.logout_received(rejection);
        }
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
