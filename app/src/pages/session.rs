//! The session: the tokens, the gate's checks of them, and the events of the session.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pixygate::authorization::{SignIn, TokenExchange};
use pixygate::leptos::{CallError, Texts, use_auth, use_signed_in};
use pixygate::session::{AuthState, Event, SessionError};

use super::end_all_sessions::EndAllSessions;
use super::lifetime::{Countdown, Inspected, answered, date, inspected};
use super::token_view::{Checks, FindingView, TokenView, decode, raw};
use crate::api::{SenderConstraint, SenderConstraintKind, Verdict};
use crate::lazy_page::PageFn;
use crate::notice::Notice;
use crate::texts::session as text;
use crate::time::{Moment, now};

/// How long a token is shown.
const SHOWN: Duration = Duration::from_secs(60);

/// The most events in the list.
const EVENTS: usize = 100;

pixygate::deferred! {
    /// The page.
    pub(crate) async fn console() -> Result<PageFn, CallError> {
        Ok(|| view! { <Session /> }.into_any())
    }
}

#[component]
fn Session() -> impl IntoView {
    let (inspected, ask) = inspected();
    let user = use_signed_in();
    let id_token = decode(user.id_token());
    view! {
        <p class="lead">{text::lead()}</p>
        <Now inspected />
        <section class="card" aria-labelledby="checks">
            <h2 id="checks">{text::checks()}</h2>
            <p class="hint">{text::checks_text()}</p>
            {answered(inspected, ask, |inspection| {
                let passed = matches!(inspection.verdict, Verdict::Accepted | Verdict::AcceptedWithProof);
                view! {
                    <p role="status">{passed.then(text::all_passed)}</p>
                    {inspection.finding.map(|finding| view! { <FindingView finding /> }.into_any())}
                    <Checks checks=inspection.checks />
                }
                .into_any()
            })}
        </section>
        <section class="card" aria-labelledby="access-token">
            <h2 id="access-token">{text::access_token()}</h2>
            <p class="hint">{text::access_token_text()}</p>
            {answered(inspected, ask, |inspection| {
                view! {
                    <TokenView header=inspection.header payload=inspection.payload />
                    {bound(inspection.sender_constraint)}
                }
                .into_any()
            })}
            <Reveal />
        </section>
        {id_token.map(|(header, payload)| {
            view! {
                <section class="card" aria-labelledby="id-token">
                    <h2 id="id-token">{text::id_token()}</h2>
                    <p class="hint">{text::id_token_text()}</p>
                    <TokenView header payload />
                </section>
            }
            .into_any()
        })}
        <Timeline />
        <EndAllSessions />
    }
}

/// The remaining lifetime of the token, and the actions on the session.
#[component]
fn Now(inspected: Inspected) -> impl IntoView {
    let auth = use_auth();
    let busy = RwSignal::new(false);
    let outcome = RwSignal::new(None::<Result<(), SessionError>>);
    let organisation = RwSignal::new(String::new());
    let run = move |task: std::pin::Pin<Box<dyn Future<Output = Result<(), SessionError>>>>| {
        busy.set(true);
        outcome.set(None);
        spawn_local(async move {
            let result = task.await;
            outcome.try_set(Some(result));
            busy.try_set(false);
        });
    };
    let again = move |_| {
        run(auth.sign_in_popup(SignIn {
            prompt: Some("login".to_owned()),
            ..SignIn::default()
        }));
    };
    let switch = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        run(auth.exchange(TokenExchange::organization(organisation.get_untracked().trim())));
    };
    let signed_in_at = move || date(&inspected.get()?.ok()?, "auth_time");
    let acting = move || {
        auth.state()
            .with(|state| state.signed_in().is_some_and(|user| user.acting().is_some()))
    };
    view! {
        <section class="card" aria-labelledby="now">
            <h2 id="now">{text::now()}</h2>
            <dl class="facts">
                {move || signed_in_at().map(|at| view! { <dt>{text::signed_in_at()}</dt> <dd><Moment at=at * 1000 /></dd> }.into_any())}
                <dt>{text::valid_for()}</dt>
                <dd>
                    <Countdown inspected />
                    " "
                    <span class="hint">{text::renewed_soon()}</span>
                </dd>
            </dl>
            <div class="actions">
                <button type="button" class="button quiet" disabled=busy on:click=move |_| run(auth.refresh())>{text::refresh()}</button>
                <button type="button" class="button quiet" disabled=busy on:click=again>{text::step_up()}</button>
                <button type="button" class="button quiet" disabled=busy on:click=move |_| run(auth.sign_out_here())>
                    {text::sign_out_here()}
                </button>
            </div>
            <p class="outcome" role="status">
                {move || outcome.get().and_then(Result::ok).map(|()| text::refreshed())}
            </p>
            {move || {
                let error = outcome.get()?.err()?;
                let (title, text) = Texts::current().sign_in(&error);
                Some(view! { <Notice kind="error" title text detail=error.to_string() /> }.into_any())
            }}
            <details>
                <summary>{text::switch_organisation()}</summary>
                {move || acting().then(|| {
                    view! {
                        <p>{text::acting()}</p>
                        <button type="button" class="button quiet" disabled=busy on:click=move |_| run(auth.end_exchange())>
                            {text::back_to_own()}
                        </button>
                    }
                    .into_any()
                })}
                <form on:submit=switch>
                    <div class="field">
                        <label for="organisation">{text::organisation_id()}</label>
                        <input id="organisation" required autocomplete="off" spellcheck="false" bind:value=organisation />
                    </div>
                    <button type="submit" class="button quiet" disabled=busy>{text::switch()}</button>
                </form>
            </details>
        </section>
    }
}

/// Describes the key or certificate that the token is bound to.
fn bound(constraint: Option<SenderConstraint>) -> AnyView {
    let Some(SenderConstraint { kind, thumbprint, .. }) = constraint else {
        return view! { <p class="hint">{text::not_bound()}</p> }.into_any();
    };
    let explained = match kind {
        SenderConstraintKind::Dpop => text::bound_dpop(),
        SenderConstraintKind::Certificate => text::bound_certificate(),
    };
    view! {
        <h3>{text::bound()}</h3>
        <p>{explained}</p>
        <p class="hint">{text::thumbprint()} " " <code>{thumbprint}</code></p>
    }
    .into_any()
}

/// Shows the access token on request, for a minute.
#[component]
fn Reveal() -> impl IntoView {
    let auth = use_auth();
    let shown = RwSignal::new(None::<String>);
    let timer = StoredValue::new_local(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(timer) = timer.try_update_value(Option::take).flatten() {
            timer.clear();
        }
    };
    on_cleanup(stop);
    let toggle = move |_| {
        stop();
        if shown.try_update(Option::take).flatten().is_some() {
            return;
        }
        spawn_local(async move {
            if let Ok(token) = auth.access_token().await {
                shown.try_set(Some(token.secret().clone()));
                let hide = set_timeout_with_handle(move || drop(shown.try_set(None)), SHOWN);
                timer.try_set_value(hide.ok());
            }
        });
    };
    view! {
        <div class="actions">
            <button type="button" class="button quiet" aria-expanded=move || shown.with(Option::is_some).to_string() on:click=toggle>
                {move || if shown.with(Option::is_some) { text::hide() } else { text::show() }}
            </button>
        </div>
        {move || shown.get().map(|token| view! { <p class="hint">{text::shown_hint()}</p> {raw(&token)} }.into_any())}
    }
}

/// The events of the session while the page is open, newest first.
#[component]
fn Timeline() -> impl IntoView {
    let events = RwSignal::new(Vec::<(u64, String)>::new());
    use_auth().on(move |event| {
        if let Some(words) = in_words(event) {
            events.try_update(|events| {
                events.insert(0, (now(), words));
                events.truncate(EVENTS);
            });
        }
    });
    view! {
        <section class="card" aria-labelledby="events">
            <h2 id="events">{text::events()}</h2>
            {move || match events.get() {
                none if none.is_empty() => view! { <p class="hint">{text::no_events()}</p> }.into_any(),
                events => {
                    let items = events.into_iter().map(|(at, words)| {
                        view! { <li><Moment at time_only=true /> <span>{words}</span></li> }.into_any()
                    });
                    view! { <ol class="events">{items.collect_view()}</ol> }.into_any()
                }
            }}
        </section>
    }
}

fn in_words(event: &Event) -> Option<String> {
    Some(match event {
        Event::Changed(AuthState::SignedIn(_)) => text::event_signed_in().to_owned(),
        Event::Changed(AuthState::SignedOut(_)) => text::event_signed_out().to_owned(),
        Event::Changed(_) => text::event_changed().to_owned(),
        Event::Refreshed => text::event_refreshed().to_owned(),
        Event::RefreshFailed(error) => text::event_refresh_failed(error),
        Event::StepUp(_) => text::event_step_up().to_owned(),
        Event::Idle(Some(_)) => text::event_idle().to_owned(),
        Event::Stored => text::event_stored().to_owned(),
        Event::NotStored => text::event_not_stored().to_owned(),
        Event::CallStarted { method, url } => text::event_call(method, url),
        Event::CallFinished { url, status } => text::event_answered(url, status),
        Event::CallFailed { url, .. } => text::event_no_answer(url),
        _ => return None,
    })
}
