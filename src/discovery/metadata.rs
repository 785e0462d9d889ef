//! One metadata document. Only the needed members are read, so another member cannot make it invalid.

use serde_json::{Map, Value};
use url::Url;

use super::DiscoveryError;
use crate::jwt::{is_loopback_host, printable, shown};

/// Provider metadata (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2) whose issuer is the configured one.
///
/// A member that is `null` or empty is as absent. A text is also understood in an array of one; a list also as one text
/// with spaces; `true` also as `"true"`.
///
/// ```
/// use pixygate::discovery::Metadata;
///
/// let document = br#"{
///     "issuer": "https://idp.example",
///     "jwks_uri": "https://idp.example/jwks",
///     "scopes_supported": "openid profile",
///     "op_policy_uri": ""
/// }"#;
/// let location = "https://idp.example/.well-known/openid-configuration".parse()?;
/// let metadata = Metadata::read(document, "https://idp.example", &location)?;
/// assert_eq!(metadata.required_url("jwks_uri")?.as_str(), "https://idp.example/jwks");
/// assert_eq!(metadata.list("scopes_supported"), ["openid", "profile"]);
/// assert!(Metadata::read(document, "https://idp.example/", &location).is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    members: Map<String, Value>,
    location: Url,
}

/// The requirement for an endpoint.
const ENDPOINT: &str = "an https URL (http on loopback addresses only)";

impl Metadata {
    /// Reads a document from `location` and compares its issuer with the configured one, as an exact string.
    ///
    /// # Errors
    ///
    /// When it is not a JSON object, has no issuer, or names another one.
    pub fn read(document: &[u8], issuer: &str, location: &Url) -> Result<Self, DiscoveryError> {
        // Some servers send a byte order mark, which JSON does not allow (RFC 8259, section 8.1).
        let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
        let members = serde_json::from_slice(document).map_err(|error| DiscoveryError::NotMetadata {
            location: shown(location),
            why: error.to_string(),
        })?;
        let metadata = Self {
            members,
            location: location.clone(),
        };
        match metadata.members.get("issuer") {
            Some(Value::String(found)) if found == issuer => Ok(metadata),
            Some(Value::String(found)) => Err(DiscoveryError::Issuer {
                expected: issuer.to_owned(),
                found: printable(found),
                location: shown(location),
            }),
            // A proxy may answer with JSON of its own for a provider that is down.
            None => Err(DiscoveryError::NotMetadata {
                location: shown(location),
                why: "it has no `issuer`".to_owned(),
            }),
            other => Err(metadata.wrong("issuer", other, "a text")),
        }
    }

    /// Returns the URL of an endpoint, or `None` where the provider has none. A value that is not a URL counts as none,
    /// and is logged.
    ///
    /// # Errors
    ///
    /// When it is a URL that must not be used: neither https, nor http on loopback for metadata that came from there too.
    pub fn url(&self, member: &'static str) -> Result<Option<Url>, DiscoveryError> {
        let Some(value) = self.value(member) else {
            return Ok(None);
        };
        let Some(url) = text(value).and_then(|text| Url::parse(text).ok()) else {
            let error = self.wrong(member, Some(value), ENDPOINT);
            tracing::warn!(%error, "a member of the provider's metadata is ignored");
            return Ok(None);
        };
        let local = self.location.scheme() == "http" && is_loopback_host(&url);
        match url.scheme() {
            "https" => Ok(Some(url)),
            "http" if local => Ok(Some(url)),
            _ => Err(self.wrong(member, Some(value), ENDPOINT)),
        }
    }

    /// Returns a string member, unchanged.
    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.value(member).and_then(text)
    }

    /// Returns the URL of an endpoint that the provider must have.
    ///
    /// # Errors
    ///
    /// When there is none that can be used.
    pub fn required_url(&self, member: &'static str) -> Result<Url, DiscoveryError> {
        self.url(member)?
            .ok_or_else(|| self.wrong(member, self.members.get(member), ENDPOINT))
    }

    /// Returns the texts of a list; entries that are not texts are left out.
    pub fn list(&self, member: &str) -> Vec<String> {
        match self.value(member) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns whether a member is `true`; an absent one is not.
    pub fn flag(&self, member: &str) -> bool {
        match self.value(member) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text == "true",
            _ => false,
        }
    }

    /// Returns the URL that the metadata came from.
    pub fn location(&self) -> &Url {
        &self.location
    }

    /// Checks that authorization requests can use PKCE with S256, as far as the provider says (RFC 8414, section 2). A
    /// provider that says nothing may have it.
    ///
    /// # Errors
    ///
    /// When the provider lists methods and S256 is not one of them.
    pub fn supports_pkce(&self) -> Result<(), DiscoveryError> {
        const MEMBER: &str = "code_challenge_methods_supported";
        let methods = self.list(MEMBER);
        if methods.is_empty() || methods.iter().any(|method| method == "S256") {
            return Ok(());
        }
        let expected = "S256, without which Pixygate signs no user in,";
        Err(self.wrong(MEMBER, self.members.get(MEMBER), expected))
    }

    /// Returns a member, unless its value counts as absent.
    fn value(&self, member: &str) -> Option<&Value> {
        self.members.get(member).filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        })
    }

    fn wrong(&self, member: &'static str, found: Option<&Value>, expected: &'static str) -> DiscoveryError {
        DiscoveryError::Member {
            location: shown(&self.location),
            member,
            expected,
            found: match found {
                None => "nothing".to_owned(),
                Some(Value::String(text)) => format!("\"{}\"", printable(text)),
                Some(value) => printable(&value.to_string()),
            },
        }
    }
}

/// Returns a string, also from an array of one.
fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text.trim()),
        Value::Array(items) if items.len() == 1 => items[0].as_str().map(str::trim),
        _ => None,
    }
}
