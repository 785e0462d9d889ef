//! Introspection (RFC 7662), for clients that have a secret.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::token::form;
use crate::client_authentication;
use crate::jose::sha256;
use crate::refusal::{Answer, Refusal, decided, no_store};
use crate::store::TenantStore;
use crate::tenant_context::TenantContext;

pub(crate) async fn post(context: TenantContext, headers: HeaderMap, body: Bytes) -> Answer {
    let params = form(&headers, &body)?;
    let client = client_authentication::client(&context, &headers, &params)?;
    if client.is_public() {
        let refusal = Refusal::new("invalid_client", "introspection needs a client with a secret");
        return Err(refusal.status(StatusCode::UNAUTHORIZED).of_client(&client.id));
    }
    let token = params
        .get("token")
        .ok_or_else(|| Refusal::invalid_request("token is missing").of_client(&client.id))?;
    let body = context.read(|store| describe(&context, store, &sha256(token)));
    let what = if body["active"] == true {
        "introspected: active"
    } else {
        "introspected: not active"
    };
    Ok(decided((no_store(), Json(body)), &client.id, what))
}

fn describe(context: &TenantContext, store: &TenantStore, digest: &str) -> Value {
    let now = context.now();
    if let Some(found) = store.good_access_token(digest, now) {
        let family = store.living_family(&found.family);
        let client_id = family.map_or("", |family| family.grant.client_id.as_str());
        if let Some(shaped) = context.profile_part("introspection", client_id, &[]) {
            return Value::Object(shaped);
        }
        let mut claims = found.claims.clone();
        claims.insert("active".to_owned(), Value::from(true));
        let kind = if found.jkt.is_some() { "DPoP" } else { "Bearer" };
        claims.insert("token_type".to_owned(), Value::from(kind));
        if let Some(family) = family {
            claims.insert("username".to_owned(), Value::from(family.grant.username.as_str()));
        }
        return Value::Object(claims);
    }
    let refresh = store
        .refresh_tokens
        .get(digest)
        .filter(|it| !it.used && now < it.expires);
    match refresh.and_then(|it| Some((it, store.living_family(&it.family)?))) {
        Some((found, family)) => json!({
            "active": true,
            "token_type": "refresh_token",
            "iss": context.issuer,
            "client_id": family.grant.client_id,
            "username": family.grant.username,
            "scope": family.grant.scope.join(" "),
            "exp": found.expires,
        }),
        None => json!({"active": false}),
    }
}
