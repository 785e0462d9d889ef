//! Redeems an authorization code (RFC 6749, section 4.1.3; RFC 7636, section 4.6).

use super::{TokenRequest, Tokens};
use crate::issue::{self, TokenContext};
use crate::jose::sha256;
use crate::refusal::Refusal;
use crate::store::{Code, Family, TenantStore};

/// Checks, in order: the code is known and the client's; it is unused (else its tokens are revoked); it has not expired; the
/// redirect URI is the same; the verifier matches; the key is the announced one. Only then is the code used up.
pub(super) fn redeem(request: &TokenRequest<'_>) -> Result<Tokens, Refusal> {
    let context = request.context;
    let code = request.required("code")?;
    let redirect_uri = request.required("redirect_uri")?;
    let verifier = request.required("code_verifier")?;
    let digest = sha256(code);
    context.write(|store| {
        let found = known(request, store, &digest)?;
        if found.redirect_uri != redirect_uri {
            return Err(Refusal::invalid_grant(
                "redirect_uri is not the one of the authorization request",
            ));
        }
        if !is_verifier(verifier) || sha256(verifier) != found.code_challenge {
            return Err(Refusal::invalid_grant("code_verifier does not fit the code_challenge"));
        }
        if found.dpop_jkt.is_some() && found.dpop_jkt.as_deref() != request.jkt() {
            return Err(Refusal::invalid_grant(
                "the proof's key is not the one that dpop_jkt announced",
            ));
        }
        let family = context.random().id();
        // Issued before the code is used up: without a signing key this fails, and the client may try again.
        let tokens = tokens(request, store, &found, &family, code)?;
        let begun = Family {
            grant: found.grant,
            created: context.now(),
            ended: None,
        };
        store.families.insert(family.clone(), begun);
        if let Some(code) = store.codes.get_mut(&digest) {
            code.used = Some(family);
        }
        Ok(tokens)
    })
}

fn known(request: &TokenRequest<'_>, store: &mut TenantStore, digest: &str) -> Result<Code, Refusal> {
    let unknown = || Refusal::invalid_grant("the code is not known");
    let found = store.codes.get(digest).cloned().ok_or_else(unknown)?;
    if found.grant.client_id != request.client.id {
        return Err(Refusal::invalid_grant("the code was given to another client"));
    }
    if let Some(family) = &found.used {
        store.end_family(family, "its authorization code was used again");
        return Err(Refusal::invalid_grant(
            "the code was used before; what it gave is revoked",
        ));
    }
    if request.context.now() >= found.expires {
        return Err(Refusal::invalid_grant("the code has expired"));
    }
    Ok(found)
}

fn tokens(
    request: &TokenRequest<'_>,
    store: &mut TenantStore,
    found: &Code,
    family: &str,
    code: &str,
) -> Result<Tokens, Refusal> {
    let TokenRequest { context, client, .. } = request;
    let scope = &found.grant.scope;
    let on = TokenContext {
        client,
        grant: &found.grant,
        family,
        scope,
        jkt: request.jkt(),
    };
    let access_token = issue::access_token(context, store, &on)?;
    let wants_refresh = client.refresh_tokens && !context.switches.omit_refresh_token;
    let refresh_token = wants_refresh.then(|| issue::refresh_token(context, store, family, request.binds_refresh_to()));
    let id_token = if scope.iter().any(|it| it == "openid") {
        let nonce = found.nonce.as_deref();
        Some(issue::id_token(context, store, &on, nonce, &access_token, Some(code))?)
    } else {
        None
    };
    let what = format!("code redeemed for {}", found.grant.username);
    Ok(Tokens {
        access_token,
        refresh_token,
        id_token,
        issued_token_type: None,
        scope: scope.clone(),
        what,
        shape: "token_answer",
    })
}

/// RFC 7636, section 4.1: 43 to 128 unreserved characters.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}
