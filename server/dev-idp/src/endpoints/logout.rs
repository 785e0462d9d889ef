//! RP-initiated logout (OpenID Connect RP-Initiated Logout, section 2).

use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::authorize::request::redirect_with;
use super::authorize::sign_in::is_own_form;
use crate::backchannel;
use crate::cookie;
use crate::issue;
use crate::pages;
use crate::params::Params;
use crate::refusal::decided;
use crate::store::Session;
use crate::tenant_context::TenantContext;

/// A validated logout request.
struct Logout {
    client_id: String,
    /// The session in the ID token.
    sid: Option<String>,
    sub: Option<String>,
    /// The redirect URI after sign-out, with the state.
    then: Option<String>,
}

pub(crate) async fn get(context: TenantContext, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    logout(&context, &headers, &Params::of_query(query.as_deref()))
}

/// Handles a client's request as a form, or the form of the provider's own page. That form names the session which the page showed; a form
/// of another site cannot know it.
pub(crate) async fn post(context: TenantContext, headers: HeaderMap, body: Bytes) -> Response {
    let Some(params) = Params::of_form(&headers, &body) else {
        return pages::error::bad_request(&context, "The request is not a form.");
    };
    let Some(answer) = params.get("answer") else {
        return super::as_get(&context, "/oidc/logout", &params);
    };
    let request = match read(&context, &params) {
        Ok(request) => request,
        Err(why) => return pages::error::bad_request(&context, why),
    };
    let session = cookie::session(&context, &headers);
    match (answer, session) {
        ("sign_out", Some(session)) if is_own_form(&headers) && params.get("sid") == Some(&session.sid) => {
            end(&context, &request, &session)
        }
        ("sign_out", None) => leave(&context, &request, "no user is signed in"),
        ("sign_out", Some(_)) => pages::error::bad_request(&context, "The form was not sent from this page."),
        _ => pages::sign_out::stayed(&context),
    }
}

fn logout(context: &TenantContext, headers: &HeaderMap, params: &Params) -> Response {
    let request = match read(context, params) {
        Ok(request) => request,
        Err(why) => return pages::error::bad_request(context, why),
    };
    let Some(session) = cookie::session(context, headers) else {
        return end_hinted(context, &request);
    };
    let user = context.tenant.user(&session.username);
    let is_theirs = request.sid.as_deref() == Some(session.sid.as_str())
        || (request.sub.is_some() && request.sub == user.map(|user| context.sub(user)));
    if is_theirs {
        return end(context, &request, &session);
    }
    let name = user.map_or_else(|| session.username.clone(), |user| user.display_name());
    let response = pages::sign_out::confirm(context, params, &session.sid, &name);
    decided(response, &request.client_id, "the user is asked whether to sign out")
}

fn read(context: &TenantContext, params: &Params) -> Result<Logout, &'static str> {
    if params.doubled().is_some() {
        return Err("A parameter of the request is there more than once.");
    }
    let hint = match params.get("id_token_hint") {
        // An expired ID token is accepted: users sign out long after they signed in.
        Some(token) => Some(
            issue::own_id_token(context, token).ok_or("The id_token_hint is not an ID token that was issued here.")?,
        ),
        None => None,
    };
    let hinted = hint.as_ref().and_then(|jws| jws.claim_str("aud")).map(str::to_owned);
    let named = params.owned("client_id");
    if named.is_some() && hinted.is_some() && named != hinted {
        return Err("The client_id is not the one that the id_token_hint was issued to.");
    }
    let client_id = named.or(hinted).unwrap_or_default();
    let claim = |name| hint.as_ref().and_then(|jws| jws.claim_str(name)).map(str::to_owned);
    Ok(Logout {
        then: then(context, params, &client_id)?,
        sid: claim("sid"),
        sub: claim("sub"),
        client_id,
    })
}

/// Returns the redirect URI, if the client registered it, compared character by character.
fn then(context: &TenantContext, params: &Params, client_id: &str) -> Result<Option<String>, &'static str> {
    let Some(uri) = params.get("post_logout_redirect_uri") else {
        return Ok(None);
    };
    if client_id.is_empty() {
        return Err("A post_logout_redirect_uri needs an id_token_hint or a client_id.");
    }
    let client = context
        .client(client_id)
        .ok_or("The client_id is not registered here.")?;
    if !client.post_logout_redirect_uris.iter().any(|it| it == uri) {
        return Err(
            "The post_logout_redirect_uri is not registered for this application. It has to be the same, character by \
             character.",
        );
    }
    Ok(Some(match params.get("state") {
        Some(state) => redirect_with(uri, &[("state", state)]),
        None => uri.to_owned(),
    }))
}

fn end(context: &TenantContext, request: &Logout, session: &Session) -> Response {
    backchannel::end_session(context, &session.sid, "the user signed out");
    let mut response = leave(context, request, &format!("{} signed out", session.username));
    response
        .headers_mut()
        .append(header::SET_COOKIE, cookie::no_session(context));
    response
}

/// The browser has lost its cookie, or did not send it. The ID token is enough to end its own session. The cookie stays, because it may
/// belong to another session.
fn end_hinted(context: &TenantContext, request: &Logout) -> Response {
    let hinted = request.sid.as_deref();
    match hinted.filter(|sid| context.read(|store| store.living_sids(context.now()).contains_key(*sid))) {
        Some(sid) => {
            backchannel::end_session(context, sid, "the user signed out");
            leave(context, request, "the session of the id_token_hint was ended")
        }
        None => leave(context, request, "no user is signed in"),
    }
}

fn leave(context: &TenantContext, request: &Logout, what: &str) -> Response {
    let response = match &request.then {
        Some(uri) => pages::see_other(uri),
        None => pages::sign_out::done(context),
    };
    decided(response, &request.client_id, what)
}
