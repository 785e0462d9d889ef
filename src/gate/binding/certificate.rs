//! Tokens that are bound to a client certificate (RFC 8705, section 3), behind a proxy that sends the certificate in a header.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::HeaderMap;

use crate::{Reason, jwt::Rejection};

/// Compares the certificate in the header of a trusted proxy with the thumbprint in the token. `trusted` is `None` where the
/// peer's address is not known.
pub(crate) fn check(
    thumbprint: &str,
    header: Option<&str>,
    trusted: Option<bool>,
    headers: &HeaderMap,
) -> Result<(), Rejection> {
    let reject = |found: &str| {
        Err(Rejection::new(Reason::CertificateMismatch)
            .expected("the client certificate that the token is bound to")
            .found(found)
            .hint(
                "let the proxy that terminates TLS send the client certificate, and set its header \
                 (gate.certificate_header) and its network (server.trusted_proxies)",
            ))
    };
    let Some(header) = header else {
        return reject("no header is configured for it");
    };
    match trusted {
        Some(true) => {}
        Some(false) => return reject("a peer that is not a trusted proxy"),
        None => {
            return reject("a peer whose address is not known (serve with into_make_service_with_connect_info)");
        }
    }
    let mut values = headers.get_all(header).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return reject("no certificate, or several");
    };
    match value.to_str().ok().and_then(der) {
        None => reject("a header that holds no certificate"),
        Some(der) if URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)) == thumbprint => Ok(()),
        Some(_) => reject("another certificate"),
    }
}

/// Reads a certificate as proxies send it: RFC 9440 (`:base64:`), URL-escaped PEM (nginx), or plain base64.
fn der(value: &str) -> Option<Vec<u8>> {
    if let Some(base64) = value.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')) {
        return STANDARD.decode(base64).ok();
    }
    if value.starts_with("-----BEGIN") {
        let pem = unescape(value)?;
        let (label, der) = crate::jwt::pem_block(&pem).ok()?;
        return (label == "CERTIFICATE").then_some(der);
    }
    STANDARD.decode(value).ok()
}

fn unescape(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            (digit(rest.next())? * 16 + digit(rest.next())?) as u8
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}
