use pixygate::gate::observe::{Observer, Outcome};

use super::{Activity, Event};
use crate::heartbeat::unix_microseconds;

impl Observer for Activity {
    fn finished(&self, outcome: &Outcome) {
        self.record(Event {
            at: unix_microseconds(),
            request_id: outcome.request_id.clone(),
            method: outcome.method.clone(),
            route: outcome.route.clone(),
            principal: outcome.principal.clone(),
            rejection: outcome.rejection.clone(),
            status: outcome.status.map(|status| status.as_u16()),
            bytes: outcome.bytes,
            took: u64::try_from(outcome.took.as_micros()).unwrap_or(u64::MAX),
        });
    }
}
