//! Issues tokens without a browser, for tests of services that verify them.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Target, not_found};
use crate::issue::{self, TokenContext};
use crate::store::{Acr, Family, Grant};

/// The user and the client of the tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueRequest {
    username: String,
    client_id: Option<String>,
    scope: Option<String>,
    nonce: Option<String>,
    acr: Option<Acr>,
    /// The thumbprint of the key that the tokens are bound to.
    dpop_jkt: Option<String>,
}

/// Issues tokens as a sign-in would, in a new session. Scopes that the user may not have are left out.
pub(super) async fn post(Target(context): Target, Json(request): Json<IssueRequest>) -> Response {
    let Some(user) = context.tenant.user(&request.username) else {
        return not_found("user", &request.username);
    };
    let client = match &request.client_id {
        Some(id) => context.client(id),
        None => context.tenant.clients.first(),
    };
    let Some(client) = client else {
        return not_found("client", &request.client_id.unwrap_or_default());
    };
    let asked = request.scope.as_deref().unwrap_or("openid profile email");
    let asked: Vec<String> = asked.split_ascii_whitespace().map(str::to_owned).collect();
    let acr = request.acr.unwrap_or(Acr::Loa1);
    let methods: &[&str] = if acr == Acr::Loa2 {
        &["pwd", "otp", "mfa"]
    } else {
        &["pwd"]
    };
    let grant = Grant {
        client_id: client.id.clone(),
        username: user.username.clone(),
        scope: context.tenant.grantable_scopes(user, &asked),
        auth_time: context.now(),
        amr: methods.iter().map(|&method| method.to_owned()).collect(),
        acr,
        sid: context.random().id(),
        organization: None,
    };
    let family = context.random().id();
    let jkt = request.dpop_jkt.as_deref();
    let on = TokenContext {
        client,
        grant: &grant,
        family: &family,
        scope: &grant.scope,
        jkt,
    };
    let made = context.write(|store| {
        let begun = Family {
            grant: grant.clone(),
            created: context.now(),
            ended: None,
        };
        store.families.insert(family.clone(), begun);
        let access_token = issue::access_token(&context, store, &on)?;
        let id_token = issue::id_token(&context, store, &on, request.nonce.as_deref(), &access_token, None)?;
        let refresh_token = issue::refresh_token(&context, store, &family, jkt.filter(|_| client.is_public()));
        Ok::<_, crate::refusal::Refusal>((access_token, id_token, refresh_token))
    });
    match made {
        Ok((access_token, id_token, refresh_token)) => Json(json!({
            "access_token": access_token,
            "id_token": id_token,
            "refresh_token": refresh_token,
            "token_type": if jkt.is_some() { "DPoP" } else { "Bearer" },
            "expires_in": context.lifetimes().access_token,
            "scope": grant.scope.join(" "),
            "sid": grant.sid,
        }))
        .into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
