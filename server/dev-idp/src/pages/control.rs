//! The control page: registered clients, recent requests, and the switches. Without scripts, like all pages here.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::Page;
use crate::control::form::{FIELDS, Field, Kind};
use crate::provider::Provider;
use crate::tenant_context::TenantContext;

const SHOWN_REQUESTS: usize = 40;

pub(crate) async fn get(State(provider): State<Provider>) -> Response {
    show(&provider, None)
}

/// Shows the page, with the error of the last form.
pub(crate) fn show(provider: &Provider, wrong: Option<&str>) -> Response {
    let config = provider.config();
    let status = if wrong.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = Page {
        title: "Development provider",
        provider_name: "Development provider",
        leads_to: None,
        status,
        wide: true,
    };
    page.render(&html! {
        h1 { "Control page" }
        p { "The same is there for tests as JSON under " code { "/control" } "." }
        (super::problem(wrong))
        @for tenant in &config.tenants {
            @if let Some(context) = TenantContext::of(provider, &tenant.name) { (show_tenant(&context)) }
        }
        (switches(provider))
        (requests(provider))
        h2 { "Keeping" }
        @match provider.state_file().path() {
            Some(path) => p { "Keys, sessions and tokens are kept in " code { (path.display()) } "." },
            None => p { "Keys, sessions and tokens are kept in memory only." },
        }
    })
}

fn show_tenant(context: &TenantContext) -> Markup {
    let tenant = &context.tenant;
    html! {
        section aria-labelledby=(format!("tenant-{}", tenant.name)) {
            h2 id=(format!("tenant-{}", tenant.name)) { "Tenant " (tenant.name) }
            p { "Issuer " code { (context.issuer) } }
            h3 { "Clients" }
            div.scroll { table {
                thead { tr { th { "Client" } th { "Redirect URIs" } th { "After sign-out" } th { "Origins" } } }
                tbody { @for client in &tenant.clients { tr {
                    td { code { (client.id) } @if !client.is_public() { br; small { "with a secret" } } }
                    td { (lines(&client.redirect_uris)) }
                    td { (lines(&client.post_logout_redirect_uris)) }
                    td { (lines(&client.origins)) }
                } } }
            } }
            h3 { "People" }
            div.scroll { table {
                thead { tr { th { "Name" } th { "Groups" } th { "Scopes" } th { "Subject" } } }
                tbody { @for user in &tenant.users { tr {
                    td { code { (user.username) } br; small { (user.display_name()) } }
                    td { (user.groups.join(", ")) }
                    td { (user.scopes.join(", ")) }
                    td { code { (context.sub(user)) } }
                } } }
            } }
            (sessions(context))
            (families(context))
            (keys(context))
        }
    }
}

fn sessions(context: &TenantContext) -> Markup {
    let now = context.now();
    let living: Vec<_> = context.read(|store| store.sessions.values().filter(|it| now < it.expires).cloned().collect());
    html! {
        h3 { "Sessions" }
        @if living.is_empty() { p.soft { "Nobody is signed in." } } @else {
            div.scroll { table {
                thead { tr { th { "Person" } th { "Authentication" } th { "Seconds ago" } th { "" } } }
                tbody { @for session in &living { tr {
                    td { (session.username) }
                    td { (session.acr().name()) }
                    td { (now - session.auth_time) }
                    td { (action(context, "end_session", &session.sid, "End session")) }
                } } }
            } }
        }
    }
}

fn families(context: &TenantContext) -> Markup {
    let mut families: Vec<_> = context.read(|store| {
        store
            .families
            .iter()
            .map(|(id, family)| (id.clone(), family.clone()))
            .collect()
    });
    families.sort_by_key(|(_, family)| std::cmp::Reverse(family.created));
    families.truncate(20);
    html! {
        h3 { "Tokens" }
        @if families.is_empty() { p.soft { "No tokens were given out." } } @else {
            div.scroll { table {
                thead { tr { th { "Person" } th { "Client" } th { "Scope" } th { "State" } } }
                tbody { @for (id, family) in &families { tr {
                    td { (family.grant.username) }
                    td { code { (family.grant.client_id) } }
                    td { (family.grant.scope.join(" ")) }
                    td {
                        @match &family.ended {
                            Some(why) => { "ended: " (why) }
                            None => { (action(context, "revoke_family", id, "Revoke")) }
                        }
                    }
                } } }
            } }
        }
    }
}

fn keys(context: &TenantContext) -> Markup {
    let keys = context.read(|store| store.keys.to_jwks());
    let text = |key: &Value, name: &str| key[name].as_str().unwrap_or_default().to_owned();
    html! {
        h3 { "Keys" }
        div.scroll { table {
            thead { tr { th { "Key" } th { "Algorithm" } th { "" } } }
            tbody { @for key in &keys { tr {
                td { code { (text(key, "kid")) } }
                td { (text(key, "alg")) }
                td { (action(context, "drop_key", &text(key, "kid"), "Drop")) }
            } } }
        } }
        p.row { (action(context, "rotate_key", context.tenant.signing_algorithm.name(), "Rotate the signing key")) }
    }
}

fn action(context: &TenantContext, action: &str, value: &str, label: &str) -> Markup {
    html! {
        form method="post" action="/control/form" {
            input type="hidden" name="tenant" value=(context.tenant.name);
            input type="hidden" name="value" value=(value);
            button.quiet name="do" value=(action) { (label) }
        }
    }
}

fn switches(provider: &Provider) -> Markup {
    let now = serde_json::to_value(provider.switches()).unwrap_or_default();
    html! {
        section aria-labelledby="switches" {
            h2 #switches { "Switches" }
            form method="post" action="/control/form" {
                div.switches {
                    @for field in FIELDS { (input(field, field.read(&now))) }
                    div {
                        label for="clock_shift" { "Clock is ahead by, in seconds" }
                        input id="clock_shift" name="clock_shift" type="number" value=(provider.clock().shift());
                    }
                }
                div.buttons {
                    button name="do" value="switches" { "Turn the switches" }
                    button.quiet name="do" value="reset" { "Put everything back" }
                }
            }
        }
    }
}

fn input(field: &Field, value: Value) -> Markup {
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    };
    html! {
        div {
            @match field.kind {
                Kind::Switch => label.check {
                    input type="checkbox" name=(field.path) value="on" checked[value == true]; (field.label)
                },
                Kind::Number => {
                    label for=(field.path) { (field.label) }
                    input id=(field.path) name=(field.path) type="number" min="0" value=(text);
                }
                Kind::Text | Kind::List => {
                    label for=(field.path) { (field.label) }
                    input id=(field.path) name=(field.path) type="text" value=(text) autocomplete="off" spellcheck="false";
                }
                Kind::Choice(choices) => {
                    label for=(field.path) { (field.label) }
                    select id=(field.path) name=(field.path) {
                        @for choice in choices {
                            option value=(choice) selected[*choice == text] { @if choice.is_empty() { "as configured" } @else { (choice) } }
                        }
                    }
                }
            }
        }
    }
}

fn requests(provider: &Provider) -> Markup {
    let entries: Vec<_> = provider.journal().entries().take(SHOWN_REQUESTS).cloned().collect();
    let now = provider.clock().now();
    html! {
        section aria-labelledby="requests" {
            h2 #requests { "Last requests" }
            @if entries.is_empty() { p.soft { "Nothing was asked yet." } } @else {
                div.scroll { table {
                    thead { tr { th { "Seconds ago" } th { "Request" } th { "Status" } th { "Client" } th { "Decision" } } }
                    tbody { @for entry in &entries { tr {
                        td { (now - entry.at) }
                        td { (entry.method) " " code { (entry.path) } }
                        td { (entry.status) }
                        td { (entry.client_id.as_deref().unwrap_or_default()) }
                        td { (entry.decision) }
                    } } }
                } }
            }
        }
    }
}

fn lines(list: &[String]) -> Markup {
    html! { @for (index, entry) in list.iter().enumerate() { @if index > 0 { br; } code { (entry) } } }
}
