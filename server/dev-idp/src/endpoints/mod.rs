//! The endpoints of a tenant, one file each.

pub(crate) mod authorize;
pub(crate) mod discovery;
pub(crate) mod introspect;
pub(crate) mod jwks;
pub(crate) mod logout;
pub(crate) mod par;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod userinfo;

use axum::response::Response;

use crate::journal::Decision;
use crate::pages;
use crate::params::Params;
use crate::switches::Endpoint;
use crate::tenant_context::TenantContext;

/// Redirects to the same request with GET. Cookies are `SameSite=Lax`: browsers do not send them with a form of another
/// site, but with the GET that follows.
fn as_get(context: &TenantContext, path: &str, params: &Params) -> Response {
    let mut response = pages::see_other(&format!("{}?{}", context.url(path), params.to_query()));
    response.extensions_mut().insert(Decision {
        client_id: None,
        what: "sent on to the same request with GET".to_owned(),
    });
    response
}

/// Returns whether a user sees the response of a path: pages, and unknown paths.
pub(crate) fn is_for_users(path: &str) -> bool {
    matches!(
        endpoint_of(path),
        None | Some(Endpoint::Authorize | Endpoint::SignIn | Endpoint::Logout)
    )
}

/// Returns the endpoint of a path.
pub(crate) fn endpoint_of(path: &str) -> Option<Endpoint> {
    let rest = path.strip_prefix("/t/")?;
    let (_, path) = rest.split_once('/')?;
    Some(match path {
        "oauth2/authorize" => Endpoint::Authorize,
        "oauth2/token" => Endpoint::Token,
        "oauth2/jwks" => Endpoint::Jwks,
        "oauth2/userinfo" => Endpoint::Userinfo,
        "oauth2/revoke" => Endpoint::Revoke,
        "oauth2/introspect" => Endpoint::Introspect,
        "oauth2/par" => Endpoint::Par,
        "oidc/logout" => Endpoint::Logout,
        path if path.ends_with(".well-known/openid-configuration") => Endpoint::Discovery,
        path if path.starts_with("signin/") => Endpoint::SignIn,
        _ => return None,
    })
}
