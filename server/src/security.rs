//! What every response says to the browser about itself: where it may load from, who may frame it, what it may do.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};
use leptos::nonce::Nonce;

use crate::state::AppState;
use crate::upstream::Proxied;

/// The page opens the provider in a window of its own when asked to, and has to hear from it; every other opener is cut off.
const OPENER_POLICY: &str = "same-origin-allow-popups";

const NO_FEATURES: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
    magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()";

/// For what is no page: nothing may be loaded by it.
const INERT: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The beginnings of paths under which there are no pages, and paths that are none.
const NO_PAGES: ([&str; 2], [&str; 2]) = (["/api/", "/gw/"], ["/healthz", "/readyz"]);

/// Mints the request's nonce, for the page to use, and sets the headers once the response is there.
pub(crate) async fn headers(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    // Calls get no page. Making a nonce takes longer than the rest of this.
    let path = request.uri().path();
    let (prefixes, paths) = NO_PAGES;
    let is_no_page = paths.contains(&path) || prefixes.iter().any(|prefix| path.starts_with(prefix));
    let nonce = (!is_no_page).then(Nonce::new);
    if let Some(nonce) = nonce.clone() {
        request.extensions_mut().insert(nonce);
    }
    let mut response = next.run(request).await;
    // A target's answer has the headers that it was given.
    if response.extensions().get::<Proxied>().is_some() {
        if let Some(hsts) = &state.hsts {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        return response;
    }
    let page = nonce.filter(|_| is_html(response.headers()));
    let policy = page.map(|nonce| page_policy(&state, &nonce));
    // Origins and nonce are ASCII by construction; should one not be, nothing may be loaded rather than anything.
    let policy = policy.and_then(|policy| HeaderValue::from_str(&policy).ok());
    let policy = policy.unwrap_or(HeaderValue::from_static(INERT));
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static(OPENER_POLICY),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(NO_FEATURES),
    );
    if let Some(hsts) = &state.hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    // A page has its nonce in it, an answer may be about a person: only site files say that they can be kept.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn is_html(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

/// The Content Security Policy of a page.
///
/// `script-src` has `'self'` beside the nonce and no `'strict-dynamic'`: a module's imports and preloads carry no nonce in
/// every browser, and nothing that a stranger wrote is ever served from this origin.
fn page_policy(state: &AppState, nonce: &str) -> String {
    let page = state.sign_in.page();
    let join = |origins: &std::collections::BTreeSet<String>| {
        origins.iter().map(|origin| format!(" {origin}")).collect::<String>()
    };
    let reload = state
        .reload_port
        .map(|port| format!(" ws://localhost:{port} ws://127.0.0.1:{port}"))
        .unwrap_or_default();
    [
        "default-src 'none'".to_owned(),
        format!("script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'"),
        format!("style-src 'self' 'nonce-{nonce}'"),
        format!("connect-src 'self'{}{reload}", join(&page.connect_origins)),
        "img-src 'self' data:".to_owned(),
        "font-src 'self'".to_owned(),
        "manifest-src 'self'".to_owned(),
        format!("form-action 'self'{}", join(&page.form_origins)),
        "frame-ancestors 'none'".to_owned(),
        "base-uri 'none'".to_owned(),
        "object-src 'none'".to_owned(),
    ]
    .join("; ")
}
