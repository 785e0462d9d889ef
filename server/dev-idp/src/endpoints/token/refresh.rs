//! Refreshes tokens (RFC 6749, section 6), with rotation and the detection of reuse (RFC 9700, section 4.14.2).

use super::{TokenRequest, Tokens};
use crate::issue::{self, TokenContext};
use crate::jose::sha256;
use crate::refusal::Refusal;
use crate::store::{Family, RefreshToken, TenantStore};

/// Checks, in order: the token is known and the client's; its family is valid; it is unused (else the family ends); it has
/// not expired; the key is the same; the scope is not wider. Only then is the token used up.
pub(super) fn refresh(request: &TokenRequest<'_>) -> Result<Tokens, Refusal> {
    let TokenRequest {
        context,
        client,
        params,
        ..
    } = request;
    let digest = sha256(request.required("refresh_token")?);
    context.write(|store| {
        let (found, family) = known(request, store, &digest)?;
        let grant = &family.grant;
        let asked = params.list("scope");
        if asked.iter().any(|scope| !grant.scope.contains(scope)) {
            return Err(Refusal::new(
                "invalid_scope",
                "the scope is wider than what was granted",
            ));
        }
        let scope = if asked.is_empty() { grant.scope.clone() } else { asked };
        let on = TokenContext {
            client,
            grant,
            family: &found.family,
            scope: &scope,
            jkt: request.jkt(),
        };
        let access_token = issue::access_token(context, store, &on)?;
        let id_token = request.id_token_afterwards(store, &on, &access_token)?;
        // A client that gets no new refresh token continues to use the old one (RFC 6749, section 6).
        let rotates = !context.switches.keep_refresh_token && !context.switches.omit_refresh_token;
        let refresh_token = rotates.then(|| {
            if let Some(used) = store.refresh_tokens.get_mut(&digest) {
                used.used = true;
            }
            issue::refresh_token(context, store, &found.family, request.binds_refresh_to())
        });
        let what = format!("refreshed for {}", grant.username);
        Ok(Tokens {
            access_token,
            refresh_token,
            id_token,
            issued_token_type: None,
            scope,
            what,
            shape: "refresh_answer",
        })
    })
}

fn known(request: &TokenRequest<'_>, store: &mut TenantStore, digest: &str) -> Result<(RefreshToken, Family), Refusal> {
    let unknown = || Refusal::invalid_grant("the refresh token is not known");
    let found = store.refresh_tokens.get(digest).cloned().ok_or_else(unknown)?;
    let family = store.families.get(&found.family).cloned().ok_or_else(unknown)?;
    if family.grant.client_id != request.client.id {
        return Err(Refusal::invalid_grant("the refresh token was given to another client"));
    }
    if let Some(why) = &family.ended {
        return Err(Refusal::invalid_grant(format!("the refresh token is revoked: {why}")));
    }
    if found.used {
        store.end_family(&found.family, "one of its refresh tokens was used again");
        return Err(Refusal::invalid_grant(
            "the refresh token was used before; its family is revoked",
        ));
    }
    if request.context.now() >= found.expires {
        return Err(Refusal::invalid_grant("the refresh token has expired"));
    }
    if found.jkt.is_some() && found.jkt.as_deref() != request.jkt() {
        return Err(Refusal::invalid_grant("the refresh token is bound to another key"));
    }
    Ok((found, family))
}
