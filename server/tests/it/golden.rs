//! Output that is compared with a file.

use std::path::Path;

/// Compares a text with a file under `tests/it`, or writes the file where `PIXYGATE_WRITE_DOCS` is set.
#[track_caller]
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name);
    if std::env::var_os("PIXYGATE_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        written, text,
        "{name}: PIXYGATE_WRITE_DOCS=1 cargo test -p server golden"
    );
}
