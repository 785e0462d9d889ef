//! Leaving for the provider. The way in is a link to this page, so that a click counts before the page is hydrated, too.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate, use_query_map};
use pixygate::authorization::{ReturnTo, SignIn};
use pixygate::leptos::{Texts, use_auth};
use pixygate::session::{AuthState, SessionError, SignInFailure};

use super::verified::InWindow;
use crate::notice::Notice;

/// The way in. Afterwards the person is on the page on which the link stood, or where `return_to` says.
#[component]
pub(crate) fn SignInLink(
    /// How it looks.
    class: &'static str,
    /// Where to go afterwards, when not back to this page.
    #[prop(optional, into)]
    return_to: Option<ReturnTo>,
    /// Leaves this page as it is: a tab that is signed in is enough for all.
    #[prop(optional)]
    new_tab: bool,
) -> impl IntoView {
    let location = use_location();
    // The server does not hear of it, so the first render is without.
    let fragment = RwSignal::new(String::new());
    Effect::new(move || fragment.set(location.hash.get()));
    let here = move || match location.pathname.get().as_str() {
        // Their queries are theirs alone: that of the callback holds a code.
        "/callback" | "/sign-in" => ReturnTo::default(),
        path => {
            let search = location.search.get();
            let search = search.trim_start_matches('?');
            let mark = if search.is_empty() { "" } else { "?" };
            ReturnTo::parse(&format!("{path}{mark}{search}{}", fragment.get())).unwrap_or_default()
        }
    };
    let href = move || {
        let return_to = return_to.clone().unwrap_or_else(here);
        format!(
            "/sign-in?return_to={}",
            leptos_router::location::Url::escape(return_to.as_str())
        )
    };
    // The browser follows it by itself: a page that is started afresh needs nothing of this one, hydrated or not.
    let text = if new_tab { "Sign in in a new tab" } else { "Sign in" };
    let target = new_tab.then_some("_blank");
    view! { <a href=href class=class rel="external nofollow" target=target>{text}</a> }
}

/// Leaves for the provider as soon as it can; a person who is signed in already goes straight on.
#[component]
pub(crate) fn SignInPage() -> impl IntoView {
    let auth = use_auth();
    let navigate = use_navigate();
    let query = use_query_map();
    let failure = RwSignal::new(None::<SignInFailure>);
    Effect::new(move || {
        let return_to = query
            .read_untracked()
            .get("return_to")
            .and_then(|path| ReturnTo::parse(&path));
        let return_to = return_to.unwrap_or_default();
        match auth.state().get() {
            AuthState::Unknown | AuthState::SigningOut => {}
            AuthState::SignedIn(_) => navigate(return_to.as_str(), replace()),
            AuthState::SignedOut(_) => spawn_local(async move {
                let options = SignIn {
                    return_to: return_to.clone(),
                    ..SignIn::default()
                };
                if let Err(error) = auth.sign_in(options).await {
                    failure.set(Some(SignInFailure { error, return_to }));
                }
            }),
        }
    });
    view! { <SigningIn failure doing="Taking you to the sign-in page…" /> }
}

/// What a page says that waits for a front end that never comes.
#[component]
pub(crate) fn Impossible() -> impl IntoView {
    view! {
        <noscript>
            <p>"Signing in needs JavaScript and WebAssembly. Allow them for this site, then start again."</p>
        </noscript>
        <p class="when-broken" role="alert">"The page could not be loaded completely. Check your connection, then reload it."</p>
    }
}

/// What is shown on both ends of the way to the provider: that it goes on, or why it does not.
#[component]
pub(crate) fn SigningIn(
    /// What went wrong, once it has.
    failure: RwSignal<Option<SignInFailure>>,
    /// What goes on until then.
    doing: &'static str,
) -> impl IntoView {
    view! {
        <Title text="Signing in" />
        <h1>"Signing in"</h1>
        {move || match failure.get() {
            None => view! {
                <section>
                    <p class="busy" role="status">
                        <span class="spinner" aria-hidden="true"></span>
                        {doing}
                    </p>
                    <Impossible />
                </section>
            }
            .into_any(),
            Some(SignInFailure { error, return_to }) => {
                let (title, text) = Texts::here().sign_in(&error);
                let stays = matches!(error, SessionError::Storage(_));
                provide_context(return_to.clone());
                // The server had not reached the provider when it made this page. The same address may work by now.
                let again = match error {
                    SessionError::NoClient => view! { <ReloadButton /> }.into_any(),
                    _ => view! { <SignInLink class="button" return_to /> }.into_any(),
                };
                view! {
                    <Notice kind="error" title text detail=error.to_string()>
                        {stays.then(|| view! { <InWindow /> })}
                        {again}
                        <a href="/" class="button quiet">"To the start page"</a>
                    </Notice>
                }
                .into_any()
            }
        }}
    }
}

#[component]
fn ReloadButton() -> impl IntoView {
    let reload = move |_| drop(window().location().reload());
    view! { <button type="button" class="button" on:click=reload>"Try again"</button> }
}

/// Navigation that leaves no entry for this page in the history.
pub(crate) fn replace() -> NavigateOptions {
    NavigateOptions {
        replace: true,
        ..NavigateOptions::default()
    }
}
