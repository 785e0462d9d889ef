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
