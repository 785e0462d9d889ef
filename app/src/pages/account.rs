//! What the server verified about the person.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use pixygate::leptos::{CallError, RequireSignedIn, use_signed_in};

use super::sign_in::SignInLink;
use crate::deferred::{profile, whoami};
use crate::notice::{Notice, call_failure};

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
                    let (title, text) = call_failure(&error);
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
