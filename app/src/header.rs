//! The top of every page: navigation, and the user.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::HtmlElement;
use leptos_router::components::A;
use leptos_router::hooks::use_location;
use pixygate::leptos::{SignInButton, Texts, use_auth};
use pixygate::session::{AuthState, SignedIn};

use crate::notice::Notice;
use crate::shell::title_of;

/// Pages whose content has the way to sign in; the header does not repeat it there.
const OFFER_SIGN_IN: [&str; 4] = ["/", "/account", "/callback", "/sign-in"];

/// What the header shows of the user.
#[derive(Clone, PartialEq)]
enum Shown {
    User(String),
    SignIn,
    Leaving,
}

/// The header.
#[component]
pub(crate) fn Header() -> impl IntoView {
    let auth = use_auth();
    let state = auth.state();
    let path = use_location().pathname;
    focus_pages(path);
    let failure = RwSignal::new(None);
    let leave = move || {
        spawn_local(async move { failure.set(auth.sign_out().await.err()) });
    };
    let repeated = Memo::new(move |_| path.with(|path| OFFER_SIGN_IN.contains(&path.as_str())));
    // The name that was shown last has the place of the one that is verified, and the button has its size.
    let shown = Memo::new(move |_| match state.get() {
        AuthState::SignedIn(user) => Shown::User(user.name().to_owned()),
        AuthState::SigningOut => Shown::Leaving,
        AuthState::Unknown => auth.expected_name().get().map_or(Shown::SignIn, Shown::User),
        AuthState::SignedOut(_) => Shown::SignIn,
    });
    let unverified = move || state.with(|state| *state == AuthState::Unknown);
    let who = move || match shown.get() {
        Shown::User(name) => view! {
            <span class="name">{name}</span>
            <button type="button" class="button quiet" disabled=unverified on:click=move |_| leave()>
                "Sign out"
            </button>
        }
        .into_any(),
        Shown::Leaving => view! { <span class="busy" role="status">"Signing out…"</span> }.into_any(),
        Shown::SignIn => (!repeated.get())
            .then(|| view! { <SignInButton class="button quiet" /> })
            .into_any(),
    };
    view! {
        <header class="top">
            <a href="/" class="brand">
                "Pixygate"
            </a>
            <nav aria-label="Pages">
                <A href="/account">"Account"</A>
            </nav>
            <div class="who">{move || who()}</div>
        </header>
        <div class="notices">
            {move || {
                failure.get().map(|error| {
                    let (title, text) = Texts::here().sign_in(&error);
                    view! {
                        <Notice kind="error" title text>
                            <button type="button" class="button" on:click=move |_| leave()>"Try again"</button>
                        </Notice>
                    }
                    .into_any()
                })
            }}
            <StillThere />
            <SomeoneElse />
        </div>
    }
}

/// A page that is reached without a load gets its title, and the focus, or a screen reader would not say that it is another.
fn focus_pages(path: Memo<String>) {
    Effect::new(move |loaded: Option<()>| {
        // Read and not only tracked: a memo that nothing has read yet does not notify.
        let title = path.with(|path| title_of(path));
        loaded.and_then(|()| {
            document().set_title(&title);
            let main = document().get_element_by_id("main")?.dyn_into::<HtmlElement>().ok()?;
            // Had it the focus already, nothing would be said.
            main.blur().ok()?;
            main.focus().ok()
        });
    });
}

/// Says that another user has signed in, in another tab. The page shows that user's data at once.
#[component]
fn SomeoneElse() -> impl IntoView {
    let state = use_auth().state();
    let changed = RwSignal::new(false);
    let mut here = None::<SignedIn>;
    Effect::new(move || match state.get() {
        AuthState::SignedIn(user) => {
            let before = here.replace(user.clone());
            if before.is_some_and(|before| before.identity() != user.identity()) {
                changed.set(true);
            }
        }
        // The page waits for the same user.
        AuthState::SignedOut(Some(reason)) if reason.keeps_page() => {}
        _ => {
            here = None;
            changed.set(false);
        }
    });
    let notice = move || {
        view! {
            <Notice
                kind="warning"
                title="Another person is signed in"
                text="They signed in in another tab. What was typed here before is gone."
            >
                <button type="button" class="button quiet" on:click=move |_| changed.set(false)>"Close"</button>
            </Notice>
        }
        .into_any()
    };
    view! { {move || changed.get().then(notice)} }
}

/// The countdown before an idle session ends. Any activity stops it.
#[component]
fn StillThere() -> impl IntoView {
    let seconds = use_auth().idle_warning();
    let warned = Memo::new(move |_| seconds.with(Option::is_some));
    let left = move || seconds.get().unwrap_or_default().to_string().into_any();
    let notice = move || {
        view! {
            <section class="notice" data-kind="warning" role="alert">
                <h2>"Are you still there?"</h2>
                <p>"You will be signed out in " <span aria-live="off">{move || left()}</span> " seconds."</p>
                <div class="actions">
                    <button type="button" class="button">"Stay signed in"</button>
                </div>
            </section>
        }
        .into_any()
    };
    view! { {move || warned.get().then(notice)} }
}
