//! Every server function is called through the client that attaches the token.

use std::fs;
use std::path::Path;

/// The attributes `#[server(…)]` in a source text.
fn attributes(source: &str) -> Vec<&str> {
    let starts = source.match_indices("#[server").map(|(at, _)| &source[at..]);
    starts
        .map(|rest| rest.split_once("]\n").map_or(rest, |(it, _)| it))
        .collect()
}

fn gated(attribute: &str) -> bool {
    attribute.contains("client = GateClient")
}

#[test]
fn every_server_function_uses_the_client_of_the_gate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/src");
    let (mut folders, mut found) = (vec![folder], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for attribute in attributes(&fs::read_to_string(&path).unwrap()) {
                assert!(gated(attribute), "{}: {attribute}", path.display());
                found += 1;
            }
        }
    }
    assert!(found >= 3, "only {found} server functions were found");
}

#[test]
fn one_without_it_is_found() {
    let source =
        "#[server(prefix = \"/api\", client = GateClient)]\nfn a() {}\n#[server(prefix = \"/api\")]\nfn b() {}\n";
    let verdicts: Vec<_> = attributes(source).into_iter().map(gated).collect();
    assert_eq!(verdicts, [true, false]);
}
