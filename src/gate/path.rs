use std::borrow::Cow;

/// The path of a request, decoded, with one meaning only. The gate leaves it in the request's extensions: what is judged
/// and what is served must be the same.
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
        let (decoded, disguised) = decode(raw)?;
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

    /// Whether it lies at or under a prefix.
    pub(crate) fn is_under(&self, prefix: &str) -> bool {
        self.decoded
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn decode(raw: &str) -> Result<(Cow<'_, str>, bool), AmbiguousPath> {
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
        return Ok((Cow::Borrowed(raw), false));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut disguised = false;
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
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
            _ if meant.is_ascii_control() => return Err(AmbiguousPath("has a control character")),
            _ => {}
        }
        disguised |= meant.is_ascii_alphanumeric() || matches!(meant, b'-' | b'.' | b'_' | b'~');
        decoded.push(meant);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| AmbiguousPath("is not UTF-8"))?;
    // C1 controls and line separators have no place in a path, and end a line in some logs.
    if decoded
        .chars()
        .any(|character| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}'))
    {
        return Err(AmbiguousPath("has a control character"));
    }
    Ok((Cow::Owned(decoded), disguised))
}
