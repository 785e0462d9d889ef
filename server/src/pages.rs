//! The pages: the app's routes and server functions, and the response to unknown paths.

use std::sync::Arc;

use app::Preferences;
use app::api::Backend;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Router};
use http::header::{ACCEPT_LANGUAGE, COOKIE, RETRY_AFTER};
use http::request::Parts;
use http::{Method, StatusCode};
use leptos::nonce::Nonce;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{AxumRouteListing, LeptosRoutes, ResponseOptions};

use crate::findings::{self, Code};
use crate::state::AppState;
use crate::{canonical, streamed};

/// The pages that need the provider.
const NEED_THE_PROVIDER: [&str; 2] = ["/sign-in", "/callback"];

/// Returns the context of the app, in addition to that of Leptos.
fn context(state: &AppState) -> impl Fn() + Clone + Send + Sync + 'static {
    let state = state.clone();
    move || {
        let parts = use_context::<Parts>();
        match state.sign_in.client() {
            Some(client) => provide_context(client),
            None => {
                let path = parts.as_ref().map(|parts| parts.uri.path());
                if let Some(response) = use_context::<ResponseOptions>()
                    && path.is_some_and(|path| NEED_THE_PROVIDER.contains(&path))
                {
                    response.set_status(StatusCode::SERVICE_UNAVAILABLE);
                    response.insert_header(RETRY_AFTER, state.sign_in.retry_after().as_secs().into());
                }
            }
        }
        provide_context(state.site.front_end());
        provide_context(preferences(parts.as_ref()));
        if let Some(backend) = state.backend.clone() {
            provide_context::<Arc<dyn Backend>>(backend);
        }
        // Replaces the nonce of Leptos with that in the response's header.
        if let Some(nonce) = parts.and_then(|parts| parts.extensions.get::<Nonce>().cloned()) {
            provide_context(nonce);
        }
    }
}

/// Returns the language and colour scheme of a request.
fn preferences(parts: Option<&Parts>) -> Preferences {
    // HTTP/2 may split cookies into several header lines (RFC 9113, 8.2.3).
    let header = |name, between| {
        let values = parts.map(|parts| parts.headers.get_all(name));
        let values = values.into_iter().flatten().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(between)
    };
    Preferences::of_request(&header(COOKIE, "; "), &header(ACCEPT_LANGUAGE, ", "))
}

/// Returns the paths of the app's pages.
pub(crate) fn listing(state: &AppState) -> Vec<AxumRouteListing> {
    let context = context(state);
    leptos_axum::generate_route_list_with_exclusions_and_ssg_and_context(app::App, None, context).0
}

/// Returns the app's pages and server functions.
pub(crate) fn routes(state: &AppState) -> Router<AppState> {
    let options = state.options.clone();
    Router::new()
        .leptos_routes_with_context(state, listing(state), context(state), move || {
            app::shell(options.clone())
        })
        .fallback(file_or_not_found)
        .layer(from_fn_with_state(state.clone(), streamed::end_with_right))
        .layer(from_fn_with_state(state.clone(), canonical::redirect))
}

/// `/findings`: the table of all findings.
pub(crate) async fn findings(Extension(nonce): Extension<Nonce>) -> Html<String> {
    Html(findings::index_html(&nonce))
}

/// `/findings/PXG206`: the page of one finding, also for servers without internet access.
pub(crate) async fn finding(
    state: State<AppState>,
    Path(code): Path<String>,
    Extension(nonce): Extension<Nonce>,
    request: Request,
) -> Response {
    match Code::named(&code) {
        Some(code) => Html(findings::page_html(code, &nonce)).into_response(),
        None => file_or_not_found(state, request).await,
    }
}

/// Serves a file of the site, or the app's 404 page.
async fn file_or_not_found(State(state): State<AppState>, request: Request) -> Response {
    if let Some(response) = state.site.answer(request.method(), request.uri(), request.headers()) {
        return response;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return StatusCode::NOT_FOUND.into_response();
    }
    let options = state.options.clone();
    let page = leptos_axum::render_app_async_with_context(context(&state), move || app::shell(options.clone()));
    let mut response: Response<Body> = page(request).await.into_response();
    // The app may have responded otherwise, for instance with a redirect.
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}
