use std::borrow::Cow;

/// The path of a request, decoded, with one meaning only. What is judged and what is served must be the same:
/// [`Passed`](super::Passed) has it for whoever serves the call.
///
/// ```
/// use pixygate::gate::RequestPath;
///
/// assert_eq!(RequestPath::parse("/gw/orders/caf%C3%A9")?.as_str(), "/gw/orders/café");
/// for ambiguous in ["/a/../b", "/a/%2e%2e/b", "/a//b", "/a%2fb", "/a;b", "/a%00", "/a%252e", "/a%"] {
///     assert!(RequestPath::parse(ambiguous).is_err());
/// }
/// # Ok::<(), pixygate::gate::AmbiguousPath>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    decoded: String,
    disguised: bool,
    /// Where some characters came escaped that may stand bare as well: with their escapes, as routers match it.
    routed: Option<String>,
}

/// A path that two programs could read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path {0}")]
pub struct AmbiguousPath(pub(crate) &'static str);

impl RequestPath {
    /// Decodes the raw path of a request, without its query.
    ///
    /// # Errors
    /// When it has `.` or `..` or an empty segment, an escaped separator, a control character, `\` or `;`, or escapes that
    /// are broken or would decode twice.
    pub fn parse(raw: &str) -> Result<Self, AmbiguousPath> {
        let Decoded {
            text: decoded,
            disguised,
            routed,
        } = decode(raw)?;
        let Some(rest) = decoded.strip_prefix('/') else {
            return Err(AmbiguousPath("does not begin with a slash"));
        };
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            match segment {
                "." | ".." => return Err(AmbiguousPath("has `.` or `..` as a segment")),
                "" if segments.peek().is_some() => return Err(AmbiguousPath("has an empty segment")),
                _ => {}
            }
        }
        Ok(Self {
            decoded: decoded.into_owned(),
            disguised,
            routed,
        })
    }

    /// The decoded path.
    pub fn as_str(&self) -> &str {
        &self.decoded
    }

    /// Whether characters that need no escape came escaped. Routers match what came, so they could miss what this means.
    pub(crate) fn is_disguised(&self) -> bool {
        self.disguised
    }

    /// The path as routers match it, where that is another than the decoded one and a route could be written for either:
    /// `/@me` and `/%40me` are two paths for a router, and one for an upstream that decodes.
    pub(crate) fn as_routed(&self) -> Option<&str> {
        self.routed.as_deref()
    }

    /// Whether it lies at or under a prefix.
    pub(crate) fn is_under(&self, prefix: &str) -> bool {
        self.decoded
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

struct Decoded<'a> {
    text: Cow<'a, str>,
    disguised: bool,
    routed: Option<String>,
}

fn decode(raw: &str) -> Result<Decoded<'_>, AmbiguousPath> {
    if let Some(refused) = raw
        .bytes()
        .find(|byte| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b';' | b'?' | b'#'))
    {
        return Err(AmbiguousPath(match refused {
            b'\\' => "has a backslash",
            b';' => "has a semicolon",
            _ => "has a character that must be escaped",
        }));
    }
    if !raw.contains('%') {
        return Ok(Decoded {
            text: Cow::Borrowed(raw),
            disguised: false,
            routed: None,
        });
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut disguised = false;
    let mut routed = Vec::with_capacity(raw.len());
    let mut bare_as_well = false;
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            routed.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return Err(AmbiguousPath("has a broken escape"));
        };
        let meant = (high * 16 + low) as u8;
        match meant {
            b'/' | b'\\' | b';' | b'?' | b'#' => return Err(AmbiguousPath("has an escaped separator")),
            b'%' => return Err(AmbiguousPath("has an escape that would decode twice")),
            _ => {}
        }
        disguised |= meant.is_ascii_alphanumeric() || matches!(meant, b'-' | b'.' | b'_' | b'~');
        decoded.push(meant);
        // Spaces and what is not ASCII have no other spelling.
        if meant.is_ascii_graphic() {
            bare_as_well = true;
            routed.extend_from_slice(format!("%{meant:02X}").as_bytes());
        } else {
            routed.push(meant);
        }
    }
    let routed = bare_as_well.then(|| String::from_utf8_lossy(&routed).into_owned());
    let decoded = String::from_utf8(decoded).map_err(|_| AmbiguousPath("is not UTF-8"))?;
    // Neither kind of control characters, nor line separators, has a place in a path; and they end a line in some logs.
    if decoded
        .chars()
        .any(|character| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}'))
    {
        return Err(AmbiguousPath("has a control character"));
    }
    Ok(Decoded {
        text: Cow::Owned(decoded),
        disguised,
        routed,
    })
}
