//! What the server verified about the person.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use pixygate::authorization::SignIn;
use pixygate::leptos::{CallError, RequireSignedIn, Texts, use_auth, use_signed_in};
use pixygate::session::{AuthState, SessionError};

use super::sign_in::SignInLink;
use crate::api::Confirm;
use crate::deferred::{confirm, profile, whoami};
use crate::notice::Notice;

/// The account page, for who is signed in.
#[component]
pub(crate) fn Account() -> impl IntoView {
    view! {
        <Title text="Account" />
        <h1>"Account"</h1>
        <RequireSignedIn unknown=Loading signed_out=SignedOut>
            <Verified />
        </RequireSignedIn>
    }
}

#[component]
fn Loading() -> impl IntoView {
    view! {
        <div class="card" aria-busy="true">
            <p class="visually-hidden" role="status">"Loading…"</p>
            <div class="skeleton" aria-hidden="true"></div>
        </div>
    }
}

#[component]
fn SignedOut() -> impl IntoView {
    let state = use_auth().state();
    let ended = state.with_untracked(|state| match state {
        AuthState::SignedOut(reason) => Texts::here().end(*reason),
        _ => None,
    });
    match ended {
        Some((title, text)) => view! { <Ended title text /> }.into_any(),
        None => view! { <Private /> }.into_any(),
    }
}

/// The session ended although the person did not sign out. What they have typed is still there, so they sign in again
/// without leaving.
#[component]
fn Ended(title: &'static str, text: &'static str) -> impl IntoView {
    let auth = use_auth();
    let failure = RwSignal::new(None::<SessionError>);
    let again = move |_| {
        let signed_in = auth.sign_in_popup(SignIn::default());
        spawn_local(async move {
            // The page is there again once it has succeeded, and this is not.
            failure.try_set(signed_in.await.err());
        });
    };
    view! {
        <Notice kind="warning" title text>
            <button type="button" class="button" on:click=again>
                "Sign in"
            </button>
            {move || {
                failure.get().map(|error| {
                    view! {
                        <p role="alert">{error.to_string()}</p>
                        <SignInLink class="button quiet" />
                    }
                })
            }}
        </Notice>
    }
}

#[component]
fn Private() -> impl IntoView {
    view! {
        <Notice kind="info" title="This page is for you alone" text="You come back here after signing in.">
            <SignInLink class="button" />
        </Notice>
    }
}

#[component]
fn Verified() -> impl IntoView {
    view! {
        <p class="lead">{format!("Hello, {}.", use_signed_in().name())}</p>
        <Answer title="What the server verified" call=|| Box::pin(identity()) />
        <Answer title="What the scope “profile” opens" call=|| Box::pin(details()) />
        <Confirmation />
    }
}

/// What a server function said, as names and values to show.
type Facts = Vec<(&'static str, String)>;

/// A call that is under way.
type Call = Pin<Box<dyn Future<Output = Result<Facts, CallError>>>>;

/// The answer of a server function: on its way, there, or failed with a way on.
#[component]
fn Answer(
    title: &'static str,
    /// Makes the call.
    call: fn() -> Call,
) -> impl IntoView {
    let answer = RwSignal::new(None::<Result<Facts, CallError>>);
    let ask = move || {
        answer.set(None);
        spawn_local(async move {
            let facts = call().await;
            // The page may have been left meanwhile.
            answer.try_set(Some(facts));
        });
    };
    Effect::new(ask);
    view! {
        <section class="card" aria-label=title>
            <h2>{title}</h2>
            {move || match answer.get() {
                None => view! { <div class="skeleton" role="status" aria-label="Loading…"></div> }.into_any(),
                Some(Ok(facts)) => {
                    let facts = facts.into_iter().map(|(name, value)| view! { <dt>{name}</dt> <dd>{value}</dd> });
                    view! { <dl class="facts">{facts.collect_view()}</dl> }.into_any()
                }
                Some(Err(error)) => {
                    let (title, text) = Texts::here().call(&error);
                    view! {
                        <Notice kind="error" title text detail=error.to_string()>
                            <button type="button" class="button" on:click=move |_| ask()>"Try again"</button>
                        </Notice>
                    }
                    .into_any()
                }
            }}
        </section>
    }
}

/// Something that asks for a sign-in of the last minutes. Who signed in longer ago does so again, comes back here, and it is
/// done.
#[component]
fn Confirmation() -> impl IntoView {
    let auth = use_auth();
    let statement = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let outcome = RwSignal::new(None::<Result<String, CallError>>);
    let make = move |call: Confirm| {
        busy.set(true);
        outcome.set(None);
        statement.set(call.statement.clone());
        spawn_local(async move {
            let stated = call.statement.clone();
            let answer = confirm(call).await.map(|_| format!("Confirmed: {stated}"));
            // The page may have been left meanwhile.
            outcome.try_set(Some(answer));
            busy.try_set(false);
        });
    };
    Effect::new(move || {
        if let Some(call) = auth.take_waiting::<Confirm>() {
            make(call);
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        make(Confirm {
            statement: statement.get_untracked(),
        });
    };
    view! {
        <section class="card" aria-labelledby="confirm">
            <h2 id="confirm">"Confirm that it is you"</h2>
            <p>"This asks for a sign-in of the last five minutes. If yours is older, you sign in again and come back here."</p>
            <form on:submit=submit>
                <div class="field">
                    <label for="statement">"What you confirm"</label>
                    <input id="statement" name="statement" required maxlength="200" autocomplete="off" bind:value=statement />
                </div>
                <button type="submit" class="button" aria-busy=move || busy.get().to_string() disabled=busy>
                    "Confirm"
                </button>
            </form>
            {move || match outcome.get()? {
                Ok(confirmed) => Some(view! { <p role="status">{confirmed}</p> }.into_any()),
                Err(error) => {
                    let (title, text) = Texts::here().call(&error);
                    let notice = view! { <Notice kind="error" title text detail=error.to_string()>""</Notice> };
                    Some(notice.into_any())
                }
            }}
        </section>
    }
}

async fn identity() -> Result<Facts, CallError> {
    let who = whoami().await?;
    let scopes = who.scope.join(" ");
    let mut facts = vec![("Issuer", who.iss), ("Subject", who.sub), ("Scopes", scopes)];
    facts.extend(who.client_id.map(|id| ("Client", id)));
    facts.extend(who.org_id.map(|id| ("Organisation", id)));
    facts.extend(who.acr.map(|acr| ("Authentication", acr)));
    Ok(facts)
}

async fn details() -> Result<Facts, CallError> {
    let profile = profile().await?;
    let roles = if profile.roles.is_empty() {
        "none".to_owned()
    } else {
        profile.roles.join(", ")
    };
    Ok(vec![
        ("Name", profile.name.unwrap_or_else(|| "not in the token".to_owned())),
        ("Roles", roles),
    ])
}
