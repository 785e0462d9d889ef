//! The form above the records. It writes the address, and shows what that says.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::HtmlFormElement;
use pixygate::Reason;
use web_sys::FormData;

use crate::api::{Decision, Services};
use crate::texts::{activity as text, reasons};
use crate::time::{from_local, to_local};

use super::choice::{Choice, FROM, METHOD, METHODS, OUTCOME, REASON, SERVICE, Span, TIME, Time, UNTIL, name_of};
use super::go;

#[component]
pub(super) fn FilterForm(choice: Memo<Choice>, services: RwSignal<Option<Services>>) -> impl IntoView {
    let go = go();
    // The fields of both ends are shown as soon as the list says so.
    let between = RwSignal::new(false);
    Effect::new(move || between.set(choice.with(|choice| matches!(choice.time, Time::Between(..)))));
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(form) = event
            .target()
            .and_then(|target| target.dyn_into::<HtmlFormElement>().ok())
        else {
            return;
        };
        if let Ok(data) = FormData::new_with_form(&form) {
            let everybody = choice.with_untracked(|choice| choice.everybody);
            go(&Choice {
                everybody,
                ..Choice::read(|name| field(&data, name))
            });
        }
    };
    let time = Memo::new(move |_| choice.with(|choice| choice.time.name()));
    let end = move |first: bool| {
        choice.with(|choice| match choice.time {
            Time::Between(from, until) => if first { from } else { until }.map(to_local).unwrap_or_default(),
            _ => String::new(),
        })
    };
    let ends = move || {
        view! {
            <div class="field">
                <label for="filter-from">{text::from()}</label>
                <input id="filter-from" type="datetime-local" name=FROM prop:value=move || end(true) />
            </div>
            <div class="field">
                <label for="filter-until">{text::until()}</label>
                <input id="filter-until" type="datetime-local" name=UNTIL prop:value=move || end(false) />
            </div>
        }
        .into_any()
    };
    view! {
        <form class="filter" aria-label=text::filter() on:submit=submit>
            {list("filter-outcome", OUTCOME, text::outcome(), outcomes(choice))}
            {list("filter-reason", REASON, text::reason(), reasons_of(choice))}
            {list("filter-service", SERVICE, text::service(), (move || services_of(choice, services)).into_any())}
            {list("filter-method", METHOD, text::method(), methods(choice))}
            <div class="field">
                <label for="filter-time">{text::time()}</label>
                <select id="filter-time" name=TIME on:change:target=move |event| between.set(event.target().value() == "between")>
                    {times(time)}
                </select>
            </div>
            {move || between.get().then(ends)}
            <div class="actions">
                <button type="submit" class="button small">{text::apply()}</button>
                {move || {
                    choice.with(Choice::is_narrow).then(|| {
                        let wide = choice.with(|choice| choice.wide().address());
                        view! { <a href=wide data-noscroll class="button quiet small">{text::reset()}</a> }.into_any()
                    })
                }}
            </div>
        </form>
    }
}

/// What a field says. The ends of the time are in the reader's zone, and count only where the list says so.
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

fn list(id: &'static str, name: &'static str, label: &'static str, options: AnyView) -> AnyView {
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select id=id name=name>
                {options}
            </select>
        </div>
    }
    .into_any()
}

fn option(value: String, label: String, selected: impl Fn() -> bool + Send + Sync + 'static) -> AnyView {
    view! { <option value=value prop:selected=selected>{label}</option> }.into_any()
}

fn outcomes(choice: Memo<Choice>) -> AnyView {
    let is = move |decision| move || choice.with(|choice| choice.decision == decision);
    let all = [
        (None, text::any()),
        (Some(Decision::Allowed), text::allowed()),
        (Some(Decision::Denied), text::denied()),
    ];
    let options = all.map(|(decision, label)| {
        let value = decision.map_or("", name_of);
        option(value.to_owned(), label.to_owned(), is(decision))
    });
    options.into_iter().collect_view().into_any()
}

fn reasons_of(choice: Memo<Choice>) -> AnyView {
    let is = move |reason| move || choice.with(|choice| choice.reason == reason);
    let mut options = vec![option(String::new(), text::any().to_owned(), is(None))];
    let mut reasons: Vec<(&str, Reason)> = Reason::ALL.map(|reason| (reasons::title(reason), reason)).to_vec();
    reasons.sort_unstable_by_key(|(title, _)| *title);
    options.extend(
        reasons
            .into_iter()
            .map(|(title, reason)| option(reason.name().to_owned(), title.to_owned(), is(Some(reason)))),
    );
    options.collect_view().into_any()
}

fn services_of(choice: Memo<Choice>, services: RwSignal<Option<Services>>) -> AnyView {
    let is = move |name: Option<String>| move || choice.with(|choice| choice.service == name);
    let known = services.get().unwrap_or_default().services;
    // This server's own functions are no upstream, which is what the records have.
    let mut names: Vec<String> = known
        .into_iter()
        .filter(|one| one.upstream)
        .map(|one| one.name)
        .collect();
    // One that is not there any more still has records.
    names.extend(
        choice
            .with(|choice| choice.service.clone())
            .filter(|name| !names.contains(name)),
    );
    let mut options = vec![option(String::new(), text::any().to_owned(), is(None))];
    options.extend(
        names
            .into_iter()
            .map(|name| option(name.clone(), name.clone(), is(Some(name)))),
    );
    options.collect_view().into_any()
}

fn methods(choice: Memo<Choice>) -> AnyView {
    let is = move |name: Option<&'static str>| move || choice.with(|choice| choice.method.as_deref() == name);
    let mut options = vec![option(String::new(), text::any().to_owned(), is(None))];
    options.extend(METHODS.map(|name| option(name.to_owned(), name.to_owned(), is(Some(name)))));
    options.collect_view().into_any()
}

fn times(time: Memo<&'static str>) -> AnyView {
    let span = |span: Span| {
        let label = match span {
            Span::Hour => text::last_hour(),
            Span::Day => text::last_day(),
            Span::Week => text::last_week(),
            Span::Month => text::last_month(),
        };
        (span.name(), label)
    };
    let mut all = vec![("", text::any_time())];
    all.extend(Span::ALL.map(span));
    all.push(("between", text::between()));
    let options = all
        .into_iter()
        .map(|(value, label)| option(value.to_owned(), label.to_owned(), move || time.get() == value));
    options.collect_view().into_any()
}
