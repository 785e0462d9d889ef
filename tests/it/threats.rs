//! docs/threats.md names a test for every line, and every test that it names is there.

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
            let (folder, place) = match place.strip_prefix("server ") {
                Some(place) => ("server/tests/it", place),
                None => ("tests/it", place),
            };
            let (file, test) = place.split_once("::").unwrap();
            let source = std::fs::read_to_string(root.join(folder).join(format!("{file}.rs"))).unwrap();
            assert!(source.contains(&format!("fn {test}()")), "{number}: {place}");
        }
    }
    let expected: HashSet<u32> = (1..=50)
        .chain([54, 55, 57, 58])
        .chain(60..=67)
        .chain([76, 77])
        .collect();
    assert_eq!(listed, expected);
}
