//! The pages of the running server, generated from the catalogue: no script, and no external resources.

use std::fmt::Write as _;

use super::{Code, Severity, address};

const STYLE: &str = "body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif; color-scheme: light dark }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0 }";

/// Returns the page of one code.
pub fn page_html(code: Code, nonce: &str) -> String {
    let title = format!("{code}: {}", code.title());
    let body = format!(
        "<p><a href=\"/findings\">All findings</a></p>\n<h1>{}</h1>\n<p>Severity: {}</p>\n<h2>Why it matters</h2>\n<p>{}</p>\n\
         <h2>How to fix it</h2>\n<p>{}</p>",
        text(&title),
        code.severity(),
        text(code.why()),
        text(code.fix())
    );
    document(&title, &body, nonce)
}

/// Returns the table of all codes.
pub fn index_html(nonce: &str) -> String {
    let mut rows = String::new();
    for &code in Code::ALL {
        let severity: Severity = code.severity();
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            rows,
            "<tr><td><a href=\"{}\">{code}</a></td><td>{severity}</td><td>{}</td></tr>",
            address(code),
            text(code.title())
        );
    }
    let body = format!(
        "<p><a href=\"/\">Pixygate</a></p>\n<h1>Findings</h1>\n<p>Everything that the doctor, the start, the log and the console can \
         report. The codes are stable.</p>\n<table>\n<thead><tr><th>Code</th><th>Severity</th><th>Title</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>"
    );
    document("Findings", &body, nonce)
}

fn document(title: &str, body: &str, nonce: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{} - Pixygate</title>\n\
         <style nonce=\"{nonce}\">{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escaped(title)
    )
}

/// Escapes text of the catalogue, with text between backticks as code.
fn text(text: &str) -> String {
    let mut html = String::new();
    for (position, part) in text.split('`').enumerate() {
        let part = escaped(part);
        match position % 2 {
            0 => html.push_str(&part),
            _ => {
                let _infallible = write!(html, "<code>{part}</code>");
            }
        }
    }
    html
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_marked_and_nothing_of_the_text_is_markup() {
        assert_eq!(
            text("Set `a = \"<b>\"` & go"),
            "Set <code>a = &quot;&lt;b&gt;&quot;</code> &amp; go"
        );
        for code in Code::ALL {
            let page = page_html(*code, "n");
            assert_eq!(page.matches('<').count(), page.matches('>').count(), "{code}");
            assert!(!page.contains('`') && !page.contains("<script"), "{code}");
        }
    }
}
