//! The fields that tell a client its limits before it meets them (draft-ietf-httpapi-ratelimit-headers-11).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Rate, limiter::Left};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The names of the limits in the fields.
pub(crate) mod name {
    /// The calls of one subject.
    pub(crate) const SUBJECT: &str = "subject";
    /// The calls of all subjects of one client.
    pub(crate) const CLIENT: &str = "client";
    /// The calls of one subject to one route.
    pub(crate) const ROUTE: &str = "route";
    /// The calls of one address without a token.
    pub(crate) const ADDRESS: &str = "address";
    /// The denied requests of one address.
    pub(crate) const FAILURES: &str = "failures";
}

/// The limits that hold for a call, and how much is left of the one that it is nearest to.
#[derive(Clone, Debug)]
pub(crate) struct LimitState {
    /// Every limit, as `policies` writes them.
    pub(crate) policies: HeaderValue,
    /// The limit that the call is nearest to.
    pub(crate) name: &'static str,
    pub(crate) left: Left,
}

impl LimitState {
    /// Adds the fields. Those of the handler stay: both fields are lists.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let Self { policies, name, left } = self;
        let state = format!("\"{name}\";r={};t={}", left.calls, left.seconds);
        if let Ok(state) = HeaderValue::try_from(state) {
            headers.append(RATELIMIT_POLICY, policies);
            headers.append(RATELIMIT, state);
        }
    }
}

/// Returns the value of `RateLimit-Policy`, if there is a limit.
pub(crate) fn policies(limits: impl IntoIterator<Item = (&'static str, Rate)>) -> Option<HeaderValue> {
    let limits = limits.into_iter().map(|(name, rate)| {
        // The window is a whole number of seconds.
        let window = rate.period.as_secs_f64().ceil().max(1.0);
        format!("\"{name}\";q={};w={window}", rate.count)
    });
    let limits: Vec<_> = limits.collect();
    (!limits.is_empty()).then(|| HeaderValue::try_from(limits.join(", ")).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_a_list_and_windows_are_whole_seconds() {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        assert_eq!(policies([]), None);
        let two = [(name::SUBJECT, rate("50/s")), (name::ROUTE, rate("100/m"))];
        assert_eq!(policies(two).unwrap(), "\"subject\";q=50;w=1, \"route\";q=100;w=60");
        let narrowed = rate("50/s").narrow(rate("99/m"));
        assert_eq!(policies([(name::ROUTE, narrowed)]).unwrap(), "\"route\";q=50;w=31");
    }
}
