//! The two cookies: which browser it is, and who is signed in there.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::jose::sha256;
use crate::realm::Realm;
use crate::store::{Digest, Session};

/// Cookies of 127.0.0.1 are shared by all of its ports; the port in the name keeps several providers apart.
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

/// The browser that sent the request.
pub(crate) fn browser(realm: &Realm, headers: &HeaderMap) -> Option<Digest> {
    read(headers, &browser_cookie(realm))
}

/// A cookie for a browser that has none yet, with its digest.
pub(crate) fn new_browser(realm: &Realm) -> (Digest, HeaderValue) {
    let value = realm.random().secret();
    (sha256(&value), set(&browser_cookie(realm), &value, "/", 31_536_000))
}

/// Who is signed in, as long as the session lasts.
pub(crate) fn session(realm: &Realm, headers: &HeaderMap) -> Option<Session> {
    let cookie = session_digest(realm, headers)?;
    realm.read(|store| store.session(&cookie, realm.now()).cloned())
}

/// The digest of the session's cookie, whatever it is worth.
pub(crate) fn session_digest(realm: &Realm, headers: &HeaderMap) -> Option<Digest> {
    read(headers, &session_cookie(realm))
}

/// A new cookie for a session, with its digest.
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

/// Takes the session's cookie away.
pub(crate) fn no_session(realm: &Realm) -> HeaderValue {
    set(&session_cookie(realm), "", &format!("/t/{}", realm.tenant.name), 0)
}

fn set(name: &str, value: &str, path: &str, max_age: u32) -> HeaderValue {
    // `Secure` is left out: some browsers drop such cookies over http even on loopback.
    let cookie = format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(cookie).expect("names and base64url are header characters")
}
