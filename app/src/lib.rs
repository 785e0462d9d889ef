//! The console of Pixygate: pages, and server functions behind the gate.
//!
//! - [`shell`]: the HTML document that the server renders around the application.
//! - [`App`]: the routes; `pages/` has one file for each.
//! - [`api`]: the server functions and their policies.

#![expect(
    unreachable_pub,
    reason = "the component macro makes everything `pub` in a module of its own"
)]

#[cfg(all(feature = "ssr", feature = "hydrate"))]
compile_error!("`ssr` is for the server and `hydrate` for the browser: a build has one of them");

#[cfg(all(doctest, feature = "ssr"))]
#[doc = include_str!("../../docs/adding-a-page.md")]
mod guide {}

mod answer;
pub mod api;
mod header;
#[cfg(feature = "hydrate")]
mod hydrate;
mod lazy_page;
mod notice;
mod number;
mod pages;
mod preferences;
mod shell;
mod sign_in_link;
mod texts;
mod time;

use leptos::prelude::*;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::path;
use pixygate::leptos::{AuthProvider, SignInFailed, SignInRoutes};

use lazy_page::LazyPageRoute;
use texts::frame as text;

pub use preferences::{Language, Preferences, Theme};
pub use shell::{SiteFiles, shell};

/// The application: the session around the header and the page.
#[component]
pub fn App() -> impl IntoView {
    if Language::current() == Language::German {
        provide_context(texts::GERMAN_SIGN_IN);
    }
    view! {
        <AuthProvider
            loading=pages::account::Loading
            signed_out=pages::account::SignedOut
            signing_in=pages::sign_in::SigningIn
            sign_in_failed=SignInFailed::new(pages::sign_in::failed)
        >
            <Router>
                <a class="skip" href="#main" rel="external">{text::skip()}</a>
                <header::Header />
                <main id="main" tabindex="-1">
                    <FlatRoutes fallback=pages::not_found::NotFound>
                        <Route path=path!("") view=pages::home::Home />
                        <Route path=path!("account") view=pages::account::Account />
                        <LazyPageRoute page=&pages::OVERVIEW />
                        <LazyPageRoute page=&pages::SESSION />
                        <LazyPageRoute page=&pages::SERVICES />
                        <LazyPageRoute page=&pages::ACTIVITY />
                        <LazyPageRoute page=&pages::DIAGNOSE />
                        <LazyPageRoute page=&pages::CONFIGURATION />
                        <SignInRoutes />
                    </FlatRoutes>
                </main>
                <footer>
                    <p>{text::footer()}</p>
                </footer>
            </Router>
        </AuthProvider>
    }
}
