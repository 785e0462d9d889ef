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
use crate::texts::{activity as text, reasons};
use crate::time::{in_words, now};

use super::end_sessions::{Ending, Whom};
use super::state::{Older, State};
use super::{Side, button};

/// The distance from the end of the list at which older records are fetched, in pixels.
const AHEAD: f64 = 600.0;

/// A day, in milliseconds.
const DAY: u64 = 86_400_000;

/// The table has explicit roles, because a style sheet that changes `display` removes the implicit ones.
pub(super) fn records(state: State, side: RwSignal<Side>, asked: RwSignal<Ending>) -> impl IntoView {
    let heading = |words: &'static str| view! { <th role="columnheader" scope="col">{words}</th> }.into_any();
    let headings = move || {
        let everybody = state.model.read().list.everybody;
        view! {
            {heading(text::time())}
            {heading(text::outcome())}
            {heading(text::call())}
            {heading(text::service())}
            {everybody.then(|| heading(text::user()))}
            {heading(text::took())}
            <th role="columnheader" scope="col"><span class="visually-hidden">{text::details()}</span></th>
        }
        .into_any()
    };
    let each = move || {
        let list = &state.model.read().list;
        let records = list.records().iter();
        records
            .map(|record| (list.everybody, Arc::clone(record)))
            .collect::<Vec<_>>()
    };
    view! {
        <table class="records" role="table" aria-labelledby="calls" hidden=move || state.model.read().is_empty()>
            <thead role="rowgroup">
                <tr role="row">{headings}</tr>
            </thead>
            <tbody role="rowgroup">
                <For
                    each
                    key=|(everybody, record)| (*everybody, record.id)
                    children=move |(everybody, record)| {
                        let open = RwSignal::new(false);
                        move || row(&record, everybody, open, side, asked)
                    }
                />
            </tbody>
        </table>
    }
}

/// Returns the outcome of a record, as `data-outcome` and in words.
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

/// Returns the user as text for the list.
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

fn cell(name: &'static str, content: AnyView) -> AnyView {
    view! { <td role="cell" data-cell=name>{content}</td> }.into_any()
}

fn row(
    record: &Record,
    everybody: bool,
    open: RwSignal<bool>,
    side: RwSignal<Side>,
    asked: RwSignal<Ending>,
) -> AnyView {
    let is_open = open.get();
    let (kind, words) = outcome(record);
    let reason = record.denial.as_ref().map(|denial| reasons::title(denial.reason));
    let today = now().saturating_sub(record.at) < DAY / 2;
    let (exact, time) = in_words(record.at, today);
    let id = format!("details-{}", record.id);
    let service = record.upstream.clone();
    let service = service.unwrap_or_else(|| text::this_server().to_owned());
    let label = text::details_of(format!("{} {}", record.method, route(record)));
    let small = |class: &'static str, words: String| view! { " " <span class=class>{words}</span> }.into_any();
    let verdict = view! {
        <span class="verdict" data-outcome=kind>{words}</span>
        {record.status.map(|status| small("code", status.to_string()))}
        {reason.map(|reason| small("why", reason.to_owned()))}
    };
    let call = view! {
        <span class="method">{record.method.clone()}</span>
        " "
        <code>{route(record)}</code>
    };
    let user = everybody.then(|| {
        let client = record.client.clone().map(|client| small("client", client));
        cell("user", view! { <span>{user(record)}</span> {client} }.into_any())
    });
    let details = is_open.then(|| {
        let columns = if everybody { "7" } else { "6" };
        let administrator = side.read().administrator();
        view! {
            <tr role="row" class="record-details" id=id.clone()>
                <td role="cell" colspan=columns>
                    {details(record, administrator, asked)}
                </td>
            </tr>
        }
        .into_any()
    });
    view! {
        <tr role="row" class="record" data-outcome=kind>
            {cell("time", view! { <time datetime=exact.clone() title=exact>{time}</time> }.into_any())}
            {cell("outcome", verdict.into_any())}
            {cell("call", call.into_any())}
            {cell("service", service.into_any())}
            {user}
            {cell("took", took(record.took).into_any())}
            <td role="cell" data-cell="details">
                <button
                    type="button"
                    class="button quiet small"
                    aria-expanded=is_open.to_string()
                    aria-controls=is_open.then(|| id.clone())
                    aria-label=label
                    on:click=move |_| open.set(!is_open)
                >
                    {text::details()}
                </button>
            </td>
        </tr>
        {details}
    }
    .into_any()
}

/// All fields of a record.
fn details(record: &Record, administrator: bool, asked: RwSignal<Ending>) -> AnyView {
    let mut facts = Vec::new();
    let mut fact = |name: &'static str, value: AnyView| {
        facts.push(view! { <dt>{name}</dt> <dd>{value}</dd> }.into_any());
    };
    let code = |text: &str| view! { <code>{text.to_owned()}</code> }.into_any();
    // Texts of the gate are in English, and may be long.
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
    let end = whom.filter(|_| administrator).map(|whom| {
        let ask = move || asked.write().asked = Some(whom.clone());
        button("button quiet small danger", text::end_sessions().to_owned(), ask)
    });
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

/// The end of the list: older records are fetched when it comes into view, and by a button.
pub(super) fn older(state: State) -> impl IntoView {
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
    // If a page is short, the end stays in view and the observer does not fire again.
    Effect::new(move |before: Option<usize>| {
        let model = state.model.read();
        let count = model.list.records().len();
        let idle = model.older == Older::Idle;
        if idle && before.is_some_and(|before| before < count) {
            request_animation_frame(move || {
                if end.try_get_untracked().flatten().is_some_and(|end| is_near(&end)) {
                    state.load_older();
                }
            });
        }
        count
    });
    let content = move || {
        let model = state.model.read();
        let more = model.list.older.is_some();
        let words = match model.older {
            Older::Loading => text::loading_older(),
            _ if !more && !model.is_empty() => text::end(),
            _ => "",
        };
        let failed = match &model.older {
            Older::Failed(error) => {
                let (title, text) = Texts::current().call(error);
                Some(view! { <p role="alert" class="hint"><strong>{title}</strong> " " {text}</p> }.into_any())
            }
            _ => None,
        };
        view! {
            {more.then(|| button("button quiet", text::older().to_owned(), move || state.load_older()))}
            <p role="status" class="hint">{words}</p>
            {failed}
        }
        .into_any()
    };
    view! {
        <div class="older" node_ref=end>
            {content}
        </div>
    }
}
