//! `--fix`: the changes that findings name, written into the configuration file. Comments and order stay.

use std::fmt::Write as _;

use toml_edit::{DocumentMut, Item, Value};

use crate::findings::Change;

/// Applies changes to the text of a configuration file.
///
/// # Errors
///
/// When the text is not TOML, or does not have a key that is to be changed: it was set elsewhere.
pub fn apply(text: &str, changes: &[Change]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|_| "the file is not TOML".to_owned())?;
    for change in changes {
        let item = find(document.as_item_mut(), &change.key);
        let value = item.and_then(Item::as_value_mut);
        let Some(value) = value else {
            return Err(format!("{} is not set in the file; set it where it is", change.key));
        };
        let decor = value.decor().clone();
        *value = Value::from(change.value.as_str());
        *value.decor_mut() = decor;
    }
    Ok(document.to_string())
}

/// The item of a key such as `trust[0].issuer`.
fn find<'a>(root: &'a mut Item, key: &str) -> Option<&'a mut Item> {
    let mut item = root;
    for step in key.split(['.', '[']) {
        item = match step.strip_suffix(']') {
            None => item.as_table_like_mut()?.get_mut(step)?,
            Some(index) => item.get_mut(index.parse::<usize>().ok()?)?,
        };
    }
    Some(item)
}

/// The lines that differ, as `diff` shows them.
pub fn difference(before: &str, after: &str) -> String {
    let mut text = String::new();
    for (number, (old, new)) in before.lines().zip(after.lines()).enumerate() {
        if old != new {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "  line {}\n  - {old}\n  + {new}\n", number + 1);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str) -> Change {
        Change {
            key: key.to_owned(),
            value: "https://b".to_owned(),
        }
    }

    #[test]
    fn a_line_is_changed_and_its_comment_stays() {
        let before = "# mine\n[provider]\nissuer   =   'https://a' # ours\nclient_id = \"x\"\n\n[[trust]]\nissuer = \"https://a\"\n";
        let after = apply(before, &[change("provider.issuer"), change("trust[0].issuer")]).unwrap();
        assert_eq!(
            after,
            "# mine\n[provider]\nissuer   =   \"https://b\" # ours\nclient_id = \"x\"\n\n[[trust]]\nissuer = \"https://b\"\n"
        );
        assert_eq!(
            difference(before, &after),
            "  line 3\n  - issuer   =   'https://a' # ours\n  + issuer   =   \"https://b\" # ours\n  line 7\n  - issuer = \
             \"https://a\"\n  + issuer = \"https://b\"\n"
        );
        for written in [
            "provider = { issuer = \"https://a\" }\n",
            "provider.issuer = \"https://a\"\n",
        ] {
            let changed = apply(written, &[change("provider.issuer")]).unwrap();
            assert_eq!(changed, written.replace("https://a", "https://b"));
        }
        let inline = "trust = [{ issuer = \"https://a\" }]\n";
        assert_eq!(
            apply(inline, &[change("trust[0].issuer")]).unwrap(),
            inline.replace("https://a", "https://b")
        );
    }

    #[test]
    fn a_key_that_is_set_elsewhere_is_not_written() {
        assert!(apply("[server]\n", &[change("provider.issuer")]).is_err());
        assert!(apply("[provider]\nissuer = [\n", &[change("provider.issuer")]).is_err());
        assert!(apply("[[trust]]\nissuer = \"a\"\n", &[change("trust[1].issuer")]).is_err());
    }
}
