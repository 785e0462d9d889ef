//! The rules between the values.

use std::net::SocketAddr;

use pixygate::authorization::DpopMode;

use super::keys::{self, Built, KEYS};
use super::problem::{Origin, Problem, Problems};
use super::settings::{Setting, Settings, Value, default_of, variable_for};
use super::url::{PublicUrl, issuer, secure};
use super::{Config, DevIdp, Gate, Provider, Server, TokenType, Trust, rate};

/// The parameters of an authorization request that Pixygate alone sets: with one of them changed from outside, PKCE,
/// state or nonce could be lost.
const OWN_PARAMS: &[&str] = &[
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

pub(super) fn check(settings: Settings) -> Result<Config, Problems> {
    let mut checker = Checker { settings };
    let config = checker.config();
    let mut problems = checker.settings.problems;
    problems.sort_by(|one, other| one.origin.cmp(&other.origin));
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(Problems(problems)),
    }
}

/// The values that a `[[trust]]` entry has when it names nothing.
pub(super) fn default_trust() -> Trust {
    Checker {
        settings: Settings::default(),
    }
    .trust("trust[0]")
}

struct Checker {
    settings: Settings,
}

impl Checker {
    fn config(&mut self) -> Option<Config> {
        self.refuse_what_is_not_built();
        let server = self.server();
        let provider = self.settings.sections.contains_key("provider").then(|| self.provider());
        let trust: Vec<_> = (0..self.count("trust"))
            .map(|index| self.trust(&format!("trust[{index}]")))
            .collect();
        self.distinct_issuers(&trust);
        let gate = Gate {
            max_token_bytes: self.whole("gate.max_token_bytes") as usize,
            explain: self.flag("gate.explain"),
        };
        for key in ["gate.rate_limit", "gate.failure_limit"] {
            if !rate::is_rate(&self.text(key)) {
                self.problem(
                    key,
                    "a number of requests and a unit: 50/s, 600/m, 1000/h, or empty",
                    "write \"50/s\"",
                );
            }
        }
        let dev_idp = self.dev_idp();
        let server = server?;
        if provider.is_none() && !server.public_url.is_loopback() {
            self.problem(
                "server.public_url",
                "a loopback address, as long as people sign in at the embedded provider, which is for development",
                "write a [provider] section: issuer = \"…\", client_id = \"…\"",
            );
        }
        if gate.explain && !server.public_url.is_loopback() {
            self.problem(
                "gate.explain",
                "false, unless server.public_url is a loopback address: details tell an attacker what to change",
                "write explain = false; the details are in the log",
            );
        }
        let warnings = self.warnings(provider.as_ref(), &trust);
        Some(Config {
            server,
            provider,
            trust,
            gate,
            dev_idp: dev_idp?,
            settings: self.effective(),
            warnings,
        })
    }

    fn server(&mut self) -> Option<Server> {
        let listen = self.address("server.listen");
        let public_url = match PublicUrl::parse(&self.text("server.public_url")) {
            Ok(url) => Some(url),
            Err(why) => {
                self.problem_because(
                    "server.public_url",
                    "the origin under which browsers reach the server: https, or http on loopback",
                    &why,
                    "write public_url = \"https://…\", as it stands in the browser's address bar",
                );
                None
            }
        };
        Some(Server {
            listen: listen?,
            public_url: public_url?,
        })
    }

    fn provider(&mut self) -> Provider {
        for (key, mend) in [
            (
                "provider.issuer",
                "write issuer = \"…\", exactly as `iss` in the provider's tokens",
            ),
            (
                "provider.client_id",
                "write client_id = \"…\", the identifier that the provider gave this application",
            ),
        ] {
            if self.text(key).is_empty() {
                self.problem(key, "a value, because the [provider] section is there", mend);
            }
        }
        let issuer_text = self.text("provider.issuer");
        if !issuer_text.is_empty()
            && let Err(why) = issuer(&issuer_text)
        {
            let expected = "the provider's issuer: an https address, or http on loopback, without query and fragment";
            self.problem_because(
                "provider.issuer",
                expected,
                &why,
                "write it exactly as `iss` in the provider's tokens",
            );
        }
        let scopes = self.list("provider.scopes");
        if !scopes.iter().any(|scope| scope == "openid") {
            let mend = "add \"openid\": without it there is no ID token and nobody is signed in";
            self.problem("provider.scopes", "openid among the scopes", mend);
        }
        if scopes.iter().any(|scope| !is_scope_token(scope)) {
            self.problem(
                "provider.scopes",
                "one scope per string, without spaces",
                "write [\"openid\", \"profile\"]",
            );
        }
        let extra_params = self.map("provider.extra_params");
        if let Some(own) = extra_params.keys().find(|name| OWN_PARAMS.contains(&name.as_str())) {
            let expected = format!("parameters that Pixygate does not set itself; {own} is one that it does");
            self.problem("provider.extra_params", &expected, &format!("take {own} out"));
        }
        Provider {
            issuer: issuer_text,
            discovery_url: self.optional_url("provider.discovery_url"),
            client_id: self.text("provider.client_id"),
            scopes,
            resource: self.resource(),
            extra_params,
            dpop: match self.text("provider.dpop").as_str() {
                "required" => DpopMode::Required,
                "off" => DpopMode::Off,
                _ => DpopMode::Auto,
            },
            logout_url: self.optional_url("provider.logout_url"),
            issuer_origin: self.origin("provider.issuer"),
        }
    }

    /// RFC 8707, section 2: any absolute URI without a fragment.
    fn resource(&mut self) -> Option<String> {
        let text = self.text("provider.resource");
        let absolute = ::url::Url::parse(&text).is_ok_and(|uri| uri.fragment().is_none());
        if !text.is_empty() && !absolute {
            let mend = "write the resource as the provider knows it, such as https://… or api://…";
            self.problem("provider.resource", "an absolute URI without a fragment", mend);
        }
        (!text.is_empty()).then_some(text)
    }

    fn trust(&mut self, at: &str) -> Trust {
        let key = |name: &str| format!("{at}.{name}");
        let written = self.settings.sections.contains_key(at);
        let trust = Trust {
            issuer: self.text(&key("issuer")),
            aliases: self.list(&key("aliases")),
            jwks_url: self.optional_url(&key("jwks_url")),
            audience: self.list(&key("audience")),
            client_ids: self.list(&key("client_ids")),
            algorithms: self.list(&key("algorithms")),
            token_type: if self.text(&key("token_type")) == "at+jwt" {
                TokenType::AtJwt
            } else {
                TokenType::Auto
            },
            scope_claim: self.text(&key("scope_claim")),
            roles_claim: self.text(&key("roles_claim")),
            leeway_seconds: self.whole(&key("leeway_seconds")),
            jwks_refresh_seconds: self.whole(&key("jwks_refresh_seconds")),
            jwks_stale_seconds: self.whole(&key("jwks_stale_seconds")),
            jwks_cooldown_seconds: self.whole(&key("jwks_cooldown_seconds")),
        };
        if !written {
            return trust;
        }
        if let Err(why) = issuer(&trust.issuer) {
            let expected = "an issuer: an https address, or http on loopback, without query and fragment";
            self.problem_because(
                &key("issuer"),
                expected,
                &why,
                "write it exactly as `iss` in the tokens",
            );
        }
        for alias in &trust.aliases {
            // Google's tokens may say `accounts.google.com`, so an alias need not be an address; it is only ever compared.
            if alias.is_empty() || alias.trim() != alias || alias.contains('*') {
                self.problem(
                    &key("aliases"),
                    "exact `iss` values, without wildcards",
                    "write each value as the token has it",
                );
            }
        }
        if trust.audience.is_empty() && trust.client_ids.is_empty() {
            self.problem(
                &key("audience"),
                "audience or client_ids: without either, tokens for any other service would pass",
                "write audience = [\"…\"] with the `aud` of your tokens, or client_ids = [\"…\"] where they have none",
            );
        }
        for name in ["audience", "client_ids"] {
            if self.list(&key(name)).iter().any(String::is_empty) {
                self.problem(&key(name), "values that are not empty", "take the empty one out");
            }
        }
        if trust.algorithms.is_empty()
            || trust
                .algorithms
                .iter()
                .any(|name| !keys::ALGORITHMS.contains(&name.as_str()))
        {
            let expected = format!(
                "some of {}: keys are public, so only asymmetric ones",
                keys::ALGORITHMS.join(", ")
            );
            self.problem(&key("algorithms"), &expected, "take the others out");
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
        trust
    }

    /// Two entries for one `iss` would leave it to chance which keys and audiences count.
    fn distinct_issuers(&mut self, trust: &[Trust]) {
        let mut seen = std::collections::BTreeSet::new();
        for (index, entry) in trust.iter().enumerate() {
            for name in std::iter::once(&entry.issuer).chain(&entry.aliases) {
                if !seen.insert(name.clone()) {
                    let key = format!("trust[{index}].issuer");
                    self.problem_because(
                        &key,
                        "every issuer and alias once",
                        &format!("{name} a second time"),
                        "merge the two entries, or take the alias out",
                    );
                }
            }
        }
    }

    fn dev_idp(&mut self) -> Option<DevIdp> {
        let listen = self.address("dev_idp.listen")?;
        if !listen.ip().is_loopback() {
            let expected = "a loopback address: the embedded provider has everybody's name as password";
            self.problem("dev_idp.listen", expected, "write listen = \"127.0.0.1:3001\"");
            return None;
        }
        Some(DevIdp { listen })
    }

    /// A setting that does nothing must not look as if it did.
    fn refuse_what_is_not_built(&mut self) {
        let set: Vec<_> = self
            .settings
            .set
            .iter()
            .map(|(path, setting)| (path.clone(), setting.clone()))
            .collect();
        let mut refused_upstreams = std::collections::BTreeSet::new();
        for (path, setting) in set {
            let Some(key) = keys::find(&path) else { continue };
            if let Some((upstream, _)) = path.strip_prefix("upstream[").and_then(|rest| rest.split_once(']')) {
                if refused_upstreams.insert(upstream.to_owned()) {
                    self.problem(
                        &path,
                        "no [[upstream]]: upstreams are not available in this build yet",
                        "take the section out",
                    );
                }
                continue;
            }
            let works = match (key.built, &setting.value) {
                (Built::Yes, _) => true,
                (Built::NotYet, value) => default_of(key).as_ref() == Some(value),
                (Built::Except(not_yet), Value::Text(text)) => !not_yet.contains(&text.as_str()),
                (Built::Except(_), _) => true,
            };
            if !works {
                let expected = format!("{}: anything else is not available in this build yet", key.default);
                self.problem(&path, &expected, "take the line out");
            }
        }
    }

    fn warnings(&self, provider: Option<&Provider>, trust: &[Trust]) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(provider) = provider
            && !trust.is_empty()
            && !trust
                .iter()
                .any(|entry| entry.issuer == provider.issuer || entry.aliases.contains(&provider.issuer))
        {
            warnings.push(format!(
                "no [[trust]] entry names provider.issuer {}: tokens of the people who sign in here pass only if their \
                 `iss` is one of the entries'",
                provider.issuer
            ));
        }
        warnings
    }

    /// All keys with their values. Keys in arrays of tables appear once per entry.
    fn effective(&self) -> Vec<(String, Setting)> {
        let mut effective = Vec::new();
        for key in KEYS {
            if key.path.contains("[]") {
                let name = key.path.split('[').next().unwrap_or_default();
                for index in 0..self.count(name) {
                    let path = key.path.replacen("[]", &format!("[{index}]"), 1);
                    effective.extend(self.setting(&path).map(|setting| (path, setting)));
                }
            } else {
                effective.extend(self.setting(key.path).map(|setting| (key.path.to_owned(), setting)));
            }
        }
        effective
    }

    fn count(&self, section: &str) -> usize {
        (0..)
            .take_while(|index| self.settings.sections.contains_key(&format!("{section}[{index}]")))
            .count()
    }

    fn setting(&self, path: &str) -> Option<Setting> {
        let set = self.settings.set.get(path).cloned();
        set.or_else(|| {
            Some(Setting {
                value: default_of(keys::find(path)?)?,
                origin: Origin::Default,
            })
        })
    }

    fn text(&self, path: &str) -> String {
        match self.setting(path) {
            Some(Setting {
                value: Value::Text(text),
                ..
            }) => text,
            _ => String::new(),
        }
    }

    fn flag(&self, path: &str) -> bool {
        matches!(
            self.setting(path),
            Some(Setting {
                value: Value::Flag(true),
                ..
            })
        )
    }

    fn whole(&self, path: &str) -> u64 {
        match self.setting(path) {
            Some(Setting {
                value: Value::Whole(number),
                ..
            }) => number,
            _ => 0,
        }
    }

    fn list(&self, path: &str) -> Vec<String> {
        match self.setting(path) {
            Some(Setting {
                value: Value::List(items),
                ..
            }) => items,
            _ => Vec::new(),
        }
    }

    fn map(&self, path: &str) -> std::collections::BTreeMap<String, String> {
        match self.setting(path) {
            Some(Setting {
                value: Value::Map(entries),
                ..
            }) => entries,
            _ => Default::default(),
        }
    }

    fn address(&mut self, path: &str) -> Option<SocketAddr> {
        let address = self.text(path).parse().ok();
        if address.is_none() {
            self.problem(path, "an IP address and a port", "write listen = \"127.0.0.1:3000\"");
        }
        address
    }

    fn optional_url(&mut self, path: &str) -> Option<String> {
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
    fn origin(&self, path: &str) -> Origin {
        if let Some(setting) = self.settings.set.get(path) {
            return setting.origin.clone();
        }
        let section = path.rsplit_once('.').map_or("", |(section, _)| section);
        self.settings.sections.get(section).cloned().unwrap_or(Origin::Default)
    }

    fn problem(&mut self, path: &str, expected: &str, mend: &str) {
        let found = match self.settings.set.get(path) {
            Some(setting) => setting.value.to_string(),
            None => "nothing".to_owned(),
        };
        self.push(path, expected, found, mend);
    }

    fn problem_because(&mut self, path: &str, expected: &str, why: &str, mend: &str) {
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

/// RFC 6749, section 3.3.
fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
