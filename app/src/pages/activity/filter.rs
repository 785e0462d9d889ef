//! The form above the records. It sets the page's address, and shows the filter in the address.

use leptos::ev::{Event, SubmitEvent};
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::{HtmlFormElement, HtmlSelectElement};
use pixygate::Reason;
use web_sys::FormData;

use crate::api::{Decision, Services};
use crate::texts::{activity as text, reasons};
use crate::time::{from_local, to_local};

use super::choice::{
    ActivityFilter, FROM, METHOD, METHODS, OUTCOME, REASON, SERVICE, Span, TIME, Time, UNTIL, name_of,
};
use super::{Go, Side};

pub(super) fn form(choice: Memo<ActivityFilter>, side: RwSignal<Side>, go: Go) -> impl IntoView {
    // The form is built anew only for another address and when the services are known: that discards what is not applied yet.
    let services = Memo::new(move |_| side.read().services.clone());
    // The fields of both ends appear as soon as the list has that value.
    let between = RwSignal::new(false);
    Effect::new(move || between.set(matches!(choice.read().time, Time::Between(..))));
    move || {
        let (chosen, services) = (choice.read(), services.read());
        let go = go.clone();
        let submit = move |event: SubmitEvent| {
            event.prevent_default();
            let form = event
                .target()
                .and_then(|target| target.dyn_into::<HtmlFormElement>().ok());
            if let Some(data) = form.and_then(|form| FormData::new_with_form(&form).ok()) {
                let everybody = choice.read_untracked().everybody;
                go(&ActivityFilter {
                    everybody,
                    ..ActivityFilter::read(|name| field(&data, name))
                });
            }
        };
        let changed = move |event: Event| {
            let list = event
                .target()
                .and_then(|target| target.dyn_into::<HtmlSelectElement>().ok());
            if let Some(list) = list.filter(|list| list.name() == TIME) {
                between.set(list.value() == "between");
            }
        };
        let reset = chosen.is_narrow().then(|| {
            view! { <a href=chosen.without_filters().address() data-noscroll class="button quiet small">{text::reset()}</a> }
                .into_any()
        });
        view! {
            <form class="filter" aria-label=text::filter() on:submit=submit on:change=changed>
                {list("filter-outcome", OUTCOME, text::outcome(), outcomes(&chosen))}
                {list("filter-reason", REASON, text::reason(), reasons_of(&chosen))}
                {list("filter-service", SERVICE, text::service(), services_of(&chosen, services.as_ref()))}
                {list("filter-method", METHOD, text::method(), methods(&chosen))}
                {list("filter-time", TIME, text::time(), times(&chosen))}
                {move || between.get().then(|| ends(&choice.read_untracked()))}
                <div class="actions">
                    <button type="submit" class="button small">{text::apply()}</button>
                    {reset}
                </div>
            </form>
        }
        .into_any()
    }
}

fn ends(choice: &ActivityFilter) -> AnyView {
    let (from, until) = match choice.time {
        Time::Between(from, until) => (from, until),
        _ => (None, None),
    };
    let end = |id: &'static str, name: &'static str, label: &'static str, end: Option<u64>| {
        let value = end.map(to_local).unwrap_or_default();
        view! {
            <div class="field">
                <label for=id>{label}</label>
                <input id=id type="datetime-local" name=name prop:value=value />
            </div>
        }
        .into_any()
    };
    view! {
        {end("filter-from", FROM, text::from(), from)}
        {end("filter-until", UNTIL, text::until(), until)}
    }
    .into_any()
}

/// Returns the text of a field. Times are in the reader's time zone, and apply only if the list has that value.
fn field(data: &FormData, name: &str) -> Option<String> {
    let value = |name| data.get(name).as_string();
    match name {
        FROM | UNTIL if value(TIME).as_deref() == Some("between") => {
            from_local(&value(name)?).map(|seconds| seconds.to_string())
        }
        FROM | UNTIL => None,
        _ => value(name),
    }
}

/// A value, its label, and whether it is chosen.
type Choosable = (String, String, bool);

fn list(id: &'static str, name: &'static str, label: &'static str, options: Vec<Choosable>) -> AnyView {
    let options = options.into_iter().map(|(value, label, selected)| {
        view! { <option value=value prop:selected=selected>{label}</option> }.into_any()
    });
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select id=id name=name>
                {options.collect_view()}
            </select>
        </div>
    }
    .into_any()
}

fn one(value: &str, label: &str, selected: bool) -> Choosable {
    (value.to_owned(), label.to_owned(), selected)
}

fn outcomes(choice: &ActivityFilter) -> Vec<Choosable> {
    let decision = |decision: Decision, label| one(name_of(decision), label, choice.decision == Some(decision));
    vec![
        one("", text::any(), choice.decision.is_none()),
        decision(Decision::Allowed, text::allowed()),
        decision(Decision::Denied, text::denied()),
    ]
}

fn reasons_of(choice: &ActivityFilter) -> Vec<Choosable> {
    let mut reasons: Vec<(&str, Reason)> = Reason::ALL.map(|reason| (reasons::title(reason), reason)).to_vec();
    reasons.sort_unstable_by_key(|(title, _)| *title);
    let reason = |(title, reason): (&str, Reason)| one(reason.name(), title, choice.reason == Some(reason));
    let mut options = vec![one("", text::any(), choice.reason.is_none())];
    options.extend(reasons.into_iter().map(reason));
    options
}

fn services_of(choice: &ActivityFilter, services: Option<&Services>) -> Vec<Choosable> {
    let known = services.iter().flat_map(|services| &services.services);
    // This server's own functions are no upstream in the records.
    let mut names: Vec<&str> = known.filter(|one| one.upstream).map(|one| one.name.as_str()).collect();
    // A removed service still has records.
    names.extend(choice.service.as_deref().filter(|name| !names.contains(name)));
    let mut options = vec![one("", text::any(), choice.service.is_none())];
    options.extend(
        names
            .into_iter()
            .map(|name| one(name, name, choice.service.as_deref() == Some(name))),
    );
    options
}

fn methods(choice: &ActivityFilter) -> Vec<Choosable> {
    let mut options = vec![one("", text::any(), choice.method.is_none())];
    options.extend(METHODS.map(|name| one(name, name, choice.method.as_deref() == Some(name))));
    options
}

fn times(choice: &ActivityFilter) -> Vec<Choosable> {
    let chosen = choice.time.name();
    let mut options = vec![("", text::any_time())];
    options.extend(Span::ALL.map(|span| {
        let label = match span {
            Span::Hour => text::last_hour(),
            Span::Day => text::last_day(),
            Span::Week => text::last_week(),
            Span::Month => text::last_month(),
        };
        (span.name(), label)
    }));
    options.push(("between", text::between()));
    options
        .into_iter()
        .map(|(value, label)| one(value, label, value == chosen))
        .collect()
}
