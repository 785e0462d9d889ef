//! The two cookies: one identifies the browser, one the session.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::jose::sha256;
use crate::realm::Realm;
use crate::store::{Digest, Session};

/// All ports of 127.0.0.1 share cookies, so the name contains the port to separate several providers.
fn browser_cookie(realm: &Realm) -> String {
    format!("dev_idp_{}_browser", realm.provider.config().listen.port())
}

fn session_cookie(realm: &Realm) -> String {
    format!(
        "dev_idp_{}_session_{}",
        realm.provider.config().listen.port(),
        realm.tenant.name
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
pub(crate) fn browser(realm: &Realm, headers: &HeaderMap) -> Option<Digest> {
    read(headers, &browser_cookie(realm))
}

/// Makes a cookie for a browser that has none, and its digest.
pub(crate) fn new_browser(realm: &Realm) -> (Digest, HeaderValue) {
    let value = realm.random().secret();
    (sha256(&value), set(&browser_cookie(realm), &value, "/", 31_536_000))
}

/// Returns the session of the cookie, unless it has expired.
pub(crate) fn session(realm: &Realm, headers: &HeaderMap) -> Option<Session> {
    let cookie = session_digest(realm, headers)?;
    realm.read(|store| store.session(&cookie, realm.now()).cloned())
}

/// Returns the digest of the session's cookie, valid or not.
pub(crate) fn session_digest(realm: &Realm, headers: &HeaderMap) -> Option<Digest> {
    read(headers, &session_cookie(realm))
}

/// Makes a new cookie for a session, and its digest.
pub(crate) fn new_session(realm: &Realm, seconds: u32) -> (Digest, HeaderValue) {
    let value = realm.random().secret();
    (
        sha256(&value),
        set(
            &session_cookie(realm),
            &value,
            &format!("/t/{}", realm.tenant.name),
            seconds,
        ),
    )
}

/// Removes the session's cookie.
pub(crate) fn no_session(realm: &Realm) -> HeaderValue {
    set(&session_cookie(realm), "", &format!("/t/{}", realm.tenant.name), 0)
}

fn set(name: &str, value: &str, path: &str, max_age: u32) -> HeaderValue {
    // Without `Secure`: some browsers drop such cookies over http, even on loopback.
    let cookie = format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(cookie).expect("names and base64url are header characters")
}
