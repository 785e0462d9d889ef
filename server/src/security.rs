//! The security headers of every response: Content-Security-Policy, framing, and others.

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

/// A page can open the provider in a window, which sends messages back to it; every other opener is disconnected.
const OPENER_POLICY: &str = "same-origin-allow-popups";

const NO_FEATURES: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
    magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()";

/// The policy of a response that is no page: it may load nothing.
const INERT: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Prefixes of paths without pages, and single paths without pages.
const NO_PAGES: ([&str; 2], [&str; 2]) = (["/api/", "/gw/"], ["/healthz", "/readyz"]);

/// Generates the request's nonce for the page, and sets the headers of the response.
pub(crate) async fn headers(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    // Calls get no page, and generating a nonce is slow.
    let path = request.uri().path();
    let (prefixes, paths) = NO_PAGES;
    let is_no_page = paths.contains(&path) || prefixes.iter().any(|prefix| path.starts_with(prefix));
    let nonce = (!is_no_page).then(Nonce::new);
    if let Some(nonce) = nonce.clone() {
        request.extensions_mut().insert(nonce);
    }
    let mut response = next.run(request).await;
    // An upstream's response keeps its own headers.
    if response.extensions().get::<Proxied>().is_some() {
        if let Some(hsts) = &state.hsts {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        return response;
    }
    let page = nonce.filter(|_| is_html(response.headers()));
    let policy = page.map(|nonce| page_policy(&state, &nonce));
    // Origins and nonce are ASCII. If one were not, nothing may be loaded.
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
    // A page contains its nonce, and a response may contain data of a user, so only site files may be cached.
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
/// `script-src` has `'self'` besides the nonce, and no `'strict-dynamic'`: not every browser sends the nonce with a module's imports and
/// preloads, and this origin serves no content of users.
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
