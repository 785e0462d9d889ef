//! The pages of a sign-in: name and password, second factor, choice of an account, and consent.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::error::provider_name;
use super::{Page, problem};
use crate::config::User;
use crate::store::AuthorizationRequest;
use crate::tenant_context::TenantContext;

pub(crate) fn sign_in(
    context: &TenantContext,
    id: &str,
    request: &AuthorizationRequest,
    username: &str,
    wrong: Option<&str>,
    status: StatusCode,
) -> Response {
    let known: Vec<&User> = context
        .tenant
        .users
        .iter()
        .filter(|user| user.password == user.username)
        .collect();
    let body = html! {
        h1 { "Sign in" }
        p { "to continue to " strong { (client_name(context, request)) } }
        (problem(wrong))
        (form(context, id, &html! {
            label for="username" { "Username" }
            input id="username" name="username" type="text" value=(username) required autocomplete="username"
                autocapitalize="none" spellcheck="false" autofocus[username.is_empty()]
                aria-describedby=[wrong.map(|_| "problem")];
            label for="password" { "Password" }
            input id="password" name="password" type="password" required autocomplete="current-password"
                autofocus[!username.is_empty()] aria-describedby=[wrong.map(|_| "problem")];
            (buttons("sign_in", "Sign in", "Cancel"))
        }))
        @if !known.is_empty() {
            p.hint {
                "Accounts for development: "
                @for (index, user) in known.iter().enumerate() {
                    @if index > 0 { ", " }
                    code { (user.username) }
                }
                ". Each has its name as password."
            }
        }
    };
    page(context, request, "Sign in", status).render(&body)
}

pub(crate) fn second_factor(
    context: &TenantContext,
    id: &str,
    request: &AuthorizationRequest,
    user: &User,
    code: &str,
    wrong: Option<&str>,
    status: StatusCode,
) -> Response {
    let body = html! {
        h1 { "One more step" }
        p { strong { (client_name(context, request)) } " asks for a second factor. Type the code of your authenticator, " (user.display_name()) "." }
        (problem(wrong))
        (form(context, id, &html! {
            label for="code" { "One-time code" }
            input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required
                pattern="[0-9]{6}" maxlength="6" autofocus aria-describedby=[wrong.map(|_| "problem")];
            (buttons("second_factor", "Continue", "Cancel"))
        }))
        p.hint { "For development, the code is shown here: " code #shown-code { (code) } }
    };
    page(context, request, "Second factor", status).render(&body)
}

pub(crate) fn choose_account(
    context: &TenantContext,
    id: &str,
    request: &AuthorizationRequest,
    user: &User,
) -> Response {
    let action = action(context, id);
    let body = html! {
        h1 { "Choose an account" }
        p { "to continue to " strong { (client_name(context, request)) } }
        form method="post" action=(action) {
            button.account name="answer" value="use_account" {
                span { (user.display_name()) }
                small { (user.email) }
            }
        }
        p { a href=(format!("{action}?other")) { "Use another account" } }
        form method="post" action=(action) {
            div.buttons { button.quiet name="answer" value="cancel" { "Cancel" } }
        }
    };
    page(context, request, "Choose an account", StatusCode::OK).render(&body)
}

pub(crate) fn consent(
    context: &TenantContext,
    id: &str,
    request: &AuthorizationRequest,
    user: &User,
    scope: &[String],
) -> Response {
    let body = html! {
        h1 { "Allow access?" }
        p { strong { (client_name(context, request)) } " asks for the following, " (user.display_name()) ":" }
        ul.scopes {
            @for name in scope {
                li { span { (meaning(name)) } code { (name) } }
            }
        }
        (form(context, id, &buttons("allow", "Allow", "Deny")))
    };
    page(context, request, "Allow access?", StatusCode::OK).render(&body)
}

fn meaning(scope: &str) -> &str {
    match scope {
        "openid" => "Know who you are",
        "profile" => "See your name",
        "email" => "See your e-mail address",
        "groups" => "See your groups",
        _ => "Act for you with this permission",
    }
}

fn page<'a>(
    context: &'a TenantContext,
    request: &'a AuthorizationRequest,
    title: &'a str,
    status: StatusCode,
) -> Page<'a> {
    Page {
        title,
        provider_name: provider_name(context),
        leads_to: Some(&request.redirect_uri),
        status,
        wide: false,
    }
}

fn client_name<'a>(context: &'a TenantContext, request: &'a AuthorizationRequest) -> &'a str {
    match context.client(&request.client_id) {
        Some(client) if !client.name.is_empty() => &client.name,
        _ => &request.client_id,
    }
}

fn action(context: &TenantContext, id: &str) -> String {
    format!("/t/{}/signin/{id}", context.tenant.name)
}

fn form(context: &TenantContext, id: &str, inside: &Markup) -> Markup {
    html! { form method="post" action=(action(context, id)) { (inside) } }
}

/// Enter presses the first button.
fn buttons(answer: &str, yes: &str, no: &str) -> Markup {
    html! {
        div.buttons {
            button name="answer" value=(answer) { (yes) }
            button.quiet name="answer" value="cancel" formnovalidate { (no) }
        }
    }
}
