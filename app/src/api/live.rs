//! The live activity.

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, StreamingText, TextStream};
use pixygate::leptos::{CallError, GateClient};

use super::activity::{Filter, Record, RecordId};

/// Parses the records in the chunks of [`activity_live`]. A chunk may end in the middle of a line.
///
/// ```
/// use app::api::RecordLines;
///
/// let mut lines = RecordLines::default();
/// assert!(lines.push("\n").is_empty(), "a sign of life");
/// let record = r#"{"id":"7","at":1,"request_id":"r","method":"GET","bytes":0,"took":5}"#;
/// let (one, other) = record.split_at(20);
/// assert!(lines.push(one).is_empty());
/// let records = lines.push(&format!("{other}\n"));
/// assert_eq!(records[0].request_id, "r");
/// ```
#[derive(Clone, Debug, Default)]
pub struct RecordLines {
    begun: String,
}

impl RecordLines {
    /// Returns the records that a chunk completes, oldest first. Skips lines that are no record.
    pub fn push(&mut self, chunk: &str) -> Vec<Record> {
        self.begun.push_str(chunk);
        let Some(end) = self.begun.rfind('\n') else {
            return Vec::new();
        };
        let rest = self.begun.split_off(end + 1);
        let complete = std::mem::replace(&mut self.begun, rest);
        let lines = complete.lines().filter(|line| !line.is_empty());
        // Parsed as the client of server functions does, because another parser would add code.
        lines
            .filter_map(|line| serde_json::from_slice(line.as_bytes()).ok())
            .collect()
    }
}

/// `GET /api/activity/live`: streams new records as JSON, one on each line, oldest first; [`RecordLines`] parses them. The stream begins after
/// `after`, or with the next record. An empty line every 15 seconds is the heartbeat. The gate ends the stream at the token's `exp`, or when
/// the token is revoked; continue with the last record as `after`. If several nodes write records, each is delayed by a second, so that the
/// order is right. A record that a node could not write in that time is on the page, but not in the stream.
///
/// A user can have a few streams at once. The next one is rejected with `rate_limited` (429): then poll [`activity`](super::activity()).
#[server(name = GetLiveActivity, prefix = "/api", endpoint = "activity/live", input = GetUrl, output = StreamingText, client = GateClient)]
pub async fn activity_live(
    /// The filter.
    #[server(default)]
    filter: Filter,
    /// The last known record.
    #[server(default)]
    after: Option<RecordId>,
    /// Whether to stream the records of all users. For administrators.
    #[server(default)]
    all: bool,
) -> Result<TextStream<CallError>, CallError> {
    use super::activity::RecordOwner;

    let (caller, backend) = match all {
        true => super::backend::administrator().await?,
        false => super::backend::caller().await?,
    };
    let whose = match all {
        true => RecordOwner::AllUsers,
        false => super::backend::own(&caller),
    };
    let lines = backend.live(&caller, whose, filter, after);
    lines.map(TextStream::new).map_err(pixygate::leptos::refuse)
}
