//! The token endpoint (RFC 6749, section 3.2).

mod code;
mod exchange;
mod refresh;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::{Json, response::Response};
use serde_json::{Value, json};

use crate::client_authentication;
use crate::config::Client;
use crate::cors;
use crate::dpop::{self, Proof};
use crate::issue::{self, TokenContext};
use crate::params::Params;
use crate::refusal::{Answer, DPOP_NONCE, Refusal, no_store};
use crate::store::TenantStore;
use crate::tenant_context::TenantContext;

/// A token request with an authenticated client and a verified proof.
struct TokenRequest<'a> {
    context: &'a TenantContext,
    params: &'a Params,
    client: &'a Client,
    proof: Option<Proof>,
}

/// The tokens of a response.
struct Tokens {
    access_token: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
    issued_token_type: Option<&'static str>,
    scope: Vec<String>,
    /// For the journal.
    what: String,
    /// The part of a profile that shapes the response.
    shape: &'static str,
}

pub(crate) async fn post(context: TenantContext, headers: HeaderMap, body: Bytes) -> Answer {
    if let Some(error) = &context.switches.token_error {
        return Err(Refusal::new(error.as_str(), "the control switch token_error is on"));
    }
    let params = form(&headers, &body)?;
    let client = client_authentication::client(&context, &headers, &params)?;
    answer(&context, &headers, &params, &client).map_err(|refusal| refusal.of_client(&client.id))
}

/// Reads a form whose parameters come at most once.
pub(crate) fn form(headers: &HeaderMap, body: &[u8]) -> Result<Params, Refusal> {
    let params = Params::of_form(headers, body)
        .ok_or_else(|| Refusal::invalid_request("the body is not application/x-www-form-urlencoded"))?;
    match params.doubled() {
        Some(name) if name.len() < 64 && name.is_ascii() && !name.contains(['"', '\\']) => {
            Err(Refusal::invalid_request(format!("{name} is there more than once")))
        }
        Some(_) => Err(Refusal::invalid_request("a parameter is there more than once")),
        None => Ok(params),
    }
}

fn answer(context: &TenantContext, headers: &HeaderMap, params: &Params, client: &Client) -> Answer {
    let proof = dpop::proof(context, headers, &Method::POST, "/oauth2/token", None)?;
    if proof.is_none() && client.dpop_required {
        return Err(Refusal::new(
            "invalid_dpop_proof",
            "the client's tokens are bound to a key, and no proof came",
        ));
    }
    let bound = proof.is_some();
    let request = TokenRequest {
        context,
        params,
        client,
        proof,
    };
    let tokens = match params.get("grant_type") {
        Some("authorization_code") => code::redeem(&request),
        Some("refresh_token") => refresh::refresh(&request),
        Some("urn:ietf:params:oauth:grant-type:token-exchange") => exchange::exchange(&request),
        Some("organization_switch") => exchange::switch_organization(&request),
        Some(_) => Err(Refusal::new("unsupported_grant_type", "this grant type is not offered")),
        None => Err(Refusal::invalid_request("grant_type is missing")),
    };
    match tokens {
        Ok(tokens) => Ok(respond(context, client, tokens, bound)),
        Err(refusal) if params.get("grant_type") == Some("refresh_token") => {
            refused_as_in_profile(context, client, &refusal).ok_or(refusal)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Returns the profile's response to a refresh token that has ended.
fn refused_as_in_profile(context: &TenantContext, client: &Client, refusal: &Refusal) -> Option<Response> {
    let ended = refusal.error == "invalid_grant";
    let mut shaped = context
        .profile_part("refresh_error", &client.id, &[])
        .filter(|_| ended)?;
    let status = shaped.get("status").and_then(Value::as_u64).unwrap_or(400);
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok());
    let answer = (status?, no_store(), Json(shaped.remove("body"))).into_response();
    let mut response = crate::refusal::decided(answer, &client.id, format!("refused: {}", refusal.description));
    if shaped.get("cors") == Some(&Value::Bool(false)) {
        response.extensions_mut().insert(cors::Withheld);
    }
    Some(response)
}

fn respond(context: &TenantContext, client: &Client, tokens: Tokens, bound: bool) -> Response {
    let named = [
        ("access_token", Some(tokens.access_token.as_str())),
        ("refresh_token", tokens.refresh_token.as_deref()),
        ("id_token", tokens.id_token.as_deref()),
    ];
    let shaped = context.profile_part(tokens.shape, &client.id, &named);
    if let Some(mut body) = shaped {
        // A bound token always has the `token_type` DPoP, or no client could use it.
        if bound {
            body.insert("token_type".to_owned(), Value::from("DPoP"));
        }
        return finish(context, client, &Value::Object(body), tokens.what, bound);
    }
    let mut body = json!({
        "access_token": tokens.access_token,
        "token_type": if bound { "DPoP" } else { "Bearer" },
        "expires_in": context.lifetimes().access_token,
        "scope": tokens.scope.join(" "),
    });
    let optional = [
        ("refresh_token", tokens.refresh_token),
        ("id_token", tokens.id_token),
        ("issued_token_type", tokens.issued_token_type.map(str::to_owned)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = Value::from(value);
        }
    }
    finish(context, client, &body, tokens.what, bound)
}

fn finish(context: &TenantContext, client: &Client, body: &Value, what: String, bound: bool) -> Response {
    let mut response = crate::refusal::decided((no_store(), Json(body)).into_response(), &client.id, what);
    if bound
        && context.switches.require_dpop_nonce
        && let Ok(nonce) = dpop::nonce(context).try_into()
    {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    response
}

impl TokenRequest<'_> {
    fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.params
            .get(name)
            .ok_or_else(|| Refusal::invalid_request(format!("{name} is missing")))
    }

    fn jkt(&self) -> Option<&str> {
        self.proof.as_ref().map(|proof| proof.jkt.as_str())
    }

    /// Issues an ID token without a sign-in (refresh, exchange), if the scope contains `openid`. It has neither nonce nor code hash.
    fn id_token_afterwards(
        &self,
        store: &TenantStore,
        on: &TokenContext<'_>,
        access_token: &str,
    ) -> Result<Option<String>, Refusal> {
        on.scope
            .iter()
            .any(|it| it == "openid")
            .then(|| issue::id_token(self.context, store, on, None, access_token, None))
            .transpose()
    }

    /// Returns the key that a refresh token is bound to. A confidential client is bound by its secret; a public one by its key, from its first
    /// proof on (RFC 9449, section 5).
    fn binds_refresh_to(&self) -> Option<&str> {
        self.jkt().filter(|_| self.client.is_public())
    }
}
