//! Reads an authorization request (RFC 6749, section 4.1.1; RFC 7636, section 4.3; OpenID Connect Core, section 3.1.2).

use url::Url;

use crate::config::Client;
use crate::issue;
use crate::params::Params;
use crate::store::{Acr, AuthorizationRequest, Prompt};
use crate::tenant_context::TenantContext;

/// A rejected authorization request.
pub(crate) enum Refused {
    /// The redirect URI cannot be trusted: the error is shown to the user and not sent to the client.
    OnOwnPage(&'static str),
    /// The error is sent to the client (RFC 6749, section 4.1.2.1).
    ToClient(ClientError),
}

/// An error for the client's redirect URI.
pub(crate) struct ClientError {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

/// The longest value of a parameter, in bytes.
const LONGEST: usize = 4096;

/// Checks everything that needs no interaction. The client and the redirect URI come first: they decide
/// where errors go.
pub(crate) fn read(context: &TenantContext, params: &Params) -> Result<AuthorizationRequest, Refused> {
    let (client, redirect_uri) = target(context, params)?;
    read_for(context, params, client).map_err(|(error, description)| {
        Refused::ToClient(ClientError {
            client_id: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state: params.owned("state").filter(|it| it.len() <= LONGEST),
            error,
            description,
        })
    })
}

/// Returns the client and its registered redirect URI, compared character by character.
fn target<'a>(context: &'a TenantContext, params: &'a Params) -> Result<(&'a Client, &'a str), Refused> {
    let client_id = params
        .get("client_id")
        .ok_or(Refused::OnOwnPage("The request has no client_id, or more than one."))?;
    let client = context
        .client(client_id)
        .ok_or(Refused::OnOwnPage("The client_id is not registered here."))?;
    let redirect_uri = params
        .get("redirect_uri")
        .ok_or(Refused::OnOwnPage("The request has no redirect_uri, or more than one."))?;
    if client.redirect_uris.iter().any(|it| it == redirect_uri) {
        Ok((client, redirect_uri))
    } else {
        Err(Refused::OnOwnPage(
            "The redirect_uri is not registered for this application. It has to be the same, character by character.",
        ))
    }
}

type Error = (&'static str, &'static str);

fn read_for(context: &TenantContext, params: &Params, client: &Client) -> Result<AuthorizationRequest, Error> {
    let invalid = |what| Err(("invalid_request", what));
    if params.doubled().is_some() {
        return invalid("a parameter is there more than once");
    }
    if params.longest() > LONGEST {
        return invalid("a parameter is longer than 4096 bytes");
    }
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if params.get(name).is_some() {
            return Err((error, "this parameter is not supported"));
        }
    }
    match params.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "response_type has to be code")),
        None => return invalid("response_type is missing"),
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return invalid("response_mode has to be query");
    }
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        redirect_uri: params.owned("redirect_uri").unwrap_or_default(),
        state: params.owned("state"),
        nonce: params.owned("nonce"),
        scope: scope(params)?,
        code_challenge: code_challenge(params)?,
        dpop_jkt: dpop_jkt(params)?,
        prompt: prompt(params)?,
        max_age: max_age(params)?,
        acr: params.list("acr_values").iter().find_map(|name| Acr::from_name(name)),
        login_hint: params.owned("login_hint"),
        sub_hint: sub_hint(context, params)?,
    })
}

fn scope(params: &Params) -> Result<Vec<String>, Error> {
    let mut scope = params.list("scope");
    if scope.is_empty() {
        return Err(("invalid_scope", "scope is missing"));
    }
    let is_scope_token = |it: &String| it.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if !scope.iter().all(is_scope_token) {
        return Err(("invalid_scope", "a scope has characters that RFC 6749 does not allow"));
    }
    let mut seen = std::collections::HashSet::new();
    scope.retain(|it| seen.insert(it.clone()));
    Ok(scope)
}

fn code_challenge(params: &Params) -> Result<String, Error> {
    let Some(challenge) = params.get("code_challenge") else {
        return Err((
            "invalid_request",
            "code_challenge is missing: PKCE is mandatory (RFC 7636)",
        ));
    };
    // A request without a method means plain (RFC 7636, section 4.3).
    if params.get("code_challenge_method") != Some("S256") {
        return Err(("invalid_request", "code_challenge_method has to be S256"));
    }
    if !is_sha256(challenge) {
        return Err(("invalid_request", "code_challenge is not a SHA-256 as base64url"));
    }
    Ok(challenge.to_owned())
}

fn dpop_jkt(params: &Params) -> Result<Option<String>, Error> {
    match params.owned("dpop_jkt") {
        Some(jkt) if !is_sha256(&jkt) => Err(("invalid_request", "dpop_jkt is not a SHA-256 as base64url")),
        jkt => Ok(jkt),
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn prompt(params: &Params) -> Result<Vec<Prompt>, Error> {
    let read = |name: &String| match name.as_str() {
        "none" => Ok(Prompt::None),
        "login" => Ok(Prompt::Login),
        "consent" => Ok(Prompt::Consent),
        "select_account" => Ok(Prompt::SelectAccount),
        _ => Err((
            "invalid_request",
            "prompt has a value that is not none, login, consent or select_account",
        )),
    };
    let prompt: Vec<Prompt> = params.list("prompt").iter().map(read).collect::<Result<_, _>>()?;
    if prompt.contains(&Prompt::None) && prompt.len() > 1 {
        return Err(("invalid_request", "prompt=none stands alone"));
    }
    Ok(prompt)
}

fn max_age(params: &Params) -> Result<Option<i64>, Error> {
    let Some(text) = params.get("max_age") else {
        return Ok(None);
    };
    match text.parse::<u32>() {
        Ok(seconds) => Ok(Some(i64::from(seconds))),
        Err(_) => Err(("invalid_request", "max_age is not a number of seconds")),
    }
}

/// Returns the subject of an ID token of this provider. It may have expired: it is only a hint.
fn sub_hint(context: &TenantContext, params: &Params) -> Result<Option<String>, Error> {
    let Some(token) = params.get("id_token_hint") else {
        return Ok(None);
    };
    issue::own_id_token(context, token)
        .and_then(|jws| jws.claim_str("sub").map(str::to_owned))
        .map(Some)
        .ok_or(("invalid_request", "id_token_hint is not an ID token of this issuer"))
}

/// Returns the redirect URI with the response in its query.
pub(crate) fn redirect_with(redirect_uri: &str, answer: &[(&str, &str)]) -> String {
    match Url::parse(redirect_uri) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(answer);
            url.into()
        }
        // `Config::check` ensures that registered URIs parse.
        Err(_) => redirect_uri.to_owned(),
    }
}
