//! The activity: one record for each decision of the gate.

use std::fmt;

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use pixygate::Reason;
use pixygate::leptos::{CallError, GateClient};
use serde::{Deserialize, Serialize};

/// The number of buckets in a [`Chart`].
pub const BUCKETS: usize = 60;

/// The number of records on a page.
pub const PAGE: u32 = 50;

/// Identifies a record. Later records have greater identifiers, on whichever node they were made. It is text in JSON, because
/// JavaScript would round the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId(pub i64);

impl TryFrom<String> for RecordId {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One decision of the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the order of records.
    pub id: RecordId,
    /// The time at which the request ended, in milliseconds since 1970.
    pub at: u64,
    /// Identifies the request in the log.
    pub request_id: String,
    /// The issuer of the caller's token; `None` if no token was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The caller's name, as last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The client that the token was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The request's method.
    pub method: String,
    /// The pattern of the route that matched, never the path itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The service behind the gate; `None` for this server itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The reason of the denial; `None` if the request was allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Denial>,
    /// The status of the response; `None` if the client disconnected before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The length of the response's body, in bytes.
    pub bytes: u64,
    /// The duration, in microseconds.
    pub took: u64,
    /// The node that handled the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// The reason of a denial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Denial {
    /// The check that failed.
    pub reason: Reason,
    /// The value that would have passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// The value that was found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found: String,
    /// The setting or step that fixes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// The code of the finding, as in `PXG206`, whose page is `/findings/PXG206`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Whether a request was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The gate and the handler allowed it.
    Allowed,
    /// The gate or the handler rejected it.
    Denied,
}

/// A filter of records. A field that is `None` does not filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Only allowed or only denied records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Only records denied for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Only records of this upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Only records of this route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Only records with this method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only records of this time or later, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Only records before this time, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Records, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// At most as many as requested. A shorter page is not necessarily the last one.
    pub records: Vec<Record>,
    /// The start of the next page; `None` on the last one. One request examines a bounded number of records, so a page can be empty and
    /// still have a next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<RecordId>,
}

/// The number of allowed and denied requests over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// The beginning of the first bucket, in seconds since 1970.
    pub from: u64,
    /// The end of the last bucket, in seconds since 1970: not later than asked for, though the bucket has a whole minute there.
    #[serde(default)]
    pub until: u64,
    /// The seconds of each bucket, a multiple of 60.
    pub width: u64,
    /// [`BUCKETS`] buckets, oldest first.
    pub buckets: Vec<Bucket>,
}

/// One part of a [`Chart`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Requests that were allowed.
    pub allowed: u64,
    /// Requests that were denied.
    pub denied: u64,
}

/// The owner of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOwner {
    /// One user.
    User {
        /// The issuer.
        issuer: String,
        /// The subject.
        subject: String,
    },
    /// All users, and requests without an accepted token.
    AllUsers,
}

/// `GET /api/activity`: the caller's own records, newest first.
#[server(name = GetActivity, prefix = "/api", endpoint = "activity", input = GetUrl, output = Json, client = GateClient)]
pub async fn activity(
    /// The filter.
    #[server(default)]
    filter: Filter,
    /// [`Page::older`] of the page before.
    #[server(default)]
    before: Option<RecordId>,
) -> Result<Page, CallError> {
    let (caller, backend) = super::backend::caller().await?;
    let page = backend.activity(super::backend::own(&caller), filter, before).await;
    page.map_err(super::backend::unavailable)
}

/// `GET /api/activity/chart`: the number of the caller's own requests that were allowed and denied.
#[server(name = GetActivityChart, prefix = "/api", endpoint = "activity/chart", input = GetUrl, output = Json, client = GateClient)]
pub async fn activity_chart(
    /// The beginning, in seconds since 1970.
    from: u64,
    /// The end, in seconds since 1970.
    until: u64,
) -> Result<Chart, CallError> {
    let (caller, backend) = super::backend::caller().await?;
    let chart = backend.chart(super::backend::own(&caller), from, until).await;
    chart.map_err(super::backend::unavailable)
}

/// `GET /api/admin/activity`: the records of all users, newest first. For administrators.
#[server(name = GetAllActivity, prefix = "/api", endpoint = "admin/activity", input = GetUrl, output = Json, client = GateClient)]
pub async fn all_activity(
    /// The filter.
    #[server(default)]
    filter: Filter,
    /// [`Page::older`] of the page before.
    #[server(default)]
    before: Option<RecordId>,
) -> Result<Page, CallError> {
    let (_, backend) = super::backend::administrator().await?;
    let page = backend.activity(RecordOwner::AllUsers, filter, before).await;
    page.map_err(super::backend::unavailable)
}

/// `GET /api/admin/activity/chart`: the number of requests of all users that were allowed and denied. For administrators.
#[server(name = GetAllActivityChart, prefix = "/api", endpoint = "admin/activity/chart", input = GetUrl, output = Json, client = GateClient)]
pub async fn all_activity_chart(
    /// The beginning, in seconds since 1970.
    from: u64,
    /// The end, in seconds since 1970.
    until: u64,
) -> Result<Chart, CallError> {
    let (_, backend) = super::backend::administrator().await?;
    let chart = backend.chart(RecordOwner::AllUsers, from, until).await;
    chart.map_err(super::backend::unavailable)
}
