//! A provider's JSON, read by its members. A member that is `null`, empty or of another type counts as absent, so that one
//! that nothing needs decides nothing.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::{Deserializer, Map, Value};

/// A JSON object.
#[derive(Deserialize)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Reads an object. Of two members of one name the last counts.
    pub(super) fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json).map(Self)
    }

    /// Reads an object that has no member twice: what two readers could read in two ways is malformed.
    pub(super) fn strict(json: &[u8]) -> Result<Self, serde_json::Error> {
        let mut deserializer = Deserializer::from_slice(json);
        let members = deserializer.deserialize_map(EachOnce)?;
        deserializer.end()?;
        Ok(Self(members))
    }

    /// The member as it is, unless it is absent or `null`.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that is not empty, also as the only element of a list.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Array(list) if list.len() == 1 => filled(&list[0]),
            value => filled(value),
        }
    }

    /// A number that is not negative, also as text.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Value::String(text) => serde_json::from_str(text.trim()).ok(),
            value => value.as_f64(),
        }
        .filter(|number| *number >= 0.0)
    }

    /// Words, as a list or in one text with spaces between them. Without any the member counts as absent.
    pub(super) fn words(&self, name: &str) -> Option<Vec<String>> {
        let words: Vec<_> = match self.get(name)? {
            Value::Array(list) => list.iter().filter_map(filled).map(str::to_owned).collect(),
            value => filled(value)?.split_ascii_whitespace().map(str::to_owned).collect(),
        };
        Some(words).filter(|words| !words.is_empty())
    }
}

struct EachOnce;

impl<'de> Visitor<'de> for EachOnce {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if read.insert(name, value).is_some() {
                return Err(A::Error::custom("a member occurs twice"));
            }
        }
        Ok(read)
    }
}

fn filled(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// For an error message: what a value is, without what it holds.
pub(super) fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None | Some(Value::Null) => "absent",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(text)) if text.is_empty() => "empty",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}
