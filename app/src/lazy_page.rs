//! Pages whose code is a separate part of the bundle, loaded when they are first opened.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::StaticSegment;
use leptos_router::any_nested_route::{AnyNestedRoute, IntoAnyNestedRoute as _};
use leptos_router::components::{Route, RouteProps};
use pixygate::leptos::{CallError, RequireSignedIn, Texts};

use crate::notice::Notice;
use crate::pages::Page;
use crate::pages::account::Loading;
use crate::texts::frame as text;

/// Renders the page, once its code is loaded.
pub(crate) type PageFn = fn() -> AnyView;

/// Loads a page's code. After the first time it is there at once.
pub(crate) type LoadPage = fn() -> Pin<Box<dyn Future<Output = Result<PageFn, CallError>>>>;

/// The route of a page for signed-in users. It loads the page's code when it is opened. It has one type for all pages, so that it is compiled
/// once.
#[component(transparent)]
pub(crate) fn LazyPageRoute(page: &'static Page) -> AnyNestedRoute {
    let view = move || {
        view! {
            <h1>{(page.title)()}</h1>
            <RequireSignedIn>{page.load.map(|load| view! { <LazyPage load /> })}</RequireSignedIn>
        }
        .into_any()
    };
    let path = (StaticSegment(page.path.trim_start_matches('/')),);
    Route(RouteProps::builder().path(path).view(view).build()).into_any_nested_route()
}

/// Loads a part and shows it. On failure, shows an error with a button that tries again.
#[component]
fn LazyPage(load: LoadPage) -> impl IntoView {
    let page = RwSignal::new(None::<Result<PageFn, CallError>>);
    let fetch = move || {
        page.set(None);
        spawn_local(async move {
            let loaded = load().await;
            // The user may have left the page, which disposes of the signal.
            page.try_set(Some(loaded));
        });
    };
    fetch();
    view! {
        {move || match page.get() {
            None => view! { <Loading /> }.into_any(),
            Some(Ok(page)) => page(),
            Some(Err(_)) => {
                let (title, text) = Texts::current().part_missing;
                view! {
                    <Notice kind="error" title text>
                        <button type="button" class="button" on:click=move |_| fetch()>{text::try_again()}</button>
                    </Notice>
                }
                .into_any()
            }
        }}
    }
}

/// Loads a part before its page is opened, when the pointer or focus is on its link.
pub(crate) fn prefetch(load: LoadPage) {
    spawn_local(async move {
        // The page itself shows a failure.
        let _ = load().await;
    });
}
