//! The address that a target is called at, written from the path that the gate authorized.

use std::fmt::Write as _;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use url::Url;

/// A target's address, split once.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end.
    path: String,
}

impl Base {
    /// Returns `None` where the address is not of HTTP or has no host.
    pub(crate) fn new(url: &Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return None,
        };
        let host = url.host_str()?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Some(Self {
            scheme,
            authority: authority.parse().ok()?,
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns what a reference to this target (`Location`) has below the target's own path. `None` where it is to somewhere else.
    pub(crate) fn below<'a>(&self, reference: &'a str) -> Option<&'a str> {
        let path = match reference.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(self.scheme.as_str()) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                authority
                    .eq_ignore_ascii_case(self.authority.as_str())
                    .then_some(path)?
            }
            // `//host` is another host.
            None if reference.starts_with('/') && !reference.starts_with("//") => reference,
            _ => return None,
        };
        let rest = path.strip_prefix(self.path.as_str())?;
        (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
    }

    /// Returns the address for a decoded path below the target's own, with the query as it came.
    ///
    /// # Errors
    ///
    /// When the address is longer than an HTTP library accepts.
    pub(crate) fn address(&self, path: &str, query: Option<&str>) -> Result<Uri, http::Error> {
        let mut written =
            String::with_capacity(self.path.len() + path.len() + query.map_or(0, |query| query.len() + 1) + 8);
        written.push_str(&self.path);
        escape_into(path, &mut written);
        if written.is_empty() {
            written.push('/');
        }
        if let Some(query) = query {
            written.push('?');
            written.push_str(query);
        }
        let path_and_query = PathAndQuery::from_maybe_shared(bytes::Bytes::from(written))?;
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
    }
}

/// Returns the part of a decoded path that follows `prefix`: empty, or beginning with a slash. `None` where the path is not below it.
pub(crate) fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Escapes everything that may not stand in a path (RFC 3986, section 3.3). The authorized path has no `%`, so nothing is escaped twice.
fn escape_into(decoded: &str, written: &mut String) {
    for byte in decoded.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => written.push(char::from(byte)),
            b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' => {
                written.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => write!(written, "%{byte:02X}").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pixygate::gate::request::RequestPath;

    use super::*;

    fn base(url: &str) -> Base {
        Base::new(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn the_authorized_path_is_appended_to_the_targets_own() {
        for (target, path, query, expected) in [
            ("http://orders:9001", "", None, "http://orders:9001/"),
            ("http://orders:9001", "/", None, "http://orders:9001/"),
            ("http://orders:9001/", "/7", Some("a=b"), "http://orders:9001/7?a=b"),
            ("https://orders/api/", "/7", None, "https://orders/api/7"),
            ("https://orders/api", "", Some(""), "https://orders/api?"),
            ("https://orders/api", "/", None, "https://orders/api/"),
            ("http://[::1]:80/x", "/a b/é", None, "http://[::1]/x/a%20b/%C3%A9"),
        ] {
            assert_eq!(base(target).address(path, query).unwrap().to_string(), expected);
        }
        assert!(Base::new(&Url::parse("ftp://orders/").unwrap()).is_none());
    }

    #[test]
    fn a_redirect_to_the_target_itself_is_recognized() {
        let base = base("http://orders:9001/api/");
        for (reference, expected) in [
            ("http://orders:9001/api/7?a=b", Some("/7?a=b")),
            ("HTTP://ORDERS:9001/api", Some("")),
            ("/api/7", Some("/7")),
            ("/apix", None),
            ("/7", None),
            ("//evil.example/api/7", None),
            ("https://orders:9001/api/7", None),
            ("http://orders:9002/api/7", None),
            ("http://orders:9001.evil.example/api/7", None),
            ("7", None),
        ] {
            assert_eq!(base.below(reference), expected, "{reference}");
        }
    }

    #[test]
    fn a_path_is_below_a_prefix_at_a_slash_only() {
        assert_eq!(below("/gw/orders", "/gw/orders"), Some(""));
        assert_eq!(below("/gw/orders/7", "/gw/orders/"), Some("/7"));
        assert_eq!(below("/gw/orders2", "/gw/orders"), None);
        assert_eq!(below("/7", "/"), Some("/7"));
    }

    #[test]
    fn the_target_decodes_what_the_gate_decoded() {
        for raw in [
            "/a%20b",
            "/caf%C3%A9",
            "/%40me",
            "/@me",
            "/a+b",
            "/a%22%3C%3E%5E%60%7B%7C%7D",
            "/a'b(c)*,=!$&:",
        ] {
            let path = RequestPath::parse(raw).unwrap();
            let address = base("http://t").address(path.as_str(), None).unwrap();
            let again = RequestPath::parse(address.path()).unwrap();
            assert_eq!(again.as_str(), path.as_str(), "{raw}");
        }
    }
}
