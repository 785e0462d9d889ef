//! The records of the page, and how they come: a first page, older ones on request, new ones by themselves.

use std::time::Duration;

use futures_util::StreamExt as _;
use leptos::prelude::*;
use leptos::task::{spawn_local, spawn_local_scoped_with_cancellation};
use pixygate::Reason;
use pixygate::leptos::CallError;

use crate::api::{self, Filter, Page, Record, RecordId, RecordLines};
use crate::time::{now, pause};

use super::choice::Choice;
use super::list::{List, MOST_WAITING};

/// One request for a rare kind of record can find none. So many are made before the user is asked.
const ATTEMPTS: usize = 5;

/// The first and the longest time between two attempts to follow, in seconds.
const BACKOFF: (u64, u64) = (1, 30);

/// A stream that lived so long ended because its token did.
const LIVED: u64 = 5_000;

/// How often the page asks where it gets no stream.
const POLL: Duration = Duration::from_secs(10);

/// Requests between two attempts to get a stream again.
const POLLS: usize = 6;

/// How new calls are announced at most: not one by one.
const ANNOUNCE: Duration = Duration::from_secs(10);

/// What this page itself asks for.
const OWN: [&str; 2] = ["/api/activity", "/api/admin/activity"];

/// The first page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum First {
    Loading,
    There,
    Failed(CallError),
}

/// The older records.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Older {
    Idle,
    Loading,
    Failed(CallError),
}

/// How new records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Following {
    Connecting,
    Live,
    Polling,
    /// The next attempt follows.
    Interrupted,
    Offline,
    /// The chosen time is over.
    Over,
}

/// Records that came while the page is paused.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    records: Vec<Record>,
    pub(super) count: usize,
}

#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) list: RwSignal<List>,
    pub(super) first: RwSignal<First>,
    pub(super) older: RwSignal<Older>,
    pub(super) following: RwSignal<Following>,
    pub(super) paused: RwSignal<bool>,
    pub(super) waiting: RwSignal<Waiting>,
    /// New records that were not announced yet, and the number that was announced last.
    fresh: StoredValue<usize>,
    pub(super) announced: RwSignal<usize>,
    /// Whether calls came that the chart does not count yet.
    pub(super) chart_is_old: StoredValue<bool>,
    again: RwSignal<u32>,
    /// What the list is of, and a number that is another one for each.
    filter: StoredValue<(u32, Filter)>,
}

impl State {
    /// Loads the chosen records, follows them, and does so anew when the choice changes.
    pub(super) fn new(choice: Memo<Choice>) -> Self {
        let state = Self {
            list: RwSignal::new(List::default()),
            first: RwSignal::new(First::Loading),
            older: RwSignal::new(Older::Idle),
            following: RwSignal::new(Following::Connecting),
            paused: RwSignal::new(false),
            waiting: RwSignal::new(Waiting::default()),
            fresh: StoredValue::new(0),
            announced: RwSignal::new(0),
            chart_is_old: StoredValue::new(false),
            again: RwSignal::new(0),
            filter: StoredValue::new((0, Filter::default())),
        };
        Effect::new(move || {
            state.again.track();
            let choice = choice.get();
            let filter = choice.filter(now() / 1000);
            state.filter.update_value(|(number, current)| {
                *number += 1;
                *current = filter.clone();
            });
            state.first.set(First::Loading);
            state.older.set(Older::Idle);
            state.following.set(Following::Connecting);
            state.waiting.set(Waiting::default());
            // The next choice ends it, and so does leaving the page.
            spawn_local_scoped_with_cancellation(state.run(choice, filter));
        });
        let online = window_event_listener(leptos::ev::online, move |_| {
            let cut_off = matches!(state.first.get_untracked(), First::Failed(CallError::NotSent { .. }));
            if cut_off {
                state.again();
            }
        });
        on_cleanup(move || online.remove());
        if let Ok(announce) = set_interval_with_handle(move || state.announce(), ANNOUNCE) {
            on_cleanup(move || announce.clear());
        }
        state
    }

    /// Loads everything anew.
    pub(super) fn again(self) {
        self.paused.set(false);
        self.again.update(|count| *count += 1);
    }

    pub(super) fn is_empty(self) -> bool {
        self.list.with(|list| list.records().is_empty())
    }

    pub(super) fn has_older(self) -> bool {
        self.list.with(|list| list.older.is_some())
    }

    async fn run(self, choice: Choice, filter: Filter) {
        match search(choice.everybody, &filter, None).await {
            Err(error) => {
                self.list.set(List::new(choice.everybody));
                self.first.set(First::Failed(error));
                return;
            }
            Ok(page) => {
                let mut list = List::new(choice.everybody);
                list.append(page.records, page.older);
                self.list.set(list);
                self.first.set(First::There);
            }
        }
        if choice.goes_on(now() / 1000) {
            self.follow(choice.everybody, filter).await;
        } else {
            self.following.set(Following::Over);
        }
    }

    /// Adds older records.
    pub(super) fn load_older(self) {
        let before = self.list.with_untracked(|list| list.older);
        let (Some(before), true) = (before, self.older.get_untracked() != Older::Loading) else {
            return;
        };
        self.older.set(Older::Loading);
        let (number, filter) = self.filter.get_value();
        let everybody = self.list.with_untracked(|list| list.everybody);
        spawn_local(async move {
            let found = search(everybody, &filter, Some(before)).await;
            // Another choice may have been made meanwhile, or the page left.
            if self.filter.try_get_value().is_none_or(|(current, _)| current != number) {
                return;
            }
            match found {
                Ok(page) => {
                    self.list.update(|list| list.append(page.records, page.older));
                    self.older.set(Older::Idle);
                }
                Err(error) => self.older.set(Older::Failed(error)),
            }
        });
    }

    /// Shows the records that waited.
    pub(super) fn resume(self) {
        self.paused.set(false);
        let Waiting { records, count } = std::mem::take(&mut *self.waiting.write());
        if count > records.len() {
            self.again();
        } else {
            self.show(records);
        }
    }

    fn newest(self) -> Option<RecordId> {
        let shown = self.list.with_untracked(List::newest);
        let waiting = self
            .waiting
            .with_untracked(|waiting| waiting.records.iter().map(|record| record.id).max());
        shown.max(waiting)
    }

    fn arrived(self, records: Vec<Record>) {
        let own = |record: &Record| {
            let route = record.route.as_deref().unwrap_or_default();
            OWN.iter().any(|own| route.starts_with(own))
        };
        if records.iter().any(|record| !own(record)) {
            self.chart_is_old.set_value(true);
        }
        if records.is_empty() {
            return;
        }
        if self.paused.get_untracked() {
            self.waiting.update(|waiting| {
                waiting.count += records.len();
                waiting.records.extend(records);
                let excess = waiting.records.len().saturating_sub(MOST_WAITING);
                waiting.records.drain(..excess);
            });
        } else {
            self.show(records);
        }
    }

    fn show(self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let added = self.list.try_update(|list| list.add(records)).unwrap_or_default();
        self.fresh.update_value(|fresh| *fresh += added);
    }

    fn announce(self) {
        let fresh = self.fresh.get_value();
        if fresh > 0 {
            self.fresh.set_value(0);
            self.announced.set(fresh);
        }
    }

    /// Gets new records for as long as the future is polled.
    async fn follow(self, everybody: bool, filter: Filter) {
        let mut wait = BACKOFF.0;
        let mut missed = false;
        loop {
            let after = self.newest();
            let began = now();
            match api::activity_live(filter.clone(), after, everybody).await {
                Ok(stream) => {
                    self.following.set(Following::Live);
                    // Without a last record the stream begins with what comes next.
                    if missed && after.is_none() {
                        self.look(everybody, &filter).await;
                    }
                    let (mut chunks, mut lines) = (stream.into_inner(), RecordLines::default());
                    while let Some(Ok(chunk)) = chunks.next().await {
                        self.arrived(lines.push(&chunk));
                    }
                    if now().saturating_sub(began) > LIVED {
                        wait = BACKOFF.0;
                    }
                }
                // As many streams as a user may have.
                Err(CallError::Refused(refusal)) if refusal.reason == Reason::RateLimited => {
                    self.following.set(Following::Polling);
                    for _ in 0..POLLS {
                        pause(POLL).await;
                        self.look(everybody, &filter).await;
                    }
                    wait = BACKOFF.0;
                }
                Err(_) => self.following.set(match window().navigator().on_line() {
                    true => Following::Interrupted,
                    false => Following::Offline,
                }),
            }
            missed = true;
            pause(Duration::from_secs(wait)).await;
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    /// Asks for the newest records.
    async fn look(self, everybody: bool, filter: &Filter) {
        let newest = self.newest();
        let Ok(page) = fetch(everybody, filter.clone(), None).await else {
            return;
        };
        let oldest = page.records.last().map(|record| record.id);
        if page.older.is_some() && newest.is_some() && oldest > newest {
            // More came than one page has.
            self.again();
            return;
        }
        let unknown = page.records.into_iter().filter(|record| Some(record.id) > newest);
        self.arrived(unknown.collect());
    }
}

async fn fetch(everybody: bool, filter: Filter, before: Option<RecordId>) -> Result<Page, CallError> {
    match everybody {
        true => api::all_activity(filter, before).await,
        false => api::activity(filter, before).await,
    }
}

/// Looks further back until there is a record.
async fn search(everybody: bool, filter: &Filter, before: Option<RecordId>) -> Result<Page, CallError> {
    let mut page = fetch(everybody, filter.clone(), before).await?;
    for _ in 1..ATTEMPTS {
        if page.older.is_none() || !page.records.is_empty() {
            break;
        }
        page = fetch(everybody, filter.clone(), page.older).await?;
    }
    Ok(page)
}
