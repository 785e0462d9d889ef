//! The activity: the recorded calls, and the decisions of the gate.
//!
//! 1. `choice`: the filter in the address.
//! 2. `state`: the records of the page, and how they are loaded.
//! 3. `list`: their order.
//! 4. `filter`, `chart` (with `bars`), `records`, `live`, `end_sessions`: the parts of the page.

pub(super) mod bars;
mod chart;
mod choice;
mod end_sessions;
mod filter;
mod list;
mod live;
mod records;
mod state;

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use pixygate::leptos::CallError;

use crate::answer::failed;
use crate::api::{self, Chart, Services};
use crate::lazy_page::PageFn;
use crate::texts::{activity as text, frame};

use choice::ActivityFilter;
use end_sessions::Ending;
pub(super) use state::is_own;
use state::{First, Model, State};

pixygate::deferred! {
    /// The page.
    pub(crate) async fn activity_page() -> Result<PageFn, CallError> {
        Ok(|| view! { <Activity /> }.into_any())
    }
}

/// Goes to another filter of this page, as a step of the history. The scroll position stays.
type Go = Arc<dyn Fn(&ActivityFilter) + Send + Sync>;

fn go() -> Go {
    let navigate = use_navigate();
    Arc::new(move |choice: &ActivityFilter| {
        let staying = NavigateOptions {
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate(&choice.address(), staying);
    })
}

/// The state beside the records.
#[derive(Clone, Debug, Default)]
struct Side {
    services: Option<Services>,
    chart: Option<Result<Chart, CallError>>,
    /// Whether the numbers are shown as a table.
    table: bool,
}

impl Side {
    fn administrator(&self) -> bool {
        self.services.as_ref().is_some_and(|services| services.administrator)
    }
}

/// Makes a button. All buttons have one type, because each type of view is compiled separately.
fn button(class: &'static str, label: String, act: impl Fn() + Send + Sync + 'static) -> AnyView {
    let act: Box<dyn Fn() + Send + Sync> = Box::new(act);
    view! { <button type="button" class=class on:click=move |_| act()>{label}</button> }.into_any()
}

#[component]
fn Activity() -> impl IntoView {
    let query = use_query_map();
    let choice = Memo::new(move |_| query.with(|query| ActivityFilter::read(|name| query.get(name))));
    let side = RwSignal::new(Side::default());
    spawn_local(async move {
        // On failure, the form has fewer choices.
        let found = api::services().await.ok();
        side.try_update(|side| side.services = found);
    });
    let state = State::new(choice);
    let count_again = RwSignal::new(false);
    chart::count(choice, side, state, count_again);
    let asked = RwSignal::new(Ending::default());
    let go = go();
    view! {
        {move || {
            let (choice, side) = (choice.read(), side.read());
            let lead = if choice.everybody { text::lead_everybody() } else { text::lead() };
            view! {
                <p class="lead">{lead}</p>
                {(side.administrator() || choice.everybody).then(|| whose(&choice))}
            }
            .into_any()
        }}
        {filter::form(choice, side, go.clone())}
        {chart::calls(choice, side, count_again, go)}
        <section class="activity" aria-labelledby="calls">
            {move || {
                let model = state.model.read();
                let notice = match &model.first {
                    First::Failed(error) => Some(failed(error, Box::new(move || state.reload()))),
                    First::Loading if model.is_empty() => Some(skeleton()),
                    First::There if model.is_empty() => Some(empty(&choice.read(), &model)),
                    _ => None,
                };
                view! {
                    <div class="activity-head">
                        <h2 id="calls">{text::calls()}</h2>
                        {live::live(&model, state)}
                    </div>
                    {notice}
                }
                .into_any()
            }}
            {records::records(state, side, asked)}
            {records::older(state)}
        </section>
        {end_sessions::end_sessions(asked)}
    }
}

/// The switch between the user's own records and those of all users.
fn whose(choice: &ActivityFilter) -> AnyView {
    let link = |everybody: bool, label: &'static str| {
        let to = ActivityFilter {
            everybody,
            ..choice.clone()
        };
        let current = (choice.everybody == everybody).then_some("true");
        view! {
            <a href=to.address() data-noscroll aria-current=current>
                {label}
            </a>
        }
        .into_any()
    };
    view! {
        <nav class="segments" aria-label=text::whose()>
            {link(false, text::mine())}
            {link(true, text::everybody())}
        </nav>
    }
    .into_any()
}

/// The size of the first records.
fn skeleton() -> AnyView {
    let rows = (0..8).map(|_| view! { <div class="skeleton"></div> }.into_any());
    view! {
        <div class="records-skeleton" aria-busy="true">
            <p class="visually-hidden" role="status">{frame::loading()}</p>
            {rows.collect_view()}
        </div>
    }
    .into_any()
}

/// The text of an empty list: no records at all, or none that match the filter.
fn empty(choice: &ActivityFilter, model: &Model) -> AnyView {
    if model.list.older.is_some() {
        return view! { <p class="hint">{text::look_further()}</p> }.into_any();
    }
    let (title, words, address, label) = match choice.is_narrow() {
        true => (
            text::empty_filtered(),
            text::empty_filtered_text(),
            choice.without_filters().address(),
            text::remove_filter(),
        ),
        false => (
            text::empty(),
            text::empty_text(),
            "/services".to_owned(),
            text::to_services(),
        ),
    };
    view! {
        <div class="empty">
            <h3>{title}</h3>
            <p>{words}</p>
            <div class="actions">
                <a href=address data-noscroll class="button quiet">{label}</a>
            </div>
        </div>
    }
    .into_any()
}
