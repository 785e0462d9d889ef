//! The values as they were set, each with where it came from: the file first, the environment over it.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Kind};
use super::problem::{Origin, Problem};

/// A value of one of the kinds that a key may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(u64),
    /// An array of strings.
    List(Vec<String>),
    /// A table of strings.
    Map(BTreeMap<String, String>),
    /// A table of claims.
    Claims(BTreeMap<String, serde_json::Value>),
    /// A string that is never shown.
    Secret(Hidden),
}

/// A string that no message, log or debug print shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub(super) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// As it would be written in the file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::List(items) => write!(f, "{items:?}"),
            Self::Map(entries) => write_table(f, entries.iter().map(|(name, value)| format!("{name} = {value:?}"))),
            Self::Claims(claims) => write_table(f, claims.iter().map(|(name, value)| format!("{name} = {value}"))),
            Self::Secret(secret) if secret.0.is_empty() => f.write_str("\"\""),
            Self::Secret(_) => f.write_str("(set, not shown)"),
        }
    }
}

fn write_table(f: &mut fmt::Formatter<'_>, entries: impl Iterator<Item = String>) -> fmt::Result {
    let entries: Vec<_> = entries.collect();
    if entries.is_empty() {
        f.write_str("{}")
    } else {
        write!(f, "{{ {} }}", entries.join(", "))
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Where it was set.
    pub origin: Origin,
}

/// What the file and the environment set, by concrete path (`trust[0].issuer`).
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) set: BTreeMap<String, Setting>,
    /// Where each table begins, empty ones included: `[provider]` alone means that a provider was wanted.
    pub(super) sections: BTreeMap<String, Origin>,
    pub(super) problems: Vec<Problem>,
}

impl Settings {
    /// Reads the text of the file called `path`.
    pub(super) fn read_file(&mut self, path: &str, text: &str) {
        let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        match DeTable::parse(text) {
            Ok(table) => {
                let place = |offset| Origin::File {
                    path: path.to_owned(),
                    line: line_of(offset),
                };
                self.read_table("", table.get_ref(), &place);
            }
            // The parser's own rendering shows the line, which may hold a password: only its message is passed on.
            Err(error) => self.problems.push(Problem {
                origin: Origin::File {
                    path: path.to_owned(),
                    line: line_of(error.span().map_or(0, |span| span.start)),
                },
                key: "(the file)".to_owned(),
                expected: "TOML".to_owned(),
                found: error.message().to_owned(),
                mend: "correct this line".to_owned(),
            }),
        }
    }

    fn read_table(&mut self, prefix: &str, table: &DeTable<'_>, place: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            let origin = place(name.span().start);
            let path = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let array = format!("{path}[]");
            match value.get_ref() {
                DeValue::Table(inner) if keys::is_section(&path) => {
                    self.sections.insert(path.clone(), origin);
                    self.read_table(&path, inner, place);
                }
                DeValue::Array(entries) if keys::is_section(&array) => {
                    for (index, entry) in entries.iter().enumerate() {
                        let path = format!("{path}[{index}]");
                        let origin = place(entry.span().start);
                        match entry.get_ref() {
                            DeValue::Table(inner) => {
                                self.sections.insert(path.clone(), origin);
                                self.read_table(&path, inner, place);
                            }
                            other => self.wrong_kind(&path, origin, "a table", other.type_str()),
                        }
                    }
                }
                other if keys::is_section(&path) => self.wrong_kind(&path, origin, "a table", other.type_str()),
                other if keys::is_section(&array) => {
                    let expected = format!("an array of tables, each begun with [[{path}]]");
                    self.wrong_kind(&path, origin, &expected, other.type_str());
                }
                other => match keys::find(&path) {
                    Some(key) => self.insert(path, key, origin, convert(key.kind, other)),
                    None if matches!(other, DeValue::Table(_)) || is_array_of_tables(other) => {
                        self.unknown(&path, origin, &keys::nearest_section(&path));
                    }
                    None => self.unknown(&path, origin, ""),
                },
            }
        }
    }

    /// Lays `PIXYGATE_SECTION__KEY` over what is there.
    pub(super) fn read_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let mut variables: Vec<_> = variables.into_iter().collect();
        // `trust[0]` comes before `trust[1]`, which must not leave a gap, and `trust[2]` before `trust[10]`.
        variables.sort_by(|(one, _), (other, _)| counted(one).cmp(counted(other)));
        for (variable, text) in variables {
            let Some(name) = variable.strip_prefix("PIXYGATE_") else {
                continue;
            };
            let origin = Origin::Environment {
                variable: variable.clone(),
            };
            if !name.contains("__") {
                // `PIXYGATE_SERVICE_HOST` and its like are set by Kubernetes; a key with one underscore too few is a slip.
                let meant = keys::KEYS
                    .iter()
                    .find(|key| key.path.replace("[]", "").replace('.', "_").eq_ignore_ascii_case(name));
                if let Some(key) = meant {
                    self.unknown(&variable, origin, &variable_for(key.path));
                }
                continue;
            }
            let path = path_of(name);
            let Some(key) = keys::find(&path) else {
                self.unknown(&path, origin, &variable_for(keys::nearest(&path)));
                continue;
            };
            if let Some(problem) = self.gap_before(&path, &origin) {
                self.problems.push(problem);
                continue;
            }
            if let Some(Setting {
                origin: Origin::Environment { variable: other },
                ..
            }) = self.set.get(&path)
            {
                self.problems.push(Problem {
                    expected: "one variable for each key".to_owned(),
                    found: format!("{other} and {variable}"),
                    mend: format!("unset {variable}"),
                    origin,
                    key: path,
                });
                continue;
            }
            if let Some((section, _)) = path.rsplit_once('.') {
                self.sections
                    .entry(section.to_owned())
                    .or_insert_with(|| origin.clone());
            }
            self.insert(path, key, origin, parse(key.kind, &text));
        }
    }

    /// A `trust[2]` from the environment with no `trust[1]` would silently become another entry than its number says.
    fn gap_before(&self, path: &str, origin: &Origin) -> Option<Problem> {
        let (section, rest) = path.split_once('[')?;
        let index: usize = rest.split_once(']')?.0.parse().ok()?;
        let missing = (0..index).find(|before| !self.sections.contains_key(&format!("{section}[{before}]")))?;
        Some(Problem {
            origin: origin.clone(),
            key: path.to_owned(),
            expected: format!("entries counted from 0 without gaps, so {section}[{missing}] as well"),
            found: format!("{section}[{index}] only"),
            mend: "renumber the variables".to_owned(),
        })
    }

    fn insert(&mut self, path: String, key: &Key, origin: Origin, value: Result<Value, String>) {
        let value = value
            .and_then(|value| accept(key.kind, value))
            .map(|value| match value {
                // What everybody has is no secret.
                value if default_of(key).as_ref() == Some(&value) => value,
                Value::Text(text) if key.is_secret() => Value::Secret(Hidden(text)),
                value => value,
            });
        match value {
            Ok(value) => {
                self.set.insert(path, Setting { value, origin });
            }
            Err(found) => {
                let expected = expected(key.kind);
                let mend = format!("write for example {} = {}", last(key.path), key.default);
                self.problems.push(Problem {
                    origin,
                    key: path,
                    expected,
                    found,
                    mend,
                });
            }
        }
    }

    fn wrong_kind(&mut self, path: &str, origin: Origin, expected: &str, found: &str) {
        self.problems.push(Problem {
            origin,
            key: path.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
            mend: "see pixygate.example.toml".to_owned(),
        });
    }

    fn unknown(&mut self, path: &str, origin: Origin, meant: &str) {
        let meant = if meant.is_empty() { keys::nearest(path) } else { meant };
        self.problems.push(Problem {
            origin,
            key: path.to_owned(),
            expected: "a key that Pixygate knows".to_owned(),
            found: format!("{path}, which it does not"),
            mend: format!("did you mean {meant}?"),
        });
    }
}

fn is_array_of_tables(value: &DeValue<'_>) -> bool {
    matches!(value, DeValue::Array(items) if items.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))))
}

/// The default of a key, as a value.
pub(super) fn default_of(key: &Key) -> Option<Value> {
    let table = format!("value = {}", key.default);
    let table = DeTable::parse(&table).ok()?;
    let (_, value) = table.get_ref().iter().next()?;
    convert(key.kind, value.get_ref()).ok()
}

fn convert(kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
    let text = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(format!("{} in the place of a string", other.type_str())),
    };
    match (kind, value) {
        (Kind::Text | Kind::OneOf(_), DeValue::String(text)) => Ok(Value::Text(text.to_string())),
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Whole(..), DeValue::Integer(number)) => u64::from_str_radix(number.as_str(), number.radix())
            .map(Value::Whole)
            .map_err(|_| number.to_string()),
        (Kind::List, DeValue::Array(items)) => items
            .iter()
            .map(|item| text(item.get_ref()))
            .collect::<Result<_, _>>()
            .map(Value::List),
        (Kind::Map, DeValue::Table(entries)) => entries
            .iter()
            .map(|(name, value)| Ok((name.get_ref().to_string(), text(value.get_ref())?)))
            .collect::<Result<_, _>>()
            .map(Value::Map),
        (Kind::Claims, DeValue::Table(entries)) => entries
            .iter()
            .map(|(name, value)| Ok((name.get_ref().to_string(), claim(value.get_ref())?)))
            .collect::<Result<_, _>>()
            .map(Value::Claims),
        (_, other) => Err(format!("a value of the type {}", other.type_str())),
    }
}

fn claim(value: &DeValue<'_>) -> Result<serde_json::Value, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string().into()),
        DeValue::Boolean(flag) => Ok((*flag).into()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Into::into)
            .map_err(|_| number.to_string()),
        DeValue::Array(items) => items.iter().map(|item| claim(item.get_ref())).collect(),
        other => Err(format!("{} in the place of a claim's value", other.type_str())),
    }
}

/// A variable holds plain text; arrays and tables are written as in the file, an array also with commas alone.
fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    let as_toml = || {
        let table = format!("value = {text}");
        let table = DeTable::parse(&table).map_err(|error| error.message().to_owned())?;
        let (_, value) = table.get_ref().iter().next().ok_or("nothing")?;
        convert(kind, value.get_ref())
    };
    match kind {
        Kind::Text | Kind::OneOf(_) => Ok(Value::Text(text.to_owned())),
        Kind::Flag | Kind::Whole(..) | Kind::Map | Kind::Claims => as_toml(),
        Kind::List if text.trim_start().starts_with('[') => as_toml(),
        Kind::List => Ok(Value::List(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        )),
    }
}

fn accept(kind: Kind, value: Value) -> Result<Value, String> {
    match (kind, &value) {
        (Kind::OneOf(choices), Value::Text(text)) if !choices.contains(&text.as_str()) => Err(format!("{text:?}")),
        (Kind::Whole(least, most), Value::Whole(number)) if !(least..=most).contains(number) => Err(number.to_string()),
        _ => Ok(value),
    }
}

fn expected(kind: Kind) -> String {
    match kind {
        Kind::Text => "a string".to_owned(),
        Kind::OneOf(choices) => choices
            .iter()
            .map(|choice| format!("{choice:?}"))
            .collect::<Vec<_>>()
            .join(" or "),
        Kind::Flag => "true or false".to_owned(),
        Kind::Whole(least, most) => format!("a whole number from {least} to {most}"),
        Kind::List => "an array of strings".to_owned(),
        Kind::Map => "a table of strings, { name = \"value\" }".to_owned(),
        Kind::Claims => "a table of claims, { name = \"value\" }".to_owned(),
    }
}

/// `TRUST__0__ISSUER` is `trust[0].issuer`.
fn path_of(name: &str) -> String {
    let mut path = String::new();
    for part in name.split("__") {
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{}]", part.parse().unwrap_or(usize::MAX)));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&part.to_ascii_lowercase());
        }
    }
    path
}

/// The parts of a variable's name, in an order in which numbers count.
fn counted(variable: &str) -> impl Iterator<Item = (Option<usize>, &str)> {
    variable.split("__").map(|part| (part.parse().ok(), part))
}

/// The environment variable of a key.
pub(super) fn variable_for(path: &str) -> String {
    format!(
        "PIXYGATE_{}",
        path.replace("[]", "__0").replace('.', "__").to_ascii_uppercase()
    )
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
