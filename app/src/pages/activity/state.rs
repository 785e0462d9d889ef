//! The records of the page: the first page, older ones on request, new ones as they arrive.

use std::time::Duration;

use futures_util::StreamExt as _;
use leptos::prelude::*;
use leptos::task::{spawn_local, spawn_local_scoped_with_cancellation};
use pixygate::Reason;
use pixygate::leptos::CallError;

use crate::api::{self, Filter, Page, Record, RecordId, RecordLines};
use crate::time::{now, pause};

use super::choice::ActivityFilter;
use super::list::{List, MOST_WAITING};

/// The most requests for older records before the user is asked. One request for a rare kind of record can return none.
const ATTEMPTS: usize = 5;

/// The first and the longest time between two attempts to open the stream, in seconds.
const BACKOFF: (u64, u64) = (1, 30);

/// A stream that lived at least this long ended because its token expired.
const MIN_STREAM_MS: u64 = 5_000;

/// The interval of polling when there is no stream.
const POLL: Duration = Duration::from_secs(10);

/// The number of polls between two attempts to open a stream.
const POLLS: usize = 6;

/// The shortest interval between two announcements of new calls to screen readers.
const ANNOUNCE: Duration = Duration::from_secs(10);

/// The calls that pages of the console make to show what they show.
const OWN_PATHS: [&str; 4] = ["/api/activity", "/api/admin/activity", "/api/services", "/api/token"];

/// Returns whether a page of the console made this call by itself.
pub(in crate::pages) fn is_own(record: &Record) -> bool {
    let route = record.route.as_deref().unwrap_or_default();
    OWN_PATHS.iter().any(|own| route.starts_with(own))
}

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

/// The way in which new records arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Following {
    Connecting,
    Live,
    Polling,
    /// The stream broke off; another attempt follows.
    Interrupted,
    Offline,
    /// The chosen time range has ended.
    Over,
}

/// Records that arrived while the page is paused.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    records: Vec<Record>,
    pub(super) count: usize,
}

/// The records and the state of loading. One signal has them all, because each type of signal is compiled separately.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) list: List,
    pub(super) first: First,
    pub(super) older: Older,
    pub(super) following: Following,
    pub(super) paused: bool,
    pub(super) waiting: Waiting,
    /// New records that were not announced yet, and the number in the last announcement.
    unannounced: usize,
    pub(super) announced: usize,
    /// Whether calls arrived that the chart does not contain yet.
    pub(super) chart_is_old: bool,
    /// The subject of the list, and a number that differs for each.
    filter: Filter,
    number: u32,
}

#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) model: RwSignal<Model>,
    /// Triggers a complete reload.
    reload: RwSignal<bool>,
}

impl State {
    /// Loads the chosen records and follows new ones. Starts again when the filter changes.
    pub(super) fn new(choice: Memo<ActivityFilter>) -> Self {
        let state = Self {
            model: RwSignal::new(Model {
                list: List::default(),
                first: First::Loading,
                older: Older::Idle,
                following: Following::Connecting,
                paused: false,
                waiting: Waiting::default(),
                unannounced: 0,
                announced: 0,
                chart_is_old: false,
                filter: Filter::default(),
                number: 0,
            }),
            reload: RwSignal::new(false),
        };
        Effect::new(move || {
            state.reload.track();
            let choice = choice.get();
            let filter = choice.filter(now() / 1000);
            {
                let mut model = state.model.write();
                model.number += 1;
                model.filter = filter.clone();
                model.first = First::Loading;
                model.older = Older::Idle;
                model.following = Following::Connecting;
                model.waiting = Waiting::default();
            }
            // Cancelled by the next choice, and when the user leaves the page.
            spawn_local_scoped_with_cancellation(state.run(choice, filter));
        });
        let online = window_event_listener(leptos::ev::online, move |_| {
            let cut_off = matches!(
                state.model.read_untracked().first,
                First::Failed(CallError::NotSent { .. })
            );
            if cut_off {
                state.reload();
            }
        });
        on_cleanup(move || online.remove());
        if let Ok(announce) = set_interval_with_handle(move || state.announce(), ANNOUNCE) {
            on_cleanup(move || announce.clear());
        }
        state
    }

    /// Reloads everything.
    pub(super) fn reload(self) {
        self.model.write().paused = false;
        self.reload.update(|flag| *flag = !*flag);
    }

    async fn run(self, choice: ActivityFilter, filter: Filter) {
        let found = search(choice.everybody, &filter, None).await;
        let can_grow = choice.can_grow(now() / 1000);
        {
            let mut model = self.model.write();
            model.list = List::new(choice.everybody);
            match found {
                Err(error) => {
                    model.first = First::Failed(error);
                    return;
                }
                Ok(page) => model.list.append(page.records, page.older),
            }
            model.first = First::There;
            if !can_grow {
                model.following = Following::Over;
                return;
            }
        }
        self.follow(choice.everybody, filter).await;
    }

    /// Adds older records.
    pub(super) fn load_older(self) {
        let Some((before, number, filter, everybody)) = self.model.try_read_untracked().and_then(|model| {
            let idle = model.older != Older::Loading;
            let before = model.list.older.filter(|_| idle)?;
            Some((before, model.number, model.filter.clone(), model.list.everybody))
        }) else {
            return;
        };
        self.model.write().older = Older::Loading;
        spawn_local(async move {
            let found = search(everybody, &filter, Some(before)).await;
            // The filter may have changed meanwhile, or the user left the page.
            let current = self.model.try_read_untracked().map(|model| model.number);
            if current != Some(number) {
                return;
            }
            let mut model = self.model.write();
            model.older = match found {
                Ok(page) => {
                    model.list.append(page.records, page.older);
                    Older::Idle
                }
                Err(error) => Older::Failed(error),
            };
        });
    }

    /// Pauses the display of new records, or resumes it.
    pub(super) fn toggle(self) {
        let mut model = self.model.write();
        model.paused = !model.paused;
        if model.paused {
            return;
        }
        let Waiting { records, count } = std::mem::take(&mut model.waiting);
        if count > records.len() {
            drop(model);
            self.reload();
        } else {
            model.show(records);
        }
    }

    fn newest(self) -> Option<RecordId> {
        let model = self.model.read_untracked();
        let waiting = model.waiting.records.iter().map(|record| record.id).max();
        model.list.newest().max(waiting)
    }

    fn arrived(self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let mut model = self.model.write();
        model.chart_is_old |= !records.iter().all(is_own);
        if model.paused {
            let waiting = &mut model.waiting;
            waiting.count += records.len();
            waiting.records.extend(records);
            let excess = waiting.records.len().saturating_sub(MOST_WAITING);
            waiting.records.drain(..excess);
        } else {
            model.show(records);
        }
    }

    fn announce(self) {
        let unannounced = self.model.try_read_untracked().map_or(0, |model| model.unannounced);
        if unannounced > 0 {
            let mut model = self.model.write();
            (model.unannounced, model.announced) = (0, unannounced);
        }
    }

    fn set_following(self, following: Following) {
        self.model.write().following = following;
    }

    /// Fetches new records for as long as the future is polled.
    async fn follow(self, everybody: bool, filter: Filter) {
        let mut wait = BACKOFF.0;
        let mut missed = false;
        loop {
            let after = self.newest();
            let began = now();
            match api::activity_live(filter.clone(), after, everybody).await {
                Ok(stream) => {
                    self.set_following(Following::Live);
                    // Without a last record, the stream begins with the next one.
                    if missed && after.is_none() {
                        self.look(everybody, &filter).await;
                    }
                    let (mut chunks, mut lines) = (stream.into_inner(), RecordLines::default());
                    while let Some(Ok(chunk)) = chunks.next().await {
                        self.arrived(lines.push(&chunk));
                    }
                    if now().saturating_sub(began) > MIN_STREAM_MS {
                        wait = BACKOFF.0;
                    }
                }
                // The user has the maximal number of streams.
                Err(CallError::Refused(refusal)) if refusal.reason == Reason::RateLimited => {
                    self.set_following(Following::Polling);
                    for _ in 0..POLLS {
                        pause(POLL).await;
                        self.look(everybody, &filter).await;
                    }
                    wait = BACKOFF.0;
                }
                Err(_) => self.set_following(match window().navigator().on_line() {
                    true => Following::Interrupted,
                    false => Following::Offline,
                }),
            }
            missed = true;
            pause(Duration::from_secs(wait)).await;
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    /// Fetches the newest records.
    async fn look(self, everybody: bool, filter: &Filter) {
        let newest = self.newest();
        let Ok(page) = fetch(everybody, filter.clone(), None).await else {
            return;
        };
        let oldest = page.records.last().map(|record| record.id);
        if page.older.is_some() && newest.is_some() && oldest > newest {
            // There are more than one page.
            self.reload();
            return;
        }
        let unknown = page.records.into_iter().filter(|record| Some(record.id) > newest);
        self.arrived(unknown.collect());
    }
}

impl Model {
    fn show(&mut self, records: Vec<Record>) {
        self.unannounced += self.list.add(records);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.records().is_empty()
    }
}

async fn fetch(everybody: bool, filter: Filter, before: Option<RecordId>) -> Result<Page, CallError> {
    match everybody {
        true => api::all_activity(filter, before).await,
        false => api::activity(filter, before).await,
    }
}

/// Searches older pages until there is a record.
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
