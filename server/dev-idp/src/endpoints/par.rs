//! Pushed authorization requests (RFC 9126): checked before the browser sees anything.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::authorize::request::{self, Refused};
use super::token::form;
use crate::client_authentication;
use crate::dpop;
use crate::jose::sha256;
use crate::refusal::{Answer, Refusal, decided, no_store};
use crate::store::PushedRequest;
use crate::tenant_context::TenantContext;

pub(crate) const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

pub(crate) async fn post(context: TenantContext, headers: HeaderMap, body: Bytes) -> Answer {
    let params = form(&headers, &body)?;
    let client = client_authentication::client(&context, &headers, &params)?;
    let refuse = |refusal: Refusal| refusal.of_client(&client.id);
    let mut request = request::read(&context, &params).map_err(|refused| {
        refuse(match refused {
            Refused::OnOwnPage(why) => Refusal::invalid_request(why),
            Refused::ToClient(error) => Refusal::new(error.error, error.description),
        })
    })?;
    // A proof with the push binds the code as `dpop_jkt` does (RFC 9449, section 10.1).
    let proof = dpop::proof(&context, &headers, &Method::POST, "/oauth2/par", None).map_err(refuse)?;
    if let Some(proof) = proof {
        if request.dpop_jkt.as_ref().is_some_and(|jkt| *jkt != proof.jkt) {
            return Err(refuse(Refusal::invalid_request("dpop_jkt is not the key of the proof")));
        }
        request.dpop_jkt = Some(proof.jkt);
    }
    let seconds = context.lifetimes().pushed_request;
    let request_uri = format!("{REQUEST_URI_PREFIX}{}", context.random().secret());
    let pushed = PushedRequest {
        request,
        expires: context.now() + i64::from(seconds),
    };
    context.write(|store| store.pushed.insert(sha256(&request_uri), pushed));
    let body = Json(json!({"request_uri": request_uri, "expires_in": seconds}));
    Ok(decided(
        (StatusCode::CREATED, no_store(), body),
        &client.id,
        "authorization request pushed",
    ))
}
