//! Pages belong to one origin, `server.public_url`: the provider redirects back to it, and the session is stored under it.
//!
//! A page that is requested under another name of the same server is redirected before a sign-in can begin: 127.0.0.1 for
//! localhost, and with or without `www.`. Only these names are redirected, and only on the same port. If a proxy put its own name into `Host`,
//! a redirect would loop. The page itself compares origins, too, as the browser has them.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, LOCATION};
use http::{Method, StatusCode};

use crate::state::AppState;

/// Redirects a page to the public origin (308), and passes everything else on.
pub(crate) async fn redirect(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD) && !request.uri().path().starts_with("/api/");
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| request.headers().get(HOST)?.to_str().ok());
    let public = state.public_url.as_str();
    if is_page && host.is_some_and(|host| is_another_name(host, public)) {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return (StatusCode::PERMANENT_REDIRECT, [(LOCATION, format!("{public}{path}"))]).into_response();
    }
    next.run(request).await
}

/// Returns whether `host` is another name of the server at the origin `public`.
fn is_another_name(host: &str, public: &str) -> bool {
    let Some((_, public)) = public.split_once("://") else {
        return false;
    };
    let ((host, port), (public, public_port)) = (split(host), split(public));
    let loopback = |name: &str| matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    let is_www_of = |long: &str, short: &str| long.strip_prefix("www.") == Some(short);
    port == public_port
        && host != public
        && ((loopback(&host) && loopback(&public)) || is_www_of(&host, &public) || is_www_of(&public, &host))
}

/// Splits an authority into name, in lower case, and port.
fn split(authority: &str) -> (String, &str) {
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
        _ => (authority, ""),
    };
    (name.to_ascii_lowercase(), port)
}

#[cfg(test)]
mod tests {
    use super::is_another_name;

    #[test]
    fn only_names_that_are_known_to_be_the_same_server_are_redirected() {
        for (host, public) in [
            ("127.0.0.1:3000", "http://localhost:3000"),
            ("[::1]:3000", "http://localhost:3000"),
            ("localhost:3000", "http://127.0.0.1:3000"),
            ("www.shop.example", "https://shop.example"),
            ("WWW.Shop.example", "https://shop.example"),
            ("shop.example", "https://www.shop.example"),
            ("www.shop.example:8443", "https://shop.example:8443"),
        ] {
            assert!(is_another_name(host, public), "{host} for {public}");
        }
        for (host, public) in [
            ("localhost:3000", "http://localhost:3000"),
            ("LOCALHOST:3000", "http://localhost:3000"),
            ("shop.example", "https://shop.example"),
            // A `Host` that a proxy sent instead of the browser's.
            ("127.0.0.1:3000", "https://shop.example"),
            ("127.0.0.1:3000", "http://localhost:8080"),
            ("app.internal", "https://shop.example"),
            ("www.other.example", "https://shop.example"),
            ("", "https://shop.example"),
        ] {
            assert!(!is_another_name(host, public), "{host} for {public}");
        }
    }
}
