//! The records of the page, sorted in whatever order they arrive.

use std::sync::Arc;

use crate::api::{Record, RecordId};

/// The most records on the page. The oldest ones are fetched again when the user scrolls to them.
pub(super) const MOST: usize = 2_000;

/// The most records that wait while the page is paused. If there are more, the page is loaded again.
pub(super) const MOST_WAITING: usize = 500;

/// Records, newest first.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    records: Vec<Arc<Record>>,
    /// The start of the next older page; `None` if there is none.
    pub(super) older: Option<RecordId>,
    /// Whether they are those of all users.
    pub(super) everybody: bool,
}

impl List {
    pub(super) fn new(everybody: bool) -> Self {
        Self {
            everybody,
            ..Self::default()
        }
    }

    pub(super) fn records(&self) -> &[Arc<Record>] {
        &self.records
    }

    pub(super) fn newest(&self) -> Option<RecordId> {
        self.records.first().map(|record| record.id)
    }

    /// Adds older records, in the order of the server.
    pub(super) fn append(&mut self, records: Vec<Record>, older: Option<RecordId>) {
        for record in records {
            self.place(record);
        }
        self.older = older;
    }

    /// Adds new records and returns their number. One can arrive after a newer one, and a duplicate does not count.
    pub(super) fn add(&mut self, records: impl IntoIterator<Item = Record>) -> usize {
        let added = records.into_iter().filter_map(|record| self.place(record)).count();
        if self.records.len() > MOST {
            self.records.truncate(MOST);
            self.older = self.records.last().map(|record| record.id);
        }
        added
    }

    fn place(&mut self, record: Record) -> Option<()> {
        // Newest first, so the comparison is reversed.
        let place = self.records.binary_search_by(|known| record.id.cmp(&known.id)).err()?;
        self.records.insert(place, Arc::new(record));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: i64) -> Record {
        let record = format!(r#"{{"id":"{id}","at":{id},"request_id":"r","method":"GET","bytes":0,"took":5}}"#);
        serde_json::from_str(&record).expect("a record")
    }

    fn ids(list: &List) -> Vec<i64> {
        list.records().iter().map(|record| record.id.0).collect()
    }

    #[test]
    fn a_late_record_gets_its_place() {
        let mut list = List::default();
        list.append(vec![record(5), record(3)], Some(RecordId(3)));
        assert_eq!(list.add([record(7), record(6), record(4)]), 3);
        assert_eq!(ids(&list), [7, 6, 5, 4, 3]);
        assert_eq!((list.newest(), list.older), (Some(RecordId(7)), Some(RecordId(3))));
        list.append(vec![record(2)], None);
        assert_eq!((ids(&list), list.older), (vec![7, 6, 5, 4, 3, 2], None));
    }

    #[test]
    fn no_record_is_there_twice() {
        let mut list = List::default();
        assert_eq!(list.add([record(1), record(2)]), 2);
        assert_eq!(list.add([record(2), record(1), record(3)]), 1);
        list.append(vec![record(1)], None);
        assert_eq!(ids(&list), [3, 2, 1]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let mut list = List::default();
        let most = i64::try_from(MOST).expect("a small number");
        list.add((0..most).map(record));
        assert_eq!((list.records().len(), list.older), (MOST, None));
        list.add([record(most)]);
        assert_eq!((list.records().len(), list.older), (MOST, Some(RecordId(1))));
    }
}
