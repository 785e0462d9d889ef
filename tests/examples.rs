//! Every public item of the browser half has an example, which the documentation tests run.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// A public item: its name, whether it belongs to a type or trait, and whether its own documentation has an example.
#[derive(Debug, PartialEq)]
struct Item {
    name: String,
    is_member: bool,
    has_example: bool,
}

/// Returns the public items of a file, and the text of all examples in it.
fn read(source: &str) -> (Vec<Item>, String) {
    let (mut items, mut shown) = (Vec::new(), String::new());
    let [mut in_block, mut in_example, mut has_example] = [false; 3];
    let [mut in_trait, mut in_attribute] = [false; 2];
    for line in source.lines().take_while(|line| !line.starts_with("#[cfg(test)]")) {
        let text = line.trim_start();
        if let Some(doc) = text.strip_prefix("///").or_else(|| text.strip_prefix("//!")) {
            match (doc.trim_start().strip_prefix("```"), in_block) {
                (Some(_), true) => [in_block, in_example] = [false; 2],
                (Some(language), false) => {
                    in_block = true;
                    // Anything else is not compiled.
                    in_example = matches!(language, "" | "no_run");
                    has_example |= in_example;
                }
                (None, _) if in_example => shown = shown + doc + "\n",
                (None, _) => {}
            }
            continue;
        }
        let is_member = line.starts_with("    ");
        let mut words = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty());
        let is_public = text.starts_with("pub ") || (in_trait && is_member && !line.starts_with("     "));
        let kind = words.find(|word| !matches!(*word, "pub" | "async" | "const"));
        let name = words.next().unwrap_or_default().to_owned();
        match kind {
            Some("fn" | "struct" | "enum" | "trait" | "type") if is_public => {
                in_trait |= kind == Some("trait");
                items.push(Item {
                    name,
                    is_member,
                    has_example,
                });
            }
            Some("macro_rules") => items.push(Item {
                name,
                is_member,
                has_example,
            }),
            _ => {}
        }
        in_trait &= line != "}";
        // Attributes are between an item and its documentation.
        in_attribute |= text.starts_with("#[");
        has_example &= in_attribute;
        in_attribute &= !text.ends_with(']');
    }
    (items, shown)
}

/// Reads a source, with the examples that it includes from files.
fn whole(file: &Path) -> String {
    let source = read_to_string(file).unwrap();
    let line = |line: &str| {
        let example = line
            .trim_start()
            .strip_prefix("#[doc = include_str!(\"")?
            .strip_suffix("\")]")?;
        let example = read_to_string(file.parent().unwrap().join(example)).unwrap();
        Some(example.lines().map(|line| format!("/// {line}\n")).collect::<String>())
    };
    source
        .lines()
        .map(|text| line(text).unwrap_or_else(|| format!("{text}\n")))
        .collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries
        .flat_map(below)
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}

/// Returns the exported names: those in `pub use`, and the files of `pub mod`.
fn exported(files: &[PathBuf]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        let source = read_to_string(file).unwrap();
        for statement in source.split(';') {
            let Some((_, statement)) = statement.split_once("pub use ").or(statement.split_once("pub mod ")) else {
                continue;
            };
            names.extend(
                statement
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .map(str::to_owned),
            );
        }
    }
    names
}

/// Returns the public items without an example. A type, a trait, a component and a function need their own; a method may be
/// shown in that of another item in its file.
fn without_example(source: &str, is_exported: impl Fn(&str) -> bool) -> Vec<String> {
    let (items, shown) = read(source);
    let is_shown = |item: &Item| match item.is_member {
        true => {
            item.has_example
                || shown.contains(&format!("{}(", item.name))
                || shown.contains(&format!("{}::<", item.name))
                || shown.contains(&format!("type {} ", item.name))
        }
        false => item.has_example || !is_exported(&item.name),
    };
    items
        .iter()
        .filter(|item| !is_shown(item))
        .map(|item| item.name.clone())
        .collect()
}

#[test]
fn every_public_item_of_the_browser_half_is_shown_in_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = ["authorization", "session", "leptos"];
    let files: Vec<_> = folders.iter().flat_map(|folder| sources(&root.join(folder))).collect();
    let exported = exported(&files);
    let mut missing = Vec::new();
    for file in &files {
        let module = file.file_stem().unwrap().to_string_lossy();
        let is_exported = |name: &str| exported.contains(name) || exported.contains(&*module) || module == "mod";
        let found = without_example(&whole(file), is_exported);
        missing.extend(
            found
                .into_iter()
                .map(|name| format!("{}: {name}", file.strip_prefix(&root).unwrap().display())),
        );
    }
    assert!(missing.is_empty(), "no example shows\n{}", missing.join("\n"));
}

#[test]
fn what_lacks_an_example_is_found() {
    let source = "
/// One.
///
/// ```
/// let one = One::new();
/// one.shown();
/// ```
#[derive(Debug)]
#[expect(
    dead_code,
    reason = \"it is an example\"
)]
pub struct One;

/// Two.
pub struct Two;

pub(super) struct Three;

impl One {
    /// Makes one.
    pub fn new() -> Self {}
    /// Is shown.
    pub fn shown(&self) {}
    /// Is not.
    ///
    /// ```ignore
    /// one.hidden().await;
    /// ```
    pub async fn hidden(&self) {}
    fn own(&self) {}
}

pub trait Four {
    /// To do.
    async fn to_do(&self);
}

#[cfg(test)]
pub fn test() {}
";
    assert_eq!(without_example(source, |_| true), ["Two", "hidden", "Four", "to_do"]);
    assert_eq!(
        without_example(source, |name| name != "Two"),
        ["hidden", "Four", "to_do"]
    );
}
