//! Registers clients and users at run time.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::switches::merge;
use super::{Target, not_found, unusable};
use crate::config::{Client, Tenant, User};
use crate::provider::Provider;
use crate::tenant_context::TenantContext;
use crate::totp;

pub(super) async fn list(Target(context): Target) -> Json<Vec<Client>> {
    Json(context.tenant.clients)
}

/// Registers a client, or replaces the one with the same `id`. The change lasts until a restart or a reset.
pub(super) async fn put(Target(context): Target, Json(client): Json<Client>) -> Response {
    let mut tenant = context.tenant.clone();
    put_in_place(&mut tenant.clients, client, |one, other| one.id == other.id);
    replace(&context.provider, tenant)
}

pub(super) async fn users(Target(context): Target) -> Json<Vec<User>> {
    Json(context.tenant.users)
}

/// Adds a user, or replaces the one with the same `username`. The change lasts until a restart or a reset.
pub(super) async fn put_user(Target(context): Target, Json(user): Json<User>) -> Response {
    let mut tenant = context.tenant.clone();
    put_in_place(&mut tenant.users, user, |one, other| one.username == other.username);
    replace(&context.provider, tenant)
}

/// Changes settings of a tenant (RFC 7396), such as its lifetimes. The change lasts until a restart or a reset.
pub(super) async fn put_tenant(
    State(provider): State<Provider>,
    Path(name): Path<String>,
    Json(change): Json<Value>,
) -> Response {
    let Some(context) = TenantContext::of(&provider, &name) else {
        return not_found("tenant", &name);
    };
    let changed = serde_json::to_value(&context.tenant).and_then(|mut value| {
        merge(&mut value, &change);
        value["name"] = Value::from(name.as_str());
        serde_json::from_value::<Tenant>(value)
    });
    match changed {
        Ok(tenant) => replace(&provider, tenant),
        Err(error) => unusable(&error),
    }
}

/// The order matters: the first client is the default where none is named.
fn put_in_place<T>(list: &mut Vec<T>, entry: T, is_same: impl Fn(&T, &T) -> bool) {
    match list.iter_mut().find(|it| is_same(it, &entry)) {
        Some(place) => *place = entry,
        None => list.push(entry),
    }
}

fn replace(provider: &Provider, tenant: Tenant) -> Response {
    let replaced = provider.configure(|config| {
        let mut changed = config.clone();
        if let Some(place) = changed.tenant_mut(&tenant.name) {
            *place = tenant.clone();
        }
        changed.check().map(|()| *config = changed)
    });
    match replaced {
        Ok(()) => Json(tenant).into_response(),
        Err(error) => unusable(&error),
    }
}

/// Returns the code that an authenticator would show now.
pub(super) async fn totp(Target(context): Target, Path(username): Path<String>) -> Response {
    let user = context.tenant.user(&username);
    match user
        .and_then(|user| totp::decode_base32(&user.totp_secret))
        .filter(|secret| !secret.is_empty())
    {
        Some(secret) => Json(json!({"code": totp::code(&secret, context.now())})).into_response(),
        None => not_found("user with a second factor", &username),
    }
}
