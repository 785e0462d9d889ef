//! The chart of calls over time, and its numbers as a table.

use leptos::ev::Targeted;
use leptos::prelude::*;
use leptos::task::spawn_local_scoped_with_cancellation;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::{Element, Event, HtmlDetailsElement, MouseEvent};
use pixygate::leptos::Texts;

use crate::api::{self, Chart};
use crate::number;
use crate::texts::{activity as text, frame};
use crate::time::{in_words, now, pause};

use super::bars::{Bars, DOWN, STEP, UP, bars, sums};
use super::choice::{ActivityFilter, Time};
use super::state::State;
use super::{Go, Side, button};

/// The interval between two updates of the chart while calls come in.
const REFRESH: std::time::Duration = std::time::Duration::from_secs(60);

/// Two days. Over a shorter time, labels show the time of day only.
const LONG: u64 = 2 * 86_400;

/// Fetches the numbers, and again while calls come in.
pub(super) fn count(choice: Memo<ActivityFilter>, side: RwSignal<Side>, state: State, reload: RwSignal<bool>) {
    let about = Memo::new(move |_| {
        let choice = choice.read();
        ActivityFilter {
            time: choice.time,
            ..choice.without_filters()
        }
    });
    Effect::new(move || {
        reload.track();
        let about = about.get();
        spawn_local_scoped_with_cancellation(async move {
            loop {
                let (from, until) = about.time.of_chart(now() / 1000);
                state.model.update_untracked(|model| model.chart_is_old = false);
                let counted = match about.everybody {
                    true => api::all_activity_chart(from, until).await,
                    false => api::activity_chart(from, until).await,
                };
                let failed = counted.is_err();
                side.write().chart = Some(counted);
                if failed {
                    return;
                }
                pause(REFRESH).await;
                while !state.model.read_untracked().chart_is_old {
                    pause(REFRESH).await;
                }
            }
        });
    });
}

pub(super) fn calls(
    choice: Memo<ActivityFilter>,
    side: RwSignal<Side>,
    reload: RwSignal<bool>,
    go: Go,
) -> impl IntoView {
    move || {
        let (chosen, shown) = (choice.read(), side.read());
        let chart = shown.chart.as_ref().and_then(|chart| chart.as_ref().ok());
        let legend = chart.map(|chart| {
            let (allowed, denied) = sums(&chart.buckets);
            view! {
                <p class="legend">
                    <span data-outcome="allowed">{number::words(allowed)} " " {text::allowed()}</span>
                    " "
                    <span data-outcome="denied">{number::words(denied)} " " {text::denied()}</span>
                </p>
            }
            .into_any()
        });
        let content = match &shown.chart {
            None => view! { <div class="skeleton picture" role="status" aria-label=frame::loading()></div> }.into_any(),
            Some(Ok(chart)) => picture(chart, choice, go.clone()),
            Some(Err(error)) => {
                let (title, words) = Texts::current().call(error);
                let label = frame::try_again().to_owned();
                view! {
                    <div class="picture broken-chart" role="alert">
                        <p><strong>{title}</strong> " " {words}</p>
                        {button("button quiet small", label, move || reload.update(|flag| *flag = !*flag))}
                    </div>
                }
                .into_any()
            }
        };
        let numbers = chart.filter(|_| shown.table).map(|chart| table(chart, &chosen));
        let other = *chosen
            != ActivityFilter {
                time: chosen.time,
                ..chosen.without_filters()
            };
        let toggled = move |event: Targeted<Event, HtmlDetailsElement>| {
            let open = event.target().open();
            if side.read_untracked().table != open {
                side.write().table = open;
            }
        };
        view! {
            <section class="card chart" aria-labelledby="chart">
                <div class="chart-head">
                    <h2 id="chart">{text::chart()}</h2>
                    {legend}
                </div>
                {content}
                <details on:toggle:target=toggled>
                    <summary>{text::chart_table()}</summary>
                    {numbers}
                </details>
                {other.then(|| view! { <p class="hint">{text::chart_all()}</p> }.into_any())}
            </section>
        }
        .into_any()
    }
}

/// The beginning of a bucket.
fn beginning(chart: &Chart, place: usize) -> u64 {
    chart.from + place as u64 * chart.width
}

/// Returns the time of a bucket, as short as possible.
fn words(chart: &Chart, seconds: u64) -> String {
    in_words(seconds * 1000, chart.width * chart.buckets.len() as u64 <= LONG).1
}

/// Returns the choice of the time of one bucket.
fn only(chart: &Chart, place: usize, choice: &ActivityFilter) -> ActivityFilter {
    let from = beginning(chart, place);
    ActivityFilter {
        time: Time::between(Some(from), Some(from + chart.width)),
        ..choice.clone()
    }
}

/// Draws the two paths, and over them a field for each bucket with its numbers as a tooltip. For the keyboard there is the table.
fn picture(chart: &Chart, choice: Memo<ActivityFilter>, go: Go) -> AnyView {
    let Bars { allowed, denied, most } = bars(&chart.buckets);
    let (all_allowed, all_denied) = sums(&chart.buckets);
    let label = match most {
        0 => text::chart_nothing().to_owned(),
        _ => text::chart_sums(number::words(all_allowed), number::words(all_denied)),
    };
    let fields: String = chart
        .buckets
        .iter()
        .enumerate()
        .map(|(place, bucket)| {
            let time = words(chart, beginning(chart, place));
            let title = text::bucket(time, number::words(bucket.allowed), number::words(bucket.denied));
            let (left, height) = (place * STEP, UP + DOWN);
            // Contains no text of a user, so it needs no escaping.
            format!("<rect x='{left}' y='0' width='{STEP}' height='{height}' data-place='{place}'><title>{title}</title></rect>")
        })
        .collect();
    let (width, height) = (chart.buckets.len() * STEP, UP + DOWN);
    let ends = [chart.from, chart.until].map(|end| {
        let (exact, words) = in_words(end * 1000, false);
        view! { <time datetime=exact>{words}</time> }.into_any()
    });
    let shown = chart.clone();
    let clicked = move |event: MouseEvent| {
        let place = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let place = place.and_then(|field| field.get_attribute("data-place")?.parse().ok());
        if let Some(place) = place {
            go(&only(&shown, place, &choice.read_untracked()));
        }
    };
    view! {
        <div class="picture">
            <svg viewBox=format!("0 0 {width} {height}") preserveAspectRatio="none" role="img" aria-label=label.clone() on:click=clicked>
                <path class="allowed" d=allowed></path>
                <path class="denied" d=denied></path>
                <path class="line" d=format!("M0 {UP}h{width}")></path>
                <g class="fields" inner_html=fields></g>
            </svg>
            {(most == 0).then(|| view! { <p class="hint nothing" aria-hidden="true">{label}</p> }.into_any())}
            <p class="ends">
                {ends.into_iter().collect_view()}
            </p>
        </div>
    }
    .into_any()
}

fn table(chart: &Chart, choice: &ActivityFilter) -> AnyView {
    let rows = chart.buckets.iter().enumerate().rev().map(|(place, bucket)| {
        let time = words(chart, beginning(chart, place));
        let (allowed, denied) = (number::words(bucket.allowed), number::words(bucket.denied));
        let label = text::only_bucket(&time, &allowed, &denied);
        let address = only(chart, place, choice).address();
        view! {
            <tr>
                <th scope="row">
                    <a href=address data-noscroll aria-label=label>{time}</a>
                </th>
                <td>{allowed}</td>
                <td>{denied}</td>
            </tr>
        }
        .into_any()
    });
    view! {
        <div class="numbers" tabindex="0" role="region" aria-label=text::chart_table()>
            <table>
                <thead>
                    <tr>
                        <th scope="col">{text::time()}</th>
                        <th scope="col">{text::allowed()}</th>
                        <th scope="col">{text::denied()}</th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}
