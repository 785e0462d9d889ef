//! Redirects to the client (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).

use axum::response::Response;

use super::request::{ClientError, redirect_with};
use crate::jose::sha256;
use crate::pages;
use crate::refusal::decided;
use crate::store::{AuthorizationRequest, Code, Grant, Session};
use crate::tenant_context::TenantContext;

/// The error of OpenID Connect's "Unmet Authentication Requirements" specification.
pub(super) const NO_SECOND_FACTOR: (&str, &str) =
    ("unmet_authentication_requirements", "the user has no second factor");

/// Sends the browser back with a code.
pub(super) fn grant(context: &TenantContext, request: &AuthorizationRequest, session: &Session) -> Response {
    let code = context.random().secret();
    let scope = match context.tenant.user(&session.username) {
        Some(user) => context.tenant.grantable_scopes(user, &request.scope),
        None => Vec::new(),
    };
    let grant = Grant {
        client_id: request.client_id.clone(),
        username: session.username.clone(),
        scope,
        auth_time: session.auth_time,
        amr: session.amr.clone(),
        acr: session.acr(),
        sid: session.sid.clone(),
        organization: None,
    };
    let record = Code {
        grant,
        redirect_uri: request.redirect_uri.clone(),
        code_challenge: request.code_challenge.clone(),
        nonce: request.nonce.clone(),
        dpop_jkt: request.dpop_jkt.clone(),
        expires: context.now() + i64::from(context.lifetimes().code),
        used: None,
    };
    context.write(|store| store.codes.insert(sha256(&code), record));
    // As in Asgardeo's responses (OpenID Connect Session Management). It changes with the session.
    let session_state = sha256(&format!("{}.{}", request.client_id, session.sid));
    let answer = [("code", code.as_str()), ("session_state", &session_state)];
    let response = respond(context, &request.redirect_uri, request.state.as_deref(), &answer);
    decided(
        response,
        &request.client_id,
        format!("code given for {}", session.username),
    )
}

/// Sends the browser back with an error.
pub(super) fn refuse(context: &TenantContext, error: &ClientError) -> Response {
    let answer = [("error", error.error), ("error_description", error.description)];
    let response = respond(context, &error.redirect_uri, error.state.as_deref(), &answer);
    decided(
        response,
        &error.client_id,
        format!("refused: {}: {}", error.error, error.description),
    )
}

fn respond(context: &TenantContext, redirect_uri: &str, state: Option<&str>, answer: &[(&str, &str)]) -> Response {
    let mut answer = answer.to_vec();
    if let Some(state) = context.switches.callback_state.as_deref().or(state) {
        answer.push(("state", state));
    }
    let iss = context.switches.callback_iss.as_deref().unwrap_or(&context.issuer);
    if !iss.is_empty() {
        answer.push(("iss", iss));
    }
    pages::see_other(&redirect_with(redirect_uri, &answer))
}
