//! The control API for tests, as JSON under `/control`. Pages of other sites cannot use it: it has no CORS headers, and a
//! request that changes something must be JSON or come from a page of the provider.

mod clients;
pub(crate) mod form;
mod keys;
mod sessions;
mod switches;
mod tokens;

use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::{StatusCode, header, request::Parts};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::endpoints::authorize::sign_in::is_own_form;
use crate::pages;
use crate::provider::Provider;
use crate::tenant_context::TenantContext;

pub(crate) use switches::merge;

pub(crate) fn router() -> Router<Provider> {
    let api = Router::new()
        .route(
            "/control/switches",
            get(switches::get).put(switches::put).patch(switches::patch),
        )
        .route("/control/clock", get(switches::get_clock).post(switches::post_clock))
        .route("/control/reset", post(switches::post_reset))
        .route("/control/requests", get(requests).delete(forget_requests))
        .route("/control/keys", get(keys::list))
        .route("/control/keys/rotate", post(keys::rotate))
        .route("/control/keys/drop", post(keys::remove))
        .route("/control/sessions", get(sessions::list))
        .route("/control/sessions/end", post(sessions::end))
        .route("/control/families", get(sessions::families))
        .route("/control/families/revoke", post(sessions::revoke))
        .route("/control/clients", get(clients::list).put(clients::put))
        .route("/control/people", get(clients::users).put(clients::put_user))
        .route("/control/totp/{username}", get(clients::totp))
        .route("/control/tokens", post(tokens::post))
        .route("/control/form", post(form::post))
        .route("/control/tenants/{tenant}", put(clients::put_tenant));
    Router::new()
        .route("/", get(pages::control::get))
        .merge(api)
        .layer(middleware::from_fn(own_pages_only))
}

/// Pages of other sites can send forms here, although they cannot read the responses. Allows only the provider's own pages and clients
/// that are not browsers.
async fn own_pages_only(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site").and_then(|it| it.to_str().ok());
    let is_navigation = request.uri().path() == "/";
    let is_foreign = matches!(site, Some("cross-site" | "same-site")) || !is_own_form(request.headers());
    if is_foreign && !is_navigation {
        return (
            StatusCode::FORBIDDEN,
            "The control API is for this provider's own page and for programs.\n",
        )
            .into_response();
    }
    next.run(request).await
}

/// The tenant of a control request: `?tenant=`, or the first one.
pub(super) struct Target(pub(super) TenantContext);

#[derive(Deserialize)]
struct TenantQuery {
    tenant: Option<String>,
}

impl FromRequestParts<Provider> for Target {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, provider: &Provider) -> Result<Self, Response> {
        let Query(query) = Query::<TenantQuery>::from_request_parts(parts, provider)
            .await
            .map_err(|it| it.into_response())?;
        let first = || {
            provider
                .config()
                .tenants
                .first()
                .map(|tenant| tenant.name.clone())
                .unwrap_or_default()
        };
        let name = query.tenant.unwrap_or_else(first);
        TenantContext::of(provider, &name)
            .map(Self)
            .ok_or_else(|| not_found("tenant", &name))
    }
}

pub(super) fn not_found(what: &str, name: &str) -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({"error": format!("no {what} `{name}`")})),
    )
        .into_response()
}

pub(super) fn unusable(problem: &impl ToString) -> Response {
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        Json(json!({"error": problem.to_string()})),
    )
        .into_response()
}

pub(super) fn done() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({"ok": true}))).into_response()
}

async fn requests(State(provider): State<Provider>) -> Json<Value> {
    let journal = provider.journal();
    Json(json!(journal.entries().collect::<Vec<_>>()))
}

async fn forget_requests(State(provider): State<Provider>) -> Response {
    provider.journal().clear();
    done()
}
