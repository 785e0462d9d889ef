//! Resources of the provider itself, called with a bearer (RFC 6750) or DPoP token (RFC 9449): userinfo (OpenID Connect
//! Core, section 5.3), and Asgardeo's endpoint that ends all sessions of a user.

use axum::Json;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::IntoResponse as _;
use serde_json::{Map, Value};

use crate::backchannel;
use crate::dpop;
use crate::issue;
use crate::jose::sha256;
use crate::refusal::{Answer, Refusal, decided, no_store};
use crate::store::{AccessToken, Family};
use crate::tenant_context::TenantContext;

/// Relative to the tenant's base URL.
pub(crate) const USERINFO: &str = "/oauth2/userinfo";
/// Relative to the tenant's base URL.
pub(crate) const SESSIONS: &str = "/api/users/v1/me/sessions";

pub(crate) async fn answer(context: TenantContext, method: Method, headers: HeaderMap) -> Answer {
    let (token, Family { grant, .. }) = caller(&context, &method, &headers, USERINFO)?;
    let user = issue::user(&context, &grant).map_err(|gone| {
        let scheme = if token.jkt.is_some() { "DPoP" } else { "Bearer" };
        Refusal::new("invalid_token", gone.description).challenge(scheme)
    })?;
    let scope: Vec<String> = scope_of(&token).map(str::to_owned).collect();
    let mut claims: Map<String, Value> = issue::user_claims(user, &scope);
    // The subject is that of the ID token (OpenID Connect Core, section 5.3.2).
    let shaped = context.profile_part("id_token", &grant.client_id, &[]);
    let sub = shaped.and_then(|token| token.get("claims")?.get("sub").cloned());
    claims.insert("sub".to_owned(), sub.unwrap_or_else(|| Value::from(context.sub(user))));
    let response = (no_store(), Json(Value::Object(claims))).into_response();
    Ok(decided(
        response,
        &grant.client_id,
        format!("told about {}", user.username),
    ))
}

/// Ends all sessions of the user, revokes their tokens, and notifies the clients.
pub(crate) async fn end_sessions(context: TenantContext, method: Method, headers: HeaderMap) -> Answer {
    let (_, Family { grant, .. }) = caller(&context, &method, &headers, SESSIONS)?;
    let sids: Vec<String> = context.read(|store| {
        let living = store.living_sids(context.now()).into_iter();
        let own = living.filter(|(_, username)| *username == grant.username);
        own.map(|(sid, _)| sid.to_owned()).collect()
    });
    for sid in &sids {
        backchannel::end_session(&context, sid, "the user ended all their sessions");
    }
    let response = (no_store(), StatusCode::NO_CONTENT).into_response();
    Ok(decided(
        response,
        &grant.client_id,
        format!("ended {} sessions of {}", sids.len(), grant.username),
    ))
}

/// Returns the access token of the request, and its grant.
fn caller(
    context: &TenantContext,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
) -> Result<(AccessToken, Family), Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let credentials = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(|value| value.split_once(' ')),
        (Some(_), Some(_)) => return Err(Refusal::invalid_request("more than one Authorization header")),
        (None, _) => None,
    };
    let Some((scheme, token)) = credentials else {
        return Err(Refusal::new("invalid_token", "no access token came")
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Bearer, DPoP"));
    };
    let found = context.read(|store| store.good_access_token(&sha256(token), context.now()).cloned());
    let unusable = || Refusal::new("invalid_token", "the access token is unknown, expired or revoked");
    let found = found.ok_or_else(|| unusable().challenge("Bearer"))?;
    check_binding(context, method, headers, path, scheme, token, &found)?;
    let family = context.read(|store| store.living_family(&found.family).cloned());
    let family = family.ok_or_else(|| unusable().challenge("Bearer"))?;
    if !scope_of(&found).any(|it| it == "openid") {
        let refusal = Refusal::new("insufficient_scope", "this needs the scope openid");
        return Err(refusal.challenge("Bearer").status(StatusCode::FORBIDDEN));
    }
    Ok((found, family))
}

fn scope_of(token: &AccessToken) -> impl Iterator<Item = &str> {
    let scope = token.claims.get("scope").and_then(Value::as_str);
    scope.unwrap_or_default().split_ascii_whitespace()
}

fn check_binding(
    context: &TenantContext,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
    scheme: &str,
    token: &str,
    found: &AccessToken,
) -> Result<(), Refusal> {
    let invalid = |what: &str| Refusal::new("invalid_token", what);
    let Some(jkt) = &found.jkt else {
        return if scheme.eq_ignore_ascii_case("bearer") {
            Ok(())
        } else {
            Err(invalid("the access token is not bound to a key; send it as Bearer").challenge("Bearer"))
        };
    };
    if !scheme.eq_ignore_ascii_case("dpop") {
        return Err(invalid("the access token is bound to a key; send it as DPoP with a proof").challenge("DPoP"));
    }
    let proof = dpop::proof(context, headers, method, path, Some(token))
        .map_err(|refusal| refusal.challenge("DPoP"))?
        .ok_or_else(|| Refusal::new("invalid_dpop_proof", "the proof is missing").challenge("DPoP"))?;
    if proof.jkt == *jkt {
        Ok(())
    } else {
        Err(invalid("the access token is bound to another key").challenge("DPoP"))
    }
}
