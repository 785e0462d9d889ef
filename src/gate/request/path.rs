use std::fmt::Write as _;

/// The decoded, unambiguous path of a request. A path that two programs could read differently is rejected, so the application serves the
/// same path that the gate authorized.
///
/// ```
/// use pixygate::gate::request::RequestPath;
///
/// assert_eq!(RequestPath::parse("/gw/orders/caf%C3%A9")?.as_str(), "/gw/orders/café");
/// for ambiguous in ["/a/../b", "/a/%2e%2e/b", "/a//b", "/a%2fb", "/a;b", "/a%00", "/a%252e", "/a%"] {
///     assert!(RequestPath::parse(ambiguous).is_err());
/// }
/// # Ok::<(), pixygate::gate::request::AmbiguousPath>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    decoded: String,
    /// `None` if the raw path has no escapes.
    escapes: Option<Escapes>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Escapes {
    needless: bool,
    routed: Option<String>,
}

/// A path that two programs could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path {0}")]
pub struct AmbiguousPath(&'static str);

impl RequestPath {
    /// Decodes the raw path of a request, without its query.
    ///
    /// # Errors
    /// When the path has a segment that is `.`, `..` or empty, an escaped separator, a control character, `\` or `;`, or an escape that is
    /// broken or would decode twice.
    pub fn parse(raw: &str) -> Result<Self, AmbiguousPath> {
        let bytes = raw.as_bytes();
        if is_plain(bytes) {
            return Ok(Self {
                decoded: raw.to_owned(),
                escapes: None,
            });
        }
        if bytes.first() != Some(&b'/') {
            return Err(AmbiguousPath("does not begin with a slash"));
        }
        if let Some(byte) = bytes.iter().copied().find(|byte| !needs_no_escape(*byte)) {
            return Err(AmbiguousPath(match byte {
                b'\\' => "has a backslash",
                b';' => "has a semicolon",
                _ => "has a character that must be escaped",
            }));
        }
        let (decoded, escapes) = match bytes.contains(&b'%') {
            false => (raw.to_owned(), None),
            true => {
                let (decoded, escapes) = decode(bytes)?;
                (decoded, Some(escapes))
            }
        };
        check_segments(&decoded)?;
        Ok(Self { decoded, escapes })
    }

    /// Returns the decoded path.
    pub fn as_str(&self) -> &str {
        &self.decoded
    }

    /// Returns whether unreserved characters are escaped. A router that matches the raw path could choose another route.
    pub(crate) fn has_needless_escapes(&self) -> bool {
        self.escapes.as_ref().is_some_and(|escapes| escapes.needless)
    }

    /// Returns the path as a router with canonical routes matches it, if that differs from the decoded path. For a router, `/@me` and
    /// `/%40me` are two paths; for an upstream that decodes, they are one.
    pub(crate) fn canonical_form(&self) -> Option<&str> {
        self.escapes.as_ref()?.routed.as_deref()
    }

    /// Returns whether the raw path has escapes, so that a route in another spelling may not match it.
    pub(crate) fn is_escaped(&self) -> bool {
        self.escapes.is_some()
    }
}

const fn needs_no_escape(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';' | b'?' | b'#')
}

/// The characters that need no escape, except `%`.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = needs_no_escape(byte as u8) && byte != b'%' as usize;
        byte += 1;
    }
    plain
};

/// Returns whether a path has neither escapes nor a segment that is empty or begins with a dot: most paths, in one pass.
fn is_plain(path: &[u8]) -> bool {
    let mut previous = 0;
    let fits = path.iter().fold(true, |fits, &byte| {
        let odd = previous == b'/' && matches!(byte, b'/' | b'.');
        previous = byte;
        fits & PLAIN[usize::from(byte)] & !odd
    });
    fits && path.first() == Some(&b'/')
}

/// Rejects dot segments and empty segments. `decoded` must begin with a slash.
fn check_segments(decoded: &str) -> Result<(), AmbiguousPath> {
    let mut segments = decoded[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => return Err(AmbiguousPath("has `.` or `..` as a segment")),
            "" if segments.peek().is_some() => return Err(AmbiguousPath("has an empty segment")),
            _ => {}
        }
    }
    Ok(())
}

fn decode(raw: &[u8]) -> Result<(String, Escapes), AmbiguousPath> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut routed = Vec::with_capacity(raw.len());
    let (mut needless, mut other_spelling) = (false, false);
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            routed.push(byte);
            continue;
        }
        let digits = bytes.next().zip(bytes.next());
        let Some((high, low)) = digits.filter(|(high, low)| high.is_ascii_hexdigit() && low.is_ascii_hexdigit()) else {
            return Err(AmbiguousPath("has a broken escape"));
        };
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default();
        let meant = (digit(high) * 16 + digit(low)) as u8;
        match meant {
            b'/' | b'\\' | b';' | b'?' | b'#' => return Err(AmbiguousPath("has an escaped separator")),
            b'%' => return Err(AmbiguousPath("has an escape that would decode twice")),
            _ => {}
        }
        needless |= meant.is_ascii_alphanumeric() || matches!(meant, b'-' | b'.' | b'_' | b'~');
        decoded.push(meant);
        // Spaces and non-ASCII characters must be escaped, so a canonical route spells them in the same way.
        if !meant.is_ascii_graphic() && ![high, low].iter().any(u8::is_ascii_lowercase) {
            routed.push(meant);
        } else {
            other_spelling = true;
            routed.extend([b'%', high, low]);
        }
    }
    let routed = other_spelling.then(|| String::from_utf8_lossy(&routed).into_owned());
    let decoded = String::from_utf8(decoded).map_err(|_| AmbiguousPath("is not UTF-8"))?;
    // Line separators end a line in some logs.
    if decoded
        .chars()
        .any(|character| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}'))
    {
        return Err(AmbiguousPath("has a control character"));
    }
    Ok((decoded, Escapes { needless, routed }))
}

/// Escapes the characters that must be escaped in a path. A router matches the path only if its route has this spelling.
pub(crate) fn canonical(decoded: &str) -> String {
    let mut escaped = String::with_capacity(decoded.len());
    for byte in decoded.bytes() {
        match byte {
            _ if byte.is_ascii_graphic() => escaped.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => write!(escaped, "%{byte:02X}").unwrap_or_default(),
        }
    }
    escaped
}

/// How often an ambiguous path is decoded. After that, `may_decode_to` assumes the worst.
const MAX_DECODINGS: usize = 4;

/// Returns whether some program could read an ambiguous path as one for which `matches` holds.
pub(crate) fn may_decode_to(raw: &str, matches: impl Fn(&str) -> bool) -> bool {
    let mut path = raw.to_owned();
    for _ in 0..MAX_DECODINGS {
        if [true, false]
            .into_iter()
            .any(|resolve| matches(&normalize(&path, resolve)))
        {
            return true;
        }
        let decoded = decode_leniently(&path);
        if decoded == path {
            return false;
        }
        path = decoded;
    }
    true
}

/// Removes parts that some programs ignore: empty segments, parameters and control characters; with `resolve` also `..` and the segment
/// before it.
fn normalize(path: &str, resolve: bool) -> String {
    let path = path.replace('\\', "/");
    let path = path.split(['?', '#', '\0']).next().unwrap_or_default();
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        let name: String = name.chars().filter(|character| !character.is_control()).collect();
        match name.as_str() {
            "" | "." => {}
            ".." if resolve => drop(segments.pop()),
            _ => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

fn decode_leniently(path: &str) -> String {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|digits| byte == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let meant = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(meant.unwrap_or(byte));
        rest = if meant.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
