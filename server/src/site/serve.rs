//! A file as an HTTP response: its encoding, and how long caches may keep it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::Site;
use super::assets::Asset;

/// A year: the URL contains a hash, so its content never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Cached, and revalidated before each use.
const ASK_AGAIN: &str = "no-cache";

const KEEP_NOTHING: &str = "no-store";

impl Site {
    /// The response for a file of the site, or none if there is no such file.
    pub fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let assets = self.current();
        let asset = match assets.get(uri.path()) {
            Some(asset) => asset,
            // A page of an earlier build requests a file that is gone. Its script checks the status and needs no body.
            None if uri.path().starts_with("/pkg/") => return Some(StatusCode::NOT_FOUND.into_response()),
            None => return None,
        };
        if method != Method::GET && method != Method::HEAD {
            return Some((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response());
        }
        // Weak, because the encodings of one file share it (RFC 9110, section 8.8.1).
        let tag = format!("W/\"{}\"", asset.hash);
        let unchanged = headers.get_all(IF_NONE_MATCH).iter().any(|known| names(known, &tag));
        let mut response = if unchanged {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            content(asset, method, headers)
        };
        let caching = match self.watched {
            true => KEEP_NOTHING,
            false if asset.immutable || version(uri) == Some(asset.hash.as_str()) => FOREVER,
            false => ASK_AGAIN,
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        // The hash is base64url, so the conversion cannot fail.
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(ETAG, tag);
        }
        Some(response)
    }
}

fn content(asset: &Asset, method: &Method, headers: &HeaderMap) -> Response {
    let (bytes, encoding) = match (&asset.brotli, &asset.gzip) {
        (Some(brotli), _) if accepts(headers, "br") => (brotli, Some("br")),
        (_, Some(gzip)) if accepts(headers, "gzip") => (gzip, Some("gzip")),
        _ => (&asset.plain, None),
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from(bytes.clone())
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn version(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("v="))
}

/// Whether a list of entity tags names this one, by weak comparison (RFC 9110, section 13.1.2).
fn names(known: &HeaderValue, tag: &str) -> bool {
    let opaque = tag.trim_start_matches("W/");
    let Ok(known) = known.to_str() else { return false };
    known
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == opaque)
}

/// Whether the client takes an encoding; `q=0` says that it does not.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let accepted = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0))
        });
        named && !refused
    })
}
