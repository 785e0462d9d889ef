//! The records: a table, with the details of each on request. Narrow screens show each row as a card.

use std::sync::Arc;

use js_sys::Array;
use leptos::html::Div;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use leptos::wasm_bindgen::closure::Closure;
use leptos::web_sys::HtmlDivElement;
use pixygate::leptos::Texts;
use web_sys::{IntersectionObserver, IntersectionObserverEntry, IntersectionObserverInit};

use crate::api::{Denial, Record};
use crate::number;
use crate::texts::{activity as text, frame, reasons};
use crate::time::{Moment, in_words, now};

use super::end_sessions::Whom;
use super::state::{Older as OlderState, State};

/// How far below the window older records are asked for, in pixels.
const AHEAD: f64 = 600.0;

/// A day, in milliseconds.
const DAY: u64 = 86_400_000;

/// The roles are named, because a style sheet that changes `display` takes them away.
#[component]
pub(super) fn Records(state: State, administrator: Memo<bool>, asked: RwSignal<Option<Whom>>) -> impl IntoView {
    let everybody = Memo::new(move |_| state.list.with(|list| list.everybody));
    let heading = |words: &'static str| view! { <th role="columnheader" scope="col">{words}</th> }.into_any();
    let busy = move || (state.first.get() == super::First::Loading).to_string();
    view! {
        <table class="records" role="table" aria-labelledby="calls" aria-busy=busy>
            <thead role="rowgroup">
                <tr role="row">
                    {heading(text::time())}
                    {heading(text::outcome())}
                    {heading(text::call())}
                    {heading(text::service())}
                    {move || everybody.get().then(|| heading(text::user()))}
                    {heading(text::took())}
                    <th role="columnheader" scope="col"><span class="visually-hidden">{text::details()}</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">
                <For
                    each=move || state.list.with(|list| {
                        let everybody = list.everybody;
                        list.records().iter().map(|record| (everybody, Arc::clone(record))).collect::<Vec<_>>()
                    })
                    key=|(everybody, record)| (*everybody, record.id)
                    children=move |(everybody, record)| row(record, everybody, administrator, asked)
                />
            </tbody>
        </table>
    }
}

/// How a record ended, as `data-outcome` and in words.
fn outcome(record: &Record) -> (&'static str, &'static str) {
    match (&record.denial, record.status) {
        (Some(_), _) => ("denied", text::denied()),
        (None, Some(_)) => ("allowed", text::allowed()),
        (None, None) => ("gave-up", text::gave_up()),
    }
}

fn route(record: &Record) -> String {
    record.route.clone().unwrap_or_else(|| text::no_route().to_owned())
}

/// The user as the list shows them.
fn user(record: &Record) -> String {
    let known = record.name.clone().or_else(|| record.subject.clone());
    known.unwrap_or_else(|| text::no_user().to_owned())
}

fn took(microseconds: u64) -> String {
    text::milliseconds(match microseconds {
        0..1_000 => "<\u{2009}1".to_owned(),
        _ => number::words(microseconds / 1000),
    })
}

fn cell(name: &'static str, label: &'static str, content: AnyView) -> AnyView {
    // The label is for cards, which have no headings.
    view! {
        <td role="cell" data-cell=name data-label=label>
            {content}
        </td>
    }
    .into_any()
}

fn row(record: Arc<Record>, everybody: bool, administrator: Memo<bool>, asked: RwSignal<Option<Whom>>) -> AnyView {
    let open = RwSignal::new(false);
    let (kind, words) = outcome(&record);
    let reason = record.denial.as_ref().map(|denial| reasons::title(denial.reason));
    let today = now().saturating_sub(record.at) < DAY / 2;
    let id = format!("details-{}", record.id);
    let service = record
        .upstream
        .clone()
        .unwrap_or_else(|| text::this_server().to_owned());
    let label = text::details_of(format!("{} {}", record.method, route(&record)));
    let status = record
        .status
        .map(|status| view! { <span class="code">{status}</span> }.into_any());
    let verdict = view! {
        <span class="verdict" data-outcome=kind>{words}</span>
        " "
        {status}
        {reason.map(|reason| view! { <span class="why">{reason}</span> }.into_any())}
    };
    let call = view! {
        <span class="method">{record.method.clone()}</span>
        " "
        <code>{route(&record)}</code>
    };
    let user = everybody.then(|| {
        let client = record
            .client
            .clone()
            .map(|client| view! { <span class="client">{client}</span> }.into_any());
        cell(
            "user",
            text::user(),
            view! { <span>{user(&record)}</span> {client} }.into_any(),
        )
    });
    let columns = if everybody { "7" } else { "6" };
    let (shown, controls) = (Arc::clone(&record), id.clone());
    let details = move || {
        view! {
            <tr role="row" class="record-details" id=id.clone()>
                <td role="cell" colspan=columns>
                    {details(&shown, administrator, asked)}
                </td>
            </tr>
        }
        .into_any()
    };
    view! {
        <tr role="row" class="record" data-outcome=kind>
            {cell("time", text::time(), view! { <Moment at=record.at time_only=today /> }.into_any())}
            {cell("outcome", text::outcome(), verdict.into_any())}
            {cell("call", text::call(), call.into_any())}
            {cell("service", text::service(), service.into_any())}
            {user}
            {cell("took", text::took(), took(record.took).into_any())}
            <td role="cell" data-cell="details">
                <button
                    type="button"
                    class="button quiet small"
                    aria-expanded=move || open.get().to_string()
                    aria-controls=move || open.get().then(|| controls.clone())
                    aria-label=label
                    on:click=move |_| open.update(|open| *open = !*open)
                >
                    {text::details()}
                </button>
            </td>
        </tr>
        {move || open.get().then(&details)}
    }
    .into_any()
}

/// Everything that is known of one call.
fn details(record: &Record, administrator: Memo<bool>, asked: RwSignal<Option<Whom>>) -> AnyView {
    let mut facts = Vec::new();
    let mut fact = |name: &'static str, value: AnyView| {
        facts.push(view! { <dt>{name}</dt> <dd>{value}</dd> }.into_any());
    };
    let code = |text: &str| view! { <code>{text.to_owned()}</code> }.into_any();
    // What the gate says is English, and may be long.
    let said = |text: &str| view! { <span lang="en" class="said">{text.to_owned()}</span> }.into_any();
    if let Some(Denial {
        reason,
        expected,
        found,
        hint,
        ..
    }) = &record.denial
    {
        let title = view! { {reasons::title(*reason)} " " <code>{reason.name()}</code> };
        fact(text::reason(), title.into_any());
        for (name, text) in [
            (text::expected(), expected),
            (text::found(), found),
            (text::hint(), hint),
        ] {
            if !text.is_empty() {
                fact(name, said(text));
            }
        }
    }
    let (exact, words) = in_words(record.at, false);
    fact(text::time(), view! { <time datetime=exact>{words}</time> }.into_any());
    let bytes = text::bytes(number::words(record.bytes));
    let response = match record.status {
        Some(status) => format!("{status}, {bytes}"),
        None => text::gave_up().to_owned(),
    };
    fact(text::response(), response.into_any());
    fact(text::request(), code(&record.request_id));
    for (name, value) in [
        (text::client(), &record.client),
        (text::issuer(), &record.issuer),
        (text::subject(), &record.subject),
        (text::node(), &record.node),
    ] {
        if let Some(value) = value {
            fact(name, code(value));
        }
    }
    let links = record.denial.as_ref().map(|denial| {
        let finding = denial.code.as_ref().map(|code| {
            let page = format!("/findings/{code}");
            view! { <a href=page rel="external" class="button quiet small">{text::finding()} " " {code.clone()}</a> }
                .into_any()
        });
        let diagnosis = format!("/diagnose?record={}", record.id);
        view! {
            <a href=diagnosis class="button quiet small">{text::diagnose()}</a>
            {finding}
        }
        .into_any()
    });
    let whom = record
        .issuer
        .clone()
        .zip(record.subject.clone())
        .map(|(issuer, subject)| Whom {
            issuer,
            subject,
            shown: user(record),
        });
    let end = move || {
        let whom = whom.clone().filter(|_| administrator.get())?;
        Some(
            view! {
                <button type="button" class="button quiet small danger" on:click=move |_| asked.set(Some(whom.clone()))>
                    {text::end_sessions()}
                </button>
            }
            .into_any(),
        )
    };
    view! {
        <dl class="facts">{facts.collect_view()}</dl>
        <div class="actions">
            {links}
            {end}
        </div>
    }
    .into_any()
}

fn is_near(element: &HtmlDivElement) -> bool {
    let height = window().inner_height().ok().and_then(|height| height.as_f64());
    height.is_some_and(|height| element.get_bounding_client_rect().top() < height + AHEAD)
}

/// The end of the list: older records come when it is near, and by a button.
#[component]
pub(super) fn Older(state: State) -> impl IntoView {
    let end = NodeRef::<Div>::new();
    Effect::new(move || {
        let Some(end) = end.get() else {
            return;
        };
        let watch = Closure::<dyn FnMut(Array)>::new(move |entries: Array| {
            let entry = entries.at(-1).dyn_into::<IntersectionObserverEntry>();
            if entry.is_ok_and(|entry| entry.is_intersecting()) {
                state.load_older();
            }
        });
        let options = IntersectionObserverInit::new();
        options.set_root_margin(&format!("{AHEAD}px"));
        let function = watch.as_ref().unchecked_ref();
        if let Ok(observer) = IntersectionObserver::new_with_options(function, &options) {
            observer.observe(&end);
            let held = StoredValue::new_local(Some((observer, watch)));
            on_cleanup(move || {
                if let Some((observer, _)) = held.try_update_value(Option::take).flatten() {
                    observer.disconnect();
                }
            });
        }
    });
    // A short page leaves the end where it was, and the observer silent.
    Effect::new(move |before: Option<usize>| {
        let count = state.list.with(|list| list.records().len());
        let idle = state.older.get() == OlderState::Idle;
        if idle && before.is_some_and(|before| before < count) {
            request_animation_frame(move || {
                if end.try_get_untracked().flatten().is_some_and(|end| is_near(&end)) {
                    state.load_older();
                }
            });
        }
        count
    });
    let words = move || match state.older.get() {
        OlderState::Loading => Some(text::loading_older()),
        _ => (!state.is_empty() && !state.has_older()).then(text::end),
    };
    let loading = move || state.older.get() == OlderState::Loading;
    let button = move || {
        view! {
            <button type="button" class="button quiet" aria-busy=move || loading().to_string() on:click=move |_| state.load_older()>
                {text::older()}
            </button>
        }
        .into_any()
    };
    let more = Memo::new(move |_| state.has_older());
    view! {
        <div class="older" node_ref=end>
            {move || more.get().then(button)}
            <p role="status" class="hint">{words}</p>
            {move || {
                let OlderState::Failed(error) = state.older.get() else {
                    return None;
                };
                let (title, text) = Texts::here().call(&error);
                Some(view! {
                    <p role="alert" class="hint"><strong>{title}</strong> " " {text} " " {frame::try_again()}</p>
                }
                .into_any())
            }}
        </div>
    }
}
