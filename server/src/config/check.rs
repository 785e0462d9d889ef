//! The rules between the values.

mod lookup;
mod provider;
mod route;
mod trust;

use ipnet::IpNet;
use pixygate::gate::Rate;
use pixygate::jwt::Trust;

use super::keys::{self, Built, KEYS};
use super::problem::Problems;
use super::settings::{Setting, Settings, default_of};
use super::url::PublicUrl;
use super::{Config, DevIdp, Gate, Provider, Server, Telemetry};

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

struct Checker {
    settings: Settings,
}

impl Checker {
    fn config(&mut self) -> Option<Config> {
        self.refuse_what_is_not_built();
        let server = self.server();
        let session = self.session();
        let provider = self
            .settings
            .sections
            .contains_key("provider")
            .then(|| self.provider(&session));
        let trust: Vec<_> = (0..self.count("trust"))
            .map(|index| self.trust(&format!("trust[{index}]")))
            .collect();
        self.distinct_issuers(&trust);
        let gate = self.gate();
        let telemetry = self.telemetry();
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
            session,
            trust,
            gate,
            telemetry: telemetry?,
            dev_idp: dev_idp?,
            settings: self.effective(),
            warnings,
        })
    }

    fn gate(&mut self) -> Gate {
        Gate {
            max_token_bytes: self.whole("gate.max_token_bytes") as usize,
            token_cache: self.whole("gate.token_cache") as usize,
            rate_limit: self.rate("gate.rate_limit"),
            failure_limit: self.rate("gate.failure_limit"),
            dpop_nonce: self.flag("gate.dpop_nonce"),
            certificate_header: self.certificate_header(),
            explain: self.flag("gate.explain"),
            routes: (0..self.count("gate.route"))
                .filter_map(|index| self.route(&format!("gate.route[{index}]")))
                .collect(),
        }
    }

    /// Empty is none.
    fn certificate_header(&mut self) -> Option<String> {
        let header = self.text("gate.certificate_header");
        if header.is_empty() {
            return None;
        }
        let mend = "write \"client-cert\" (RFC 9440), or the name that your proxy uses";
        if http::HeaderName::try_from(&header).is_err() {
            self.problem("gate.certificate_header", "the name of a header", mend);
        } else if self.list("server.trusted_proxies").is_empty() {
            let expected = "empty, unless server.trusted_proxies names the proxies that may tell certificates";
            self.problem("gate.certificate_header", expected, "name your proxies' networks");
        }
        Some(header)
    }

    /// An empty address is none.
    fn telemetry(&mut self) -> Option<Telemetry> {
        let metrics_listen = match self.text("telemetry.metrics_listen").is_empty() {
            true => None,
            false => Some(self.address("telemetry.metrics_listen")?),
        };
        Some(Telemetry { metrics_listen })
    }

    /// Empty is none.
    fn rate(&mut self, key: &str) -> Option<Rate> {
        let text = self.text(key);
        if text.is_empty() {
            return None;
        }
        let rate = text.parse().ok();
        if rate.is_none() {
            self.problem(
                key,
                "a number of requests and a unit: 50/s, 600/m, 1000/h, or empty for no limit",
                "write \"50/s\"",
            );
        }
        rate
    }

    fn trusted_proxies(&mut self) -> Vec<IpNet> {
        let texts = self.list("server.trusted_proxies");
        let parse = |text: &String| text.parse::<IpNet>().ok();
        let networks: Vec<_> = texts.iter().filter_map(parse).collect();
        if networks.len() != texts.len() {
            self.problem(
                "server.trusted_proxies",
                "networks in CIDR notation",
                "write [\"10.0.0.0/8\"], and [\"192.0.2.1/32\"] for one address",
            );
        } else if networks.iter().any(|network| network.prefix_len() == 0) {
            self.problem(
                "server.trusted_proxies",
                "the networks of your proxies, not all there are: anybody could forge an address",
                "name the networks that your proxies are in",
            );
        }
        networks
    }

    fn server(&mut self) -> Option<Server> {
        let listen = self.address("server.listen");
        let trusted_proxies = self.trusted_proxies();
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
            trusted_proxies,
            max_connections: self.whole("server.max_connections") as usize,
            keep_alive_seconds: self.whole("server.keep_alive_seconds"),
            hsts_seconds: self.whole("server.hsts_seconds"),
            hsts_include_subdomains: self.flag("server.hsts_include_subdomains"),
        })
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
            if key.built == Built::NotYet && default_of(key).as_ref() != Some(&setting.value) {
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
}
