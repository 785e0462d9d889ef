//! The page that a sign-in returns to.

use serde_json::Value;

use super::json::{Json, serde_by_json};

/// The longest address. Servers accept request lines of 8 KB.
const MAX_BYTES: usize = 8192;

/// A page of this origin: path, query and fragment, never another host.
///
/// ```
/// use pixygate::authorization::ReturnTo;
///
/// // From a link such as `/sign-in?return_to=/account`. An address that could leave this origin becomes the start page.
/// let going = |asked: &str| ReturnTo::parse(asked).unwrap_or_default();
/// assert_eq!(going("/account?tab=2").as_str(), "/account?tab=2");
/// assert_eq!(going("https://evil.example/").as_str(), "/");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Parses a path. Returns `None` if a browser could read it as another origin: `https:…`, `//host`, `/\host`, `javascript:`, or text with
    /// control characters, which browsers drop before they parse. The segments `.` and `..` are rejected too, because browsers resolve
    /// them: `/.//host` becomes `//host`.
    ///
    /// ```
    /// use pixygate::authorization::ReturnTo;
    /// assert!(ReturnTo::parse("/account?tab=2#top").is_some());
    /// assert!(ReturnTo::parse("//evil.example").is_none());
    /// assert!(ReturnTo::parse("/.//evil.example").is_none());
    /// assert!(ReturnTo::parse("javascript:alert(1)").is_none());
    /// ```
    pub fn parse(path: &str) -> Option<Self> {
        let mut bytes = path.bytes();
        let local = bytes.next() == Some(b'/')
            && !matches!(bytes.next(), Some(b'/' | b'\\'))
            && !path.contains('\\')
            && !path.contains(|c: char| c.is_control() || c.is_whitespace())
            && !path
                .split(['?', '#'])
                .next()
                .unwrap_or_default()
                .split('/')
                .any(is_dots)
            && path.len() <= MAX_BYTES;
        local.then(|| Self(path.to_owned()))
    }

    /// Reads the parameter `return_to` of a query, as [`ReturnTo::to_query_value`] writes it. Returns `None` if it is absent or
    /// [`ReturnTo::parse`] rejects it.
    ///
    /// ```
    /// use pixygate::authorization::ReturnTo;
    ///
    /// let account = ReturnTo::from_query("?return_to=%2Faccount%3Fnote%3Da%2520b");
    /// assert_eq!(account.as_ref().map(ReturnTo::as_str), Some("/account?note=a%20b"));
    /// ```
    pub fn from_query(query: &str) -> Option<Self> {
        let mut pairs = form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
        let (_, path) = pairs.find(|(name, _)| name == "return_to")?;
        Self::parse(&path)
    }

    /// Returns the path with query and fragment.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path without query and fragment.
    pub(crate) fn path(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }

    /// Returns the path with query and fragment, escaped for use as a query parameter.
    ///
    /// ```
    /// use pixygate::authorization::ReturnTo;
    ///
    /// let orders = ReturnTo::parse("/orders?page=2&q=a+b").unwrap_or_default();
    /// let link = format!("/sign-in?return_to={}", orders.to_query_value());
    /// assert_eq!(link, "/sign-in?return_to=%2Forders%3Fpage%3D2%26q%3Da%2Bb");
    /// ```
    pub fn to_query_value(&self) -> String {
        form_urlencoded::byte_serialize(self.0.as_bytes()).collect()
    }
}

/// Returns whether a browser resolves the segment (WHATWG URL, "single-dot" and "double-dot URL path segment").
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

impl Default for ReturnTo {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl Json for ReturnTo {
    fn read(value: Value) -> Option<Self> {
        Self::parse(value.as_str()?)
    }

    fn write(&self) -> Value {
        self.0.write()
    }
}

serde_by_json!(ReturnTo);

impl From<ReturnTo> for String {
    fn from(path: ReturnTo) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::ReturnTo;

    #[test]
    fn only_paths_of_this_origin() {
        for good in [
            "/",
            "/account",
            "/a?b=c&d=%2F%2Fx#e",
            "/a//b",
            "/?next=https://x.example/",
            "/a.b",
            "/..a",
            "/a../...",
            "/%2ea/%2e%2e%2e",
            "/a?x=/../",
            "/a#/./",
            "/a?x=/.#/..//b",
        ] {
            assert_eq!(ReturnTo::parse(good).map(String::from).as_deref(), Some(good));
        }
        for bad in [
            "",
            "account",
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /x",
            "javascript:alert(1)",
            "/a\\..\\b",
            "data:text/html,x",
            "/.//evil.example",
            "/..//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/%2E%2e//evil.example",
            "/.%2E//evil.example",
            "/a/.",
            "/a/..",
            "/a/..?b",
            "/a/%2E#b",
            "/a\u{7f}",
        ] {
            assert_eq!(ReturnTo::parse(bad), None, "{bad:?}");
        }
    }
}
