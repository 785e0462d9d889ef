//! Calls that change something must not come from another site's page.

use http::{HeaderMap, Method, header::HOST, header::ORIGIN};
use url::{Origin, Url};

use crate::{
    Reason,
    jwt::{Rejection, printable},
};

/// Refuses what a browser says comes from elsewhere. Who sends neither header is no browser, and has no one's cookies.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    own: Option<&Url>,
    allowed: &[Origin],
) -> Result<(), Rejection> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let refuse = |found: String| {
        Err(Rejection::new(Reason::InvalidRequest)
            .expected("a call from this server's own pages")
            .found(found)
            .hint("server.public_url must be the address that browsers use"))
    };
    let text =
        |value: Option<&http::HeaderValue>| value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let origin = text(headers.get(ORIGIN));
    let from_allowed = origin
        .as_deref()
        .and_then(|origin| Url::parse(origin).ok())
        .is_some_and(|url| {
            let origin = url.origin();
            own.is_some_and(|own| own.origin() == origin) || allowed.contains(&origin)
        });
    if from_allowed {
        return Ok(());
    }
    match text(headers.get("sec-fetch-site")).as_deref() {
        Some("same-origin" | "none") => return Ok(()),
        Some(site) => return refuse(format!("Sec-Fetch-Site: {}", printable(site))),
        None => {}
    }
    let Some(origin) = origin else {
        return Ok(());
    };
    // Without a public URL the Host is all there is to compare with.
    let host = text(headers.get(HOST));
    let same_host = own.is_none()
        && origin
            .split_once("://")
            .is_some_and(|(_, authority)| host.as_deref() == Some(authority));
    if same_host {
        Ok(())
    } else {
        refuse(format!("Origin: {}", printable(&origin)))
    }
}
