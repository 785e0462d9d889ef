//! The form for a trial call. The input stays through a sign-in and through an error.

use std::sync::Arc;

use gloo_net::http::{Method, Request, RequestBuilder};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::HtmlElement;
use pixygate::leptos::{Auth, CallError, use_auth};
use pixygate::session::{PendingRequest, StepUpFailure};
use web_sys::AbortController;

use crate::api::{Service, ServiceRoute};
use crate::notice::Notice;
use crate::texts::services as text;

use super::answer::{Answer, Reading, Show, State, read};
use super::call::{Call, PathProblem, key, methods, rest, takes_body};

/// The kinds of body that can be chosen.
const KINDS: [&str; 3] = ["application/json", "application/x-www-form-urlencoded", "text/plain"];

/// The shell command that sets the token's variable.
const TOKEN: &str = "TOKEN=$(pixygate token)";

#[component]
pub(super) fn Trial(id: String, service: Arc<Service>, route: Arc<ServiceRoute>) -> impl IntoView {
    let auth = use_auth();
    let offered = methods(&route.methods);
    let method = RwSignal::new(offered.first().cloned().unwrap_or_default());
    let behind = RwSignal::new(rest(&service.prefix, &route.path));
    // A server function takes its arguments as a form.
    let content_type = RwSignal::new(KINDS[usize::from(!service.upstream)].to_owned());
    let body = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<PathProblem>);
    let state = RwSignal::new(State::Idle);
    let cancelled = RwSignal::new(None::<StepUpFailure>);
    let running = StoredValue::new_local(None::<AbortController>);
    let stop = move || {
        if let Some(controller) = running.try_update_value(Option::take).flatten() {
            controller.abort();
        }
    };
    on_cleanup(stop);
    let stopped = move || {
        stop();
        state.update(State::stop);
    };

    let typed = move || Call {
        method: method.get(),
        rest: behind.get(),
        content_type: content_type.get(),
        body: body.get(),
    };
    let prefix = service.prefix.clone();
    let send = {
        let prefix = prefix.clone();
        move || {
            let call = untrack(typed);
            stop();
            cancelled.set(None);
            match call.path(&prefix) {
                Err(wrong) => {
                    problem.set(Some(wrong));
                    focus(&format!("{}-path", id_of(&prefix)));
                }
                Ok(path) => {
                    problem.set(None);
                    let controller = AbortController::new().ok();
                    running.set_value(controller.clone());
                    state.set(State::Sending);
                    spawn_local(async move {
                        let show = Show { state, controller };
                        if let Err(error) = make(auth, &call, &path, &show).await {
                            show.show(State::Failed(error));
                        }
                    });
                }
            }
        }
    };

    // After the sign-in that this call required.
    let fill = move |call: &PendingRequest, rest: String| {
        method.set(call.method.clone());
        behind.set(rest);
        if let Some(kind) = &call.content_type {
            content_type.set(kind.clone());
        }
        body.set(call.body.clone().unwrap_or_default());
    };
    let mine = {
        let (offered, prefix) = (offered.clone(), prefix.clone());
        move |call: &PendingRequest| {
            let rest = under(&call.url, &prefix)?;
            offered.contains(&call.method).then_some(rest)
        }
    };
    {
        let send = send.clone();
        Effect::new(move || {
            if let Some(call) = auth.take_pending_request(|call| mine(call).is_some()) {
                fill(&call, mine(&call).unwrap_or_default());
                send();
            } else if let Some((call, why)) = auth.take_cancelled_request(|call| mine(call).is_some()) {
                fill(&call, mine(&call).unwrap_or_default());
                cancelled.set(Some(why));
            }
        });
    }

    let submit = {
        let send = send.clone();
        move |event: SubmitEvent| {
            event.prevent_default();
            send();
        }
    };
    let base = id_of(&prefix);
    let ids = ["method", "path", "kind", "body"].map(|name| format!("{base}-{name}"));
    let [method_id, path_id, kind_id, body_id] = ids.clone();
    let problem_id = format!("{base}-problem");
    let methods_view = offered.into_iter().map(|name| {
        let selected = {
            let name = name.clone();
            move || method.with(|method| *method == name)
        };
        view! { <option value=name.clone() prop:selected=selected>{name.clone()}</option> }.into_any()
    });
    let sends_body = Memo::new(move |_| method.with(|method| takes_body(method)));
    let body_view = move || {
        let (kind_id, body_id) = (kind_id.clone(), body_id.clone());
        let kinds = KINDS.map(|kind| {
            let selected = move || content_type.with(|chosen| chosen == kind);
            view! { <option value=kind prop:selected=selected>{kind}</option> }.into_any()
        });
        view! {
            <div class="field">
                <label for=kind_id.clone()>{text::content_type()}</label>
                <select id=kind_id on:change:target=move |event| content_type.set(event.target().value())>
                    {kinds.into_iter().collect_view()}
                </select>
            </div>
            <div class="field wide">
                <label for=body_id.clone()>{text::body()}</label>
                <textarea id=body_id rows="5" spellcheck="false" autocomplete="off" bind:value=body></textarea>
            </div>
        }
        .into_any()
    };
    let wrong = {
        let problem_id = problem_id.clone();
        move || {
            let words = match problem.get()? {
                PathProblem::Placeholder(segment) => text::placeholder(segment),
                PathProblem::Outside => text::outside().to_owned(),
                PathProblem::Character(character) => {
                    let escaped = js_sys::encode_uri_component(&character.to_string());
                    text::character(character, String::from(escaped))
                }
            };
            Some(view! { <p id=problem_id.clone() class="problem" role="alert">{words}</p> }.into_any())
        }
    };
    let busy = Memo::new(move |_| state.with(State::is_busy));
    let public = route.public;
    let curl = {
        let prefix = prefix.clone();
        move || {
            let call = typed();
            let path = call.path(&prefix).unwrap_or_else(|_| format!("{prefix}{}", call.rest));
            call.curl(&format!("{}{path}", origin()), public)
        }
    };
    let label = text::trial(key(&route.methods, &route.path));
    let again = send.clone();
    view! {
        <div class="trial" id=id role="group" aria-label=label>
            <form on:submit=submit novalidate>
                <div class="field">
                    <label for=method_id.clone()>{text::method()}</label>
                    <select id=method_id on:change:target=move |event| method.set(event.target().value())>
                        {methods_view.collect_view()}
                    </select>
                </div>
                <div class="field wide">
                    <label for=path_id.clone()>{text::path()}</label>
                    <div class="prefixed">
                        <code aria-hidden="true">{prefix.clone()}</code>
                        <input
                            id=path_id.clone()
                            spellcheck="false"
                            autocapitalize="off"
                            autocomplete="off"
                            aria-describedby=format!("{path_id}-about {problem_id}")
                            aria-invalid=move || problem.with(Option::is_some).to_string()
                            bind:value=behind
                        />
                    </div>
                    <p id=format!("{path_id}-about") class="visually-hidden">{text::path_under(&prefix)}</p>
                    {wrong}
                </div>
                {move || sends_body.get().then(&body_view)}
                <div class="actions">
                    <button type="submit" class="button small" aria-busy=move || busy.get().to_string()>{text::send()}</button>
                    {move || {
                        busy.get().then(|| view! {
                            <button type="button" class="button quiet small" on:click=move |_| stopped()>{text::stop()}</button>
                        }.into_any())
                    }}
                    <p class="hint">{text::real()}</p>
                </div>
            </form>
            {move || {
                let why = cancelled.get()?;
                let again = again.clone();
                Some(view! {
                    <Notice kind="warning" title=text::not_made() text=text::not_made_text() detail=why.to_string()>
                        <button type="button" class="button" on:click=move |_| again()>{text::send()}</button>
                    </Notice>
                }
                .into_any())
            }}
            <Answer state />
            <details class="curl">
                <summary>{text::as_curl()}</summary>
                <p class="hint">{text::curl_token()}</p>
                <pre tabindex="0"><code>{TOKEN}</code></pre>
                <Copied words=curl />
            </details>
        </div>
    }
}

/// A text, and the button that copies it.
#[component]
fn Copied<F: Fn() -> String + Clone + Send + Sync + 'static>(words: F) -> impl IntoView {
    let said = RwSignal::new("");
    let copy = {
        let words = words.clone();
        move |_| {
            let promise = window().navigator().clipboard().write_text(&untrack(&words));
            spawn_local(async move {
                let copied = js_sys::futures::JsFuture::from(promise).await.is_ok();
                said.try_set(if copied { text::copied() } else { text::not_copied() });
            });
        }
    };
    view! {
        <pre tabindex="0"><code>{words}</code></pre>
        <div class="actions">
            <button type="button" class="button quiet small" on:click=copy>{text::copy()}</button>
            <p role="status" class="hint">{move || said.get()}</p>
        </div>
    }
}

/// Makes the call and shows the response as it arrives.
async fn make(auth: Auth, call: &Call, path: &str, show: &Show) -> Result<(), CallError> {
    let began = clock();
    let request = request(call, path, show.controller.as_ref());
    let request = request.map_err(|failure| CallError::Failed { failure })?;
    let response = auth.fetch(request).await?;
    let reading = Reading::of(&response, clock() - began);
    read(reading, response, show, began).await;
    Ok(())
}

fn request(call: &Call, path: &str, controller: Option<&AbortController>) -> Result<Request, String> {
    let method = Method::from_bytes(call.method.as_bytes()).map_err(|error| error.to_string())?;
    let signal = controller.map(AbortController::signal);
    let builder = RequestBuilder::new(&format!("{}{path}", origin()))
        .method(method)
        .abort_signal(signal.as_ref());
    let request = match call.has_body() {
        true => builder
            .header("Content-Type", &call.content_type)
            .body(call.body.as_str()),
        false => builder.build(),
    };
    request.map_err(|error| error.to_string())
}

/// Returns milliseconds on a monotonic clock.
pub(super) fn clock() -> f64 {
    window()
        .performance()
        .map(|performance| performance.now())
        .unwrap_or_default()
}

fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

/// The path and query of an address of this origin behind the prefix.
fn under(url: &str, prefix: &str) -> Option<String> {
    let rest = url.strip_prefix(&origin())?.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| rest.to_owned())
}

/// Only one form is open at a time.
fn id_of(prefix: &str) -> String {
    format!("trial{}", prefix.replace('/', "-"))
}

fn focus(id: &str) {
    let field = document().get_element_by_id(id);
    if let Some(field) = field.and_then(|field| field.dyn_into::<HtmlElement>().ok()) {
        let _ = field.focus();
    }
}
