//! The control page.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::Page;
use crate::provider::Provider;

pub(crate) async fn get(State(provider): State<Provider>) -> Response {
    let config = provider.config();
    let page = Page {
        title: "Development provider",
        house: "Development provider",
        leads_to: None,
        status: StatusCode::OK,
        wide: true,
    };
    page.render(&html! {
        h1 { "Development provider" }
        @for tenant in &config.tenants {
            h2 { "Tenant " (tenant.name) }
            p { "Issuer " code { (config.issuer_of(tenant)) } }
        }
    })
}

pub(crate) async fn post() -> StatusCode {
    StatusCode::NO_CONTENT
}
