//! The activity as it happens.

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, StreamingText, TextStream};
use pixygate::leptos::{CallError, GateClient};

use super::activity::{Filter, Record, RecordId};

/// Reads the records out of the chunks of [`activity_live`]. A chunk may end in the middle of a line.
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
    /// Returns the records that a chunk completes, oldest first. A line that is no record is left out.
    pub fn push(&mut self, chunk: &str) -> Vec<Record> {
        self.begun.push_str(chunk);
        let Some(end) = self.begun.rfind('\n') else {
            return Vec::new();
        };
        let rest = self.begun.split_off(end + 1);
        let complete = std::mem::replace(&mut self.begun, rest);
        let lines = complete.lines().filter(|line| !line.is_empty());
        // From bytes, as the client of server functions reads: another source would be the same code again.
        lines
            .filter_map(|line| serde_json::from_slice(line.as_bytes()).ok())
            .collect()
    }
}

/// `GET /api/activity/live`: records as they are made, one as JSON on each line, oldest first; [`RecordLines`] reads them. It begins behind
/// `after`, or with what comes next. An empty line every 15 seconds shows that it lives. The gate ends it at the token's `exp`, or when
/// the token is revoked; go on with the last record as `after`. When several nodes write, a record comes a second later, so that the
/// order is right; one that a node could not write in that time is on the page, and not in the stream.
///
/// A user has a few streams at once; the next one is `rate_limited` (429): poll [`activity`](super::activity()) then.
#[server(name = GetLiveActivity, prefix = "/api", endpoint = "activity/live", input = GetUrl, output = StreamingText, client = GateClient)]
pub async fn activity_live(
    /// Which of them.
    #[server(default)]
    filter: Filter,
    /// The last record that is known.
    #[server(default)]
    after: Option<RecordId>,
    /// Everybody's in place of the caller's own. For administrators.
    #[server(default)]
    all: bool,
) -> Result<TextStream<CallError>, CallError> {
    use super::activity::Whose;

    let (caller, backend) = match all {
        true => super::backend::administrator().await?,
        false => super::backend::caller().await?,
    };
    let whose = match all {
        true => Whose::Everybody,
        false => super::backend::own(&caller),
    };
    let lines = backend.live(&caller, whose, filter, after);
    lines.map(TextStream::new).map_err(pixygate::leptos::refuse)
}
