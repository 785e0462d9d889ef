//! The one credential of a request (RFC 6750, section 2.1; RFC 9449, section 7.1).

use http::{HeaderMap, HeaderValue, Uri, header::AUTHORIZATION};

use crate::{
    Reason,
    jwt::{Rejection, printable},
};

/// The token of a request, unverified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credentials<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) token: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    Dpop,
}

/// Returns the `Authorization` header, if there is one.
pub(crate) fn authorization(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Rejection> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(ambiguous("several Authorization headers")),
        (header, None) => Ok(header),
    }
}

/// Reads the credential. A token in the query does not count, and beside a header it makes the request ambiguous.
pub(crate) fn credentials<'a>(header: Option<&'a HeaderValue>, uri: &Uri) -> Result<Credentials<'a>, Rejection> {
    let Some(header) = header else {
        return Err(Rejection::new(Reason::MissingToken)
            .expected("an Authorization header")
            .found("none")
            .hint("sign in, and send the access token as `Authorization: Bearer …`"));
    };
    if uri.query().is_some_and(has_token) {
        return Err(ambiguous("an Authorization header and a token in the query"));
    }
    let malformed = |found: &str| {
        Rejection::new(Reason::MalformedToken)
            .expected("one token after the scheme")
            .found(found)
    };
    let not_ascii = || malformed("bytes that are not ASCII");
    let value = std::str::from_utf8(header.as_bytes()).map_err(|_| not_ascii())?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let scheme = if scheme.eq_ignore_ascii_case("bearer") {
        Scheme::Bearer
    } else if scheme.eq_ignore_ascii_case("dpop") {
        Scheme::Dpop
    } else {
        return Err(Rejection::new(Reason::MissingToken)
            .expected("the scheme Bearer or DPoP")
            // Without a space the value may be a token without a scheme, which must not be logged.
            .found(match value.contains(' ') {
                true => format!(
                    "the scheme \"{}\"",
                    printable(&scheme.chars().take(16).collect::<String>())
                ),
                false => "no scheme".into(),
            }));
    };
    let token = token.trim_start_matches(' ');
    if token.is_empty() {
        return Err(malformed("none"));
    }
    // `fold` has no early exit, so that the compiler checks many bytes at once.
    let fits = |fits, &byte: &u8| fits & byte.is_ascii_graphic() & (byte != b',');
    if !token.as_bytes().iter().fold(true, fits) {
        return Err(match value.is_ascii() {
            true => malformed("white space or a comma in it"),
            false => not_ascii(),
        });
    }
    Ok(Credentials { scheme, token })
}

fn has_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

fn ambiguous(found: &str) -> Rejection {
    Rejection::new(Reason::InvalidRequest)
        .expected("one credential in one Authorization header")
        .found(found)
        .hint("send the access token once, in the header")
}
