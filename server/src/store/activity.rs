//! Activity as rows: what the writer of [`crate::activity`] hands to an engine, and what an engine is asked.

use app::api::{Bucket, Decision, Filter, Page, Record, RecordId, RecordOwner};
use sha2::{Digest as _, Sha256};

/// Identifiers count microseconds since 1970 in their upper bits, so that order by identifier is order by time.
const SLOT_BITS: u32 = 10;

/// The number of nodes that can write at the same time.
pub const SLOTS: i64 = 1 << SLOT_BITS;

/// At most so many records are looked through for one page.
pub(super) const SCAN: i64 = 20_000;

/// Rows that are deleted in one transaction, so that nobody waits long for it.
pub(super) const CHUNK: i64 = 5_000;

/// Returns the identifier of a record at a time, in microseconds since 1970. `node` tells records of the same microsecond apart.
pub fn record_id(microseconds: i64, node: i64) -> RecordId {
    RecordId((microseconds << SLOT_BITS) | node.rem_euclid(SLOTS))
}

/// Returns the time of a record, in microseconds since 1970.
pub fn time_of(id: RecordId) -> i64 {
    id.0 >> SLOT_BITS
}

/// Returns the least identifier at a time, in seconds since 1970.
pub(super) fn first_at(seconds: u64) -> i64 {
    super::signed(seconds).saturating_mul(1_000_000).saturating_mul(SLOTS)
}

/// A user as a number, which makes rows and indexes small. Issuer and subject are compared as well when it is read.
pub fn user_key(issuer: &str, subject: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(issuer.as_bytes());
    hash.update([0]);
    hash.update(subject.as_bytes());
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    // Never zero, which stands for everybody.
    i64::from_le_bytes(first) | 1
}

/// What is written in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// The number of the node that writes.
    pub node: i64,
    /// In the order of their identifiers.
    pub rows: Vec<Row>,
    /// The users that may not be known yet, or under another name.
    pub users: Vec<User>,
    /// By minute and user, in the order of their keys, so that two nodes never wait for each other.
    pub sums: Vec<Sum>,
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Unique over all nodes.
    pub id: RecordId,
    /// 0 where no token was accepted.
    pub user: i64,
    /// Identifies the request in the log.
    pub request_id: String,
    /// The client that the token was issued to.
    pub client: Option<String>,
    /// The method.
    pub method: String,
    /// The pattern of the route.
    pub route: Option<String>,
    /// The service behind the gate.
    pub upstream: Option<String>,
    /// The name of the reason; `None` when it was allowed.
    pub reason: Option<&'static str>,
    /// Of a denial.
    pub expected: Option<String>,
    /// Of a denial.
    pub found: Option<String>,
    /// Of a denial.
    pub hint: Option<String>,
    /// The status of the response.
    pub status: Option<i16>,
    /// The bytes of the response's body.
    pub bytes: i64,
    /// In microseconds.
    pub took: i64,
}

/// A user of the last days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// [`user_key`].
    pub key: i64,
    /// The issuer.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The name.
    pub name: Option<String>,
    /// The day of the last record, counted from 1970.
    pub day: i64,
}

/// The requests of a user, or of everybody, in one minute at one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    /// [`user_key`], or 0 for everybody.
    pub user: i64,
    /// Minutes since 1970.
    pub minute: i64,
    /// Allowed requests.
    pub allowed: i64,
    /// Denied requests.
    pub denied: i64,
}

/// Returns the [`user_key`], or 0 for everybody.
pub(super) fn key_of(whose: &RecordOwner) -> i64 {
    match whose {
        RecordOwner::User { issuer, subject } => user_key(issuer, subject),
        RecordOwner::AllUsers => 0,
    }
}

/// Returns whether a record is among those that are meant. Two users could have the same key.
fn includes(whose: &RecordOwner, record: &Record) -> bool {
    match whose {
        RecordOwner::User { issuer, subject } => {
            (Some(issuer), Some(subject)) == (record.issuer.as_ref(), record.subject.as_ref())
        }
        RecordOwner::AllUsers => true,
    }
}

/// A [`Filter`] as the columns have it.
pub(super) struct Columns {
    pub(super) least: i64,
    pub(super) most: i64,
    pub(super) denied: Option<bool>,
    pub(super) reason: Option<&'static str>,
    pub(super) upstream: Option<String>,
    pub(super) route: Option<String>,
    pub(super) method: Option<String>,
}

impl Columns {
    /// Records before `before`, where it is given.
    pub(super) fn new(filter: &Filter, before: Option<RecordId>) -> Self {
        let until = filter.until.map_or(i64::MAX, first_at);
        Self {
            least: filter.from.map_or(0, first_at),
            most: before.map_or(i64::MAX, |id| id.0).min(until),
            denied: filter.decision.map(|decision| decision == Decision::Denied),
            reason: filter.reason.map(|reason| reason.name()),
            upstream: filter.upstream.clone(),
            route: filter.route.clone(),
            method: filter.method.clone(),
        }
    }

    /// Records behind `after`, and before `until`.
    pub(super) fn between(filter: &Filter, after: RecordId, until: RecordId) -> Self {
        let columns = Self::new(filter, Some(until));
        Self {
            least: columns.least.max(after.0.saturating_add(1)),
            ..columns
        }
    }
}

/// Records, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Since {
    /// At most as many as asked for.
    pub records: Vec<Record>,
    /// The last record that was looked at; `None` when there was none. To go on, ask for those behind it.
    pub last: Option<RecordId>,
}

pub(super) fn since(whose: &RecordOwner, mut records: Vec<Record>, looked_at: Option<RecordId>, limit: u32) -> Since {
    records.sort_by_key(|record| record.id);
    let is_full = records.len() == limit as usize;
    let last = records.last().map(|record| record.id).filter(|_| is_full).or(looked_at);
    records.retain(|record| includes(whose, record));
    Since { records, last }
}

/// Reads a row of either engine.
macro_rules! record {
    ($row:expr) => {{
        let row = $row;
        let id = app::api::RecordId(row.try_get("id")?);
        let reason: Option<String> = row.try_get("reason")?;
        let denial = match reason {
            None => None,
            Some(reason) => Some(app::api::Denial {
                code: crate::store::activity::code(&reason),
                reason: crate::store::activity::reason(&reason),
                expected: row.try_get::<Option<String>, _>("expected")?.unwrap_or_default(),
                found: row.try_get::<Option<String>, _>("found")?.unwrap_or_default(),
                hint: row.try_get::<Option<String>, _>("hint")?.unwrap_or_default(),
            }),
        };
        Ok(app::api::Record {
            id,
            at: crate::store::unsigned(crate::store::activity::time_of(id) / 1000),
            request_id: row.try_get("request_id")?,
            issuer: row.try_get("issuer")?,
            subject: row.try_get("subject")?,
            name: row.try_get("name")?,
            client: row.try_get("client")?,
            method: row.try_get("method")?,
            route: row.try_get("route")?,
            upstream: row.try_get("upstream")?,
            denial,
            status: row
                .try_get::<Option<i16>, _>("status")?
                .and_then(|status| status.try_into().ok()),
            bytes: crate::store::unsigned(row.try_get("bytes")?),
            took: crate::store::unsigned(row.try_get("took")?),
            node: row.try_get("node_name")?,
        })
    }};
}
pub(super) use record;

/// The reason of a name. A newer node may have written one that this version does not know.
pub(super) fn reason(name: &str) -> pixygate::Reason {
    serde_json::from_value(name.into()).unwrap_or(pixygate::Reason::InvalidRequest)
}

/// The code of the finding that explains a reason.
pub(super) fn code(reason: &str) -> Option<String> {
    let code = crate::findings::Code::of(self::reason(reason))?;
    Some(code.id().to_owned())
}

pub(super) fn page(whose: &RecordOwner, mut records: Vec<Record>, older: Option<RecordId>) -> Page {
    records.retain(|record| includes(whose, record));
    records.sort_by_key(|record| std::cmp::Reverse(record.id));
    Page { records, older }
}

pub(super) fn bucket((place, allowed, denied): (i64, i64, i64)) -> (usize, Bucket) {
    let bucket = Bucket {
        allowed: super::unsigned(allowed),
        denied: super::unsigned(denied),
    };
    (usize::try_from(place).unwrap_or(usize::MAX), bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_in_the_order_of_time() {
        let second = 1_796_083_200_000_000;
        assert!(record_id(second, 1023) < record_id(second + 1, 0));
        assert_eq!(time_of(record_id(second, 5)), second);
        assert_ne!(record_id(second, 5), record_id(second, 6));
        assert_eq!(record_id(second, 5), record_id(second, 5 + SLOTS));
        assert!(record_id(second, 0).0 >= first_at(1_796_083_200));
        assert!(record_id(second - 1, 1023).0 < first_at(1_796_083_200));
        // Until the year 2255.
        assert!(record_id(9_000_000_000_000_000, 0).0 > 0);
    }

    #[test]
    fn users_of_two_issuers_are_two_and_nobody_is_everybody() {
        let keys = [
            user_key("https://a", "alice"),
            user_key("https://b", "alice"),
            user_key("https://a", "bob"),
            user_key("https://aa", "lice"),
        ];
        for (place, key) in keys.iter().enumerate() {
            assert!(*key != 0 && !keys[..place].contains(key));
        }
        assert_eq!(keys[0], user_key("https://a", "alice"));
    }
}
