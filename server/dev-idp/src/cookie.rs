//! The two cookies: one identifies the browser, one the session.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::jose::sha256;
use crate::store::{Digest, Session};
use crate::tenant_context::TenantContext;

/// All ports of 127.0.0.1 share cookies, so the name contains the port to separate several providers.
fn browser_cookie(context: &TenantContext) -> String {
    format!("dev_idp_{}_browser", context.provider.config().listen.port())
}

fn session_cookie(context: &TenantContext) -> String {
    format!(
        "dev_idp_{}_session_{}",
        context.provider.config().listen.port(),
        context.tenant.name
    )
}

fn read(headers: &HeaderMap, name: &str) -> Option<Digest> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(it, _)| *it == name)
        .map(|(_, value)| sha256(value))
}

/// Returns the browser that sent the request.
pub(crate) fn browser(context: &TenantContext, headers: &HeaderMap) -> Option<Digest> {
    read(headers, &browser_cookie(context))
}

/// Makes a cookie for a browser that has none, and its digest.
pub(crate) fn new_browser(context: &TenantContext) -> (Digest, HeaderValue) {
    let value = context.random().secret();
    (sha256(&value), set(&browser_cookie(context), &value, "/", 31_536_000))
}

/// Returns the session of the cookie, unless it has expired.
pub(crate) fn session(context: &TenantContext, headers: &HeaderMap) -> Option<Session> {
    let cookie = session_digest(context, headers)?;
    context.read(|store| store.session(&cookie, context.now()).cloned())
}

/// Returns the digest of the session's cookie, valid or not.
pub(crate) fn session_digest(context: &TenantContext, headers: &HeaderMap) -> Option<Digest> {
    read(headers, &session_cookie(context))
}

/// Makes a new cookie for a session, and its digest.
pub(crate) fn new_session(context: &TenantContext, seconds: u32) -> (Digest, HeaderValue) {
    let value = context.random().secret();
    (
        sha256(&value),
        set(
            &session_cookie(context),
            &value,
            &format!("/t/{}", context.tenant.name),
            seconds,
        ),
    )
}

/// Removes the session's cookie.
pub(crate) fn no_session(context: &TenantContext) -> HeaderValue {
    set(&session_cookie(context), "", &format!("/t/{}", context.tenant.name), 0)
}

fn set(name: &str, value: &str, path: &str, max_age: u32) -> HeaderValue {
    // Without `Secure`: some browsers drop such cookies over http, even on loopback.
    let cookie = format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(cookie).expect("names and base64url are header characters")
}
