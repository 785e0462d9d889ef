//! The header of every page: navigation, and the user.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::HtmlElement;
use leptos_router::components::A;
use leptos_router::hooks::use_location;
use pixygate::leptos::{Texts, use_auth};
use pixygate::session::{AuthState, SignedIn};

use crate::lazy_page::prefetch;
use crate::notice::Notice;
use crate::pages::{PAGES, Page};
use crate::preferences::{Language, Preferences, Theme, choose_language, choose_theme};
use crate::shell::title_of;
use crate::sign_in_link::SignInLink;
use crate::texts::frame as text;

/// Pages whose content has a sign-in link; the header does not repeat it there.
const OFFER_SIGN_IN: [&str; 4] = ["/", "/account", "/callback", "/sign-in"];

/// The content of the header about the user.
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
    announce_navigation(path);
    let failure = RwSignal::new(None);
    let leave = move || {
        spawn_local(async move { failure.set(auth.sign_out().await.err()) });
    };
    let repeated = Memo::new(move |_| path.with(|path| OFFER_SIGN_IN.contains(&path.as_str())));
    // While the state is unknown, shows the name of the last user, so that the layout does not change later.
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
                {text::sign_out()}
            </button>
        }
        .into_any(),
        Shown::Leaving => view! { <span class="busy" role="status">{text::signing_out()}</span> }.into_any(),
        Shown::SignIn => (!repeated.get())
            .then(|| view! { <SignInLink class="button quiet" /> })
            .into_any(),
    };
    // The other pages have no content without a user.
    let known = Memo::new(move |_| shown.with(|shown| matches!(shown, Shown::User(_))));
    view! {
        <header class="top">
            <a href="/" class="brand">
                "Pixygate"
            </a>
            <nav aria-label=text::navigation()>{move || links(known.get())}</nav>
            <Switches />
            <div class="who">{move || who()}</div>
        </header>
        <div class="notices">
            {move || {
                failure.get().map(|error| {
                    let (title, text) = Texts::current().sign_in(&error);
                    view! {
                        <Notice kind="error" title text>
                            <button type="button" class="button" on:click=move |_| leave()>{text::try_again()}</button>
                        </Notice>
                    }
                    .into_any()
                })
            }}
            <IdleWarning />
            <UserChangedNotice />
        </div>
    }
}

/// The links of the navigation. A page's code is loaded when the pointer or the focus reaches its link.
fn links(known: bool) -> AnyView {
    let shown: Vec<_> = PAGES.iter().filter(|page| known || page.load.is_none()).collect();
    let link = |page: &'static Page| {
        let near = move || {
            if let Some(load) = page.load {
                prefetch(load);
            }
        };
        view! {
            <span on:pointerenter=move |_| near() on:focusin=move |_| near()>
                <A href=page.path>{(page.title)()}</A>
            </span>
        }
        .into_any()
    };
    shown.into_iter().map(link).collect_view().into_any()
}

/// The buttons for language and colour scheme.
#[component]
fn Switches() -> impl IntoView {
    let Preferences { language, theme } = Preferences::current();
    let languages = Language::ALL.map(|(one, name)| {
        view! { <option value=one.tag() lang=one.tag() selected=one == language>{name}</option> }.into_any()
    });
    let themes = Theme::ALL.map(|one| {
        let name = match one {
            Theme::System => text::theme_system(),
            Theme::Light => text::theme_light(),
            Theme::Dark => text::theme_dark(),
        };
        view! { <option value=one.name().unwrap_or_default() selected=one == theme>{name}</option> }.into_any()
    });
    view! {
        <div class="switches">
            <select aria-label=text::theme() on:change:target=move |event| choose_theme(Theme::of_name(&event.target().value()))>
                {themes.collect_view()}
            </select>
            <select aria-label=text::language() on:change:target=move |event| choose_language(&event.target().value())>
                {languages.collect_view()}
            </select>
        </div>
    }
}

/// After a navigation without a page load, sets the title and moves the focus, so that screen readers announce the new page.
fn announce_navigation(path: Memo<String>) {
    Effect::new(move |loaded: Option<()>| {
        // Read and not only tracked: a memo that nothing has read yet does not notify.
        let title = path.with(|path| title_of(path));
        loaded.and_then(|()| {
            document().set_title(&title);
            let main = document().get_element_by_id("main")?.dyn_into::<HtmlElement>().ok()?;
            // Without this, a screen reader would not announce an element that already has the focus.
            main.blur().ok()?;
            main.focus().ok()
        });
    });
}

/// A notice that another user has signed in, in another tab. The page then shows that user's data.
#[component]
fn UserChangedNotice() -> impl IntoView {
    let state = use_auth().state();
    let changed = RwSignal::new(false);
    let mut current = None::<SignedIn>;
    Effect::new(move || match state.get() {
        AuthState::SignedIn(user) => {
            let before = current.replace(user.clone());
            if before.is_some_and(|before| before.identity() != user.identity()) {
                changed.set(true);
            }
        }
        // The page waits until the same user has signed in again.
        AuthState::SignedOut(Some(reason)) if reason.may_keep_input() => {}
        _ => {
            current = None;
            changed.set(false);
        }
    });
    let notice = move || {
        view! {
            <Notice
                kind="warning"
                title=text::another_user()
                text=text::another_user_text()
            >
                <button type="button" class="button quiet" on:click=move |_| changed.set(false)>{text::close()}</button>
            </Notice>
        }
        .into_any()
    };
    view! { {move || changed.get().then(notice)} }
}

/// The countdown before an idle session ends. Any activity stops it.
#[component]
fn IdleWarning() -> impl IntoView {
    let seconds = use_auth().idle_warning();
    let warned = Memo::new(move |_| seconds.with(Option::is_some));
    let left = move || seconds.get().unwrap_or_default().to_string().into_any();
    let notice = move || {
        view! {
            <section class="notice" data-kind="warning" role="alert">
                <h2>{text::still_there()}</h2>
                <p>{text::idle_before()} <span aria-live="off">{move || left()}</span> {text::idle_after()}</p>
                <div class="actions">
                    <button type="button" class="button">{text::stay()}</button>
                </div>
            </section>
        }
        .into_any()
    };
    view! { {move || warned.get().then(notice)} }
}
