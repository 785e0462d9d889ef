//! URLs in the configuration: https, or plain http on loopback.

use std::fmt;

use ::url::{Host, Url};
use serde::de::{Deserialize, Deserializer, Error as _};

/// The origin under which users reach the server, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    loopback: bool,
}

impl PublicUrl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let url = secure(text)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("the address has a path or a query; Pixygate serves at the root of its origin".to_owned());
        }
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            loopback: is_loopback(&url),
        })
    }

    /// Returns a URL below this one; `path` begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Returns the origin: scheme, host and port.
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// Returns whether browsers use TLS.
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Returns whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl std::str::FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| {
            let expected = "the origin under which browsers reach the server: https, or http on loopback";
            D::Error::custom(format_args!("{text:?}: {why}, expected {expected}"))
        })
    }
}

/// Parses an origin and returns it as browsers write it. The error is the problem with the text.
pub(super) fn origin(text: &str) -> Result<String, String> {
    Ok(PublicUrl::parse(text)?.origin)
}

/// Parses an https URL, or an http URL on loopback. The error is the problem with the text.
pub(super) fn secure(text: &str) -> Result<Url, String> {
    if text.trim() != text {
        return Err("there is white space around it".to_owned());
    }
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("there is a user name or password in it".to_owned());
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("plain http is accepted on loopback only".to_owned()),
        other => Err(format!("the scheme is {other}")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // RFC 6761, section 6.3: names under localhost never leave the machine either.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
