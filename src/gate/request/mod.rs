//! Reads a request: path, credentials, client address, and whether it is cross-site.

use axum::body::Body;
use http::{Extensions, HeaderMap, Method, Request, Uri, Version, request::Parts};

pub(crate) mod client_address;
mod context;
pub(crate) mod credentials;
pub(crate) mod cross_site;
mod extract;
mod id;
pub(crate) mod path;

pub use context::GateContext;
pub use id::RequestId;
pub use path::{AmbiguousPath, RequestPath};

/// A request without its body.
#[derive(Clone, Copy)]
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) version: Version,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn of(request: &'a Request<Body>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    pub(crate) fn of_parts(parts: &'a Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }

    pub(crate) fn request_id(&self) -> RequestId {
        self.extensions.get().cloned().unwrap_or_else(RequestId::generate)
    }
}
