//! Ending sessions. It takes effect on every node within a second.

use leptos::prelude::*;
use leptos::server_fn::codec::{Json, PostUrl};
use pixygate::leptos::{CallError, GateClient};

/// `POST /api/sessions/end`: revokes all tokens of the caller that were issued before now, including this one. Requires a recent
/// sign-in.
#[server(name = EndMySessions, prefix = "/api", endpoint = "sessions/end", input = PostUrl, output = Json, client = GateClient)]
pub async fn end_my_sessions() -> Result<(), CallError> {
    use pixygate::jwt::Ended;

    let (caller, backend) = super::backend::caller().await?;
    let ended = backend.end(Ended::sessions_of(&caller, 0)).await;
    ended.map_err(super::backend::unavailable)
}

/// `POST /api/admin/sessions/end`: revokes all tokens of a user that were issued before now. For administrators, after a recent
/// sign-in.
#[server(name = EndSessionsOf, prefix = "/api", endpoint = "admin/sessions/end", input = PostUrl, output = Json, client = GateClient)]
pub async fn end_sessions_of(
    /// The issuer, as the activity shows it.
    issuer: String,
    /// The user.
    subject: String,
) -> Result<(), CallError> {
    use pixygate::jwt::Ended;

    let (caller, backend) = super::backend::administrator().await?;
    if issuer.trim().is_empty() || subject.trim().is_empty() {
        return Err(super::backend::incomplete());
    }
    super::backend::log(&caller, "ends all sessions of a user", &issuer, &subject);
    let ended = backend.end(Ended::new(issuer, 0).subject(subject)).await;
    ended.map_err(super::backend::unavailable)
}

/// `POST /api/admin/tokens/revoke`: revokes one token. For administrators, after a recent sign-in.
#[server(name = RevokeToken, prefix = "/api", endpoint = "admin/tokens/revoke", input = PostUrl, output = Json, client = GateClient)]
pub async fn revoke_token(
    /// The issuer of the token.
    issuer: String,
    /// Its `jti`.
    token_id: String,
) -> Result<(), CallError> {
    use pixygate::jwt::Ended;

    let (caller, backend) = super::backend::administrator().await?;
    if issuer.trim().is_empty() || token_id.trim().is_empty() {
        return Err(super::backend::incomplete());
    }
    super::backend::log(&caller, "revokes a token", &issuer, &token_id);
    let ended = backend.end(Ended::new(issuer, 0).token_id(token_id)).await;
    ended.map_err(super::backend::unavailable)
}
