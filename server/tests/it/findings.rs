//! The catalogue of findings, and the pages that are generated from it.

use std::collections::BTreeSet;
use std::path::Path;

use pixygate::Reason;
use server::findings::{Code, index, page};

#[test]
fn the_pages_are_those_of_the_catalogue() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings");
    let pages = Code::ALL.iter().map(|code| (format!("{code}.md"), page(*code)));
    let pages: Vec<_> = pages.chain([("README.md".to_owned(), index())]).collect();
    if std::env::var_os("PIXYGATE_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    for (name, text) in &pages {
        let written = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(
            &written, text,
            "{name}: PIXYGATE_WRITE_DOCS=1 cargo test -p server findings"
        );
    }
    let files: BTreeSet<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, pages.into_iter().map(|(name, _)| name).collect());
}

#[test]
fn each_code_is_there_once_in_ascending_order_and_is_found_by_its_name() {
    assert!(Code::ALL.windows(2).all(|two| two[0].id() < two[1].id()));
    for code in Code::ALL {
        assert_eq!(Code::named(&code.id().to_lowercase()), Some(*code));
    }
    assert_eq!(Code::named("PXG999"), None);
}

#[test]
fn each_reason_has_a_code_of_its_own() {
    let codes: BTreeSet<_> = Reason::ALL.into_iter().filter_map(Code::of).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    assert_eq!(Code::of(Reason::IssuerNotTrusted), Some(Code::IssuerNotTrusted));
    assert_eq!(Code::of(Reason::UpstreamTimeout), Some(Code::UpstreamTimeout));
    assert_eq!(Code::of(Reason::Unknown), None);
}
