//! Leaving for the provider. The way in is a link to this page, so that a click counts before the page is hydrated, too.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_location, use_navigate, use_query_map};
use pixygate::authorization::{ReturnTo, SignIn};
use pixygate::leptos::use_auth;
use pixygate::session::{AuthState, SessionError};

use crate::notice::{Notice, sign_in_failure};

/// The way in. Afterwards the person is on the page on which the link stood, or where `return_to` says.
#[component]
pub(crate) fn SignInLink(
    /// How it looks.
    class: &'static str,
    /// Where to go afterwards, when not back to this page.
    #[prop(optional, into)]
    return_to: Option<ReturnTo>,
) -> impl IntoView {
    let location = use_location();
    let here = move || match location.pathname.get().as_str() {
        // Their queries are theirs alone: that of the callback holds a code.
        "/callback" | "/sign-in" => ReturnTo::default(),
        path => ReturnTo::parse(&format!("{path}{}", with_mark(location.search.get()))).unwrap_or_default(),
    };
    let href = move || {
        let return_to = return_to.clone().unwrap_or_else(here);
        format!(
            "/sign-in?return_to={}",
            leptos_router::location::Url::escape(return_to.as_str())
        )
    };
    // A link that the browser follows by itself, or the router when it is there.
    view! { <A href attr:class=class attr:rel="nofollow">"Sign in"</A> }
}

fn with_mark(search: String) -> String {
    match search.is_empty() || search.starts_with('?') {
        true => search,
        false => format!("?{search}"),
    }
}

/// Leaves for the provider as soon as it can; a person who is signed in already goes straight on.
#[component]
pub(crate) fn SignInPage() -> impl IntoView {
    let auth = use_auth();
    let state = auth.state();
    let navigate = use_navigate();
    let query = use_query_map();
    let failure = RwSignal::new(None::<SessionError>);
    let return_to = move || {
        query
            .with(|query| query.get("return_to"))
            .and_then(|path| ReturnTo::parse(&path))
            .unwrap_or_default()
    };
    let leave = move || {
        failure.set(None);
        let options = SignIn {
            return_to: return_to(),
            ..SignIn::default()
        };
        spawn_local(async move {
            if let Err(error) = auth.sign_in(options).await {
                failure.set(Some(error));
            }
        });
    };
    let known = Memo::new(move |_| {
        state.with(|state| match state {
            AuthState::Unknown | AuthState::SigningOut => None,
            AuthState::SignedOut(_) => Some(false),
            AuthState::SignedIn(_) => Some(true),
        })
    });
    Effect::new(move || match known.get() {
        Some(true) => navigate(
            return_to().as_str(),
            NavigateOptions {
                replace: true,
                ..NavigateOptions::default()
            },
        ),
        Some(false) => leave(),
        None => {}
    });
    view! {
        <Title text="Signing in" />
        {move || match failure.get() {
            None => view! {
                <section class="empty">
                    <h1>"Signing in"</h1>
                    <p class="busy" role="status">
                        <span class="spinner" aria-hidden="true"></span>
                        "Taking you to the sign-in page…"
                    </p>
                    <noscript>
                        <p>"Signing in needs JavaScript and WebAssembly. Allow them for this site, then reload the page."</p>
                    </noscript>
                    <p class="when-broken">
                        "The page could not be loaded completely. Check your connection, then reload it."
                    </p>
                </section>
            }
            .into_any(),
            Some(error) => {
                let (title, text) = sign_in_failure(&error);
                view! {
                    <Notice kind="error" title text detail=error.to_string()>
                        <button type="button" class="button" on:click=move |_| leave()>"Sign in"</button>
                        <A href="/" attr:class="button quiet">"To the start page"</A>
                    </Notice>
                }
                .into_any()
            }
        }}
    }
}
