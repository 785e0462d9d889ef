//! Formats JSON with a line for each value. It does not parse it: a parser would round large numbers and sort the members.

/// The indentation of one level.
const INDENT: &str = "  ";

/// JSON with more levels than this is not formatted.
const DEEPEST: usize = 64;

/// Returns the text with line breaks and indentation, or `None` if it is no complete object or array, or nested too deeply.
pub(super) fn indented(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let mut lines = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut characters = text.chars().peekable();
    let (mut in_string, mut escaped) = (false, false);
    while let Some(character) = characters.next() {
        if in_string {
            lines.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                lines.push(character);
            }
            '{' | '[' => {
                lines.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    lines.push(end);
                    continue;
                }
                depth += 1;
                if depth > DEEPEST {
                    return None;
                }
                new_line(&mut lines, depth);
            }
            '}' | ']' => {
                depth = depth.checked_sub(1)?;
                new_line(&mut lines, depth);
                lines.push(character);
            }
            ',' => {
                lines.push(character);
                new_line(&mut lines, depth);
            }
            ':' => lines.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => lines.push(character),
        }
    }
    (depth == 0 && !in_string).then_some(lines)
}

fn new_line(lines: &mut String, depth: usize) {
    lines.push('\n');
    for _ in 0..depth {
        lines.push_str(INDENT);
    }
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn each_value_has_a_line() {
        let text = r#"{"id":18014398509481985,"items":["a, b",{}],"empty":[ ],"said":"\"}{\\"}"#;
        let lines = "{\n  \"id\": 18014398509481985,\n  \"items\": [\n    \"a, b\",\n    {}\n  ],\n  \"empty\": [],\n  \"said\": \"\\\"}{\\\\\"\n}";
        assert_eq!(indented(text).as_deref(), Some(lines));
        // Text with line breaks stays the same.
        assert_eq!(indented(lines).as_deref(), Some(lines));
    }

    #[test]
    fn what_does_not_end_is_left_as_it_is() {
        for text in ["", "plain", "17", "{\"a\":1", "{\"a\":\"", "[]]"] {
            assert_eq!(indented(text), None, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(indented(&deep), None);
        assert_eq!(indented("[[]]").as_deref(), Some("[\n  []\n]"));
    }
}
