//! The last requests, with the decision and its reason. Only the paths: a query may contain a code.

use std::collections::VecDeque;

use serde::Serialize;

const KEPT: usize = 200;

/// The last requests.
#[derive(Default)]
pub(crate) struct Journal(VecDeque<Entry>);

/// One request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) at: i64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    pub(crate) decision: String,
}

/// The decision of a handler, sent to the journal with the response. It never contains a secret.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) client_id: Option<String>,
    pub(crate) what: String,
}

impl Decision {
    pub(crate) fn new(client_id: &str, what: impl Into<String>) -> Self {
        Self {
            client_id: Some(client_id.to_owned()),
            what: what.into(),
        }
    }
}

impl Journal {
    pub(crate) fn add(&mut self, entry: Entry) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// Newest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().rev()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
