//! The services: their routes, the requirements of each, and a form for a trial call.
//!
//! 1. `requirement`: a requirement in words.
//! 2. `trial`: the form, and `answer`: the response.
//! 3. `call`: the call as typed, and as a shell command; `json`: formatted bodies.

mod answer;
mod call;
mod json;
mod requirement;
mod trial;

use std::sync::Arc;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use pixygate::leptos::CallError;

use crate::answer::{Answer, Build, answer};
use crate::api::{self, Service, ServiceRoute};
use crate::lazy_page::PageFn;
use crate::texts::services as text;

use call::key;

/// The parameter of the address with the route of the form.
const TRY: &str = "try";

pixygate::deferred! {
    /// The page.
    pub(crate) async fn services_page() -> Result<PageFn, CallError> {
        Ok(|| view! { <ServicesPage /> }.into_any())
    }
}

#[component]
fn ServicesPage() -> impl IntoView {
    let query = use_query_map();
    let tried = Memo::new(move |_| query.with(|query| query.get(TRY)));
    let call = move || -> Answer {
        Box::pin(async move {
            let services = api::services().await?.services;
            Ok(Box::new(move || listed(services, tried)) as Build)
        })
    };
    view! {
        <p class="lead">{text::lead()}</p>
        {answer("skeleton page", Box::new(call)).0}
    }
}

fn listed(services: Vec<Service>, tried: Memo<Option<String>>) -> AnyView {
    if services.is_empty() {
        return view! {
            <div class="empty">
                <h2>{text::none()}</h2>
                <p>{text::none_text()}</p>
            </div>
        }
        .into_any();
    }
    let all = services
        .into_iter()
        .enumerate()
        .map(|(place, one)| service(place, Arc::new(one), tried));
    all.collect_view().into_any()
}

fn service(place: usize, service: Arc<Service>, tried: Memo<Option<String>>) -> AnyView {
    let heading = format!("service-{place}");
    let open = service
        .routes
        .iter()
        .filter(|route| route.public || route.is_callable())
        .count();
    let (name, about) = match service.upstream {
        true => (service.name.clone(), service.description.clone()),
        false => (text::own().to_owned(), text::own_text().to_owned()),
    };
    let routes: Vec<AnyView> = service
        .routes
        .iter()
        .enumerate()
        .map(|(number, one)| route(format!("{place}-{number}"), Arc::clone(&service), one.clone(), tried))
        .collect();
    let summary = match routes.len() {
        0 => text::no_routes().to_owned(),
        all => text::callable(open, all),
    };
    view! {
        <section class="card service" aria-labelledby=heading.clone()>
            <div class="service-head">
                <h2 id=heading.clone()>{name}</h2>
                <code>{service.prefix.clone()}</code>
            </div>
            {(!about.is_empty()).then(|| view! { <p>{about}</p> }.into_any())}
            <p class="hint">{summary}</p>
            <ul class="routes" role="list">{routes.collect_view()}</ul>
        </section>
    }
    .into_any()
}

/// The state of a route, as `data-state` and in words.
fn state(route: &ServiceRoute) -> (&'static str, &'static str) {
    match (route.public, route.is_callable()) {
        (true, _) => ("", text::open()),
        (false, true) => ("good", text::yes()),
        (false, false) => ("bad", text::no()),
    }
}

fn route(id: String, service: Arc<Service>, route: ServiceRoute, tried: Memo<Option<String>>) -> AnyView {
    let key = key(&route.methods, &route.path);
    let (kind, words) = state(&route);
    let requirements = route.requirements.iter().map(requirement::item);
    let requirements = (!route.public && !route.requirements.is_empty()).then(|| {
        view! {
            <div class="requires">
                <p>{text::requires()}</p>
                <ul class="requirements" role="list">{requirements.collect_view()}</ul>
            </div>
        }
        .into_any()
    });
    let open = {
        let key = key.clone();
        Memo::new(move |_| tried.with(|tried| tried.as_deref() == Some(&key)))
    };
    let toggle = {
        let (navigate, key) = (use_navigate(), key.clone());
        move |_| {
            let staying = NavigateOptions {
                scroll: false,
                ..NavigateOptions::default()
            };
            let query = js_sys::encode_uri_component(&key);
            match open.get_untracked() {
                true => navigate("/services", staying),
                false => navigate(&format!("/services?{TRY}={query}"), staying),
            }
        }
    };
    let label = text::try_call(&key);
    let form = format!("try-{id}");
    let controls = form.clone();
    let about = route.description.clone();
    // Descriptions by the operator are in the operator's language.
    let language = (!service.upstream).then_some("en");
    let rate = route.rate.clone();
    let (methods, path) = (route.methods.replace(',', ", "), route.path.clone());
    let route = Arc::new(route);
    let trial = move || {
        view! { <trial::Trial id=form.clone() service=Arc::clone(&service) route=Arc::clone(&route) /> }.into_any()
    };
    view! {
        <li class="route">
            <div class="route-head">
                <p class="route-name">
                    <span class="method">{methods}</span>
                    " "
                    <code>{path}</code>
                </p>
                <p class="badge" data-state=kind>{words}</p>
                <button
                    type="button"
                    class="button quiet small"
                    aria-label=label
                    aria-expanded=move || open.get().to_string()
                    aria-controls=move || open.get().then(|| controls.clone())
                    on:click=toggle
                >
                    {text::try_it()}
                </button>
            </div>
            {(!about.is_empty()).then(|| view! { <p class="about" lang=language>{about}</p> }.into_any())}
            {requirements}
            {rate.map(|rate| view! { <p class="hint">{text::rate(rate)}</p> }.into_any())}
            {move || open.get().then(&trial)}
        </li>
    }
    .into_any()
}
