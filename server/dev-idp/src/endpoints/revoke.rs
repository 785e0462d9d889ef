//! Revocation (RFC 7009). A refresh token revokes its family; an access token only itself.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};

use super::token::form;
use crate::client_authentication;
use crate::jose::sha256;
use crate::refusal::{Answer, Refusal, decided};
use crate::tenant_context::TenantContext;

pub(crate) async fn post(context: TenantContext, headers: HeaderMap, body: Bytes) -> Answer {
    let params = form(&headers, &body)?;
    let client = client_authentication::client(&context, &headers, &params)?;
    let token = params
        .get("token")
        .ok_or_else(|| Refusal::invalid_request("token is missing").of_client(&client.id))?;
    let digest = sha256(token);
    let what = context.write(|store| {
        let family = store
            .refresh_tokens
            .get(&digest)
            .map(|it| it.family.clone())
            .or_else(|| store.access_tokens.get(&digest).map(|it| it.family.clone()));
        // An unknown token, or one of another client, is answered like a revoked one (RFC 7009, section 2.2).
        let owner = family
            .as_ref()
            .and_then(|id| store.families.get(id))
            .map(|it| it.grant.client_id.as_str());
        let (Some(family), true) = (family, owner == Some(client.id.as_str())) else {
            return "nothing to revoke";
        };
        if let Some(token) = store.access_tokens.get_mut(&digest) {
            token.revoked = true;
            "access token revoked"
        } else {
            store.end_family(&family, "it was revoked by the client");
            "family revoked"
        }
    });
    Ok(decided(StatusCode::OK, &client.id, what))
}
