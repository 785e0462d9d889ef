//! Metadata (OpenID Connect Discovery, section 3; RFC 8414).

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::config::{STANDARD_SCOPES, Shape};
use crate::jose::Algorithm;
use crate::store::Acr;
use crate::tenant_context::TenantContext;

/// The paths depend on the tenant's shape. Asgardeo has metadata under the issuer and under `/oauth2/oidcdiscovery`, but not under its base;
/// the plain shape under the issuer only, which is its base.
pub(crate) async fn get(context: TenantContext, uri: Uri) -> Response {
    let profile = context.switches.profile.as_ref();
    if let Some(metadata) = profile.and_then(|profile| profile.metadata(&context.base)) {
        return Json(metadata).into_response();
    }
    let under_base = !uri.path().contains("/oauth2/");
    if under_base == (context.tenant.shape == Shape::Plain) {
        Json(metadata(&context)).into_response()
    } else {
        (StatusCode::NOT_FOUND, "This tenant's metadata is elsewhere.\n").into_response()
    }
}

fn metadata(context: &TenantContext) -> Value {
    let algorithms = Algorithm::ALL.map(Algorithm::name);
    let scopes: Vec<&str> = STANDARD_SCOPES
        .into_iter()
        .chain(context.tenant.scopes.iter().map(String::as_str))
        .collect();
    let client_authentication = ["none", "client_secret_basic", "client_secret_post"];
    json!({
        "issuer": context.issuer,
        "authorization_endpoint": context.url("/oauth2/authorize"),
        "token_endpoint": context.url("/oauth2/token"),
        "jwks_uri": context.url("/oauth2/jwks"),
        "userinfo_endpoint": context.url("/oauth2/userinfo"),
        "revocation_endpoint": context.url("/oauth2/revoke"),
        "introspection_endpoint": context.url("/oauth2/introspect"),
        "pushed_authorization_request_endpoint": context.url("/oauth2/par"),
        "end_session_endpoint": context.url("/oidc/logout"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "organization_switch",
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": client_authentication,
        "revocation_endpoint_auth_methods_supported": client_authentication,
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": algorithms,
        "acr_values_supported": Acr::ALL.map(Acr::name),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": [
            "iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "c_hash",
            "name", "given_name", "family_name", "preferred_username", "username", "email", "email_verified", "groups",
            "org_id", "org_name", "org_handle",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "require_pushed_authorization_requests": false,
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    })
}
