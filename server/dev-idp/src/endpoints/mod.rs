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

/// The name of the endpoint behind a path, as the switches call it.
pub(crate) fn name(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("/t/")?;
    let (_, path) = rest.split_once('/')?;
    Some(match path {
        "oauth2/authorize" => "authorize",
        "oauth2/token" => "token",
        "oauth2/jwks" => "jwks",
        "oauth2/userinfo" => "userinfo",
        "oauth2/revoke" => "revoke",
        "oauth2/introspect" => "introspect",
        "oauth2/par" => "par",
        "oidc/logout" => "logout",
        path if path.ends_with(".well-known/openid-configuration") => "discovery",
        path if path.starts_with("signin/") => "signin",
        _ => return None,
    })
}
