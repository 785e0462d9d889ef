//! The tests that `docs/session.md` names exist, and every server function is called through the session.

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns whether a test exists: `file::name`, optionally with `dev-idp` before it, or `file: title` for a file of `end2end`.
fn is_there(place: &str) -> bool {
    let native = |folder: &str, place: &str| {
        let (file, test) = place.split_once("::")?;
        let source = read_to_string(root().join(folder).join(format!("{file}.rs"))).ok()?;
        Some(source.contains(&format!("fn {test}()")))
    };
    let browser = |place: &str| {
        let (file, title) = place.split_once(": ")?;
        let source = read_to_string(root().join(format!("end2end/tests/{file}.spec.ts"))).ok()?;
        let starts = |line: &str| line.trim_start().starts_with("test(") && line.contains(title);
        Some(source.lines().any(starts))
    };
    let plain = place.replace('`', "");
    match plain.strip_prefix("dev-idp ") {
        Some(place) => native("server/dev-idp/tests/it", place),
        None if plain.contains("::") => native("tests/session", &plain),
        None => browser(&plain),
    }
    .unwrap_or(false)
}

#[test]
fn every_complaint_and_every_threat_has_tests_that_are_there() {
    assert!(is_there(
        "`documented::every_complaint_and_every_threat_has_tests_that_are_there`"
    ));
    assert!(!is_there("`documented::no_such_test`") && !is_there("`failures: no such title`") && !is_there("nothing"));

    let page = read_to_string(root().join("docs/session.md")).unwrap();
    let mut listed = BTreeSet::new();
    for line in page.lines() {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, places] = cells.as_slice() else {
            continue;
        };
        if !places.contains('`') {
            continue;
        }
        for place in places.split("; ") {
            assert!(is_there(place), "{number}: {place}");
        }
        if let Ok(number) = number.parse::<u32>() {
            assert!(listed.insert(number), "{number} is there twice");
        }
    }
    assert_eq!(listed, (1..=17).chain(68..=75).chain(78..=82).collect());
}

/// Returns the files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).collect()
}

/// Returns the attributes that make server functions. `#[server(default)]` is for an argument of one.
fn server_attributes(source: &str) -> impl Iterator<Item = &str> {
    let starts = source.match_indices("#[").map(|(at, _)| at);
    let attributes = starts.filter_map(|at| Some(&source[at..at + source[at..].find(']')?]));
    attributes.filter(|attribute| {
        let path = attribute[2..].split('(').next().unwrap_or_default().trim();
        path.rsplit("::").next() == Some("server") && !attribute.ends_with("(default)")
    })
}

#[test]
fn a_server_function_is_found_however_it_is_written() {
    let found = |source| server_attributes(source).count();
    for source in [
        "#[server]",
        "#[server(prefix = \"/api\")]",
        "#[leptos::server(client = X)]",
        "#[leptos::prelude::server(\n)]",
    ] {
        assert_eq!(found(source), 1, "{source}");
    }
    assert_eq!(
        found("#[derive(Debug)] #[expect(x, reason = \"server\")] #[servers] #[server(default)]"),
        0
    );
}

#[test]
fn every_server_function_is_called_with_the_token() {
    let mut found = 0;
    for file in files(&root().join("app/src")) {
        let source = read_to_string(&file).unwrap();
        for attribute in server_attributes(&source) {
            assert!(
                attribute.contains("client = GateClient"),
                "{}: {attribute}",
                file.display()
            );
            found += 1;
        }
    }
    assert!(found > 0, "the search finds them");
}

/// Returns whether a line builds the URL of a sign-in without escaping the page to return to.
fn leaves_unescaped(line: &str) -> bool {
    line.contains("return_to={") && !line.contains("escape") && !line.contains("to_query_value")
}

#[test]
fn every_example_escapes_the_page_to_return_to() {
    assert!(leaves_unescaped(r#"format!("/sign-in?return_to={}", page)"#));
    assert!(leaves_unescaped(r#"format!("/sign-in?return_to={page}")"#));
    let mut seen = 0;
    for folder in ["src", "app/src", "examples", "docs"] {
        for file in files(&root().join(folder)) {
            // Build output may contain files that are not text.
            let Ok(text) = read_to_string(&file) else { continue };
            for line in text.lines().filter(|line| line.contains("return_to={")) {
                assert!(!leaves_unescaped(line), "{}: {line}", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "{seen}");
}
