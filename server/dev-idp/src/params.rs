//! Request parameters: each at most once (RFC 6749, section 3.1).

use axum::http::{HeaderMap, header};

/// The parameters of a query or a form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

/// RFC 8693 and RFC 8707 allow these to be repeated.
const REPEATABLE: [&str; 2] = ["resource", "audience"];

impl Params {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        // A parameter without a value counts as missing (RFC 6749, section 3.1).
        let pairs = form_urlencoded::parse(encoded)
            .into_owned()
            .filter(|(_, value)| !value.is_empty());
        Self(pairs.collect())
    }

    pub(crate) fn of_query(query: Option<&str>) -> Self {
        Self::parse(query.unwrap_or_default().as_bytes())
    }

    /// Reads a form body, if the content type is that of a form.
    pub(crate) fn of_form(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = content_type.split(';').next()?.trim();
        essence
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            .then(|| Self::parse(body))
    }

    /// Returns the parameters as a query.
    pub(crate) fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }

    /// Returns the value of a parameter that came once; `None` if it came twice.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(it, _)| it == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// Returns the values of a list that is separated by spaces.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.get(name)
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect()
    }

    /// Returns the length of the longest value.
    pub(crate) fn longest(&self) -> usize {
        self.0.iter().map(|(_, value)| value.len()).max().unwrap_or_default()
    }

    /// Returns a parameter that came more than once and must not.
    pub(crate) fn doubled(&self) -> Option<&str> {
        self.0.iter().enumerate().find_map(|(index, (name, _))| {
            let again = self.0[..index].iter().any(|(earlier, _)| earlier == name);
            (again && !REPEATABLE.contains(&name.as_str())).then_some(name.as_str())
        })
    }
}
