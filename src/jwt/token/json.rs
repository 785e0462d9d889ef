//! Strict JSON: one object, no duplicate members, bounded depth, so that no two parsers read it differently. Text without escapes
//! is borrowed from the input.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::printable;

/// Deeper than any claim, and shallow enough for the stack.
const MAX_DEPTH: usize = 64;

/// Up to this number of members, a linear search for duplicates is faster than sorting.
const FEW: usize = 16;

/// A value that borrows from the input.
#[derive(Debug)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Members<'a>),
}

/// The members of an object, without duplicates, in the order of the input.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// Parses an object.
pub(crate) fn object(bytes: &[u8]) -> Result<Members<'_>, String> {
    match value(bytes)? {
        Json::Object(members) => Ok(members),
        _ => Err("it is not a JSON object".to_owned()),
    }
}

fn value(bytes: &[u8]) -> Result<Json<'_>, String> {
    // Checking the whole input once is faster than checking every string.
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = Strict {
        remaining_depth: MAX_DEPTH,
    }
    .deserialize(&mut parser)
    .map_err(|error| error.to_string())?;
    parser.end().map_err(|error| error.to_string())?;
    Ok(value)
}

impl<'a> Members<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Returns a member unless it is `null` or empty: providers write both where they mean "absent".
    pub(crate) fn present(&self, name: &str) -> Option<&Json<'a>> {
        self.get(name).filter(|value| match value {
            Json::Null => false,
            Json::String(text) => !text.is_empty(),
            Json::Array(values) => !values.is_empty(),
            Json::Object(members) => !members.0.is_empty(),
            Json::Bool(_) | Json::Number(_) => true,
        })
    }

    /// Returns a member that is text and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.present(name)?.as_str()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    /// Converts to an owned map.
    pub(crate) fn to_map(&self) -> Map<String, Value> {
        self.0
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_value()))
            .collect()
    }

    /// Returns a name that occurs twice.
    fn duplicate(&self) -> Option<&str> {
        if self.0.len() <= FEW {
            let mut names = self.names().enumerate();
            return names
                .find_map(|(index, name)| self.names().take(index).any(|before| before == name).then_some(name));
        }
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

impl Json<'_> {
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Number(number) => Value::Number(number.clone()),
            Self::String(text) => Value::String(text.to_string()),
            Self::Array(values) => values.iter().map(Self::to_value).collect(),
            Self::Object(members) => Value::Object(members.to_map()),
        }
    }
}

/// Writes JSON.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_value())
    }
}

#[derive(Clone, Copy)]
struct Strict {
    remaining_depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.remaining_depth.checked_sub(1) {
            Some(remaining_depth) => Ok(Self { remaining_depth }),
            None => Err(E::custom(format_args!("it is nested deeper than {MAX_DEPTH} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json<'de>, E> {
        Number::from_f64(value)
            .map(Json::Number)
            .ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json<'de>, A::Error> {
        let element = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(element)? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let member = self.deeper()?;
        // Space for the claims is reserved at once, but not for thousands of empty objects inside them.
        let capacity = if self.remaining_depth == MAX_DEPTH { FEW } else { 0 };
        let mut read = Members(Vec::with_capacity(capacity));
        while let Some(name) = members.next_key_seed(Name)? {
            read.0.push((name, members.next_value_seed(member)?));
        }
        match read.duplicate() {
            None => Ok(Json::Object(read)),
            Some(name) => {
                let name = printable(name);
                Err(A::Error::custom(format_args!("member \"{name}\" occurs twice")))
            }
        }
    }
}

/// Deserializes the name of a member.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_member_is_rejected_at_every_level() {
        assert!(object(br#"{"a":1,"b":{"c":[{"d":1}]}}"#).is_ok());
        assert!(object(br#"{"a":1,"a":1}"#).unwrap_err().contains("twice"));
        assert!(object(br#"{"a":1,"\u0061":1}"#).unwrap_err().contains("twice"));
        assert!(object(br#"{"b":{"c":[{"d":1,"d":2}]}}"#).unwrap_err().contains("twice"));
        for count in [FEW, FEW + 1, 500] {
            let members = |last: usize| {
                let names = (0..count - 1).chain([last]).map(|name| format!("\"{name}\":0"));
                format!("{{{}}}", names.collect::<Vec<_>>().join(","))
            };
            assert!(object(members(count).as_bytes()).is_ok());
            for last in [0, count / 2, count - 2] {
                assert!(object(members(last).as_bytes()).unwrap_err().contains("twice"));
            }
        }
    }

    #[test]
    fn depth_and_trailing_bytes_are_rejected() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert!(object(nested(MAX_DEPTH).as_bytes()).unwrap_err().contains("nested"));
        assert!(object(nested(100_000).as_bytes()).is_err());
        assert!(object(b"{} {}").is_err());
        assert!(object(b"[]").is_err());
        assert!(object(br#"{"exp":1e400}"#).is_err());
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn the_result_is_that_of_any_parser() {
        let text = r#"{"a":null,"b":[true,-1,1.5,"\u00e9\n",{}],"c\"d":{"e":"f"}}"#;
        let read = object(text.as_bytes()).unwrap();
        let expected: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(read.to_map(), expected);
    }
}
