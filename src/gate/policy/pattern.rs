use std::fmt;

/// The paths that a route is for: exact segments, `*` or `{name}` for one segment, and a last `**` for any number of them.
///
/// ```
/// use pixygate::gate::policy::Pattern;
///
/// let pattern: Pattern = "/gw/orders/**".parse()?;
/// assert!(pattern.matches("/gw/orders/7/lines"));
/// assert!(pattern.matches("/gw/orders"));
/// assert!(!pattern.matches("/gw/orders-archive"));
/// # Ok::<(), pixygate::gate::policy::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
    /// Whether a last `**` matches any number of segments.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Exactly(String),
    Any,
}

/// A pattern or method that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The pattern cannot match the path of a request.
    #[error("the path pattern {pattern:?} {why}")]
    Pattern {
        /// The pattern, as written.
        pattern: String,
        /// The reason.
        why: &'static str,
    },
    /// It is not a method.
    #[error("{0:?} is not an HTTP method; write it in capital letters")]
    Method(String),
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        let invalid = |why| PatternError::Pattern {
            pattern: pattern.to_owned(),
            why,
        };
        let Some(rest) = pattern.strip_prefix('/') else {
            return Err(invalid("must begin with `/`"));
        };
        let (rest, open) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(before) => (
                before
                    .strip_suffix('/')
                    .ok_or_else(|| invalid("must have `**` as a segment"))?,
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
                    "." | ".." => return Err(invalid("must not have `.` or `..` as a segment")),
                    "" if index + 1 < count || open => return Err(invalid("must not have an empty segment")),
                    name if name.starts_with("{*") => {
                        return Err(invalid("has axum's segment for the rest of a path; write `**`"));
                    }
                    name if is_parameter(name) => Segment::Any,
                    name if name.contains(['*', '{', '}', '%', '\\', ';', '?', '#']) => {
                        return Err(invalid(
                            "has a character that no path can have; write it decoded, and `*` only alone",
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
    /// Returns whether it matches a decoded path.
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else {
            return false;
        };
        let mut names = rest.split('/');
        for segment in &self.segments {
            match (segment, names.next()) {
                (Segment::Exactly(expected), Some(name)) if expected == name => {}
                (Segment::Any, Some(name)) if !name.is_empty() => {}
                _ => return false,
            }
        }
        self.open || names.next().is_none()
    }

    /// Returns whether it matches every path that the other one matches.
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

    /// Returns whether no path is matched by both.
    pub(crate) fn is_disjoint(&self, other: &Self) -> bool {
        let too_short = |one: &Self, another: &Self| !one.open && one.segments.len() < another.segments.len();
        let mut pairs = self.segments.iter().zip(&other.segments);
        too_short(self, other)
            || too_short(other, self)
            || pairs.any(|pair| matches!(pair, (Segment::Exactly(one), Segment::Exactly(another)) if one != another))
    }

    /// Returns its place among the routes of an axum router: at each segment a name comes before a parameter, and a parameter before
    /// a `**`.
    pub(crate) fn precedence(&self) -> Vec<(u8, &str)> {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Exactly(name) => (0, name.as_str()),
            Segment::Any => (1, ""),
        });
        segments.chain(self.open.then_some((2, ""))).collect()
    }

    /// Returns the path itself, when the pattern is for one path only.
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
