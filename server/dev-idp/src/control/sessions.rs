//! Ends sessions and token families.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Target;
use crate::backchannel;

/// Selects sessions or families: one by identifier, or all of a user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum SessionSelector {
    Sid(String),
    Family(String),
    Username(String),
}

pub(super) async fn list(Target(context): Target) -> Json<Value> {
    let now = context.now();
    let describe = |store: &crate::store::TenantStore| {
        let living = store.sessions.values().filter(|session| now < session.expires);
        living
            .map(|session| {
                json!({
                    "sid": session.sid,
                    "username": session.username,
                    "auth_time": session.auth_time,
                    "acr": session.acr().name(),
                    "expires": session.expires,
                })
            })
            .collect::<Vec<_>>()
    };
    Json(Value::from(context.read(describe)))
}

/// Ends sessions, revokes their tokens, and notifies the clients. Tokens can outlive the cookie of their session, and those
/// that the control API made never had one.
pub(super) async fn end(Target(context): Target, Json(selector): Json<SessionSelector>) -> Response {
    let sids: Vec<String> = context.read(|store| {
        let living = store.living_sids(context.now()).into_iter();
        let named = living.filter(|&(sid, username)| match &selector {
            SessionSelector::Sid(wanted) => sid == wanted,
            SessionSelector::Username(wanted) => username == wanted,
            SessionSelector::Family(_) => false,
        });
        named.map(|(sid, _)| sid.to_owned()).collect()
    });
    for sid in &sids {
        backchannel::end_session(&context, sid, "the session was ended on the control page");
    }
    Json(json!({"ended": sids})).into_response()
}

pub(super) async fn families(Target(context): Target) -> Json<Value> {
    let describe = |store: &crate::store::TenantStore| {
        let families = store.families.iter().map(|(id, family)| {
            json!({
                "family": id,
                "username": family.grant.username,
                "client_id": family.grant.client_id,
                "scope": family.grant.scope.join(" "),
                "sid": family.grant.sid,
                "created": family.created,
                "ended": family.ended,
            })
        });
        families.collect::<Vec<_>>()
    };
    Json(Value::from(context.read(describe)))
}

/// Revokes families with their refresh and access tokens. The session stays.
pub(super) async fn revoke(Target(context): Target, Json(selector): Json<SessionSelector>) -> Response {
    let revoked = context.write(|store| {
        let ids: Vec<String> = store
            .families
            .iter()
            .filter(|(id, family)| match &selector {
                SessionSelector::Family(wanted) => *id == wanted,
                SessionSelector::Sid(sid) => family.grant.sid == *sid,
                SessionSelector::Username(username) => family.grant.username == *username,
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in &ids {
            store.end_family(id, "it was revoked on the control page");
        }
        ids
    });
    Json(json!({"revoked": revoked})).into_response()
}
