//! JSON, in two ways. [`Object`] reads JSON of a provider: a member that is `null`, empty or of another type counts as absent, so it is an
//! error only if it is needed. [`Json`] reads and writes the JSON of this crate.

use std::collections::BTreeMap;
use std::fmt;

use oauth2::{AccessToken, CsrfToken, PkceCodeVerifier, RefreshToken};
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::{Deserializer, Map, Value};

/// A JSON object.
#[derive(Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// Reads an object. Of two members of one name the last counts.
    pub(crate) fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json).map(Self)
    }

    /// Returns the members of an object.
    pub(crate) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    /// Removes and returns a member. [`Json::absent`] decides about one that is absent or `null`.
    pub(crate) fn take<T: Json>(&mut self, name: &str) -> Option<T> {
        match self.0.get_mut(name).map(Value::take) {
            None | Some(Value::Null) => T::absent(),
            Some(value) => T::read(value),
        }
    }

    /// Adds a member, unless its value is written as absent.
    pub(crate) fn put(&mut self, name: &str, value: Value) {
        let is_empty = match &value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.0.insert(name.to_owned(), value);
        }
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// Reads an object. A duplicate member is an error, because two parsers could read it differently.
    pub(super) fn strict(json: &[u8]) -> Result<Self, serde_json::Error> {
        let mut deserializer = Deserializer::from_slice(json);
        let members = deserializer.deserialize_map(EachOnce)?;
        deserializer.end()?;
        Ok(Self(members))
    }

    /// Returns the member, unless it is absent or `null`.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns a string that is not empty, also as the only element of a list.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Array(list) if list.len() == 1 => filled(&list[0]),
            value => filled(value),
        }
    }

    /// Returns a number that is not negative, also if it is a string.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Value::String(text) => serde_json::from_str(text.trim()).ok(),
            value => value.as_f64(),
        }
        .filter(|number| *number >= 0.0)
    }

    /// Returns words, from a list or from one string with spaces. A member without words counts as absent.
    pub(super) fn words(&self, name: &str) -> Option<Vec<String>> {
        let words: Vec<_> = match self.get(name)? {
            Value::Array(list) => list.iter().filter_map(filled).map(str::to_owned).collect(),
            value => filled(value)?.split_ascii_whitespace().map(str::to_owned).collect(),
        };
        Some(words).filter(|words| !words.is_empty())
    }
}

/// A type that is stored, or that the server puts into the page.
///
/// Serde's derives compile a reader of each type for each format. Here each type reads its members from a [`Value`], which is a third of the
/// code.
pub(crate) trait Json: Sized {
    /// Reads a value, or returns `None` if it has another form.
    fn read(value: Value) -> Option<Self>;

    fn write(&self) -> Value;

    /// Returns the value of an absent member. Only an option, a list, a map and a flag may be absent.
    fn absent() -> Option<Self> {
        None
    }
}

/// Reads the output of [`text`].
pub(crate) fn parse<T: Json>(text: &[u8]) -> Option<T> {
    T::read(serde_json::from_slice(text).ok()?)
}

pub(crate) fn text(value: &impl Json) -> String {
    value.write().to_string()
}

/// Returns the name and the content of an enum's variant: `"name"`, or an object with one member.
pub(crate) fn variant(value: Value) -> Option<(String, Value)> {
    match value {
        Value::String(name) => Some((name, Value::Null)),
        Value::Object(mut members) if members.len() == 1 => {
            let (name, value) = members.iter_mut().next()?;
            Some((name.clone(), value.take()))
        }
        _ => None,
    }
}

/// The inverse of [`variant`].
pub(crate) fn of_variant(name: &str, value: Value) -> Value {
    if value.is_null() {
        return name.into();
    }
    let mut members = Map::new();
    members.insert(name.to_owned(), value);
    Value::Object(members)
}

impl Json for String {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl Json for bool {
    fn read(value: Value) -> Option<Self> {
        value.as_bool()
    }

    fn write(&self) -> Value {
        if *self { true.into() } else { Value::Null }
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl Json for u32 {
    fn read(value: Value) -> Option<Self> {
        value.as_u64()?.try_into().ok()
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Json for u64 {
    fn read(value: Value) -> Option<Self> {
        value.as_u64()
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Json for f64 {
    fn read(value: Value) -> Option<Self> {
        value.as_f64()
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl<T: Json> Json for Box<T> {
    fn read(value: Value) -> Option<Self> {
        T::read(value).map(Self::new)
    }

    fn write(&self) -> Value {
        T::write(self)
    }
}

impl<T: Json> Json for Option<T> {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, Json::write)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Json> Json for Vec<T> {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Array(list) => list.into_iter().map(T::read).collect(),
            _ => None,
        }
    }

    fn write(&self) -> Value {
        Value::Array(self.iter().map(T::write).collect())
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: Json> Json for BTreeMap<String, T> {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Object(mut members) => {
                let mut map = Self::new();
                for (name, value) in &mut members {
                    map.insert(name.clone(), T::read(value.take())?);
                }
                Some(map)
            }
            _ => None,
        }
    }

    fn write(&self) -> Value {
        let mut members = Map::new();
        for (name, value) in self {
            members.insert(name.clone(), value.write());
        }
        Value::Object(members)
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<A: Json, B: Json> Json for (A, B) {
    fn read(value: Value) -> Option<Self> {
        let Value::Array(list) = value else { return None };
        let [first, second] = <[Value; 2]>::try_from(list).ok()?;
        Some((A::read(first)?, B::read(second)?))
    }

    fn write(&self) -> Value {
        Value::Array(vec![self.0.write(), self.1.write()])
    }
}

/// The secrets of `oauth2`, as text.
macro_rules! secrets {
    ($($secret:ident),*) => {
        $(
            impl Json for $secret {
                fn read(value: Value) -> Option<Self> {
                    String::read(value).map(Self::new)
                }

                fn write(&self) -> Value {
                    self.secret().as_str().into()
                }
            }
        )*
    };
}

secrets!(AccessToken, CsrfToken, PkceCodeVerifier, RefreshToken);

/// Implements [`Json`] for a struct, by its fields. Fields in brackets are not written, and read as their default.
macro_rules! fields {
    ($struct:ident { $($field:ident $(as $name:literal)?),* $(,)? } $([$($skipped:ident),*])?) => {
        impl $crate::authorization::json::Json for $struct {
            fn read(value: serde_json::Value) -> Option<Self> {
                let mut object = $crate::authorization::json::Object::of(value)?;
                Some(Self {
                    $($field: object.take($crate::authorization::json::field_name!($field $(as $name)?))?,)*
                    $($($skipped: Default::default(),)*)?
                })
            }

            fn write(&self) -> serde_json::Value {
                let mut object = $crate::authorization::json::Object::default();
                $(object.put(
                    $crate::authorization::json::field_name!($field $(as $name)?),
                    $crate::authorization::json::Json::write(&self.$field),
                );)*
                object.into_value()
            }
        }
    };
}

/// Returns the JSON name of a field.
macro_rules! field_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident as $name:literal) => {
        $name
    };
}

/// Implements serde's traits with [`Json`], for the types that applications and the server read or write.
macro_rules! serde_by_json {
    ($($type:ident),*) => {
        $(
            impl serde::Serialize for $type {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serde::Serialize::serialize(&$crate::authorization::json::Json::write(self), serializer)
                }
            }

            impl<'de> serde::Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let value = serde::Deserialize::deserialize(deserializer)?;
                    $crate::authorization::json::Json::read(value)
                        .ok_or_else(|| serde::de::Error::custom(concat!("not the JSON of a ", stringify!($type))))
                }
            }
        )*
    };
}

pub(crate) use {field_name, fields, serde_by_json};

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

/// Returns the kind of a value for an error message, without the value.
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
