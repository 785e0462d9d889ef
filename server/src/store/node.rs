//! The nodes that share the store. Each has a row that it renews; the others count it until it is silent.

/// How long a node counts as live after its last sign.
pub(super) const LEASE_MILLISECONDS: i64 = 15_000;

/// What a node learns when it renews its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The nodes that are live, this one included.
    pub live: u32,
    /// The store's clock, in microseconds since 1970; `None` where it is this machine's.
    pub now: Option<i64>,
    /// Whether the row was still there.
    pub known: bool,
}

/// A live node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub id: i64,
    /// Its machine and port.
    pub name: String,
    /// The version of its server.
    pub version: String,
    /// Its last sign, in milliseconds since 1970 by the store's clock.
    pub seen_at: u64,
    /// How long before its last sign it had read the revocations, in seconds; `None` of older versions.
    pub revocation_age_seconds: Option<u64>,
}

/// Reads a row of either engine.
macro_rules! node {
    ($row:expr) => {
        crate::store::Node {
            id: $row.try_get("id")?,
            name: $row.try_get("name")?,
            version: $row.try_get("version")?,
            seen_at: crate::store::unsigned($row.try_get("seen_at")?),
            revocation_age_seconds: $row
                .try_get::<Option<i64>, _>("revocation_age_seconds")?
                .map(crate::store::unsigned),
        }
    };
}
pub(super) use node;
