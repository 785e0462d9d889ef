//! The account page of a signed-in user.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;
use leptos::task::spawn_local;
use pixygate::authorization::SignIn;
use pixygate::leptos::{CallError, RequireScope, Texts, use_auth, use_signed_in};
use pixygate::session::{AuthState, SessionError, SignOutReason, StepUpFailure};

use super::end_all_sessions::EndAllSessions;
use crate::answer::{Answer, Build, answer};
use crate::api::{Confirm, GetProfile, MAX_STATEMENT_CHARS, profile, whoami};
use crate::notice::Notice;
use crate::texts::{account as words, frame};

/// The data that the server verified, and the actions with it.
#[component]
pub(crate) fn AccountData() -> impl IntoView {
    let kept = use_auth().is_stored();
    view! {
        <p class="lead">{words::hello(use_signed_in().name())}</p>
        {move || {
            (!kept.get()).then(|| {
                view! {
                    <Notice
                        kind="info"
                        title=words::this_tab()
                        text=words::this_tab_text()
                    />
                }
                .into_any()
            })
        }}
        <Card title=words::verified() call=|| Box::pin(identity()) />
        <RequireScope scope="profile" missing=NotGranted>
            <Card title=words::opened() call=|| Box::pin(details()) />
        </RequireScope>
        <Confirmation />
        <EndAllSessions />
    }
}

/// Requests a scope that was not granted: the provider asks the user, who then returns to this page.
#[component]
fn NotGranted() -> impl IntoView {
    let auth = use_auth();
    let not_given = |text, detail: String| Some((words::not_granted(), text, detail));
    let outcome = RwSignal::new(match auth.take_cancelled::<GetProfile>() {
        // The user returned with the back button and needs no message.
        Some((_, StepUpFailure::Returned)) => None,
        Some((_, failure)) => not_given(words::unchanged(), failure.to_string()),
        None if auth.take_pending::<GetProfile>().is_some() => {
            not_given(words::left_out(), "insufficient_scope".to_owned())
        }
        None => None,
    });
    let ask = move |_| {
        outcome.set(None);
        spawn_local(async move {
            if let Err(error) = profile().await {
                let (title, text) = Texts::current().call(&error);
                outcome.try_set(Some((title, text, error.to_string())));
            }
        });
    };
    view! {
        <section class="card" aria-label=words::opened()>
            <h2>{words::opened()}</h2>
            <p>{words::scope_missing()}</p>
            {move || {
                let (title, text, detail) = outcome.get()?;
                Some(view! { <Notice kind="error" title text detail /> }.into_any())
            }}
            <button type="button" class="button quiet" on:click=ask>{words::ask_for_scope()}</button>
        </section>
    }
}

/// The response of a server function, as names and values to show.
type Facts = Vec<(&'static str, String)>;

/// A call in flight.
type Call = Pin<Box<dyn Future<Output = Result<Facts, CallError>>>>;

/// The response of a server function, in a card.
#[component]
fn Card(title: &'static str, call: fn() -> Call) -> impl IntoView {
    let list = move || -> Answer {
        Box::pin(async move {
            let facts = call().await?.into_iter();
            Ok(Box::new(move || {
                let facts = facts.map(|(name, value)| view! { <dt>{name}</dt> <dd>{value}</dd> }.into_any());
                view! { <dl class="facts">{facts.collect_view()}</dl> }.into_any()
            }) as Build)
        })
    };
    view! {
        <section class="card" aria-label=title>
            <h2>{title}</h2>
            {answer("skeleton", Box::new(list)).0}
        </section>
    }
}

/// An action that requires a sign-in within the last minutes. If the last sign-in is older, the user signs in again, returns to this page,
/// and the action is completed. If the user cancels the sign-in, the typed text is restored.
#[component]
fn Confirmation() -> impl IntoView {
    let auth = use_auth();
    let statement = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let outcome = RwSignal::new(None::<Result<String, CallError>>);
    let cancelled = RwSignal::new(None::<StepUpFailure>);
    let make = move |call: Confirm| {
        busy.set(true);
        outcome.set(None);
        cancelled.set(None);
        statement.set(call.statement.clone());
        spawn_local(async move {
            let stated = call.statement.clone();
            let answer = call.run_on_client().await.map(|_| words::confirmed(stated));
            // The user may have left the page.
            outcome.try_set(Some(answer));
            busy.try_set(false);
        });
    };
    Effect::new(move || {
        if let Some(call) = auth.take_pending::<Confirm>() {
            make(call);
        } else if let Some((call, failure)) = auth.take_cancelled::<Confirm>() {
            statement.set(call.statement);
            cancelled.set(Some(failure));
        }
    });
    let confirm = move || {
        make(Confirm {
            statement: statement.get_untracked(),
        });
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        confirm();
    };
    view! {
        <section class="card" aria-labelledby="confirm">
            <h2 id="confirm">{words::confirm_title()}</h2>
            <p>{words::confirm_text()}</p>
            <form on:submit=submit>
                <div class="field">
                    <label for="statement">{words::statement()}</label>
                    <input id="statement" name="statement" required maxlength=MAX_STATEMENT_CHARS.to_string() autocomplete="off" bind:value=statement />
                </div>
                <button type="submit" class="button" aria-busy=move || busy.get().to_string() disabled=busy>
                    {words::confirm()}
                </button>
            </form>
            // Present before its text, because screen readers announce only changes.
            <p class="outcome" role="status">{move || Some(outcome.get()?.ok()?.into_any())}</p>
            {move || {
                let error = outcome.get()?.err()?;
                let (title, text) = Texts::current().call(&error);
                Some(view! { <Notice kind="error" title text detail=error.to_string() /> }.into_any())
            }}
            {move || {
                let failure = cancelled.get()?;
                let why = match &failure {
                    StepUpFailure::Returned => words::not_again(),
                    StepUpFailure::Provider(error) if error == "access_denied" => words::not_again(),
                    StepUpFailure::Provider(_) => words::again_failed(),
                    StepUpFailure::NotAskedAgain => words::not_asked(),
                };
                let detail = failure.to_string();
                let text = words::not_confirmed_text(why);
                Some(view! {
                    <Notice kind="warning" title=words::not_confirmed() text detail>
                        <button type="button" class="button" on:click=move |_| confirm()>
                            {words::confirm_again()}
                        </button>
                    </Notice>
                }
                .into_any())
            }}
        </section>
    }
}

async fn identity() -> Result<Facts, CallError> {
    let who = whoami().await?;
    let scopes = who.scope.join(" ");
    let mut facts = vec![
        (words::issuer(), who.iss),
        (words::subject(), who.sub),
        (words::scopes(), scopes),
    ];
    facts.extend(who.client_id.map(|id| (words::client(), id)));
    facts.extend(who.org_id.map(|id| (words::organisation(), id)));
    facts.extend(who.acr.map(|acr| (words::authentication(), acr)));
    Ok(facts)
}

async fn details() -> Result<Facts, CallError> {
    let profile = profile().await?;
    let roles = if profile.roles.is_empty() {
        words::none().to_owned()
    } else {
        profile.roles.join(", ")
    };
    Ok(vec![
        (
            words::name(),
            profile.name.unwrap_or_else(|| words::not_in_token().to_owned()),
        ),
        (words::roles(), roles),
    ])
}

/// The session ended although the user did not sign out. The typed text is still there, so the sign-in does not leave the page.
#[component]
pub(crate) fn Ended() -> impl IntoView {
    let (auth, texts) = (use_auth(), Texts::current());
    let reason = auth.state().with_untracked(|state| match state {
        AuthState::SignedOut(reason) => reason.clone(),
        _ => None,
    });
    let (title, text) = texts.end(reason.as_ref()).unwrap_or(texts.ended);
    let detail = match reason {
        Some(SignOutReason::RefreshRejected(answer)) => answer,
        _ => String::new(),
    };
    let failure = RwSignal::new(None::<SessionError>);
    let again = move |_| {
        let signed_in = auth.sign_in_popup(SignIn::default());
        spawn_local(async move {
            // After a success the page is shown again, and this component is gone.
            failure.try_set(signed_in.await.err());
        });
    };
    view! {
        <Notice kind="warning" title text detail>
            <button type="button" class="button" on:click=again>
                {frame::sign_in()}
            </button>
            {move || {
                failure.get().map(|error| {
                    let (title, text) = texts.sign_in(&error);
                    view! {
                        <p role="alert">{format!("{title}. {text}")}</p>
                        <a href="/sign-in" target="_blank" rel="external nofollow" class="button quiet">{words::new_tab()}</a>
                    }
                    .into_any()
                })
            }}
        </Notice>
    }
}
