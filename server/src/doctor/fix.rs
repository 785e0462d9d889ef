//! `--fix`: the changes that findings name, written into the configuration file. Comments and order stay.

use std::fmt::Write as _;

use toml_edit::{Array, DocumentMut, Item, Value};

use crate::findings::Change;

/// Applies changes to the text of a configuration file.
///
/// # Errors
///
/// When the text is not TOML, or does not have a key that is to be changed, or the table of a list: it was set elsewhere.
pub fn apply(text: &str, changes: &[Change]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|_| "the file is not TOML".to_owned())?;
    for change in changes {
        let elsewhere = || format!("{} is not set in the file; set it where it is", change.key);
        if change.adds {
            list(document.as_item_mut(), &change.key)
                .ok_or_else(elsewhere)?
                .push(change.value.as_str());
            continue;
        }
        let item = find(document.as_item_mut(), &change.key);
        let value = item.and_then(Item::as_value_mut);
        let Some(value) = value else {
            return Err(elsewhere());
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

/// The list of a key such as `trust[0].aliases`, which is made where its table is there.
fn list<'a>(root: &'a mut Item, key: &str) -> Option<&'a mut Array> {
    let (table, name) = key.rsplit_once('.')?;
    let table = find(root, table)?.as_table_like_mut()?;
    if !table.contains_key(name) {
        table.insert(name, Item::Value(Value::Array(Array::new())));
    }
    table.get_mut(name)?.as_array_mut()
}

/// The lines that differ, as `diff` shows them.
pub fn difference(before: &str, after: &str) -> String {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let mut text = String::new();
    let mut ahead = 0;
    for (number, new) in after.iter().enumerate() {
        // `--fix` changes lines and adds some; it removes none.
        let old = before.get(number - ahead);
        let is_added = before.len() + ahead < after.len() && old != Some(new) && after.get(number + 1) == old;
        // Writing to a string cannot fail.
        let _infallible = match old {
            Some(old) if old == new => Ok(()),
            Some(old) if !is_added => write!(text, "  line {}\n  - {old}\n  + {new}\n", number + 1),
            _ => {
                ahead += 1;
                write!(text, "  line {}\n  + {new}\n", number + 1)
            }
        };
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
            adds: false,
        }
    }

    #[test]
    fn a_list_gets_one_more() {
        let addition = |key: &str| Change {
            adds: true,
            ..change(key)
        };
        let before = "[[trust]]\nissuer = \"https://a\" # ours\naudience = [\"x\"]\n\n[gate]\nexplain = true\n";
        let after = apply(before, &[addition("trust[0].audience"), addition("trust[0].aliases")]).unwrap();
        assert_eq!(
            after,
            "[[trust]]\nissuer = \"https://a\" # ours\naudience = [\"x\", \"https://b\"]\naliases = [\"https://b\"]\n\n[gate]\n\
             explain = true\n"
        );
        assert_eq!(
            difference(before, &after),
            "  line 3\n  - audience = [\"x\"]\n  + audience = [\"x\", \"https://b\"]\n  line 4\n  + aliases = [\"https://b\"]\n"
        );
        let last = "[[trust]]\nissuer = \"https://a\"\n";
        let after = apply(last, &[addition("trust[0].aliases")]).unwrap();
        assert_eq!(difference(last, &after), "  line 3\n  + aliases = [\"https://b\"]\n");
        for (text, key) in [
            (before, "trust[1].aliases"),
            ("audience = \"x\"\n", "audience"),
            ("trust = 1\n", "trust.audience"),
        ] {
            assert!(apply(text, &[addition(key)]).is_err(), "{key}");
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
