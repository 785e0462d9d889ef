use std::{fmt, time::Duration};

use super::verdict_cache::Weighed;
use crate::{Detail, Reason, StepUp};

/// Why a token, or the request that carried it, was rejected.
///
/// The [`Reason`] is for the client, the [`Detail`] for the log and the operator. Neither contains a token: values from outside are
/// shortened and escaped.
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
    status: Option<u16>,
}

impl Weighed for Rejection {
    fn bytes(&self) -> usize {
        let Detail {
            expected, found, hint, ..
        } = &self.facts.detail;
        size_of::<Facts>() + expected.len() + found.len() + hint.len()
    }
}

impl Rejection {
    /// Makes a rejection without details.
    pub fn new(reason: Reason) -> Self {
        Self {
            facts: Box::new(Facts {
                reason,
                detail: Detail::default(),
                step_up: None,
                retry_after: None,
                status: None,
            }),
        }
    }

    /// Sets what would have been accepted.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.facts.detail.expected = expected.into();
        self
    }

    /// Sets what was found instead. Pass values from outside through [`printable`].
    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.facts.detail.found = found.into();
        self
    }

    /// Sets the setting or step that fixes it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.facts.detail.hint = hint.into();
        self
    }

    /// Sets the sign-in after which the call would be allowed. It becomes part of the challenge.
    #[must_use]
    pub fn stepping_up(mut self, step_up: StepUp) -> Self {
        self.facts.step_up = Some(step_up);
        self
    }

    /// Sets after which time a retry may succeed (`Retry-After`).
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.facts.retry_after = Some(after);
        self
    }

    /// Sets the HTTP status, where it is not that of the reason: an upstream that was tried is 502, one that was not is 503.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.facts.status = Some(status);
        self
    }

    /// Returns the check that failed.
    pub fn reason(&self) -> Reason {
        self.facts.reason
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.facts.status.unwrap_or(self.facts.reason.status())
    }

    /// Returns what was expected and found, and the hint. For the log; part of a response only when the gate explains.
    pub fn detail(&self) -> &Detail {
        &self.facts.detail
    }

    /// Returns the sign-in after which the call would be allowed, where a sign-in helps.
    pub fn step_up(&self) -> Option<&StepUp> {
        self.facts.step_up.as_ref()
    }

    /// Returns after which time a retry may succeed.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.facts.retry_after
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail {
            expected, found, hint, ..
        } = &self.facts.detail;
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

/// Makes text from outside fit for a log line: escapes control characters and quotes, and cuts it off after about 200 characters.
///
/// ```
/// assert_eq!(pixygate::jwt::printable("a\nb"), r"a\nb");
/// ```
pub fn printable(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    let mut shown = String::with_capacity(text.len().min(MAX_CHARS));
    for character in text.chars() {
        // The output counts, not the input: an escape makes up to ten characters of one.
        if shown.len() >= MAX_CHARS {
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
    fn the_output_is_short_even_when_all_of_it_is_escaped() {
        let whole = "a".repeat(200);
        assert_eq!(printable(&whole), whole);
        assert_eq!(printable(&format!("{whole}b")), format!("{whole}…"));
        for character in ['\u{7f}', '\n', '"', 'é', '\u{10ffff}'] {
            let shown = printable(&character.to_string().repeat(8000));
            assert!(shown.ends_with('…') && shown.chars().count() <= 211, "{shown}");
        }
    }
}
