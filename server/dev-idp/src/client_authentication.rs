//! Client authentication (RFC 6749, section 2.3): a secret in the header or the form, or the `client_id` of a public client.

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use crate::config::Client;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::tenant_context::TenantContext;

/// Authenticates the client of a request.
pub(crate) fn client(context: &TenantContext, headers: &HeaderMap, params: &Params) -> Result<Client, Refusal> {
    let basic = basic(headers)?;
    let (id, secret) = match &basic {
        Some(_) if params.get("client_secret").is_some() => {
            return Err(Refusal::invalid_request("more than one kind of client authentication"));
        }
        Some((id, _)) if params.get("client_id").is_some_and(|it| it != id) => {
            return Err(Refusal::invalid_request(
                "client_id is not the one of the Authorization header",
            ));
        }
        Some((id, secret)) => (id.as_str(), secret.as_str()),
        None => {
            let id = params
                .get("client_id")
                .ok_or_else(|| refuse("client_id is missing", headers))?;
            (id, params.get("client_secret").unwrap_or_default())
        }
    };
    let client = context
        .client(id)
        .ok_or_else(|| refuse("the client is not registered", headers))?;
    if bool::from(client.secret.as_bytes().ct_eq(secret.as_bytes())) {
        Ok(client.clone())
    } else {
        Err(refuse(
            "the client's secret is missing or wrong, or a public client sent one",
            headers,
        )
        .of_client(id))
    }
}

fn refuse(what: &str, headers: &HeaderMap) -> Refusal {
    let refusal = Refusal::new("invalid_client", what).status(StatusCode::UNAUTHORIZED);
    if headers.contains_key(header::AUTHORIZATION) {
        refusal.header(header::WWW_AUTHENTICATE, "Basic realm=\"dev-idp\"")
    } else {
        refusal
    }
}

fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let decoded = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| refuse("the Authorization header is not Basic", headers))?;
    let (id, secret) = decoded
        .split_once(':')
        .ok_or_else(|| refuse("the Authorization header is not Basic", headers))?;
    // Both are form-encoded before they are joined (RFC 6749, section 2.3.1).
    let decode = |text: &str| {
        let pair = format!("v={text}");
        form_urlencoded::parse(pair.as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    Ok(Some((decode(id), decode(secret))))
}
