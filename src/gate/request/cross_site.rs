//! A page of another site must not make calls that change something.

use http::{HeaderMap, HeaderValue, Method, header::HOST, header::ORIGIN};
use url::Url;

use crate::{
    Reason,
    jwt::{Rejection, printable},
};

/// The origin of a page, as browsers and web views send it: `https://shop.example`, `capacitor://localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageOrigin(String);

impl PageOrigin {
    /// Reads an origin: a scheme with a host, and nothing after it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        bare.then(|| Self::of(&url))?
    }

    /// Returns the origin of an address.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let host = url.host_str().filter(|host| !host.is_empty())?;
        // The URL standard has no origin for the schemes of web views.
        Some(Self(match url.port() {
            Some(port) => format!("{}://{host}:{port}", url.scheme()),
            None => format!("{}://{host}", url.scheme()),
        }))
    }
}

/// Rejects a call that a browser says comes from another site. A caller that sends neither header is not a browser, so no user's
/// cookies come along.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    own: Option<&Url>,
    allowed: &[PageOrigin],
) -> Result<(), Rejection> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let reject = |found: String| {
        Err(Rejection::new(Reason::InvalidRequest)
            .expected("a call from this server's own pages")
            .found(found)
            .hint("set server.public_url to the address that browsers use, or allow the other origin"))
    };
    let text = |value: Option<&HeaderValue>| value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let origin = text(headers.get(ORIGIN));
    let page = origin.as_deref().and_then(PageOrigin::parse);
    if page.is_some_and(|page| own.and_then(PageOrigin::of) == Some(page.clone()) || allowed.contains(&page)) {
        return Ok(());
    }
    match text(headers.get("sec-fetch-site")).as_deref() {
        Some("same-origin" | "none") => return Ok(()),
        Some(site) => return reject(format!("Sec-Fetch-Site: {}", printable(site))),
        None => {}
    }
    let Some(origin) = origin else {
        return Ok(());
    };
    // Without a public URL there is only the Host to compare with.
    let host = text(headers.get(HOST));
    let same_host = own.is_none()
        && origin
            .split_once("://")
            .is_some_and(|(_, authority)| host.as_deref() == Some(authority));
    if same_host {
        Ok(())
    } else {
        reject(format!("Origin: {}", printable(&origin)))
    }
}
