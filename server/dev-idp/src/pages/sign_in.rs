//! The pages of a sign-in: name and password, second factor, choice of an account, and consent.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::error::house;
use super::{Page, problem};
use crate::config::Person;
use crate::realm::Realm;
use crate::store::AuthorizationRequest;

pub(crate) fn sign_in(
    realm: &Realm,
    id: &str,
    request: &AuthorizationRequest,
    username: &str,
    wrong: Option<&str>,
    status: StatusCode,
) -> Response {
    let known: Vec<&Person> = realm
        .tenant
        .people
        .iter()
        .filter(|person| person.password == person.username)
        .collect();
    let body = html! {
        h1 { "Sign in" }
        p { "to continue to " strong { (client_name(realm, request)) } }
        (problem(wrong))
        (form(realm, id, &html! {
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
                @for (index, person) in known.iter().enumerate() {
                    @if index > 0 { ", " }
                    code { (person.username) }
                }
                ". Each has its name as password."
            }
        }
    };
    page(realm, request, "Sign in", status).render(&body)
}

pub(crate) fn second_factor(
    realm: &Realm,
    id: &str,
    request: &AuthorizationRequest,
    person: &Person,
    code: &str,
    wrong: Option<&str>,
    status: StatusCode,
) -> Response {
    let body = html! {
        h1 { "One more step" }
        p { strong { (client_name(realm, request)) } " asks for a second factor. Type the code of your authenticator, " (person.display_name()) "." }
        (problem(wrong))
        (form(realm, id, &html! {
            label for="code" { "One-time code" }
            input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required
                pattern="[0-9]{6}" maxlength="6" autofocus aria-describedby=[wrong.map(|_| "problem")];
            (buttons("second_factor", "Continue", "Cancel"))
        }))
        p.hint { "For development, the code is shown here: " code #shown-code { (code) } }
    };
    page(realm, request, "Second factor", status).render(&body)
}

pub(crate) fn choose_account(realm: &Realm, id: &str, request: &AuthorizationRequest, person: &Person) -> Response {
    let action = action(realm, id);
    let body = html! {
        h1 { "Choose an account" }
        p { "to continue to " strong { (client_name(realm, request)) } }
        form method="post" action=(action) {
            button.account name="answer" value="use_account" {
                span { (person.display_name()) }
                small { (person.email) }
            }
        }
        p { a href=(format!("{action}?other")) { "Use another account" } }
        form method="post" action=(action) {
            div.buttons { button.quiet name="answer" value="cancel" { "Cancel" } }
        }
    };
    page(realm, request, "Choose an account", StatusCode::OK).render(&body)
}

pub(crate) fn consent(
    realm: &Realm,
    id: &str,
    request: &AuthorizationRequest,
    person: &Person,
    scope: &[String],
) -> Response {
    let body = html! {
        h1 { "Allow access?" }
        p { strong { (client_name(realm, request)) } " asks for the following, " (person.display_name()) ":" }
        ul.scopes {
            @for name in scope {
                li { span { (meaning(name)) } code { (name) } }
            }
        }
        (form(realm, id, &buttons("allow", "Allow", "Deny")))
    };
    page(realm, request, "Allow access?", StatusCode::OK).render(&body)
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

fn page<'a>(realm: &'a Realm, request: &'a AuthorizationRequest, title: &'a str, status: StatusCode) -> Page<'a> {
    Page {
        title,
        house: house(realm),
        leads_to: Some(&request.redirect_uri),
        status,
        wide: false,
    }
}

fn client_name<'a>(realm: &'a Realm, request: &'a AuthorizationRequest) -> &'a str {
    match realm.client(&request.client_id) {
        Some(client) if !client.name.is_empty() => &client.name,
        _ => &request.client_id,
    }
}

fn action(realm: &Realm, id: &str) -> String {
    format!("/t/{}/signin/{id}", realm.tenant.name)
}

fn form(realm: &Realm, id: &str, inside: &Markup) -> Markup {
    html! { form method="post" action=(action(realm, id)) { (inside) } }
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
