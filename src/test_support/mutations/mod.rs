//! Tables of how a parser handles invalid members, one for each kind of document.
//!
//! A line of a table is a member, its path with dots; a column is a [`Change`]; a cell is the outcome: `ok`, the name of the
//! error, or `–` where the change does not apply. The tables are Markdown files beside this one: [`ACCESS_TOKEN`],
//! [`INTROSPECTION`], [`LOGOUT_TOKEN`], [`JWKS`], [`METADATA`], [`ID_TOKEN`], [`TOKEN_RESPONSE`]. A reader of another
//! document adds its own.
//!
//! ```
//! use pixygate::test_support::mutations::mutations;
//! use serde_json::json;
//!
//! let table = "| member | absent | null | \"\" | 0 | text | number | list | object |
//!              |---|---|---|---|---|---|---|---|---|
//!              | expires_in | ok | ok | ok | ok | ok | – | bad | bad |";
//! let document = json!({"expires_in": 300});
//! for mutation in mutations(&document, table) {
//!     let found = match &mutation.document["expires_in"] {
//!         found if found.is_array() || found.is_object() => "bad",
//!         _ => "ok",
//!     };
//!     assert_eq!(found, mutation.expected, "{mutation}");
//! }
//! ```

use std::fmt;

use serde_json::{Value, json};

/// An access token: `header` and `claims`. The outcome is `ok` or the reason of the rejection.
pub const ACCESS_TOKEN: &str = include_str!("access_token.md");
/// An introspection answer (RFC 7662).
pub const INTROSPECTION: &str = include_str!("introspection.md");
/// A logout token: `header` and `claims`.
pub const LOGOUT_TOKEN: &str = include_str!("logout_token.md");
/// The claims of an ID token. The outcome is `ok` or the claim that the error names.
pub const ID_TOKEN: &str = include_str!("id_token.md");
/// A token response (RFC 6749, section 5.1). The outcome is `ok` or the member that the error names.
pub const TOKEN_RESPONSE: &str = include_str!("token_response.md");
/// Provider metadata (OpenID Connect Discovery 1.0). The outcome is `ok`, the member that the error names, or `outage`.
pub const METADATA: &str = include_str!("metadata.md");
/// A JWK set with one key. The outcome `left_out` is a key that is not used, `bad` a set that is not understood.
pub const JWKS: &str = include_str!("jwks.md");

/// An odd form of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The member is not there.
    Absent,
    /// `null`.
    Null,
    /// `""`.
    Empty,
    /// The number 0.
    Zero,
    /// Text: the digits of a number, the first element of a list.
    Text,
    /// The number 7 for anything that is not a number.
    Number,
    /// A list of the one value that the member had.
    List,
    /// An object.
    Object,
}

impl Change {
    /// Every change, in the order of a table's columns.
    pub const ALL: [Self; 8] = [
        Self::Absent,
        Self::Null,
        Self::Empty,
        Self::Zero,
        Self::Text,
        Self::Number,
        Self::List,
        Self::Object,
    ];

    /// Returns the value in its odd form, or `None` where the member is removed.
    fn apply(self, value: &Value) -> Option<Value> {
        Some(match (self, value) {
            (Self::Absent, _) => return None,
            (Self::Null, _) => Value::Null,
            (Self::Empty, _) => json!(""),
            (Self::Zero, _) => json!(0),
            (Self::Text, Value::Array(several)) => several.first().cloned().unwrap_or(json!("text")),
            (Self::Text, Value::Number(number)) => number.to_string().into(),
            (Self::Text, _) => json!("text"),
            (Self::Number, _) => json!(7),
            (Self::List, Value::Null) => json!(["text"]),
            (Self::List, value) => json!([value]),
            (Self::Object, _) => json!({"a": 1}),
        })
    }
}

/// A document with one member in an odd form.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The path of the member.
    pub member: String,
    /// The change.
    pub change: Change,
    /// The whole document.
    pub document: Value,
    /// The outcome that the table says.
    pub expected: String,
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {}", self.member, self.change, self.document)
    }
}

/// Returns the lines of a table: the path of a member, and the outcome of each [`Change`].
///
/// # Panics
/// When a line has another number of cells than the table has columns.
pub fn lines(table: &str) -> Vec<(String, [String; 8])> {
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim().trim_matches('|');
        line.split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect()
    };
    table
        .lines()
        .filter(|line| line.trim_start().starts_with('|'))
        .skip(2)
        .map(|line| {
            let mut cells = cells(line);
            let outcomes = cells.split_off(1).try_into();
            let outcomes = outcomes.unwrap_or_else(|_| panic!("a member and eight outcomes: {line}"));
            (cells.remove(0), outcomes)
        })
        .collect()
}

/// Returns the document in every form of a table. A member that the document lacks is added.
pub fn mutations(document: &Value, table: &str) -> Vec<Mutation> {
    let mut mutations = Vec::new();
    for (member, outcomes) in lines(table) {
        for (change, expected) in Change::ALL.into_iter().zip(outcomes) {
            if expected == "–" {
                continue;
            }
            let mut document = document.clone();
            let before = document.pointer(&pointer(&member)).cloned().unwrap_or_default();
            set(&mut document, &member, change.apply(&before));
            mutations.push(Mutation {
                member: member.clone(),
                change,
                document,
                expected,
            });
        }
    }
    mutations
}

/// Sets the member at a path, or removes it.
///
/// # Panics
/// When the path leads through something that is neither an object nor a list.
pub fn set(document: &mut Value, member: &str, value: Option<Value>) {
    let (parents, name) = member.rsplit_once('.').unwrap_or(("", member));
    let parent = document
        .pointer_mut(&pointer(parents))
        .expect("the path leads to an object");
    match value {
        Some(value) => parent[name] = value,
        None => drop(parent.as_object_mut().map(|parent| parent.remove(name))),
    }
}

fn pointer(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!("/{}", path.replace('.', "/")),
    }
}
