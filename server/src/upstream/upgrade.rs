//! The change from HTTP to WebSocket, checked on both sides.

use axum::body::{Body, HttpBody as _};
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::reject::Failure;
use super::websocket;

/// Returns whether the caller wants a WebSocket. Other protocols are not upgraded to: the request is answered as if it had not asked.
///
/// # Errors
///
/// When the handshake is wrong, or a body comes with it: bytes behind the head would be read as a request by one side and as frames by
/// the other.
pub(crate) fn wants_websocket(parts: &Parts, body: &Body) -> Result<bool, Failure> {
    let headers = &parts.headers;
    if parts.version != Version::HTTP_11
        || !has_token(headers, &CONNECTION, b"upgrade")
        || !headers.contains_key(UPGRADE)
    {
        return Ok(false);
    }
    let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_length || headers.contains_key(TRANSFER_ENCODING) || !body.is_end_stream() {
        return Err(Failure::InvalidRequest("an upgrade with a body"));
    }
    if !has_token(headers, &UPGRADE, b"websocket") {
        return Ok(false);
    }
    let wrong = |what| Err(Failure::InvalidRequest(what));
    if parts.method != Method::GET {
        return wrong("a WebSocket handshake that is not a GET");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return wrong("a WebSocket handshake of another version than 13");
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if websocket::is_key(key.as_bytes()) => Ok(true),
        _ => wrong("a WebSocket handshake without one key of 16 bytes"),
    }
}

/// Adds the handshake to the headers for the target.
pub(crate) fn ask(sent: &mut HeaderMap) {
    sent.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    sent.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Checks a 101 against the handshake that was sent (RFC 6455, section 4.1).
///
/// # Errors
///
/// When the target did not understand the handshake. None of the caller's bytes may reach it then.
pub(crate) fn check(asked: &HeaderMap, answer: &HeaderMap) -> Result<(), Failure> {
    let wrong = |what| Err(Failure::BadAnswer(what));
    if !has_token(answer, &CONNECTION, b"upgrade") || !has_token(answer, &UPGRADE, b"websocket") {
        return wrong("a 101 that does not name WebSocket");
    }
    let key = asked
        .get(SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let accepted = answer.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accepted != Some(websocket::accept(key).as_bytes()) {
        return wrong("a 101 whose Sec-WebSocket-Accept does not belong to the key");
    }
    let chosen = answer.get(SEC_WEBSOCKET_PROTOCOL).map(HeaderValue::as_bytes);
    if chosen.is_some_and(|chosen| !has_token(asked, &SEC_WEBSOCKET_PROTOCOL, chosen)) {
        return wrong("a 101 with a subprotocol that was not offered");
    }
    Ok(())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|one| one.trim_ascii().eq_ignore_ascii_case(token))
}
