//! What calls to a path must bring: `[[gate.route]]`.

use std::time::Duration;

use pixygate::gate::{Methods, Pattern, Policy};
use serde_json::Value;

use super::super::GateRoute;
use super::Checker;
use super::provider::is_scope_token;

impl Checker {
    /// The entry whose keys begin with `at`.
    pub(super) fn route(&mut self, at: &str) -> Option<GateRoute> {
        let key = |name: &str| format!("{at}.{name}");
        let methods = Methods::named(self.list(&key("methods")));
        if methods.is_err() {
            let expected = "methods in capital letters; none means all";
            self.problem(&key("methods"), expected, "write for example methods = [\"GET\"]");
        }
        let pattern = self.text(&key("path")).parse::<Pattern>();
        if let Err(why) = &pattern {
            let mend = "write for example path = \"/api/**\"";
            self.problem_because(&key("path"), "a path", &why.to_string(), mend);
        }
        for name in ["scopes", "any_scope"] {
            if !self.list(&key(name)).iter().all(|scope| is_scope_token(scope)) {
                let expected = "one scope per string, without spaces";
                self.problem(&key(name), expected, "write [\"orders:read\", \"orders:write\"]");
            }
        }
        for name in ["roles", "any_role", "acr"] {
            if self.list(&key(name)).iter().any(String::is_empty) {
                let expected = "values that a token can have";
                self.problem(&key(name), expected, "take the empty string out");
            }
        }
        let mut policy = Policy::signed_in().scopes(self.list(&key("scopes")));
        let any = |list: Vec<String>| (!list.is_empty()).then_some(list);
        if let Some(scopes) = any(self.list(&key("any_scope"))) {
            policy = policy.any_scope(scopes);
        }
        for role in self.list(&key("roles")) {
            policy = policy.role(role);
        }
        if let Some(roles) = any(self.list(&key("any_role"))) {
            policy = policy.any_role(roles);
        }
        if let Some(acr) = any(self.list(&key("acr"))) {
            policy = policy.any_acr(acr);
        }
        match self.whole(&key("max_age_seconds")) {
            0 => {}
            seconds => policy = policy.max_age(Duration::from_secs(seconds)),
        }
        for (name, value) in self.claims(&key("claims")) {
            // A list is of values that are accepted.
            match value {
                Value::Array(values) if values.is_empty() => {
                    let expected = "for each claim a value, or a list of those that will do";
                    self.problem(&key("claims"), expected, "name a value, or take the claim out");
                }
                Value::Array(values) => policy = policy.any_claim(name, values),
                value => policy = policy.claim(name, value),
            }
        }
        if self.flag(&key("dpop")) {
            policy = policy.dpop();
        }
        if let Some(rate) = self.rate(&key("rate_limit")) {
            policy = policy.rate_limit(rate);
        }
        Some(GateRoute {
            methods: methods.ok()?,
            pattern: pattern.ok()?,
            policy,
            origin: self.origin(at),
        })
    }
}
