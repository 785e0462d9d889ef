use std::{fmt, time::Duration};

use super::cache::Weighed;
use crate::{Detail, Reason, StepUp};

/// Why a token, or the request that carried it, was not accepted.
///
/// The [`Reason`] is for everybody; the [`Detail`] is for the log and for the person who runs the gate. Neither ever
/// holds a token: what came from outside is shortened and escaped.
///
/// ```
/// use pixygate::{Reason, jwt::Rejection};
///
/// let rejection = Rejection::new(Reason::Expired).expected("exp after 1700000000").found("exp 1600000000");
/// assert_eq!(rejection.reason(), Reason::Expired);
/// assert_eq!(rejection.status(), 401);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    facts: Box<Facts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    reason: Reason,
    detail: Detail,
    step_up: Option<StepUp>,
    retry_after: Option<Duration>,
}

impl Weighed for Rejection {
    fn bytes(&self) -> usize {
        let Detail { expected, found, hint } = &self.facts.detail;
        size_of::<Facts>() + expected.len() + found.len() + hint.len()
    }
}

impl Rejection {
    /// A rejection without details yet.
    pub fn new(reason: Reason) -> Self {
        Self {
            facts: Box::new(Facts {
                reason,
                detail: Detail::default(),
                step_up: None,
                retry_after: None,
            }),
        }
    }

    /// What would have been accepted.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.facts.detail.expected = expected.into();
        self
    }

    /// What was met instead. Give anything that came from outside through [`printable`].
    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.facts.detail.found = found.into();
        self
    }

    /// The setting or step that fixes it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.facts.detail.hint = hint.into();
        self
    }

    /// Names the sign-in after which the call would be allowed; it becomes part of the challenge.
    #[must_use]
    pub fn stepping_up(mut self, step_up: StepUp) -> Self {
        self.facts.step_up = Some(step_up);
        self
    }

    /// When trying again may help (`Retry-After`).
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.facts.retry_after = Some(after);
        self
    }

    /// The check that refused.
    pub fn reason(&self) -> Reason {
        self.facts.reason
    }

    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        self.facts.reason.status()
    }

    /// Expected, found, and the setting or step that fixes it. For the log; into a response only when the gate explains.
    pub fn detail(&self) -> &Detail {
        &self.facts.detail
    }

    /// Returns the sign-in after which the call would be allowed, where a sign-in helps.
    pub fn step_up(&self) -> Option<&StepUp> {
        self.facts.step_up.as_ref()
    }

    /// When trying again may help.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.facts.retry_after
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { expected, found, hint } = &self.facts.detail;
        write!(f, "{:?}", self.facts.reason)?;
        for (label, text) in [("expected", expected), ("found", found), ("hint", hint)] {
            if !text.is_empty() {
                write!(f, "; {label}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

/// Text from outside, made fit for a log line: control characters and quotes escaped, cut off after 200 characters, which an escape
/// that begins there may pass by a few.
///
/// ```
/// assert_eq!(pixygate::jwt::printable("a\nb"), r"a\nb");
/// ```
pub fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for character in text.chars() {
        // What is shown counts, not what came: an escape is up to ten characters for one.
        if shown.len() >= LONGEST {
            shown.push('…');
            break;
        }
        if character.is_ascii_graphic() && !matches!(character, '"' | '\\') || character == ' ' {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_also_when_all_of_it_is_escaped() {
        let whole = "a".repeat(200);
        assert_eq!(printable(&whole), whole);
        assert_eq!(printable(&format!("{whole}b")), format!("{whole}…"));
        for character in ['\u{7f}', '\n', '"', 'é', '\u{10ffff}'] {
            let shown = printable(&character.to_string().repeat(8000));
            assert!(shown.ends_with('…') && shown.chars().count() <= 211, "{shown}");
        }
    }
}
