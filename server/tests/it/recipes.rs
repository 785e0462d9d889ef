//! The configurations in the documentation can be used.

use std::path::Path;

use server::config::Config;

fn blocks(text: &str) -> Vec<&str> {
    let parts = text.split("```toml\n").skip(1);
    parts.filter_map(|part| part.split("```").next()).collect()
}

#[test]
fn each_recipe_has_a_configuration_that_can_be_used() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for file in std::fs::read_dir(docs.join("providers")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let blocks: Vec<_> = blocks(&text)
            .into_iter()
            .filter(|block| block.contains("[provider]"))
            .collect();
        for block in &blocks {
            Config::read(Some((&name, block)), []).unwrap_or_else(|problems| panic!("{problems}"));
        }
        if name == "README.md" {
            continue;
        }
        // Google cannot serve a public client, and its page says why.
        assert_eq!(blocks.is_empty(), name == "google.md", "{name}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let source = [
            "not tried against the real service (",
            "Tried against the real thing in every run of ",
        ];
        let says = source.iter().find(|says| words.contains(**says));
        let says =
            says.unwrap_or_else(|| panic!("{name} does not say what was tried and what is from its documentation"));
        let after = words.split(says).nth(1).unwrap();
        assert!(
            after.split_once(" 2026").is_some_and(|(date, _)| date.len() < 100),
            "{name} has no date"
        );
    }
}

/// Returns the files that a page links to, relative to the page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#'))
}

#[test]
fn the_pages_about_findings_and_providers_link_to_pages_that_are_there() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let pages = std::fs::read_dir(docs.join("providers"))
        .unwrap()
        .map(|file| file.unwrap().path());
    for page in pages.chain(["troubleshooting.md", "doctor.md", "findings/README.md"].map(|name| docs.join(name))) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let target = page.parent().unwrap().join(link.split('#').next().unwrap_or_default());
            assert!(target.exists(), "{}: {link}", page.display());
        }
    }
}
