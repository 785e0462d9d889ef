//! The pages of a sign-out: the confirmation and the result.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::Page;
use super::error::provider_name;
use crate::params::Params;
use crate::tenant_context::TenantContext;

/// Asks for confirmation if no ID token shows that the request comes from an application of the user's session.
pub(crate) fn confirm(context: &TenantContext, params: &Params, sid: &str, name: &str) -> Response {
    let leads_to = params.get("post_logout_redirect_uri");
    let body = html! {
        h1 { "Sign out?" }
        p { "You are signed in as " strong { (name) } ". Signing out ends the session for every application." }
        form method="post" action=(format!("/t/{}/oidc/logout", context.tenant.name)) {
            input type="hidden" name="sid" value=(sid);
            @for parameter in ["client_id", "id_token_hint", "post_logout_redirect_uri", "state"] {
                @if let Some(value) = params.get(parameter) {
                    input type="hidden" name=(parameter) value=(value);
                }
            }
            div.buttons {
                button name="answer" value="sign_out" { "Sign out" }
                button.quiet name="answer" value="stay" { "Stay signed in" }
            }
        }
    };
    page(context, "Sign out?", leads_to).render(&body)
}

pub(crate) fn done(context: &TenantContext) -> Response {
    message(
        context,
        "You are signed out",
        &html! { p { "You can close this page, or go back to the application." } },
    )
}

pub(crate) fn stayed(context: &TenantContext) -> Response {
    message(
        context,
        "You are still signed in",
        &html! { p { "Go back to the application to carry on." } },
    )
}

fn message(context: &TenantContext, title: &str, text: &Markup) -> Response {
    page(context, title, None).render(&html! { h1 { (title) } (text) })
}

fn page<'a>(context: &'a TenantContext, title: &'a str, leads_to: Option<&'a str>) -> Page<'a> {
    Page {
        title,
        provider_name: provider_name(context),
        leads_to,
        status: StatusCode::OK,
        wide: false,
    }
}
