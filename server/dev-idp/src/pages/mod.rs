//! The pages for users: one style, no scripts, no external resources.

pub(crate) mod control;
pub(crate) mod error;
pub(crate) mod sign_in;
pub(crate) mod sign_out;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};
use url::Url;

const STYLE: &str = include_str!("style.css");

/// The style sheet of all pages.
pub(crate) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, STYLE).into_response()
}

/// A page before it is sent.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// The name of the provider, above the heading.
    pub(crate) provider_name: &'a str,
    /// The additional address that a form of the page may lead to.
    pub(crate) leads_to: Option<&'a str>,
    pub(crate) status: StatusCode,
    /// A wide page instead of a card.
    pub(crate) wide: bool,
}

impl Page<'_> {
    pub(crate) fn render(&self, body: &Markup) -> Response {
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) }
                    link rel="stylesheet" href="/style.css";
                    link rel="icon" href="/icon.svg" type="image/svg+xml";
                }
                body class=[self.wide.then_some("wide")] {
                    main {
                        p.house { span.mark aria-hidden="true" {} (self.provider_name) }
                        (body)
                    }
                    footer { p { "Development provider. Do not use it with real accounts." } }
                }
            }
        };
        let mut response = (self.status, markup_headers(), markup.into_string()).into_response();
        if let Ok(policy) = HeaderValue::try_from(content_security_policy(self.leads_to)) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// The icon of all pages.
pub(crate) async fn icon() -> Response {
    let icon = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0b6a66"/><path d="M16 8a5 5 0 0 1 2 9.6V24h-4v-6.4A5 5 0 0 1 16 8z" fill="#fff"/></svg>"##;
    ([(header::CONTENT_TYPE, "image/svg+xml")], icon).into_response()
}

fn markup_headers() -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address of a sign-in page is a secret. The provider's own forms still must send their origin.
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin-allow-popups",
        ),
    ]
}

/// Browsers apply `form-action` to redirects after a form, so the policy must contain the client's address.
fn content_security_policy(leads_to: Option<&str>) -> String {
    let target = leads_to
        .and_then(|uri| Url::parse(uri).ok())
        .map(|url| match url.origin() {
            origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
            url::Origin::Opaque(_) => format!("{}:", url.scheme()),
        });
    let target = target.unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {target}; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// Redirects with GET, whatever the method of the request was.
pub(crate) fn see_other(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Shows an error above a form. Screen readers announce it at once.
fn problem(text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            p.problem role="alert" id="problem" { (text) }
        }
    }
}
