//! Looking values up, and saying what is wrong with them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::super::keys;
use super::super::problem::{Origin, Problem};
use super::super::settings::{Setting, Value, default_of, variable_for};
use super::super::url::secure;
use super::Checker;

impl Checker {
    pub(super) fn count(&self, section: &str) -> usize {
        (0..)
            .take_while(|index| self.settings.sections.contains_key(&format!("{section}[{index}]")))
            .count()
    }

    pub(super) fn setting(&self, path: &str) -> Option<Setting> {
        let set = self.settings.set.get(path).cloned();
        set.or_else(|| {
            Some(Setting {
                value: default_of(keys::find(path)?)?,
                origin: Origin::Default,
            })
        })
    }

    pub(super) fn text(&self, path: &str) -> String {
        match self.setting(path) {
            Some(Setting {
                value: Value::Text(text),
                ..
            }) => text,
            _ => String::new(),
        }
    }

    pub(super) fn flag(&self, path: &str) -> bool {
        matches!(
            self.setting(path),
            Some(Setting {
                value: Value::Flag(true),
                ..
            })
        )
    }

    pub(super) fn whole(&self, path: &str) -> u64 {
        match self.setting(path) {
            Some(Setting {
                value: Value::Whole(number),
                ..
            }) => number,
            _ => 0,
        }
    }

    pub(super) fn list(&self, path: &str) -> Vec<String> {
        match self.setting(path) {
            Some(Setting {
                value: Value::List(items),
                ..
            }) => items,
            _ => Vec::new(),
        }
    }

    pub(super) fn map(&self, path: &str) -> BTreeMap<String, String> {
        match self.setting(path) {
            Some(Setting {
                value: Value::Map(entries),
                ..
            }) => entries,
            _ => Default::default(),
        }
    }

    pub(super) fn address(&mut self, path: &str) -> Option<SocketAddr> {
        let address = self.text(path).parse().ok();
        if address.is_none() {
            let default = keys::find(path).map_or("", |key| key.default);
            let name = path.rsplit('.').next().unwrap_or(path);
            self.problem(path, "an IP address and a port", &format!("write {name} = {default}"));
        }
        address
    }

    pub(super) fn optional_url(&mut self, path: &str) -> Option<String> {
        let text = self.text(path);
        if text.is_empty() {
            return None;
        }
        if let Err(why) = secure(&text) {
            let mend = "write the whole address, https://…, or take the line out";
            self.problem_because(path, "an https address, or http on loopback", &why, mend);
        }
        Some(text)
    }

    /// Where the key was set, or where its section begins when a value is missing.
    pub(super) fn origin(&self, path: &str) -> Origin {
        if let Some(setting) = self.settings.set.get(path) {
            return setting.origin.clone();
        }
        let section = path.rsplit_once('.').map_or("", |(section, _)| section);
        self.settings.sections.get(section).cloned().unwrap_or(Origin::Default)
    }

    pub(super) fn problem(&mut self, path: &str, expected: &str, mend: &str) {
        let found = match self.settings.set.get(path) {
            Some(setting) => setting.value.to_string(),
            None => "nothing".to_owned(),
        };
        self.push(path, expected, found, mend);
    }

    pub(super) fn problem_because(&mut self, path: &str, expected: &str, why: &str, mend: &str) {
        let found = match self.settings.set.get(path) {
            Some(setting) => format!("{}: {why}", setting.value),
            None => why.to_owned(),
        };
        self.push(path, expected, found, mend);
    }

    fn push(&mut self, path: &str, expected: &str, found: String, mend: &str) {
        let origin = self.origin(path);
        // A key that was already refused for its type would be refused again for the default that stands in for it.
        if self.settings.problems.iter().any(|problem| problem.key == path) {
            return;
        }
        let mend = match keys::find(path) {
            Some(key) if !path.contains('[') => format!("{mend} (or set {})", variable_for(key.path)),
            _ => mend.to_owned(),
        };
        self.settings.problems.push(Problem {
            origin,
            key: path.to_owned(),
            expected: expected.to_owned(),
            found,
            mend,
        });
    }
}
