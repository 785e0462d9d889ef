use std::fmt;

use http::Method;

/// Which paths a policy is for: exact segments, `*` or `{name}` for one segment, and a last `**` for any number of them.
///
/// ```
/// use pixygate::gate::Pattern;
///
/// let pattern: Pattern = "/gw/orders/**".parse()?;
/// assert!(pattern.matches("/gw/orders/7/lines"));
/// assert!(pattern.matches("/gw/orders"));
/// assert!(!pattern.matches("/gw/orders-archive"));
/// # Ok::<(), pixygate::gate::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
    /// Whether a last `**` takes whatever follows.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Exactly(String),
    Any,
}

/// A pattern or method that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The pattern cannot match the path of a request.
    #[error("the path pattern {pattern:?} {why}")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The method is none.
    #[error("{0:?} is no HTTP method")]
    Method(String),
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        let refuse = |why| PatternError::Pattern {
            pattern: pattern.to_owned(),
            why,
        };
        let Some(rest) = pattern.strip_prefix('/') else {
            return Err(refuse("must begin with `/`"));
        };
        let (rest, open) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(before) => (
                before
                    .strip_suffix('/')
                    .ok_or_else(|| refuse("must have `**` as a segment"))?,
                true,
            ),
            None => (rest, false),
        };
        let mut segments = Vec::new();
        if !(open && rest.is_empty()) {
            let count = rest.split('/').count();
            for (index, segment) in rest.split('/').enumerate() {
                segments.push(match segment {
                    "*" => Segment::Any,
                    "." | ".." => return Err(refuse("must not have `.` or `..` as a segment")),
                    "" if index + 1 < count || open => return Err(refuse("must not have an empty segment")),
                    name if name.starts_with("{*") => {
                        return Err(refuse("has a segment of axum's for any number of them; write `**`"));
                    }
                    name if is_parameter(name) => Segment::Any,
                    name if name.contains(['*', '{', '}', '%', '\\', ';', '?', '#']) => {
                        return Err(refuse(
                            "has a character that no path can have; write it decoded, `*` only alone",
                        ));
                    }
                    name => Segment::Exactly(name.to_owned()),
                });
            }
        }
        Ok(Self {
            text: pattern.to_owned(),
            segments,
            open,
        })
    }
}

/// `{name}`. Braces inside of it have another meaning for axum.
fn is_parameter(segment: &str) -> bool {
    let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && !name.contains(['{', '}']))
}

impl Pattern {
    /// Whether a decoded path is meant.
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else {
            return false;
        };
        let mut found = rest.split('/');
        for segment in &self.segments {
            match (segment, found.next()) {
                (Segment::Exactly(expected), Some(name)) if expected == name => {}
                (Segment::Any, Some(name)) if !name.is_empty() => {}
                _ => return false,
            }
        }
        self.open || found.next().is_none()
    }

    /// Whether it matches every path that the other one matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let long_enough = match self.open {
            true => other.segments.len() >= self.segments.len(),
            false => !other.open && other.segments.len() == self.segments.len(),
        };
        let mut pairs = self.segments.iter().zip(&other.segments);
        long_enough
            && pairs.all(|pair| match pair {
                (Segment::Exactly(one), Segment::Exactly(another)) => one == another,
                (Segment::Exactly(_), Segment::Any) => false,
                (Segment::Any, Segment::Exactly(name)) => !name.is_empty(),
                (Segment::Any, Segment::Any) => true,
            })
    }

    /// Whether no path is matched by both.
    pub(crate) fn is_apart(&self, other: &Self) -> bool {
        let too_short = |one: &Self, another: &Self| !one.open && one.segments.len() < another.segments.len();
        let mut pairs = self.segments.iter().zip(&other.segments);
        too_short(self, other)
            || too_short(other, self)
            || pairs.any(|pair| matches!(pair, (Segment::Exactly(one), Segment::Exactly(another)) if one != another))
    }

    /// Its place among the routes of an axum router: at each segment a name counts before a parameter, and a parameter before a
    /// `**`.
    pub(crate) fn precedence(&self) -> Vec<(u8, &str)> {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Exactly(name) => (0, name.as_str()),
            Segment::Any => (1, ""),
        });
        segments.chain(self.open.then_some((2, ""))).collect()
    }

    /// The path itself, when the pattern is for one path only.
    pub(crate) fn exact(&self) -> Option<&str> {
        let exact = !self.open
            && self
                .segments
                .iter()
                .all(|segment| matches!(segment, Segment::Exactly(_)));
        exact.then_some(self.text.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The methods that a policy is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// Every method.
    pub const ANY: Self = Self(Vec::new());

    /// Methods by name; `HEAD` comes with `GET`, as axum serves it. An empty list or `*` means every method.
    ///
    /// # Errors
    /// When a name is no method.
    pub fn named<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, PatternError> {
        let mut methods = Vec::new();
        for name in names {
            match name.as_ref() {
                "*" => return Ok(Self::ANY),
                name => {
                    let refuse = || PatternError::Method(name.to_owned());
                    // Method tokens are case-sensitive; `get` would never match.
                    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
                        return Err(refuse());
                    }
                    methods.push(Method::from_bytes(name.as_bytes()).map_err(|_| refuse())?);
                }
            }
        }
        Ok(Self(methods))
    }

    /// Whether the method is meant.
    pub fn contains(&self, method: &Method) -> bool {
        self.0.is_empty() || self.0.contains(method) || (*method == Method::HEAD && self.0.contains(&Method::GET))
    }

    /// Whether all of the others are meant.
    pub(crate) fn include(&self, others: &Self) -> bool {
        self.0.is_empty() || (!others.0.is_empty() && others.0.iter().all(|method| self.contains(method)))
    }

    /// Whether no method is meant by both.
    pub(crate) fn are_apart(&self, others: &Self) -> bool {
        let shares =
            |one: &Self, another: &Self| another.0.is_empty() || another.0.iter().any(|method| one.contains(method));
        !shares(self, others) && !shares(others, self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Method> {
        self.0.iter()
    }

    /// Each method that is named, alone.
    pub(crate) fn each(&self) -> Vec<Self> {
        self.iter().cloned().map(Self::from).collect()
    }
}

impl TryFrom<&str> for Methods {
    type Error = PatternError;

    fn try_from(name: &str) -> Result<Self, PatternError> {
        Self::named([name])
    }
}

impl From<Method> for Methods {
    fn from(method: Method) -> Self {
        Self(vec![method])
    }
}

impl From<std::convert::Infallible> for PatternError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("*");
        }
        let names: Vec<_> = self.0.iter().map(Method::as_str).collect();
        f.write_str(&names.join(","))
    }
}
