use std::sync::Arc;

use http::Method;
use pixygate::gate::RequestId;
use pixygate::gate::policy::Route;
use pixygate::jwt::{Principal, Rejection};

use crate::store::activity::{Row, User, record_id, user_key};
use crate::upstream::Target;

/// The longest text of a denial that is stored, in bytes.
const LONGEST: usize = 1000;

/// A decision of the gate, cheap to make on the request's own task.
#[derive(Clone, Debug)]
pub struct Event {
    /// When the request was over, in microseconds since 1970 by this machine's clock.
    pub at: i64,
    /// Identifies the request in the log.
    pub request_id: RequestId,
    /// The method.
    pub method: Method,
    /// The route that matched.
    pub route: Option<Arc<Route>>,
    /// The caller.
    pub principal: Option<Principal>,
    /// Why it was denied.
    pub rejection: Option<Rejection>,
    /// The status of the response.
    pub status: Option<u16>,
    /// The bytes of the response's body.
    pub bytes: u64,
    /// In microseconds.
    pub took: u64,
}

impl Event {
    pub(super) fn is_anonymous(&self) -> bool {
        self.principal.is_none() && self.rejection.is_some()
    }

    pub(super) fn user(&self) -> Option<User> {
        let principal = self.principal.as_ref()?;
        Some(User {
            key: user_key(principal.issuer(), principal.subject()),
            issuer: principal.issuer().to_owned(),
            subject: principal.subject().to_owned(),
            name: principal.name().map(str::to_owned),
            day: self.at / 86_400_000_000,
        })
    }

    /// `at` is unique on this node, `node` among the nodes.
    pub(super) fn into_row(self, at: i64, node: i64, user: i64) -> Row {
        let detail = self.rejection.as_ref().map(Rejection::detail);
        let upstream = self.route.as_ref().and_then(|route| route.target::<Target>());
        let text = |text: &str| (!text.is_empty()).then(|| shortened(text));
        Row {
            id: record_id(at, node),
            user,
            request_id: self.request_id.as_str().to_owned(),
            client: self.principal.as_ref().and_then(Principal::client_id).map(shortened),
            method: self.method.as_str().to_owned(),
            route: self.route.as_ref().map(|route| route.pattern.to_string()),
            upstream: upstream.map(|target| target.routed.upstream.settings().name.clone()),
            reason: self.rejection.as_ref().map(|rejection| rejection.reason().name()),
            expected: detail.and_then(|detail| text(&detail.expected)),
            found: detail.and_then(|detail| text(&detail.found)),
            hint: detail.and_then(|detail| text(&detail.hint)),
            status: self.status.and_then(|status| i16::try_from(status).ok()),
            bytes: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            took: i64::try_from(self.took).unwrap_or(i64::MAX),
        }
    }
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
