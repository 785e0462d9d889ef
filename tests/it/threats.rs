//! docs/threats.md names at least one test in every line, and every named test exists.

use std::{collections::HashSet, path::Path};

use pixygate::test_support::matrix::cases;

#[test]
fn every_line_of_the_list_has_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/threats.md")).unwrap();
    let in_the_matrix: HashSet<u32> = cases().iter().map(|case| u32::from(case.threat)).collect();
    let mut listed = HashSet::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, what, places] = cells.as_slice() else {
            continue;
        };
        let Ok(number) = number.parse::<u32>() else {
            continue;
        };
        assert!(listed.insert(number) && !what.is_empty(), "{line}");
        for place in places.split(", ") {
            if place == "matrix" {
                assert!(in_the_matrix.contains(&number), "{number} is not in the matrix");
                continue;
            }
            let place = place.trim_matches('`');
            let (folders, place): (&[&str], _) = match place.split_once(' ') {
                Some(("server", place)) => (&["server/tests/it", "server/src"], place),
                Some(("dev-idp", place)) => (&["server/dev-idp/tests/it"], place),
                Some(("library", place)) => (&["tests", "src"], place),
                _ => (&["tests/it"], place),
            };
            let (module, test) = place.rsplit_once("::").unwrap();
            let file = format!("{}.rs", module.replace("::", "/"));
            let found = folders
                .iter()
                .map(|folder| root.join(folder).join(&file))
                .find(|file| file.exists());
            let source = std::fs::read_to_string(found.unwrap_or_else(|| panic!("{number}: no {file}"))).unwrap();
            assert!(is_test(&source, test), "{number}: {place}");
        }
    }
    let expected: HashSet<u32> = (1..=67).chain([76, 77, 83, 86, 87]).chain(93..=110).collect();
    let missing: Vec<_> = expected.difference(&listed).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Returns whether the test exists and is run: as a function with the attribute, or in a list of tests for each engine of the store.
fn is_test(source: &str, name: &str) -> bool {
    // With the argument that the macro passes.
    for (list, arguments) in [
        ("on_both!(", ["engine: &Engine"].as_slice()),
        ("on_each!(", &["memory: Memory", "mut memory: Memory"]),
    ] {
        let mut lists = source.split(list).skip(1).filter_map(|rest| rest.split_once(')'));
        if lists.any(|(list, _)| list.split(',').any(|listed| listed.trim() == name)) {
            return arguments
                .iter()
                .any(|argument| source.contains(&format!("async fn {name}({argument})")));
        }
    }
    let Some((before, _)) = source.split_once(&format!("fn {name}()")) else {
        return false;
    };
    // The attributes are on the lines before it.
    let mut lines = before.rsplit('\n');
    let modifiers = lines.next().unwrap_or_default().trim_start();
    matches!(modifiers, "" | "async ")
        && lines
            .map(str::trim_start)
            .take_while(|line| line.starts_with("#["))
            .any(|line| matches!(line, "#[test]" | "#[wasm_bindgen_test]") || line.starts_with("#[tokio::test"))
}

#[test]
fn a_function_that_is_not_run_is_no_test() {
    for (source, expected) in [
        ("\n#[test]\nfn a() {}", true),
        ("\n#[tokio::test(start_paused = true)]\nasync fn a() {}", true),
        ("\n#[test]\n#[should_panic]\nfn a() {}", true),
        ("mod tests {\n    #[test]\n    fn a() {}\n}", true),
        ("fn a() {}", false),
        ("\n#[allow(dead_code)]\nfn a() {}", false),
        ("\n#[test]\nfn b() {}\n\nfn a() {}", false),
        ("\n#[test]\nfn aa() {}", false),
        ("\n// #[test]\nfn a() {}", false),
        ("\n#[test]\n// fn a() {}", false),
        ("on_both!(b, a);\nasync fn a(engine: &Engine) {}", true),
        ("on_both!(\n    a,\n);", false),
        ("on_both!(b);\nasync fn a(engine: &Engine) {}", false),
    ] {
        assert_eq!(is_test(source, "a"), expected, "{source}");
    }
}
