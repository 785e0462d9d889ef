//! Which headers of a caller reach a target, and which of a target's reach the caller.

use std::collections::HashSet;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that say by convention what only the gateway may say: where a request came from, who is calling, what is asked for.
/// Compared in [`normal`] form.
const RESERVED: [&str; 20] = [
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "cf-connecting-ip",
    "dpop",
    "fastly-client-ip",
    "forwarded",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-real-ip",
    "x-request-id",
];

/// Beginnings of such headers.
const RESERVED_PREFIXES: [&str; 4] = ["x-forwarded", "x-original-", "x-rewrite-", "proxy-"];

/// What the target may not tell the browser: it would hold for the console too, which is served from the same origin, or it is
/// about the connection to the target.
const NOT_RETURNED: [&str; 8] = [
    "alt-svc",
    "clear-site-data",
    "keep-alive",
    "proxy-connection",
    "public-key-pins",
    "service-worker-allowed",
    "strict-transport-security",
    "x-request-id",
];

/// Decides about the headers of callers.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// The names that the gateway itself sends, in [`normal`] form.
    own: HashSet<String>,
    pass_token: bool,
}

/// The spelling in which programs that turn header names into variables cannot tell two apart: CGI and its like read `x_user`,
/// `X-User` and `x.user` as one.
pub(crate) fn normal(name: &str) -> String {
    let other = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            byte.to_ascii_lowercase()
        } else {
            b'-'
        }
    };
    name.bytes().map(|byte| char::from(other(byte))).collect()
}

impl Filter {
    /// `own` are the headers that the gateway sends to this target.
    pub(crate) fn new<'a>(own: impl IntoIterator<Item = &'a str>, pass_token: bool) -> Self {
        Self {
            own: own.into_iter().map(normal).collect(),
            pass_token,
        }
    }

    /// Returns the headers that a target receives from the caller. What `Connection` names is left out here, before the gateway adds
    /// headers of its own, so a caller cannot name those.
    pub(crate) fn request(&self, headers: &HeaderMap) -> HeaderMap {
        let named = Named::read(headers);
        let mut passed = HeaderMap::with_capacity(headers.len() + 8);
        for (name, value) in headers {
            if !self.is_withheld(name) && !named.contains(name) {
                passed.append(name.clone(), value.clone());
            }
        }
        if accepts_trailers(headers) {
            passed.insert(TE, HeaderValue::from_static("trailers"));
        }
        if !self.pass_token {
            return passed;
        }
        // A proof of possession is for the gate's address and would not hold at the target's, so only a bearer token is passed on.
        if let Some(token) = headers.get(AUTHORIZATION).filter(|value| is_bearer(value)) {
            passed.insert(AUTHORIZATION, token.clone());
        }
        passed
    }

    /// Removes the trailers that a target must not take for headers.
    pub(crate) fn trailers(&self, trailers: &mut HeaderMap) {
        let withheld: Vec<HeaderName> = trailers
            .keys()
            .filter(|name| self.is_withheld(name) || **name == CONTENT_LENGTH || **name == COOKIE)
            .cloned()
            .collect();
        for name in withheld {
            trailers.remove(name);
        }
    }

    fn is_withheld(&self, name: &HeaderName) -> bool {
        let hop = [
            AUTHORIZATION,
            CONNECTION,
            EXPECT,
            HOST,
            PROXY_AUTHENTICATE,
            PROXY_AUTHORIZATION,
            TE,
            TRANSFER_ENCODING,
            UPGRADE,
        ];
        if hop.contains(name) {
            return true;
        }
        let name = name.as_str();
        // Nearly all names are in this form already.
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if plain {
            self.is_reserved(name)
        } else {
            let name = normal(name);
            name == "authorization" || name == "content-length" || self.is_reserved(&name)
        }
    }

    fn is_reserved(&self, normal: &str) -> bool {
        RESERVED.contains(&normal)
            || RESERVED_PREFIXES.iter().any(|prefix| normal.starts_with(prefix))
            || self.own.contains(normal)
    }
}

/// Removes from a response what is about the connection to the target, and what the target may not say for the whole origin.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        for name in Named::read(headers).0 {
            headers.remove(name);
        }
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // The chunks count, and a length beside them would be another one (RFC 9112, section 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    for name in [CONNECTION, PROXY_AUTHENTICATE, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in NOT_RETURNED {
        headers.remove(name);
    }
}

/// The headers that `Connection` names (RFC 9110, section 7.6.1).
struct Named(Vec<HeaderName>);

impl Named {
    fn read(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(CONNECTION).iter();
        let options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let names = options.filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok());
        // The framing of the body is this connection's business and is written anew for the next one.
        Self(
            names
                .filter(|name| *name != CONTENT_LENGTH && *name != TRAILER)
                .collect(),
        )
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(TE).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

fn is_bearer(value: &HeaderValue) -> bool {
    value
        .as_bytes()
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        map
    }

    fn passed(filter: &Filter, headers: &[(&str, &str)]) -> Vec<String> {
        let passed = filter.request(&map(headers));
        passed.keys().map(|name| name.to_string()).collect()
    }

    #[test]
    fn every_spelling_of_a_header_of_the_gateways_is_withheld() {
        let filter = Filter::new(["X-JWT-Assertion", "X-User"], false);
        for name in [
            "x-jwt-assertion",
            "X-JWT-Assertion",
            "x_jwt_assertion",
            "x.jwt.assertion",
            "X_USER",
            "x-user",
            "x!user",
            "x-forwarded-for",
            "x_forwarded_proto",
            "X-Forwarded-User",
            "forwarded",
            "x-real-ip",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "x-request-id",
            "authorization",
            "dpop",
            "proxy-authorization",
            "client-cert",
            "te",
            "transfer-encoding",
            "upgrade",
            "expect",
            "host",
            "content_length",
        ] {
            assert!(passed(&filter, &[(name, "v")]).is_empty(), "{name}");
        }
        for name in [
            "x-user-agent",
            "accept",
            "content-type",
            "content-length",
            "x-users",
            "traceparent",
            "cookie",
            "trailer",
        ] {
            assert_eq!(passed(&filter, &[(name, "v")]), [name]);
        }
    }

    #[test]
    fn connection_takes_out_what_it_names_and_not_the_length_of_the_body() {
        let filter = Filter::new(["X-User"], false);
        let headers = [
            ("connection", "close, X-Secret"),
            ("connection", "Content-Length,x-user"),
            ("x-secret", "1"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ];
        assert_eq!(passed(&filter, &headers), ["content-length", "accept"]);
    }

    #[test]
    fn only_a_bearer_token_is_passed_on_and_only_when_asked_for() {
        let bearer = [("authorization", "Bearer t")];
        let proof = [("authorization", "DPoP t"), ("dpop", "proof")];
        assert!(passed(&Filter::new([], false), &bearer).is_empty());
        assert_eq!(passed(&Filter::new([], true), &bearer), ["authorization"]);
        assert!(passed(&Filter::new([], true), &proof).is_empty());
    }

    #[test]
    fn trailers_are_asked_for_in_that_word_alone() {
        let filter = Filter::new([], false);
        let passed = filter.request(&map(&[("te", "gzip;q=1, Trailers")]));
        assert_eq!(passed.get(TE).unwrap(), "trailers");
        assert!(filter.request(&map(&[("te", "gzip")])).is_empty());
    }

    #[test]
    fn a_trailer_cannot_be_what_a_header_may_not() {
        let filter = Filter::new(["X-User"], false);
        let mut trailers = map(&[
            ("x-user", "mallory"),
            ("x_user", "mallory"),
            ("grpc-status", "0"),
            ("authorization", "x"),
        ]);
        filter.trailers(&mut trailers);
        assert_eq!(trailers, map(&[("grpc-status", "0")]));
    }

    #[test]
    fn a_response_says_nothing_about_the_connection_or_the_whole_origin() {
        let mut headers = map(&[
            ("connection", "keep-alive, x-internal"),
            ("x-internal", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "9"),
            ("clear-site-data", "\"*\""),
            ("service-worker-allowed", "/"),
            ("alt-svc", "h3"),
            ("etag", "\"1\""),
            ("set-cookie", "a=b"),
        ]);
        clean_response(&mut headers);
        assert_eq!(headers, map(&[("etag", "\"1\""), ("set-cookie", "a=b")]));
    }
}
