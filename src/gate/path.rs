use std::{borrow::Cow, fmt::Write as _};

/// The path of a request, decoded, with one meaning only. What is judged and what is served must be the same:
/// [`Passed`](super::Passed) has it for the handler.
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
    /// Where a router that spells its routes canonically reads another path: with those escapes that it does not have.
    routed: Option<String>,
    /// Whether it came with escapes.
    escaped: bool,
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
            escaped,
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
            escaped,
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

    /// The path as a router reads it whose routes are spelled canonically, where that is another than the decoded one: `/@me` and
    /// `/%40me` are two paths for a router, and one for an upstream that decodes.
    pub(crate) fn as_routed(&self) -> Option<&str> {
        self.routed.as_deref()
    }

    /// Whether it came with escapes, so that a route in another spelling may not match it.
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }
}

/// Escapes what cannot stand bare in a path: the only spelling in which a router's route matches it.
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

/// So many times a path is decoded to see what it could mean.
const ROUNDS: usize = 4;

/// Whether some program could read a path that is ambiguous as one for which `is_meant` holds.
pub(crate) fn could_be(raw: &str, is_meant: impl Fn(&str) -> bool) -> bool {
    let mut path = raw.to_owned();
    for _ in 0..ROUNDS {
        if [true, false]
            .into_iter()
            .any(|resolve| is_meant(&leniently(&path, resolve)))
        {
            return true;
        }
        let decoded = decoded_once(&path);
        if decoded == path {
            return false;
        }
        path = decoded;
    }
    true
}

/// A path without what some programs skip: empty segments, parameters, control characters, and with `..` resolved or left.
fn leniently(path: &str, resolve: bool) -> String {
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

fn decoded_once(path: &str) -> String {
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

struct Decoded<'a> {
    text: Cow<'a, str>,
    disguised: bool,
    routed: Option<String>,
    escaped: bool,
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
            escaped: false,
        });
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut disguised = false;
    let mut routed = Vec::with_capacity(raw.len());
    let mut other_spelling = false;
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            routed.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let digits = bytes.next().zip(bytes.next());
        let Some((first, second, high, low)) =
            digits.and_then(|(first, second)| Some((first, second, digit(first)?, digit(second)?)))
        else {
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
        // Spaces and what is not ASCII cannot stand bare, so this is how a route for them is spelled.
        if !meant.is_ascii_graphic() && ![first, second].iter().any(u8::is_ascii_lowercase) {
            routed.push(meant);
        } else {
            other_spelling = true;
            routed.extend([b'%', first, second]);
        }
    }
    let routed = other_spelling.then(|| String::from_utf8_lossy(&routed).into_owned());
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
        escaped: true,
    })
}
