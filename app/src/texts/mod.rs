//! The console's texts, in every language: one line for each text, one file for each page.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod checks;
pub(crate) mod claims;
pub(crate) mod configuration;
pub(crate) mod diagnose;
pub(crate) mod frame;
mod german;
pub(crate) mod home;
pub(crate) mod overview;
pub(crate) mod reasons;
pub(crate) mod services;
pub(crate) mod session;
pub(crate) mod sign_in;

pub(crate) use german::SIGN_IN as GERMAN_SIGN_IN;

/// Makes a function of each text. The parameters of a text are the function's arguments, and in braces in the text.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident $(($($parameter:ident),+))? : $english:literal, $german:literal;)*) => {
        $(texts! { @one ($(#[$meta])*) $name $(($($parameter),+))? : $english, $german })*
    };
    (@one ($(#[$meta:meta])*) $name:ident : $english:literal, $german:literal) => {
        $(#[$meta])*
        pub(crate) fn $name() -> &'static str {
            match $crate::preferences::Language::current() {
                $crate::preferences::Language::English => $english,
                $crate::preferences::Language::German => $german,
            }
        }
    };
    (@one ($(#[$meta:meta])*) $name:ident ($($parameter:ident),+) : $english:literal, $german:literal) => {
        $(#[$meta])*
        pub(crate) fn $name($($parameter: impl ::std::fmt::Display),+) -> String {
            match $crate::preferences::Language::current() {
                $crate::preferences::Language::English => format!($english),
                $crate::preferences::Language::German => format!($german),
            }
        }
    };
}
pub(crate) use texts;

#[cfg(test)]
mod tests {
    use std::fs::{read_dir, read_to_string};
    use std::path::Path;

    /// Returns the words in a line of a view: text between tags, and attributes for screen readers.
    fn words(line: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut rest = line;
        while let Some(at) = rest.find('"') {
            let before = rest[..at].trim_end();
            let Some(length) = rest[at + 1..].find('"') else { break };
            let (text, after) = (&rest[at + 1..at + 1 + length], rest[at + 2 + length..].trim_start());
            let between_tags = (before.is_empty() || before.ends_with('>') || before.ends_with('}'))
                && (after.is_empty() || after.starts_with('<') || after.starts_with('{'));
            let read_out = ["aria-label=", "title=", "alt=", "placeholder=", "text="]
                .iter()
                .any(|name| before.ends_with(name));
            // A single word on its line may be an identifier.
            let begins = !before.is_empty() || text.starts_with(char::is_uppercase);
            if (between_tags && begins) || read_out {
                found.push(text);
            }
            rest = &rest[at + 2 + length..];
        }
        found.retain(|text| text.contains(char::is_alphabetic) && !text.contains(['/', '=']) && *text != "Pixygate");
        found
    }

    fn untranslated(folder: &Path, found: &mut Vec<String>) {
        for entry in read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if !path.ends_with("texts") && !path.ends_with("api") {
                    untranslated(&path, found);
                }
                continue;
            }
            let code = read_to_string(&path).expect("a source file");
            let code = code.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                found.extend(
                    words(line)
                        .into_iter()
                        .map(|text| format!("{}: {text}", path.display())),
                );
            }
        }
    }

    #[test]
    fn no_page_has_a_text_of_its_own() {
        let mut found = Vec::new();
        untranslated(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert_eq!(
            found,
            Vec::<String>::new(),
            "texts belong into app/src/texts, in every language"
        );
    }

    #[test]
    fn a_text_in_a_view_is_found() {
        assert_eq!(words(r#"    <h1>"Stock"</h1>"#), ["Stock"]);
        assert_eq!(words(r#"<input aria-label="Name" class="wide" />"#), ["Name"]);
        assert_eq!(words(r#"    "All on its own""#), ["All on its own"]);
        assert_eq!(words(r#"{x} " · " <b class="name">{y}</b>"#), Vec::<&str>::new());
    }
}
