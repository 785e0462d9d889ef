//! What the server verified about the person.

use leptos::prelude::*;
use leptos_meta::Title;
use pixygate::leptos::{CallError, RequireSignedIn, use_signed_in};

use super::sign_in::SignInLink;
use crate::api::{Profile, Whoami, profile, whoami};
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
            <div class="skeleton" aria-hidden="true"></div>
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
    let person = use_signed_in();
    let identity = LocalResource::new(whoami);
    let details = LocalResource::new(profile);
    view! {
        <p class="lead">{move || person.with(|person| format!("Hello, {}.", person.name()))}</p>
        <section class="card" aria-labelledby="verified">
            <h2 id="verified">"What the server verified"</h2>
            <Answer call=identity view=facts />
        </section>
        <section class="card" aria-labelledby="profile">
            <h2 id="profile">"What the scope " <code>"profile"</code> " opens"</h2>
            <Answer call=details view=profile_facts />
        </section>
    }
}

/// The answer of a server function: on its way, there, or failed with a way on.
#[component]
fn Answer<T>(call: LocalResource<Result<T, CallError>>, view: fn(T) -> AnyView) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
{
    move || match call.get() {
        None => view! { <div class="skeleton" role="status" aria-label="Loading…"></div> }.into_any(),
        Some(Ok(answer)) => view(answer),
        Some(Err(error)) => {
            let (title, text) = call_failure(&error);
            view! {
                <Notice kind="error" title text detail=error.to_string()>
                    <button type="button" class="button" on:click=move |_| call.refetch()>"Try again"</button>
                </Notice>
            }
            .into_any()
        }
    }
}

fn facts(who: Whoami) -> AnyView {
    view! {
        <dl class="facts">
            <Fact name="Issuer" value=who.iss />
            <Fact name="Subject" value=who.sub />
            {who.client_id.map(|id| view! { <Fact name="Client" value=id /> })}
            {who.org_id.map(|id| view! { <Fact name="Organisation" value=id /> })}
            {who.acr.map(|acr| view! { <Fact name="Authentication" value=acr /> })}
            <dt>"Scopes"</dt>
            <dd>
                <ul class="chips" role="list">
                    {who.scope.into_iter().map(|scope| view! { <li>{scope}</li> }).collect_view()}
                </ul>
            </dd>
        </dl>
    }
    .into_any()
}

fn profile_facts(profile: Profile) -> AnyView {
    view! {
        <dl class="facts">
            {profile.name.map(|name| view! { <Fact name="Name" value=name /> })}
            <dt>"Roles"</dt>
            <dd>
                {match profile.roles.is_empty() {
                    true => "none".into_any(),
                    false => profile.roles.join(", ").into_any(),
                }}
            </dd>
        </dl>
    }
    .into_any()
}

#[component]
fn Fact(name: &'static str, value: String) -> impl IntoView {
    view! {
        <dt>{name}</dt>
        <dd>{value}</dd>
    }
}
