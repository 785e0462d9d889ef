//! The overview: the user, the services that the user may call, and the last calls.

use leptos::prelude::*;
use pixygate::leptos::{CallError, use_signed_in};

use super::activity::bars::{Bars, DOWN, STEP, UP, bars};
use super::activity::is_own;
use super::lifetime::{Countdown, answered, date, inspected};
use crate::answer::{Build, answer};
use crate::api::{Chart, Filter, Record, Service, activity, activity_chart, services};
use crate::lazy_page::PageFn;
use crate::texts::{account, overview as text, reasons, session};
use crate::time::{Moment, now};

/// The number of listed calls.
const CALLS: usize = 6;

pixygate::deferred! {
    /// The page.
    pub(crate) async fn console() -> Result<PageFn, CallError> {
        Ok(|| view! { <Overview /> }.into_any())
    }
}

#[component]
fn Overview() -> impl IntoView {
    let (inspected, ask) = inspected();
    view! {
        <p class="lead">{text::lead(use_signed_in().name())}</p>
        <section class="card" aria-labelledby="you">
            <h2 id="you">{text::you()}</h2>
            {answered(inspected, ask, move |inspection| {
                let said = |claim: &str| {
                    let member = inspection.payload.iter().find(|member| member.name == claim)?;
                    Some(member.value.trim_matches(['"', '[', ']']).replace("\",\"", ", "))
                };
                let fact = |name: &'static str, value: Option<String>| {
                    value.map(|value| view! { <dt>{name}</dt> <dd>{value}</dd> }.into_any())
                };
                view! {
                    <dl class="facts">
                        {fact(text::provider(), said("iss"))}
                        {fact(account::organisation(), said("org_name").or_else(|| said("org_id")))}
                        {fact(text::how(), said("amr").or_else(|| said("acr")))}
                        {date(&inspection, "auth_time").map(|at| view! { <dt>{text::since()}</dt> <dd><Moment at=at * 1000 /></dd> }.into_any())}
                        <dt>{session::valid_for()}</dt>
                        <dd><Countdown inspected /> " " <span class="hint">{session::renewed_soon()}</span></dd>
                    </dl>
                }
                .into_any()
            })}
        </section>
        <section class="card" aria-labelledby="services">
            <h2 id="services">{text::services()}</h2>
            {answer("skeleton tall", Box::new(|| Box::pin(callable()))).0}
            <p><a href="/services">{text::all_services()}</a></p>
        </section>
        <section class="card" aria-labelledby="activity">
            <h2 id="activity">{text::activity()}</h2>
            {answer("skeleton tall", Box::new(|| Box::pin(last_calls()))).0}
            <p><a href="/activity">{text::all_activity()}</a></p>
        </section>
    }
}

async fn callable() -> Result<Build, CallError> {
    let services = services().await?.services;
    Ok(Box::new(move || listed(services)))
}

async fn last_calls() -> Result<Build, CallError> {
    let until = now() / 1000;
    let chart = activity_chart(until.saturating_sub(86_400), until).await?;
    let page = activity(Filter::default(), None).await?;
    Ok(Box::new(move || lately(&chart, page.records)))
}

fn listed(services: Vec<Service>) -> AnyView {
    let item = |service: Service| {
        let all = service.routes.len();
        let callable = service.routes.iter().filter(|route| route.is_callable()).count();
        (callable > 0).then(|| {
            view! {
                <li>
                    <strong>{service.name}</strong> " " <code>{service.prefix}</code> " "
                    <span class="hint">{text::of_routes(callable, all)}</span>
                </li>
            }
            .into_any()
        })
    };
    let items: Vec<_> = services.into_iter().filter_map(item).collect();
    if items.is_empty() {
        return view! { <p class="hint">{text::no_services()}</p> }.into_any();
    }
    view! { <ul class="states">{items}</ul> }.into_any()
}

fn lately(chart: &Chart, records: Vec<Record>) -> AnyView {
    let mut calls = records
        .into_iter()
        .filter(|record| !is_own(record))
        .take(CALLS)
        .peekable();
    let sum = |number: fn(&crate::api::Bucket) -> u64| chart.buckets.iter().map(number).sum::<u64>();
    let item = |record: Record| {
        let outcome = match &record.denial {
            None => view! { <span class="badge" data-state="good">{text::allowed()}</span> }.into_any(),
            Some(denial) => {
                let why = format!("/diagnose?record={}", record.id);
                view! { <a href=why class="badge" data-state="bad">{reasons::title(denial.reason)}</a> }.into_any()
            }
        };
        let route = record.route.unwrap_or_else(|| "–".to_owned());
        view! {
            <li>
                <Moment at=record.at time_only=true />
                <span><code>{record.method} " " {route}</code> " " {outcome}</span>
            </li>
        }
        .into_any()
    };
    let Bars { allowed, denied, .. } = bars(&chart.buckets);
    let (width, height) = (chart.buckets.len() * STEP, UP + DOWN);
    let words = text::last_day(sum(|bucket| bucket.allowed), sum(|bucket| bucket.denied));
    view! {
        <div class="picture small">
            // The sentence below says the same.
            <svg viewBox=format!("0 0 {width} {height}") preserveAspectRatio="none" aria-hidden="true">
                <path class="allowed" d=allowed></path>
                <path class="denied" d=denied></path>
                <path class="line" d=format!("M0 {UP}h{width}")></path>
            </svg>
        </div>
        <p>{words}</p>
        {match calls.peek() {
            Some(_) => view! { <ol class="events">{calls.map(item).collect_view()}</ol> }.into_any(),
            None => view! { <p class="hint">{text::no_activity()}</p> }.into_any(),
        }}
    }
    .into_any()
}
