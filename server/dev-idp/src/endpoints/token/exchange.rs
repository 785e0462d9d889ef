//! Token exchange for another organisation: RFC 8693, and Asgardeo's `organization_switch`.

use super::{TokenRequest, Tokens};
use crate::issue::{self, TokenContext};
use crate::jose::sha256;
use crate::refusal::Refusal;
use crate::store::Grant;

const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// RFC 8693: `subject_token` is an access token of this client, `audience` the organisation.
pub(super) fn exchange(request: &TokenRequest<'_>) -> Result<Tokens, Refusal> {
    for name in ["subject_token_type", "requested_token_type"] {
        if request.params.get(name).is_some_and(|it| it != ACCESS_TOKEN_TYPE) {
            return Err(Refusal::invalid_request(format!(
                "{name} is not the type of an access token"
            )));
        }
    }
    request.required("subject_token_type")?;
    if request.params.get("actor_token").is_some() {
        return Err(Refusal::invalid_request("an actor_token is not supported"));
    }
    let organization = request
        .params
        .get("audience")
        .ok_or_else(|| Refusal::invalid_request("audience is missing: the id, handle or name of an organisation"))?;
    let mut tokens = for_organization(request, request.required("subject_token")?, organization)?;
    tokens.issued_token_type = Some(ACCESS_TOKEN_TYPE);
    Ok(tokens)
}

/// Asgardeo's grant: `token` is an access token of this client, `switching_organization` the organisation.
pub(super) fn switch_organization(request: &TokenRequest<'_>) -> Result<Tokens, Refusal> {
    for_organization(
        request,
        request.required("token")?,
        request.required("switching_organization")?,
    )
}

fn for_organization(request: &TokenRequest<'_>, token: &str, organization: &str) -> Result<Tokens, Refusal> {
    let TokenRequest {
        context,
        client,
        params,
        ..
    } = request;
    let organization = context
        .tenant
        .organization(organization)
        .ok_or_else(|| Refusal::new("invalid_target", "the organisation is not known"))?;
    let digest = sha256(token);
    context.write(|store| {
        let unusable = || Refusal::invalid_grant("the access token is unknown, expired or revoked");
        let found = store
            .good_access_token(&digest, context.now())
            .cloned()
            .ok_or_else(unusable)?;
        let family = store.living_family(&found.family).cloned().ok_or_else(unusable)?;
        if family.grant.client_id != client.id {
            return Err(Refusal::invalid_grant("the access token was given to another client"));
        }
        if found.jkt.is_some() && found.jkt.as_deref() != request.jkt() {
            return Err(Refusal::invalid_grant("the access token is bound to another key"));
        }
        let scope = found.claims.get("scope").and_then(serde_json::Value::as_str);
        let had: Vec<String> = scope
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        let asked = params.list("scope");
        if asked.iter().any(|scope| !had.contains(scope)) {
            return Err(Refusal::new(
                "invalid_scope",
                "the scope is wider than the access token's",
            ));
        }
        let scope = if asked.is_empty() { had } else { asked };
        let grant = Grant {
            organization: Some(organization.id.clone()),
            ..family.grant
        };
        let on = TokenContext {
            client,
            grant: &grant,
            family: &found.family,
            scope: &scope,
            jkt: request.jkt(),
        };
        let access_token = issue::access_token(context, store, &on)?;
        let id_token = request.id_token_afterwards(store, &on, &access_token)?;
        let what = format!("exchanged for {} in {}", grant.username, organization.name);
        Ok(Tokens {
            access_token,
            refresh_token: None,
            id_token,
            issued_token_type: None,
            scope,
            what,
            shape: "",
        })
    })
}
