//! Error pages, for errors that cannot be sent to a client.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};

use super::Page;
use crate::journal::Decision;
use crate::tenant_context::TenantContext;

/// The page for a request with an untrusted redirect URI, or a form of no pending request.
pub(crate) fn bad_request(context: &TenantContext, why: &str) -> Response {
    let status = StatusCode::BAD_REQUEST;
    page(
        status,
        provider_name(context),
        "This request cannot be answered",
        why,
        &registered(),
    )
}

/// The page for an unknown address.
pub(crate) async fn not_found() -> Response {
    let why = "The provider has nothing at this address.";
    page(
        StatusCode::NOT_FOUND,
        NO_TENANT_HEADING,
        "There is no such page",
        why,
        &registered(),
    )
}

/// The page for an address of an unknown tenant.
pub(crate) fn no_tenant() -> Response {
    let why = "The address names a tenant that is not configured here.";
    page(
        StatusCode::NOT_FOUND,
        NO_TENANT_HEADING,
        "There is no such tenant",
        why,
        &registered(),
    )
}

/// The page while the switch `down` is on.
pub(crate) fn down() -> Response {
    let why = "The control switch for being down is on.";
    let advice = html! {
        "Try again later. If you are developing the application, the " a href="/" { "control page" } " turns the switch off."
    };
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = page(status, NO_TENANT_HEADING, "The provider is down", why, &advice);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The heading of a page that belongs to no tenant.
const NO_TENANT_HEADING: &str = "Development provider";

fn registered() -> Markup {
    html! {
        "Go back to the application that sent you here. If you are developing it, the " a href="/" { "control page" } " says what is registered."
    }
}

fn page(status: StatusCode, provider_name: &str, title: &str, why: &str, advice: &Markup) -> Response {
    let page = Page {
        title,
        provider_name,
        leads_to: None,
        status,
        wide: false,
    };
    let mut response = page.render(&html! {
        h1 { (title) }
        p { (why) }
        p.soft { (advice) }
    });
    response.extensions_mut().insert(Decision {
        client_id: None,
        what: format!("refused on a page: {why}"),
    });
    response
}

pub(super) fn provider_name(context: &TenantContext) -> &str {
    context
        .tenant
        .organizations
        .first()
        .map_or(context.tenant.name.as_str(), |it| it.name.as_str())
}
