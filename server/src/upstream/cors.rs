//! Calls from pages of other origins (the CORS protocol of the Fetch standard).

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::settings::Cors;

/// What every call needs.
const HEADERS: [&str; 3] = ["authorization", "content-type", "dpop"];

/// What a client reads of every answer: how to come back, and how to find the call in the log.
const EXPOSED: &str = "www-authenticate, dpop-nonce, retry-after, ratelimit, ratelimit-policy, x-request-id";

/// Answers a preflight from an allowed origin. It carries no token, so it is answered before the gate. `None` where the request is no
/// such preflight; the gate treats it like any other request.
///
/// `methods` are those that a route of the upstream has for this path.
pub(crate) fn preflight(cors: &Cors, parts: &Parts, methods: &str) -> Option<Response> {
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let origin = parts.headers.get(ORIGIN).filter(|origin| is_allowed(cors, origin))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed: Vec<_> = HEADERS
        .into_iter()
        .chain(cors.allow_headers.iter().map(String::as_str))
        .collect();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, methods),
        (ACCESS_CONTROL_ALLOW_HEADERS, &allowed.join(", ")),
    ] {
        // Names of methods and headers were checked when the configuration was read.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    Some(response)
}

/// Lets the page of an allowed origin read an answer, also a refusal of the gate. What the target says about it is replaced: the
/// gateway's word counts alone.
pub(crate) fn allow(cors: &Cors, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
    let named: Vec<_> = response
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in named {
        response.remove(name);
    }
    if cors.allow_origins.is_empty() {
        return;
    }
    response.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.filter(|origin| is_allowed(cors, origin)) {
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        // Pages of an allowed origin may also load it as a resource.
        response.insert(
            http::HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        );
    }
}

fn is_allowed(cors: &Cors, origin: &HeaderValue) -> bool {
    cors.allow_origins
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;

    fn cors() -> Cors {
        Cors {
            allow_origins: vec!["https://app.example".to_owned()],
            allow_headers: vec!["x-trace".to_owned()],
            max_age: Duration::from_secs(600),
        }
    }

    fn parts(method: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().method(method);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_a_preflight_of_an_allowed_origin_is_answered() {
        let asks = ("access-control-request-method", "POST");
        let answer = preflight(
            &cors(),
            &parts("OPTIONS", &[asks, ("origin", "https://app.example")]),
            "GET, POST",
        )
        .unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
        assert_eq!(
            answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS],
            "authorization, content-type, dpop, x-trace"
        );
        for (method, headers) in [
            ("OPTIONS", vec![asks]),
            ("OPTIONS", vec![("origin", "https://app.example")]),
            ("OPTIONS", vec![asks, ("origin", "https://app.example.evil.example")]),
            ("OPTIONS", vec![asks, ("origin", "null")]),
            ("POST", vec![asks, ("origin", "https://app.example")]),
        ] {
            assert!(
                preflight(&cors(), &parts(method, &headers), "GET").is_none(),
                "{method} {headers:?}"
            );
        }
    }

    #[test]
    fn the_targets_word_about_origins_is_replaced() {
        let from = |origin: &str, cors: &Cors| {
            let mut response = HeaderMap::new();
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            response.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
            allow(cors, Some(&HeaderValue::from_str(origin).unwrap()), &mut response);
            assert!(!response.contains_key("access-control-allow-credentials"));
            response.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
        };
        assert_eq!(from("https://app.example", &cors()).unwrap(), "https://app.example");
        assert_eq!(from("https://other.example", &cors()), None);
        assert_eq!(from("https://app.example", &Cors::default()), None);
    }
}
