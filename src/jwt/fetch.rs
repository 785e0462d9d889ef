use std::{future::Future, pin::Pin};

use url::Url;

use super::Trust;

/// At most this many bytes of a key set or of metadata are read.
pub const MAX_BODY_BYTES: usize = 512 * 1024;

/// A fetch takes at most this many seconds, all of it together.
pub const FETCH_SECONDS: u64 = 5;

/// A future of a [`Fetch`].
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// How key sets and metadata are fetched. [`HttpFetch`](super::HttpFetch) is the real one; tests inject their own.
pub trait Fetch: Send + Sync + 'static {
    /// Fetches a document, within [`MAX_BODY_BYTES`] and [`FETCH_SECONDS`], never from another host than the URL's.
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a>;
}

impl<F: Fetch + ?Sized> Fetch for std::sync::Arc<F> {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        (**self).fetch(request)
    }
}

/// What to fetch, and under which limits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchRequest<'a> {
    /// From where.
    pub url: &'a Url,
    /// Whether private addresses may be reached: only for an issuer that is configured on one.
    pub private_addresses: bool,
    /// A file with further trusted certificates (PEM).
    pub ca_file: Option<&'a str>,
    /// A file with a client certificate and its key (PEM).
    pub client_certificate_file: Option<&'a str>,
    /// A form to post, with the client that posts it (RFC 7662); `None` is a GET.
    pub post: Option<Post<'a>>,
}

impl<'a> FetchRequest<'a> {
    /// A GET, under the limits and with the TLS settings of a trust.
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

    /// A POST, likewise.
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

/// A form that is posted by an authenticated client.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Post<'a> {
    /// The form, already encoded.
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

/// Why a document could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The network or the server failed; later it may work.
    #[error("{url} could not be reached: {why}")]
    Unreachable {
        /// The address, without its query.
        url: String,
        /// What failed.
        why: String,
    },
    /// It took too long.
    #[error("{url} did not answer within {FETCH_SECONDS} seconds")]
    Timeout {
        /// The address, without its query.
        url: String,
    },
    /// Another status than 200.
    #[error("{url} answered with status {status}")]
    Status {
        /// The address, without its query.
        url: String,
        /// The status.
        status: u16,
    },
    /// It was too large.
    #[error("{url} sent more than {MAX_BODY_BYTES} bytes")]
    TooLarge {
        /// The address, without its query.
        url: String,
    },
    /// It leads where keys are never fetched from.
    #[error("{url} leads to {to}: {why}")]
    Forbidden {
        /// The address, without its query.
        url: String,
        /// Where it leads.
        to: String,
        /// The rule.
        why: &'static str,
    },
    /// It redirects to another host, port or scheme, which is never followed.
    #[error("{url} redirects to {to}, and a redirect is followed only within the same host")]
    Redirected {
        /// The address, without its query.
        url: String,
        /// Where it leads.
        to: String,
    },
    /// A setting of the fetch cannot be used.
    #[error("{path}: {why}")]
    Setting {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The address without user, query and fragment, which may hold secrets.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // An address that can have no user has none.
    url.set_username("").unwrap_or_default();
    url.set_password(None).unwrap_or_default();
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
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
