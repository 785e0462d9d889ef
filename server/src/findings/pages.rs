//! The pages of `docs/findings/`, generated from the catalogue. A test compares them with the files.

use std::fmt::Write as _;

use super::Code;

/// Returns the page of one code.
pub fn page(code: Code) -> String {
    let (severity, title, why, fix) = (code.severity(), code.title(), code.why(), code.fix());
    format!("# {code}: {title}\n\nSeverity: {severity}\n\n## Why it matters\n\n{why}\n\n## How to fix it\n\n{fix}\n")
}

/// Returns the table of all codes.
pub fn index() -> String {
    let mut text = String::from(
        "# Findings\n\nEverything that `pixygate doctor`, `pixygate inspect`, the start and the log can report. The codes are stable. \
         `pixygate doctor --explain CODE` prints a page.\n\nThese files are written from the catalogue in `server/src/findings`: \
         `PIXYGATE_WRITE_DOCS=1 cargo test -p server findings`.\n\n| code | severity | title |\n|---|---|---|\n",
    );
    for &code in Code::ALL {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "| [{code}]({code}.md) | {} | {} |", code.severity(), code.title());
    }
    text
}

/// Returns the path of a code's page on the running server.
pub fn address(code: Code) -> String {
    format!("/findings/{code}")
}
