//! The findings: all problems of a set-up that Pixygate can report, each with a stable code. No I/O.
//!
//! [`Code`] is the catalogue. Its entries have a severity, a title, the reason why it matters, and how to fix it in general;
//! `docs/findings/` is generated from it. A [`Finding`] is one instance, with the expected and the found value, and the line to
//! write.

mod catalogue;
mod html;
mod pages;

use std::fmt;

use serde::Serialize;

pub use catalogue::Code;
pub use html::{index_html, page_html};
pub use pages::{address, index, page};

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A fact about the set-up that is good to know. A correct set-up may have notes.
    Note,
    /// It works, but not safely, or not in every case.
    Warning,
    /// Something does not work.
    Fault,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Fault => "fault",
        })
    }
}

/// A problem, or a fact worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The code.
    pub code: Code,
    /// The severity; the code's own by default.
    pub severity: Severity,
    /// The code's title.
    pub title: &'static str,
    /// The setting and the place that set it; empty if it is about none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The expected value.
    pub expected: String,
    /// The found value.
    pub found: String,
    /// The line to write, or the place in the provider's console.
    pub hint: String,
    /// The change of the configuration file that fixes it, if one line does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// A new value for a key of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The key, as in `provider.issuer` or `trust[0].issuer`.
    pub key: String,
    /// Its new value: a string.
    pub value: String,
    /// Whether the value is one more of a list.
    pub adds: bool,
}

impl Finding {
    /// Makes an instance of a code.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            severity: code.severity(),
            title: code.title(),
            place: String::new(),
            expected: String::new(),
            found: String::new(),
            hint: code.fix().to_owned(),
            change: None,
        }
    }

    /// Sets the setting.
    #[must_use]
    pub fn place(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    /// Sets the expected value.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Sets the found value. Pass external text through [`printable`](pixygate::jwt::printable) first.
    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = found.into();
        self
    }

    /// Sets the hint, instead of the code's general advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Sets the change of the file that fixes it.
    #[must_use]
    pub fn change(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.change = Some(Change {
            key: key.into(),
            value: value.into(),
            adds: false,
        });
        self
    }

    /// Names the list of the file that lacks a value.
    #[must_use]
    pub fn addition(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.change = Some(Change {
            key: key.into(),
            value: value.into(),
            adds: true,
        });
        self
    }
}
