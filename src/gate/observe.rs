use std::{sync::Arc, time::Duration};

use http::Method;

use super::{RequestId, RequestPath};
use crate::jwt::{Principal, Rejection};

/// Is told of every verdict of the gate, for metrics and an activity record. It must not block.
pub trait Observe: Send + Sync + 'static {
    /// A protected path was asked for, and this is what the gate said. A call that passed and was then refused by its own
    /// handler, with a [`Rejection`], is told a second time.
    fn judged(&self, verdict: &Verdict<'_>);

    /// The provider told that a session has ended ([`BackchannelLogout`](super::BackchannelLogout)): heard, or refused.
    fn logout_judged(&self, _rejection: Option<&Rejection>) {}
}

/// What the gate, or after it the handler, said of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Verdict<'a> {
    /// Finds the request in the log.
    pub request_id: &'a RequestId,
    /// The request's method.
    pub method: &'a Method,
    /// The decoded path; `None` where it has no one meaning.
    pub path: Option<&'a RequestPath>,
    /// Who it was. A refused call has one when the token was good and the policy refused.
    pub principal: Option<&'a Principal>,
    /// Why it was refused.
    pub rejection: Option<&'a Rejection>,
    /// How long the gate took; nothing where the handler refused.
    pub took: Duration,
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observe for NoObserver {
    fn judged(&self, _: &Verdict<'_>) {}
}

impl<O: Observe + ?Sized> Observe for Arc<O> {
    fn judged(&self, verdict: &Verdict<'_>) {
        (**self).judged(verdict);
    }

    fn logout_judged(&self, rejection: Option<&Rejection>) {
        (**self).logout_judged(rejection);
    }
}

/// Tells one, then the other.
impl<A: Observe, B: Observe> Observe for (A, B) {
    fn judged(&self, verdict: &Verdict<'_>) {
        self.0.judged(verdict);
        self.1.judged(verdict);
    }

    fn logout_judged(&self, rejection: Option<&Rejection>) {
        self.0.logout_judged(rejection);
        self.1.logout_judged(rejection);
    }
}
