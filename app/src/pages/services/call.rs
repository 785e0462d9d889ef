//! A trial call: its address, and the same call as a shell command.

/// The longest body that is displayed, in bytes.
pub(super) const MOST: usize = 64 * 1024;

/// The methods that have no body.
const WITHOUT_BODY: [&str; 2] = ["GET", "HEAD"];

/// The methods that are offered for a route with any method.
const USUAL: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A call as the user typed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) method: String,
    /// The path after the prefix of the service, with the query.
    pub(super) rest: String,
    pub(super) content_type: String,
    pub(super) body: String,
}

/// The reason why a path is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathProblem {
    /// This segment of the pattern is a placeholder for a value.
    Placeholder(String),
    /// The path would leave the service.
    Outside,
    /// It contains a character that is invalid in a URL.
    Character(char),
}

impl Call {
    /// Returns whether the call sends a body.
    pub(super) fn has_body(&self) -> bool {
        !self.body.is_empty() && takes_body(&self.method)
    }

    /// Returns the path with its query, under the prefix.
    pub(super) fn path(&self, prefix: &str) -> Result<String, PathProblem> {
        let rest = self.rest.trim();
        let (path, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
        for segment in path.split('/') {
            if segment == "*" || segment == "**" || segment.contains(['{', '}']) {
                return Err(PathProblem::Placeholder(segment.to_owned()));
            }
            // Browsers remove these and the segment before (URL Standard, "double-dot URL path segment").
            let plain = segment.to_ascii_lowercase().replace("%2e", ".");
            if matches!(plain.as_str(), "." | "..") {
                return Err(PathProblem::Outside);
            }
        }
        let odd =
            |character: &char| character.is_whitespace() || character.is_control() || matches!(character, '\\' | '#');
        if let Some(character) = rest.chars().find(odd) {
            return Err(PathProblem::Character(character));
        }
        let prefix = prefix.trim_end_matches('/');
        let between = if path.is_empty() || path.starts_with('/') {
            ""
        } else {
            "/"
        };
        Ok(format!("{prefix}{between}{path}{query}"))
    }

    /// Returns the same call as a shell command. The token is a variable.
    pub(super) fn curl(&self, url: &str, public: bool) -> String {
        let mut command = String::from("curl -i");
        match self.method.as_str() {
            "GET" => {}
            // With `-X HEAD`, curl would wait for a body.
            "HEAD" => command.push_str(" --head"),
            method => {
                command.push_str(" -X ");
                command.push_str(&quoted(method));
            }
        }
        command.push(' ');
        command.push_str(&quoted(url));
        if !public {
            // In double quotes, so that the shell inserts the token.
            command.push_str(" \\\n  -H \"Authorization: Bearer $TOKEN\"");
        }
        if self.has_body() {
            if !self.content_type.is_empty() {
                command.push_str(" \\\n  -H ");
                command.push_str(&quoted(&format!("Content-Type: {}", self.content_type)));
            }
            command.push_str(" \\\n  --data-raw ");
            command.push_str(&quoted(&self.body));
        }
        command
    }
}

/// Returns whether a call with this method can have a body.
pub(super) fn takes_body(method: &str) -> bool {
    !WITHOUT_BODY.contains(&method)
}

/// Quotes text as one word for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns the methods of a route to choose from.
pub(super) fn methods(route: &str) -> Vec<String> {
    let named = route.split([',', ' ']).filter(|method| !method.is_empty());
    let named: Vec<String> = named.map(str::to_owned).collect();
    match named.iter().any(|method| method == "*") || named.is_empty() {
        true => USUAL.map(str::to_owned).to_vec(),
        false => named,
    }
}

/// Returns the initial path in the form: the pattern after the prefix, without optional segments.
pub(super) fn rest(prefix: &str, pattern: &str) -> String {
    let rest = pattern.strip_prefix(prefix.trim_end_matches('/')).unwrap_or(pattern);
    rest.strip_suffix("**")
        .map_or_else(|| rest.to_owned(), |open| open.to_owned())
}

/// Returns the name of a route in the page's address.
pub(super) fn key(methods: &str, path: &str) -> String {
    format!("{methods} {path}")
}

/// Truncates text to a number of bytes, between characters. Returns whether it was longer.
pub(super) fn cut(text: &mut String, most: usize) -> bool {
    if text.len() <= most {
        return false;
    }
    text.truncate(text.floor_char_boundary(most));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, rest: &str, body: &str) -> Call {
        Call {
            method: method.to_owned(),
            rest: rest.to_owned(),
            content_type: "application/json".to_owned(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn the_path_stays_under_the_prefix() {
        let path = |rest: &str| call("GET", rest, "").path("/gw/orders");
        assert_eq!(path("/orders?limit=5").as_deref(), Ok("/gw/orders/orders?limit=5"));
        assert_eq!(path("orders").as_deref(), Ok("/gw/orders/orders"));
        assert_eq!(path("").as_deref(), Ok("/gw/orders"));
        assert_eq!(path("?limit=5").as_deref(), Ok("/gw/orders?limit=5"));
        assert_eq!(
            path("/orders/..hidden?up=/../x").as_deref(),
            Ok("/gw/orders/orders/..hidden?up=/../x")
        );
        for outside in ["/../../api/whoami", "..", "/x/%2E%2e/y", "/./x"] {
            assert_eq!(path(outside), Err(PathProblem::Outside), "{outside}");
        }
        assert_eq!(path("/orders/{id}"), Err(PathProblem::Placeholder("{id}".to_owned())));
        assert_eq!(path("/*/lines"), Err(PathProblem::Placeholder("*".to_owned())));
        assert_eq!(path("/a b"), Err(PathProblem::Character(' ')));
        assert_eq!(path("/a#b"), Err(PathProblem::Character('#')));
        assert_eq!(path("\\..\\api"), Err(PathProblem::Character('\\')));
    }

    #[test]
    fn curl_gets_the_call_without_the_token() {
        let url = "https://app.example/gw/orders/orders";
        assert_eq!(
            call("GET", "/orders", "ignored").curl(url, false),
            "curl -i https://app.example/gw/orders/orders \\\n  -H \"Authorization: Bearer $TOKEN\""
        );
        assert_eq!(
            call("POST", "/orders", r#"{"item":"Bob's tea"}"#).curl(url, false),
            "curl -i -X POST https://app.example/gw/orders/orders \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  \
             -H 'Content-Type: application/json' \\\n  --data-raw '{\"item\":\"Bob'\\''s tea\"}'"
        );
        assert_eq!(call("HEAD", "", "").curl(url, true), format!("curl -i --head {url}"));
        let query = call("GET", "", "").curl("https://app.example/?a=1&b=$(x)", true);
        assert_eq!(query, "curl -i 'https://app.example/?a=1&b=$(x)'");
    }

    #[test]
    fn a_body_that_begins_with_an_at_is_no_file() {
        // `--data` would read the file.
        let command = call("POST", "", "@/etc/passwd").curl("https://app.example/", true);
        assert!(command.ends_with("--data-raw @/etc/passwd"), "{command}");
    }

    #[test]
    fn a_route_for_all_offers_the_usual_methods() {
        assert_eq!(methods("GET"), ["GET"]);
        assert_eq!(methods("GET,POST"), ["GET", "POST"]);
        assert_eq!(methods("*"), USUAL);
    }

    #[test]
    fn the_form_begins_with_the_pattern() {
        assert_eq!(rest("/gw/orders", "/gw/orders/orders/{id}"), "/orders/{id}");
        assert_eq!(rest("/gw/orders", "/gw/orders/**"), "/");
        assert_eq!(rest("/gw/orders/", "/gw/orders"), "");
        assert_eq!(rest("/api", "/api/whoami"), "/whoami");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let mut text = "aü".repeat(3);
        assert!(!cut(&mut text, 9));
        assert!(cut(&mut text, 5));
        assert_eq!(text, "aüa");
    }
}
