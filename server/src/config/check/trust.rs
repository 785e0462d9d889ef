//! `[[trust]]`

use std::collections::{BTreeMap, BTreeSet};

use pixygate::jwt::{Algorithm, Secret, TokenType, Trust};

use super::super::settings::{Setting, Value};
use super::Checker;

impl Checker {
    /// The entry whose keys begin with `at`.
    pub(super) fn trust(&mut self, at: &str) -> Trust {
        let key = |name: &str| format!("{at}.{name}");
        let mut trust = Trust::new(self.text(&key("issuer")));
        trust.aliases = self.list(&key("aliases"));
        trust.tenants = self.list(&key("tenants"));
        trust.discovery_url = self.text(&key("discovery_url"));
        trust.jwks_url = self.text(&key("jwks_url"));
        trust.jwks_file = self.text(&key("jwks_file"));
        trust.jwks = self.text(&key("jwks"));
        trust.public_key_file = self.text(&key("public_key_file"));
        trust.public_key = self.text(&key("public_key"));
        trust.ca_file = self.text(&key("ca_file"));
        trust.client_certificate_file = self.text(&key("client_certificate_file"));
        trust.audience = self.list(&key("audience"));
        trust.client_ids = self.list(&key("client_ids"));
        trust.algorithms = self.algorithms(&key("algorithms"));
        trust.token_type = match self.text(&key("token_type")).as_str() {
            "at+jwt" => TokenType::AccessToken,
            _ => TokenType::Auto,
        };
        trust.allow_nonce = self.flag(&key("allow_nonce"));
        trust.subject_claim = self.text(&key("subject_claim"));
        trust.client_claims = self.list(&key("client_claims"));
        trust.scope_claim = self.text(&key("scope_claim"));
        trust.roles_claim = self.text(&key("roles_claim"));
        trust.required_claims = self.claims(&key("required_claims"));
        trust.leeway_seconds = self.whole(&key("leeway_seconds"));
        trust.jwks_refresh_seconds = self.whole(&key("jwks_refresh_seconds"));
        trust.jwks_stale_seconds = self.whole(&key("jwks_stale_seconds"));
        trust.jwks_cooldown_seconds = self.whole(&key("jwks_cooldown_seconds"));
        trust.introspection_url = self.text(&key("introspection_url"));
        trust.introspection_client_id = self.text(&key("introspection_client_id"));
        trust.introspection_client_secret = Secret::new(self.secret(&key("introspection_client_secret")));
        self.check_trust(&key, &trust);
        trust
    }

    fn check_trust(&mut self, key: &dyn Fn(&str) -> String, trust: &Trust) {
        if trust.issuer.is_empty() {
            self.problem(
                &key("issuer"),
                "the issuer whose tokens pass",
                "write issuer = \"…\", exactly as `iss` in the tokens",
            );
        }
        if trust.audience.is_empty() && trust.client_ids.is_empty() {
            self.problem(
                &key("audience"),
                "audience or client_ids: without either, tokens for any other service would pass",
                "write audience = [\"…\"] with the `aud` of your tokens, or client_ids = [\"…\"] where they have none",
            );
        }
        for alias in &trust.aliases {
            if alias.is_empty() || alias.trim() != alias || alias.contains('*') {
                let mend = "write each value as the token has it";
                self.problem(&key("aliases"), "exact `iss` values, without wildcards", mend);
            }
        }
        for name in ["scope_claim", "roles_claim"] {
            if self.text(&key(name)).is_empty() {
                self.problem(&key(name), "the name of a claim", "take the line out for the default");
            }
        }
        if trust.jwks_stale_seconds < trust.jwks_refresh_seconds {
            let expected = format!("at least jwks_refresh_seconds, {}", trust.jwks_refresh_seconds);
            self.problem(
                &key("jwks_stale_seconds"),
                &expected,
                "raise it, or lower jwks_refresh_seconds",
            );
        }
        // The library has the last word; what it says of a fault that was told above would only repeat it.
        if !self
            .settings
            .problems
            .iter()
            .any(|problem| problem.key.starts_with(&key("")))
            && let Err(error) = trust.check()
        {
            let mend = "correct the setting that is named";
            self.problem_because(&key("issuer"), "an entry that can be used", &error.to_string(), mend);
        }
    }

    fn algorithms(&mut self, key: &str) -> Vec<Algorithm> {
        let names = self.list(key);
        let algorithms: Vec<_> = names.iter().filter_map(|name| Algorithm::named(name)).collect();
        if algorithms.is_empty() || algorithms.len() != names.len() {
            let known: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            let expected = format!("some of {}: keys are public, so only asymmetric ones", known.join(", "));
            self.problem(key, &expected, "take the others out");
        }
        algorithms
    }

    /// Two entries for one `iss` would leave it to chance which keys and audiences count.
    pub(super) fn distinct_issuers(&mut self, trust: &[Trust]) {
        let mut seen = BTreeSet::new();
        for (index, entry) in trust.iter().enumerate() {
            for name in std::iter::once(&entry.issuer).chain(&entry.aliases) {
                if !seen.insert(name.clone()) {
                    self.problem_because(
                        &format!("trust[{index}].issuer"),
                        "every issuer and alias once",
                        &format!("{name} a second time"),
                        "merge the two entries, or take the alias out",
                    );
                }
            }
        }
    }

    pub(super) fn claims(&self, path: &str) -> BTreeMap<String, serde_json::Value> {
        match self.setting(path) {
            Some(Setting {
                value: Value::Claims(claims),
                ..
            }) => claims,
            _ => BTreeMap::new(),
        }
    }

    fn secret(&self, path: &str) -> String {
        match self.setting(path) {
            Some(Setting {
                value: Value::Secret(secret),
                ..
            }) => secret.0,
            _ => String::new(),
        }
    }
}
