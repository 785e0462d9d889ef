//! What a run found, for a terminal and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::run::{CHECKS, Outcome, Record, check};
use crate::findings::{Finding, Severity};

/// Everything that a run found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The configuration file, or what stands in its place.
    pub configuration: String,
    /// The provider's issuer, where it is known.
    pub provider: String,
    /// The number of faults …
    pub faults: usize,
    /// … of warnings …
    pub warnings: usize,
    /// … and of notes.
    pub notes: usize,
    /// The checks, in the order in which they were made.
    pub checks: Vec<Record>,
}

/// How a report is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether checks that passed, and notes, are shown in full.
    pub verbose: bool,
    /// Whether colours are used.
    pub colour: bool,
}

impl Report {
    pub(super) fn new(configuration: String, provider: String, checks: Vec<Record>) -> Self {
        let count = |severity| {
            let findings = checks.iter().flat_map(|record| &record.findings);
            findings.filter(|finding| finding.severity == severity).count()
        };
        Self {
            configuration,
            provider,
            faults: count(Severity::Fault),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            checks,
        }
    }

    /// Every finding, in the order in which they were found.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().flat_map(|record| &record.findings)
    }

    /// The worst finding: the first one of the greatest severity.
    pub fn worst(&self) -> Option<&Finding> {
        self.findings()
            .min_by_key(|finding| std::cmp::Reverse(finding.severity))
    }

    /// The report as JSON.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The report for a terminal: a line for each section, and details only where something is wrong.
    pub fn text(&self, style: Style) -> String {
        let mut text = format!("\nPixygate doctor: {}", self.configuration);
        if !self.provider.is_empty() {
            text.push_str(", provider ");
            text.push_str(&self.provider);
        }
        text.push_str("\n\n");
        let mut sections: Vec<&str> = CHECKS.iter().map(|check| check.section).collect();
        sections.dedup();
        for section in sections {
            let records: Vec<_> = self.checks.iter().filter(|record| record.section == section).collect();
            if !records.is_empty() {
                self.section(&mut text, section, &records, style);
            }
        }
        text.push('\n');
        let count = |number: usize, name: &str| format!("{number} {name}{}", if number == 1 { "" } else { "s" });
        let counts = [
            count(self.faults, "fault"),
            count(self.warnings, "warning"),
            count(self.notes, "note"),
        ];
        text.push_str(&counts.join(", "));
        if let Some(worst) = self.worst().filter(|worst| worst.severity > Severity::Note) {
            // Writing to a string cannot fail.
            let _infallible = write!(
                text,
                "; begin with {} (pixygate doctor --explain {})",
                worst.code, worst.code
            );
        }
        text.push('\n');
        text
    }

    fn section(&self, text: &mut String, section: &str, records: &[&Record], style: Style) {
        let worst = records
            .iter()
            .flat_map(|record| &record.findings)
            .map(|finding| finding.severity)
            .max();
        let made = records
            .iter()
            .filter(|record| !matches!(record.outcome, Outcome::NotChecked { .. }))
            .count();
        let left = records.len() - made;
        let mark = match worst {
            Some(Severity::Fault) => style.mark(Severity::Fault),
            Some(Severity::Warning) => style.mark(Severity::Warning),
            _ if made == 0 => style.paint("2", "–"),
            _ => style.paint("32", "✓"),
        };
        let causes: BTreeSet<_> = records
            .iter()
            .filter_map(|record| match record.outcome {
                Outcome::NotChecked { because } => Some(because),
                _ => None,
            })
            .collect();
        let causes: Vec<_> = causes.into_iter().map(|code| code.to_string()).collect();
        let because = format!("not checked, because {}", causes.join(", "));
        let roll_up = match (made, left) {
            (0, _) => because.clone(),
            (1, 0) => "1 check".to_owned(),
            (made, 0) => format!("{made} checks"),
            (made, left) => format!("{made} of {} checks", made + left),
        };
        let _infallible = writeln!(text, "{mark} {section:<14} {roll_up}");
        let is_shown = |record: &&&Record| style.verbose || !matches!(record.outcome, Outcome::NotChecked { .. });
        for record in records.iter().filter(is_shown) {
            record.show(text, style);
        }
        if made > 0 && left > 0 && !style.verbose {
            let _infallible = writeln!(text, "  {} {left} {because}", style.paint("2", "–"));
        }
    }
}

impl Record {
    fn show(&self, text: &mut String, style: Style) {
        let name = match self.subject.as_str() {
            "" => self.check.to_owned(),
            subject => format!("{} of {subject}", self.check),
        };
        let shown = self
            .findings
            .iter()
            .filter(|finding| style.verbose || finding.severity > Severity::Note);
        let shows = check(self.check).map_or("", |check| check.shows);
        // Writing to a string cannot fail.
        let _infallible = match self.outcome {
            Outcome::NotChecked { because } => {
                writeln!(
                    text,
                    "  {} {name:<16} not checked, because {because}",
                    style.paint("2", "–")
                )
            }
            Outcome::Passed if style.verbose && self.findings.is_empty() => {
                let detail = match self.detail.as_str() {
                    "" => String::new(),
                    detail => format!(" ({detail})"),
                };
                writeln!(text, "  {} {name:<16} {shows}{detail}", style.paint("32", "✓"))
            }
            _ => Ok(()),
        };
        for finding in shown {
            let mark = style.mark(finding.severity);
            let _infallible = writeln!(text, "  {mark} {name:<16} {}: {}", finding.code, finding.title);
            for (label, value) in [
                ("at", &finding.place),
                ("expected", &finding.expected),
                ("found", &finding.found),
                ("hint", &finding.hint),
            ] {
                if !value.is_empty() {
                    let _infallible = writeln!(text, "      {label:<9} {value}");
                }
            }
        }
    }
}

impl Style {
    fn mark(self, severity: Severity) -> String {
        match severity {
            Severity::Fault => self.paint("31", "✗"),
            Severity::Warning => self.paint("33", "!"),
            Severity::Note => self.paint("36", "·"),
        }
    }

    fn paint(self, colour: &str, text: &str) -> String {
        match self.colour {
            true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
