//! `pixygate.example.toml` matches the configuration that the server reads.

use server::config::{Config, Source, keys};

const EXAMPLE: &str = include_str!("../../../pixygate.example.toml");

fn read(text: &str) -> Result<Config, server::config::Problems> {
    Config::read(Some(("pixygate.example.toml", text)), [])
}

/// Returns the text with every key uncommented.
fn everything_on() -> String {
    EXAMPLE.replace("\n#:", "\n")
}

#[test]
fn the_example_is_a_configuration_as_it_stands() {
    let config = read(EXAMPLE).unwrap();
    let provider = config.provider.unwrap();
    assert_eq!(provider.issuer, "https://api.asgardeo.io/t/acme/oauth2/token");
}

#[test]
fn every_key_is_in_the_example() {
    let tables: toml::Table = everything_on().parse().unwrap();
    for key in keys() {
        let mut value = Some(toml::Value::Table(tables.clone()));
        for part in key.split('.') {
            let (name, entries) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
            value = value.and_then(|table| table.get(name).cloned());
            if entries {
                value = value.and_then(|array| array.get(0).cloned());
            }
        }
        assert!(value.is_some(), "{key} is not in pixygate.example.toml");
    }
}

#[test]
fn the_example_has_no_key_that_is_unknown() {
    let config = read(&everything_on()).unwrap();
    assert_eq!(config.upstreams[0].settings.name, "orders");
}

#[test]
fn what_the_example_does_not_explain_otherwise_is_the_default() {
    let changed = ["provider.issuer", "provider.client_id"];
    let example = read(EXAMPLE).unwrap();
    let defaults = read("").unwrap();
    for (path, setting) in &example.settings {
        if changed.contains(&path.as_str()) {
            continue;
        }
        let default = defaults
            .settings
            .iter()
            .find(|(known, _)| known == path)
            .map(|(_, setting)| &setting.value);
        assert_eq!(default, Some(&setting.value), "{path}");
    }
}

#[test]
fn defaults_are_known_as_such() {
    let config = read("").unwrap();
    assert!(
        config
            .settings
            .iter()
            .all(|(_, setting)| setting.origin == Source::Default)
    );
    // A secret is listed once, wherever it comes from.
    let read_from_file = ["store.url_file", "store.dpop_replay_url_file"];
    let listed = |key: &&String| !key.contains("[]") && !read_from_file.contains(&key.as_str());
    assert_eq!(config.settings.len(), keys().iter().filter(listed).count());
}
