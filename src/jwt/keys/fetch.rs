use std::{future::Future, pin::Pin};

use url::Url;

use crate::jwt::Trust;

/// The longest key set or metadata document that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 512 * 1024;

/// The time limit of a whole fetch, in seconds.
pub const FETCH_SECONDS: u64 = 5;

/// The future that a [`Fetch`] returns.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// Fetches key sets and metadata. [`HttpFetch`](super::HttpFetch) does so over HTTP; tests inject their own.
pub trait Fetch: Send + Sync + 'static {
    /// Fetches a document within [`MAX_BODY_BYTES`] and [`FETCH_SECONDS`], never from another host than that of the URL.
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a>;
}

impl<F: Fetch + ?Sized> Fetch for std::sync::Arc<F> {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        (**self).fetch(request)
    }
}

/// A request for a document, with its limits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchRequest<'a> {
    /// The URL.
    pub url: &'a Url,
    /// Whether private addresses may be connected to: only for an issuer that is configured on one.
    pub private_addresses: bool,
    /// File with additional trusted certificates (PEM).
    pub ca_file: Option<&'a str>,
    /// File with a client certificate and its key (PEM).
    pub client_certificate_file: Option<&'a str>,
    /// The form to post, and the client that posts it (RFC 7662). `None` is a GET.
    pub post: Option<Post<'a>>,
}

impl<'a> FetchRequest<'a> {
    /// Makes a GET with the limits and TLS settings of a trust.
    pub fn get(url: &'a Url, trust: &'a Trust) -> Self {
        let file = |path: &'a String| (!path.is_empty()).then_some(path.as_str());
        Self {
            url,
            private_addresses: trust.on_private_address(),
            ca_file: file(&trust.ca_file),
            client_certificate_file: file(&trust.client_certificate_file),
            post: None,
        }
    }

    /// Makes a POST to the introspection endpoint of a trust.
    pub(crate) fn post(
        url: &'a Url,
        trust: &'a Trust,
        form: &'a str,
        client_id: &'a str,
        client_secret: &'a str,
    ) -> Self {
        Self {
            post: Some(Post {
                form,
                client_id,
                client_secret,
            }),
            private_addresses: trust.introspects_on_private_address(),
            ..Self::get(url, trust)
        }
    }
}

/// A form, and the client that posts it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Post<'a> {
    /// The form, URL-encoded.
    pub form: &'a str,
    /// The client's identifier.
    pub client_id: &'a str,
    /// The client's secret.
    pub client_secret: &'a str,
}

impl std::fmt::Debug for Post<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why a document could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The network or the server failed. A later attempt may succeed.
    #[error("{url} could not be reached: {why}")]
    Unreachable {
        /// The URL without its query.
        url: String,
        /// The reason.
        why: String,
    },
    /// The time limit was exceeded.
    #[error("{url} did not answer within {FETCH_SECONDS} seconds")]
    Timeout {
        /// The URL without its query.
        url: String,
    },
    /// The status was not 200.
    #[error("{url} answered with status {status}")]
    Status {
        /// The URL without its query.
        url: String,
        /// The status.
        status: u16,
    },
    /// The document was too large.
    #[error("{url} sent more than {MAX_BODY_BYTES} bytes")]
    TooLarge {
        /// The URL without its query.
        url: String,
    },
    /// The URL leads to an address from which keys are not fetched.
    #[error("{url} leads to {to}: {why}")]
    Forbidden {
        /// The URL without its query.
        url: String,
        /// The address that it leads to.
        to: String,
        /// The rule that forbids it.
        why: &'static str,
    },
    /// It redirects to another host, port or scheme, which is never followed.
    #[error("{url} redirects to {to}, and a redirect is followed only within the same host")]
    Redirected {
        /// The URL without its query.
        url: String,
        /// The address that it leads to.
        to: String,
    },
    /// A file for TLS cannot be used.
    #[error("{path}: {why}")]
    Setting {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
}

/// Returns the URL without user, query and fragment, which may contain secrets.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // These fail only for a URL that cannot have a user.
    url.set_username("").unwrap_or_default();
    url.set_password(None).unwrap_or_default();
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (url, expected) in [
            (
                "https://user:secret@idp.example/jwks?key=secret#secret",
                "https://idp.example/jwks",
            ),
            ("https://secret@idp.example:8443/jwks", "https://idp.example:8443/jwks"),
            ("https://idp.example/a@b/jwks", "https://idp.example/a@b/jwks"),
            ("file:///etc/passwd", "file:///etc/passwd"),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), expected);
        }
    }
}
