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

use crate::switches::Endpoint;

/// The endpoint behind a path.
pub(crate) fn behind(path: &str) -> Option<Endpoint> {
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
