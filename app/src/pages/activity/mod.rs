//! The activity: what was done in the user's name, and what the gate decided.
//!
//! 1. `choice`: what is shown, as the address has it.
//! 2. `state`: the records of the page, and how they come.
//! 3. `list`: their order.
//! 4. `filter`, `chart` (with `bars`), `records`, `live`, `end_sessions`: the parts of the page.

mod bars;
mod chart;
mod choice;
mod end_sessions;
mod filter;
mod list;
mod live;
mod records;
mod state;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use pixygate::leptos::{CallError, Texts};

use crate::api::{self, Services};
use crate::notice::Notice;
use crate::part::PageFn;
use crate::texts::{activity as text, frame};

use choice::Choice;
use end_sessions::{EndSessions, Whom};
use state::{First, State};

pixygate::deferred! {
    /// The page.
    pub(crate) async fn activity_page() -> Result<PageFn, CallError> {
        Ok(|| view! { <Activity /> }.into_any())
    }
}

/// Goes to another choice of this page, which the back button takes back. The page stays where it is scrolled to.
fn go() -> impl Fn(&Choice) + Clone + 'static {
    let navigate = use_navigate();
    move |choice: &Choice| {
        let staying = NavigateOptions {
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate(&choice.address(), staying);
    }
}

#[component]
fn Activity() -> impl IntoView {
    let query = use_query_map();
    let choice = Memo::new(move |_| query.with(|query| Choice::read(|name| query.get(name))));
    let services = RwSignal::new(None::<Services>);
    spawn_local(async move {
        // Without them the page has fewer choices.
        let found = api::services().await.ok();
        services.try_set(found);
    });
    let administrator =
        Memo::new(move |_| services.with(|found| found.as_ref().is_some_and(|found| found.administrator)));
    let state = State::new(choice);
    let asked = RwSignal::new(None::<Whom>);
    let everybody = Memo::new(move |_| choice.with(|choice| choice.everybody));
    view! {
        <p class="lead">
            {move || match everybody.get() {
                true => text::lead_everybody(),
                false => text::lead(),
            }}
        </p>
        {move || (administrator.get() || everybody.get()).then(|| whose(choice))}
        <filter::FilterForm choice services />
        <chart::Calls choice state />
        <section class="activity" aria-labelledby="calls">
            <div class="activity-head">
                <h2 id="calls">{text::calls()}</h2>
                <live::Live state />
            </div>
            {move || match state.first.get() {
                First::Failed(error) => failed(&error, state),
                First::Loading if state.is_empty() => skeleton(),
                First::There if state.is_empty() => empty(choice, state),
                _ => view! { <records::Records state administrator asked /> }.into_any(),
            }}
            <records::Older state />
        </section>
        <EndSessions asked />
    }
}

/// The switch between the user's own records and everybody's.
fn whose(choice: Memo<Choice>) -> AnyView {
    let link = |everybody: bool, label: &'static str| {
        let to = move || Choice {
            everybody,
            ..choice.get()
        };
        let current = move || (choice.with(|choice| choice.everybody) == everybody).then_some("true");
        view! {
            <a href=move || to().address() data-noscroll aria-current=current>
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

fn failed(error: &CallError, state: State) -> AnyView {
    let (title, text) = Texts::here().call(error);
    view! {
        <Notice kind="error" title text detail=error.to_string()>
            <button type="button" class="button" on:click=move |_| state.again()>{frame::try_again()}</button>
        </Notice>
    }
    .into_any()
}

/// Nothing is there, or nothing that the filter lets through.
fn empty(choice: Memo<Choice>, state: State) -> AnyView {
    if state.has_older() {
        return view! { <p class="hint">{text::look_further()}</p> }.into_any();
    }
    if choice.with(Choice::is_narrow) {
        return view! {
            <div class="empty">
                <h3>{text::empty_filtered()}</h3>
                <p>{text::empty_filtered_text()}</p>
                <div class="actions">
                    <a href=choice.with(|choice| choice.wide().address()) data-noscroll class="button quiet">{text::remove_filter()}</a>
                </div>
            </div>
        }
        .into_any();
    }
    view! {
        <div class="empty">
            <h3>{text::empty()}</h3>
            <p>{text::empty_text()}</p>
            <div class="actions">
                <a href="/services" class="button quiet">{text::to_services()}</a>
            </div>
        </div>
    }
    .into_any()
}
