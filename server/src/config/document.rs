//! File and environment merged over the defaults: one table of values, and the place that set each of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::problem::{Problem, Problems, Source};

/// Every key with its default. The first entry of an array of tables shows the keys that its entries have.
const DEFAULTS: &str = include_str!("defaults.toml");

#[expect(clippy::expect_used, reason = "the text is part of the program, and tests read it")]
static TEMPLATE: LazyLock<Table> = LazyLock::new(|| DEFAULTS.parse().expect("the defaults are TOML"));

static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    if let Ok(defaults) = DeTable::parse(DEFAULTS) {
        each_key("", defaults.get_ref(), &mut |path, position, is_section| {
            if !is_section {
                keys.push((position, abstract_path(path)));
            }
        });
    }
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
});

/// Returns the path of every key, with `[]` after the name of an array of tables: `trust[].issuer`. In the order of the defaults.
pub fn keys() -> &'static [String] {
    &KEYS
}

/// Keys whose values are never shown. A URL can contain a password.
const SECRETS: [&str; 4] = [
    "trust[].introspection_client_secret",
    "store.url",
    "store.dpop_replay_url",
    "telemetry.otlp_endpoint",
];

/// A value, as in the file, and the place that set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value. A secret is masked.
    pub value: String,
    /// The place that set it.
    pub origin: Source,
}

/// All values, by section.
pub(super) struct Document {
    values: Table,
    /// The place of each key and section of file or environment, by concrete path: `trust[0].issuer`.
    origins: BTreeMap<String, Source>,
    problems: Vec<Problem>,
}

impl Document {
    pub(super) fn new() -> Self {
        Self {
            values: without_entries(&TEMPLATE),
            origins: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Merges a file.
    pub(super) fn read_file(&mut self, name: &str, text: &str) {
        let origin = |offset: usize| Source::File {
            path: name.to_owned(),
            line: text[..offset.min(text.len())].matches('\n').count() + 1,
        };
        match DeTable::parse(text).and_then(|spans| Ok((spans, text.parse::<Table>()?))) {
            Ok((spans, values)) => {
                let mut origins = BTreeMap::new();
                each_key("", spans.get_ref(), &mut |path, position, _| {
                    origins.insert(path.to_owned(), origin(position));
                });
                self.lay(values, &origins);
            }
            // The full message contains the line, which may contain a password.
            Err(error) => self.problems.push(Problem {
                origin: origin(error.span().map_or(0, |span| span.start)),
                key: "(the file)".to_owned(),
                expected: "TOML".to_owned(),
                found: error.message().to_owned(),
                hint: "correct this line".to_owned(),
            }),
        }
    }

    /// Merges the variables `PIXYGATE_SECTION__KEY`.
    pub(super) fn read_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let mut variables: Vec<_> = variables.into_iter().collect();
        // `trust[0]` must come before `trust[1]`, so that there is no gap, and `trust[2]` before `trust[10]`.
        variables.sort_by(|(one, _), (other, _)| sort_key(one).cmp(sort_key(other)));
        for (variable, text) in variables {
            if let Some(name) = variable.strip_prefix("PIXYGATE_") {
                self.read_variable(&variable, name, &text);
            }
        }
    }

    fn read_variable(&mut self, variable: &str, name: &str, text: &str) {
        let origin = Source::Environment {
            variable: variable.to_owned(),
        };
        if !name.contains("__") {
            // Kubernetes sets `PIXYGATE_SERVICE_HOST` and similar variables, which are ignored. A key with one underscore too few is an error.
            let plain = |key: &&String| key.replace("[]", "").replace('.', "_").eq_ignore_ascii_case(name);
            if let Some(key) = KEYS.iter().find(plain) {
                self.unknown(variable, origin, &variable_for(key));
            }
            return;
        }
        let path = path_of(name);
        let Some(default) = default_of(&path) else {
            let nearest = variable_for(nearest_key(&path));
            return self.unknown(&path, origin, &nearest);
        };
        if let Some(missing) = self.gap_before(&path) {
            return self.problems.push(Problem {
                origin,
                expected: format!("entries counted from 0 without gaps, so {missing} as well"),
                found: format!("{path} without it"),
                key: path,
                hint: "renumber the variables".to_owned(),
            });
        }
        if let Some(Source::Environment { variable: other }) = self.origins.get(&path) {
            return self.problems.push(Problem {
                origin,
                expected: "one variable for each key".to_owned(),
                found: format!("{other} and {variable}"),
                hint: format!("unset {variable}"),
                key: path,
            });
        }
        match parse(default, text) {
            Ok(value) => {
                let sections = path.match_indices('.').map(|(end, _)| &path[..end]);
                let sections = sections.filter(|section| !self.origins.contains_key(*section));
                let mut origins: BTreeMap<_, _> =
                    sections.map(|section| (section.to_owned(), origin.clone())).collect();
                origins.insert(path.clone(), origin);
                if let Value::Table(values) = nested(&path, value) {
                    self.lay(values, &origins);
                }
            }
            Err(found) => self.wrong_kind(&path, origin, &expected(default), found),
        }
    }

    /// Returns the missing entry. A `trust[2]` without `trust[1]` would silently become an entry with another number.
    fn gap_before(&self, path: &str) -> Option<String> {
        let (section, rest) = path.split_once('[')?;
        let index: usize = rest.split_once(']')?.0.parse().ok()?;
        let entries = (0..index).map(|before| format!("{section}[{before}]"));
        entries.into_iter().find(|entry| !self.origins.contains_key(entry))
    }

    fn lay(&mut self, given: Table, origins: &BTreeMap<String, Source>) {
        let mut values = std::mem::take(&mut self.values);
        self.lay_table("", &TEMPLATE, &mut values, given, origins);
        self.values = values;
    }

    fn lay_table(
        &mut self,
        path: &str,
        template: &Table,
        target: &mut Table,
        given: Table,
        origins: &BTreeMap<String, Source>,
    ) {
        for (name, value) in given {
            let at = join(path, &name);
            let origin = origins.get(&at).cloned();
            let place = || origin.clone().unwrap_or(Source::Default);
            let Some(default) = template.get(&name) else {
                self.unknown(&at, place(), &suggestion(&at, &value));
                continue;
            };
            match (Kind::of(default), value) {
                (Kind::Section(template), Value::Table(given)) => {
                    self.origins.extend(origin.map(|origin| (at.clone(), origin)));
                    if let Some(Value::Table(target)) = target.get_mut(&name) {
                        self.lay_table(&at, template, target, given, origins);
                    }
                }
                (Kind::Entries(template), Value::Array(given)) if given.iter().all(Value::is_table) => {
                    let entries = target.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                    let Value::Array(entries) = entries else { continue };
                    for (index, given) in given.into_iter().enumerate() {
                        let at = format!("{at}[{index}]");
                        self.origins
                            .extend(origins.get(&at).map(|origin| (at.clone(), origin.clone())));
                        if entries.len() == index {
                            entries.push(Value::Table(without_entries(template)));
                        }
                        if let (Value::Table(target), Value::Table(given)) = (&mut entries[index], given) {
                            self.lay_table(&at, template, target, given, origins);
                        }
                    }
                }
                (Kind::Key, value) if value.same_type(default) => {
                    self.origins.insert(at, place());
                    target.insert(name, value);
                }
                (kind, value) => {
                    let expected = match kind {
                        Kind::Section(_) => "a table".to_owned(),
                        Kind::Entries(_) => format!("an array of tables, each begun with [[{at}]]"),
                        Kind::Key => expected(default),
                    };
                    let found = format!("a value of the type {}", value.type_str());
                    self.wrong_kind(&at, place(), &expected, found);
                }
            }
        }
    }

    /// Reads secrets from their files, and makes the names of other files absolute.
    pub(super) fn resolve_files(&mut self, folder: &Path) {
        for key in KEYS.iter().filter(|key| key.ends_with("_file")) {
            for path in self.concrete(key) {
                let Some(Value::String(name)) = self.get(&path).cloned() else {
                    continue;
                };
                let file = folder.join(&name);
                let secret = path.trim_end_matches("_file");
                if SECRETS.contains(&abstract_path(secret).as_str()) {
                    if !name.is_empty() {
                        self.read_secret(&path, secret, &file);
                    }
                    // The library takes the secret, not its file.
                    let (section, name) = path.rsplit_once('.').unwrap_or(("", &path));
                    if let Some(Value::Table(section)) = self.get_mut(section) {
                        section.remove(name);
                    }
                } else if !name.is_empty()
                    && let Some(value) = self.get_mut(&path)
                {
                    *value = Value::String(file.display().to_string());
                }
            }
        }
        if let Some(Value::String(url)) = self.get_mut("store.url")
            && let Some(file) = url.strip_prefix("sqlite://").filter(|file| !file.starts_with(':'))
        {
            *url = format!("sqlite://{}", folder.join(file).display());
        }
    }

    fn read_secret(&mut self, path: &str, secret: &str, file: &Path) {
        if self.origins.contains_key(secret) {
            let expected = format!("the file, or {secret}, not both");
            return self.problem(path, &expected, "take one of them out");
        }
        match std::fs::read_to_string(file) {
            Ok(text) => {
                if let Some(value) = self.get_mut(secret) {
                    *value = Value::String(text.trim_end_matches(['\r', '\n']).to_owned());
                }
                let origin = self.origin(path);
                self.origins.insert(secret.to_owned(), origin);
            }
            Err(error) => {
                let hint = "correct the name or the permissions";
                self.problem_because(path, "a readable file", &error.to_string(), hint);
            }
        }
    }

    /// Reads a section into its type. Each value that its type rejects becomes a problem, and its default is used
    /// instead.
    pub(super) fn section<T: DeserializeOwned>(&mut self, path: &str) -> Option<T> {
        let mut refused = Vec::new();
        loop {
            let error = match serde_path_to_error::deserialize(self.get(path)?.clone()) {
                Ok(section) => return Some(section),
                Err(error) => error,
            };
            let inner = match error.path().to_string() {
                inner if inner == "." => String::new(),
                inner => inner,
            };
            // A part of a value has no place of its own.
            let mut at = join(path, &inner);
            while default_of(&at).is_none() && at.len() > path.len() {
                at.truncate(at.rfind(['.', '[']).unwrap_or_default().max(path.len()));
            }
            let (why, expected) = explain(error.inner().message());
            self.problem_because(&at, &expected, &why, &format!("write for example {}", example(&at)));
            if refused.contains(&at) {
                return None;
            }
            *self.get_mut(&at)? = default_of(&at)?.clone();
            refused.push(at);
        }
    }

    /// Returns the number of entries of an array of tables.
    pub(super) fn count(&self, path: &str) -> usize {
        self.get(path).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// Returns whether file or environment has the section, or the key.
    pub(super) fn has(&self, path: &str) -> bool {
        self.origins.contains_key(path)
    }

    /// Returns whether a key has its default value, set or not.
    pub(super) fn is_default(&self, path: &str) -> bool {
        self.get(path) == default_of(path)
    }

    /// Returns the place that set the key, or the beginning of its section.
    pub(super) fn origin(&self, path: &str) -> Source {
        let mut at = path;
        loop {
            if let Some(origin) = self.origins.get(at) {
                return origin.clone();
            }
            match at.rfind('.') {
                Some(end) => at = &at[..end],
                None => return Source::Default,
            }
        }
    }

    /// Returns all keys with their values; those of array entries once for each entry.
    pub(super) fn settings(&self) -> Vec<(String, Setting)> {
        let paths = KEYS.iter().flat_map(|key| self.concrete(key));
        let settings = paths.filter_map(|path| {
            let origin = self.origins.get(&path).cloned().unwrap_or(Source::Default);
            let value = self.shown(&path)?;
            Some((path, Setting { value, origin }))
        });
        settings.collect()
    }

    /// Returns the problems, in the order of the file, then those of the environment.
    pub(super) fn into_problems(self) -> Problems {
        let mut problems = self.problems;
        for problem in &mut problems {
            problem.found = without_credentials(&problem.found);
        }
        problems.sort_by(|one, other| one.origin.cmp(&other.origin));
        Problems(problems)
    }

    pub(super) fn has_problems(&self, path: &str) -> bool {
        self.problems.iter().any(|problem| problem.key.starts_with(path))
    }

    /// Adds a problem with a value.
    pub(super) fn problem(&mut self, path: &str, expected: &str, hint: &str) {
        self.problem_because(path, expected, "", hint);
    }

    /// Adds a problem with a value, and its reason.
    pub(super) fn problem_because(&mut self, path: &str, expected: &str, why: &str, hint: &str) {
        // A key that was rejected for its type has its default now, which must not be rejected again.
        if self.problems.iter().any(|problem| problem.key == path) {
            return;
        }
        let value = self.origins.contains_key(path).then(|| self.shown(path)).flatten();
        let found = match (value, why) {
            (Some(value), "") => value,
            (Some(value), why) if why.contains(&value) => why.to_owned(),
            (Some(value), why) => format!("{value}: {why}"),
            (None, "") => "nothing".to_owned(),
            (None, why) => why.to_owned(),
        };
        let hint = match path.contains('[') {
            true => hint.to_owned(),
            false => format!("{hint} (or set {})", variable_for(path)),
        };
        self.problems.push(Problem {
            origin: self.origin(path),
            key: path.to_owned(),
            expected: expected.to_owned(),
            found,
            hint,
        });
    }

    fn wrong_kind(&mut self, path: &str, origin: Source, expected: &str, found: String) {
        let hint = match default_of(path) {
            Some(_) => format!("write for example {}", example(path)),
            None => "see pixygate.example.toml".to_owned(),
        };
        self.problems.push(Problem {
            origin,
            key: path.to_owned(),
            expected: expected.to_owned(),
            found,
            hint,
        });
    }

    fn unknown(&mut self, path: &str, origin: Source, suggestion: &str) {
        self.problems.push(Problem {
            origin,
            key: path.to_owned(),
            expected: "a key that Pixygate knows".to_owned(),
            found: format!("{path}, which is not one"),
            hint: format!("did you mean {suggestion}?"),
        });
    }

    fn shown(&self, path: &str) -> Option<String> {
        let value = self.get(path)?;
        let is_file = value.as_str().is_some_and(|text| text.starts_with("sqlite:"));
        let is_secret = SECRETS.contains(&abstract_path(path).as_str()) && !self.is_default(path) && !is_file;
        Some(match is_secret {
            true => "(set, not shown)".to_owned(),
            false => without_credentials(&value.to_string()),
        })
    }

    fn get(&self, path: &str) -> Option<&Value> {
        let mut steps = steps(path);
        let first = self.values.get(steps.next()?)?;
        steps.try_fold(first, |value, step| match value {
            Value::Array(entries) => entries.get(step.parse::<usize>().ok()?),
            value => value.get(step),
        })
    }

    fn get_mut(&mut self, path: &str) -> Option<&mut Value> {
        let mut steps = steps(path);
        let first = self.values.get_mut(steps.next()?)?;
        steps.try_fold(first, |value, step| match value {
            Value::Array(entries) => entries.get_mut(step.parse::<usize>().ok()?),
            value => value.get_mut(step),
        })
    }

    /// Returns the concrete paths of a key: one for each entry.
    fn concrete(&self, key: &str) -> Vec<String> {
        let Some((array, rest)) = key.split_once("[]") else {
            return vec![key.to_owned()];
        };
        let entries = (0..self.count(array)).map(|index| format!("{array}[{index}]{rest}"));
        entries.flat_map(|path| self.concrete(&path)).collect()
    }
}

/// Returns the text without the user and password of each URL in it (RFC 3986, section 3.2.1), because others may read the output.
fn without_credentials(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after
            .find(['/', '?', '#', '"', '\'', '\\', ' ', ','])
            .unwrap_or(after.len());
        let (authority, following) = after.split_at(end);
        let host = match authority.rsplit_once('@') {
            Some((_, host)) => {
                shown.push_str("…@");
                host
            }
            None => authority,
        };
        shown.push_str(host);
        rest = following;
    }
    shown.push_str(rest);
    shown
}

/// The kind of a node of the template.
enum Kind<'a> {
    Key,
    Section(&'a Table),
    Entries(&'a Table),
}

impl<'a> Kind<'a> {
    /// If the default is an empty table, the key's value is a table.
    fn of(default: &'a Value) -> Self {
        match default {
            Value::Table(table) if !table.is_empty() => Self::Section(table),
            Value::Array(entries) => match entries.first() {
                Some(Value::Table(entry)) => Self::Entries(entry),
                _ => Self::Key,
            },
            _ => Self::Key,
        }
    }
}

/// Returns the defaults of a section, without entries of arrays.
fn without_entries(template: &Table) -> Table {
    let keys = template.iter().filter_map(|(name, default)| match Kind::of(default) {
        Kind::Key => Some((name.clone(), default.clone())),
        Kind::Section(section) => Some((name.clone(), Value::Table(without_entries(section)))),
        Kind::Entries(_) => None,
    });
    keys.collect()
}

/// Calls `found` with each key and section of a text, its position, and whether it is a section.
fn each_key(path: &str, table: &DeTable<'_>, found: &mut dyn FnMut(&str, usize, bool)) {
    for (name, value) in table {
        let at = join(path, name.get_ref());
        let position = name.span().start;
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => {
                found(&at, position, true);
                each_key(&at, inner, found);
            }
            DeValue::Array(entries) if entries.iter().any(|entry| entry.get_ref().is_table()) => {
                found(&at, position, true);
                for (index, entry) in entries.iter().enumerate() {
                    let at = format!("{at}[{index}]");
                    found(&at, entry.span().start, true);
                    if let DeValue::Table(inner) = entry.get_ref() {
                        each_key(&at, inner, found);
                    }
                }
            }
            _ => found(&at, position, false),
        }
    }
}

/// Returns the default of a key; `None` for sections and unknown keys.
fn default_of(concrete: &str) -> Option<&'static Value> {
    let mut steps = steps(concrete);
    let first = TEMPLATE.get(steps.next()?)?;
    let found = steps.try_fold(first, |value, step| match value {
        Value::Array(entries) => entries.first().filter(|entry| entry.is_table()),
        value => value.get(step),
    })?;
    matches!(Kind::of(found), Kind::Key).then_some(found)
}

/// Returns the names and numbers of a path: `trust[0].issuer` is `trust`, `0`, `issuer`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[']).map(|step| step.trim_end_matches(']'))
}

fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) if name.starts_with('[') => format!("{path}{name}"),
        (path, name) => format!("{path}.{name}"),
    }
}

/// `trust[0].issuer` is an instance of `trust[].issuer`.
fn abstract_path(concrete: &str) -> String {
    let mut path = String::with_capacity(concrete.len());
    for (index, part) in concrete.split('[').enumerate() {
        match part.split_once(']') {
            Some((_, rest)) if index > 0 => {
                path.push_str("[]");
                path.push_str(rest);
            }
            _ => path.push_str(part),
        }
    }
    path
}

/// Nests a value in the tables and arrays of its path.
fn nested(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |value, part| {
        let (name, value) = match part.split_once('[') {
            None => (part, value),
            Some((name, index)) => {
                let index = index.trim_end_matches(']').parse().unwrap_or_default();
                let mut entries = vec![Value::Table(Table::new()); index];
                entries.push(value);
                (name, Value::Array(entries))
            }
        };
        Value::Table(Table::from_iter([(name.to_owned(), value)]))
    })
}

/// Parses a variable: plain text; arrays and tables as in the file, an array also with commas alone.
fn parse(default: &Value, text: &str) -> Result<Value, String> {
    let as_in_the_file = || {
        let table = format!("value = {text}").parse::<Table>();
        let mut table = table.map_err(|error| error.message().to_owned())?;
        let value = table.remove("value").filter(|value| value.same_type(default));
        value.ok_or_else(|| format!("{text:?}"))
    };
    match default {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        _ => as_in_the_file(),
    }
}

/// Returns the name of the default's type, for messages.
fn expected(default: &Value) -> String {
    let expected = match default {
        Value::String(_) => "a string",
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "a whole number",
        Value::Array(_) => "an array of strings",
        _ => "a table, { name = \"value\" }",
    };
    expected.to_owned()
}

/// Splits serde's message: the reason why a value is rejected, unless the value itself shows it, and the expected type.
fn explain(message: &str) -> (String, String) {
    let (found, expected) = message.split_once(", expected ").unwrap_or((message, "another value"));
    let is_value = ["invalid value: ", "invalid type: ", "unknown variant "]
        .iter()
        .any(|prefix| found.starts_with(prefix));
    let why = if is_value { "" } else { found };
    (why.to_owned(), expected.to_owned())
}

fn example(path: &str) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    format!(
        "{name} = {}",
        default_of(path).map(Value::to_string).unwrap_or_default()
    )
}

/// `TRUST__0__ISSUER` is `trust[0].issuer`.
fn path_of(name: &str) -> String {
    name.split("__")
        .fold(String::new(), |path, part| match part.parse::<usize>() {
            Ok(index) => format!("{path}[{index}]"),
            Err(_) => join(&path, &part.to_ascii_lowercase()),
        })
}

/// Splits a variable's name for sorting, with numbers as numbers.
fn sort_key(variable: &str) -> impl Iterator<Item = (Option<usize>, &str)> {
    variable.split("__").map(|part| (part.parse().ok(), part))
}

/// Returns the environment variable of a key.
fn variable_for(path: &str) -> String {
    let name = path.replace("[]", "__0").replace('.', "__");
    format!("PIXYGATE_{}", name.to_ascii_uppercase())
}

/// Returns the known key or section that an unknown one probably means.
fn suggestion(path: &str, value: &Value) -> String {
    let is_section = match value {
        Value::Table(_) => true,
        Value::Array(entries) => entries.iter().any(Value::is_table),
        _ => false,
    };
    match is_section {
        true => nearest_section(path),
        false => nearest_key(path).to_owned(),
    }
}

fn nearest_key(unknown: &str) -> &'static str {
    let unknown = abstract_path(unknown).replace("[]", "");
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |key: &&String| {
        let known = key.replace("[]", "");
        // A key in the wrong section differs only in its section.
        let misplaced = if last(&known) == last(&unknown) { 1 } else { usize::MAX };
        let whole = strsim::damerau_levenshtein(&known, &unknown);
        (whole.min(misplaced), whole)
    };
    KEYS.iter().min_by_key(distance).map_or("", String::as_str)
}

/// Returns the nearest section, as its header is written.
fn nearest_section(unknown: &str) -> String {
    let unknown = abstract_path(unknown).replace("[]", "");
    let sections = KEYS
        .iter()
        .filter_map(|key| key.rsplit_once('.'))
        .map(|(section, _)| section);
    let nearest = sections.min_by_key(|section| strsim::damerau_levenshtein(&section.replace("[]", ""), &unknown));
    match nearest.and_then(|section| section.strip_suffix("[]")) {
        Some(array) => format!("[[{}]]", array.replace("[]", "")),
        None => format!("[{}]", nearest.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_finds_its_key() {
        for (unknown, known) in [
            ("provider.isuer", "provider.issuer"),
            ("sever.listen", "server.listen"),
            ("trust[3].audiences", "trust[].audience"),
            ("public_url", "server.public_url"),
            ("gate.public_url", "server.public_url"),
            ("devidp.listen", "dev_idp.listen"),
        ] {
            assert_eq!(nearest_key(unknown), known, "{unknown}");
        }
    }

    #[test]
    fn credentials_in_a_url_are_not_shown() {
        for (text, shown) in [
            (
                "\"https://x:secret@idp.example/logout\"",
                "\"https://…@idp.example/logout\"",
            ),
            (
                "[\"http://x:a@one:1\", \"http://two:2\"]",
                "[\"http://…@one:1\", \"http://two:2\"]",
            ),
            ("https://x:se@cret@idp.example", "https://…@idp.example"),
            ("https://idp.example/@me", "https://idp.example/@me"),
            ("no URL: x@y", "no URL: x@y"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }

    #[test]
    fn a_path_has_an_abstract_form() {
        for (concrete, path) in [
            ("server.listen", "server.listen"),
            ("trust[3].issuer", "trust[].issuer"),
            ("upstream[0].route[12].path", "upstream[].route[].path"),
        ] {
            assert_eq!(abstract_path(concrete), path);
        }
    }
}
