//! `--report`: everything that somebody else needs to help, without a secret in it.

use serde_json::{Map, Value, json};

use super::Report;
use crate::config::{Config, Problems};

/// The effective settings, with secrets masked and where each was set. A configuration with problems has none.
pub(super) fn settings(config: &Result<Config, Problems>) -> Map<String, Value> {
    let settings = config.iter().flat_map(|config| &config.settings);
    settings
        .map(|(key, setting)| {
            (
                key.clone(),
                json!({ "value": setting.value, "set": setting.origin.to_string() }),
            )
        })
        .collect()
}

/// One JSON document with the report and the settings.
pub fn bundle(report: &Report, settings: &Map<String, Value>) -> String {
    let bundle = json!({
        "pixygate": env!("CARGO_PKG_VERSION"),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "report": report,
        "settings": settings,
    });
    format!("{bundle:#}\n")
}
