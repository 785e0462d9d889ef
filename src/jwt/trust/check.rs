//! Validates the settings of a trust.

use serde_json::Value;
use url::Url;

use super::{KeySource, Trust, TrustError, is_loopback_host, is_private_host};

const YEAR_SECONDS: u64 = 365 * 24 * 3600;

impl Trust {
    /// Validates the settings, as far as that needs no network.
    ///
    /// # Errors
    /// The first setting that is wrong, and how to fix it.
    pub fn check(&self) -> Result<(), TrustError> {
        self.check_tenants()?;
        self.check_aliases()?;
        self.check_http_hosts()?;
        self.check_issuers()?;
        self.check_claims()?;
        self.check_times()?;
        self.introspection()?;
        self.key_source().map(drop)
    }

    fn check_tenants(&self) -> Result<(), TrustError> {
        let templated = self.issuer.contains("{tenantid}");
        let why = match templated {
            _ if templated == self.tenants.is_empty() => "`{tenantid}` and `tenants` belong together",
            // Neither an alias nor an opaque token says which tenant it belongs to, and the template itself is no issuer.
            true if !self.aliases.is_empty() => {
                "`tenants` and `aliases` exclude each other; give the other `iss` a [[trust]] of its own"
            }
            true if !self.introspection_url.is_empty() => {
                "`tenants` and `introspection_url` exclude each other; give the tenant a [[trust]] of its own"
            }
            _ => return Ok(()),
        };
        Err(self.wrong_issuer(why))
    }

    /// An alias is only compared, never fetched, so it need not be an https URL.
    fn check_aliases(&self) -> Result<(), TrustError> {
        // A wildcard would look like a pattern, but aliases are compared as exact strings.
        let inexact = |alias: &&String| alias.trim() != *alias || alias.contains('*');
        match self.aliases.iter().find(inexact) {
            None => Ok(()),
            Some(alias) => {
                let why = "an alias is an exact `iss`, without wildcards and white space";
                Err(self.wrong_location("aliases", alias, why))
            }
        }
    }

    fn check_http_hosts(&self) -> Result<(), TrustError> {
        let is_private = |host: &String| {
            let url = Url::parse(&format!("http://{host}/"));
            url.is_ok_and(|url| url.host_str() == Some(host) && is_private_host(&url))
        };
        match self.insecure_http_hosts.iter().find(|host| !is_private(host)) {
            None => Ok(()),
            Some(host) => {
                let why = "it is not the name or address of a host in a private network";
                Err(self.wrong_location("insecure_http_hosts", host, why))
            }
        }
    }

    fn check_issuers(&self) -> Result<(), TrustError> {
        let discovered = matches!(
            self.key_source(),
            Ok(KeySource::Discovery(_)) | Err(TrustError::Location { .. })
        );
        for issuer in self.own_issuers() {
            let wrong = match Url::parse(&issuer) {
                // `Url::parse` ignores it.
                _ if issuer.trim() != issuer => Some("it has white space around it"),
                Ok(url) => self.secure(&url).err(),
                Err(_) if issuer.is_empty() => Some("it is empty"),
                // Some issuers are only a host name. Then the location of the keys must be configured.
                Err(_) if discovered && self.discovery_url.is_empty() => {
                    Some("it is not a URL, so `jwks_url` or `discovery_url` must be set")
                }
                Err(_) => None,
            };
            if let Some(why) = wrong {
                return Err(self.wrong_issuer(why));
            }
        }
        Ok(())
    }

    fn check_claims(&self) -> Result<(), TrustError> {
        if self.audience.is_empty() && self.client_ids.is_empty() {
            return Err(TrustError::NoAudience(self.issuer.clone()));
        }
        let has_empty = |list: &[String]| list.iter().any(String::is_empty);
        let no_client = self.audience.is_empty() && self.client_claims.is_empty();
        let no_value = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        let remove = "it contains an empty string; remove it";
        let clients = "name the claims that hold the client; the default is [\"client_id\", \"azp\", \"cid\"]";
        let required = "a claim in it has an empty list, so no token would pass; name a value, or remove the claim";
        for (wrong, key, hint) in [
            (has_empty(&self.audience), "audience", remove),
            (has_empty(&self.client_ids), "client_ids", remove),
            (has_empty(&self.aliases), "aliases", remove),
            (self.algorithms.is_empty(), "algorithms", "name at least one"),
            (self.subject_claim.is_empty(), "subject_claim", "the default is \"sub\""),
            (self.scope_claim.is_empty(), "scope_claim", "the default is \"scope\""),
            (self.roles_claim.is_empty(), "roles_claim", "the default is \"groups\""),
            (no_client || has_empty(&self.client_claims), "client_claims", clients),
            (self.required_claims.values().any(no_value), "required_claims", required),
        ] {
            if wrong {
                return Err(self.empty(key, hint));
            }
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), TrustError> {
        let (refresh, stale) = (self.jwks_refresh_seconds, self.jwks_stale_seconds);
        for (wrong, key, why) in [
            (
                refresh == 0 || stale < refresh,
                "jwks_stale_seconds",
                "`jwks_refresh_seconds` must be above 0 and at most `jwks_stale_seconds`",
            ),
            (
                stale > YEAR_SECONDS || self.jwks_cooldown_seconds > YEAR_SECONDS,
                "jwks_stale_seconds",
                "`jwks_stale_seconds` and `jwks_cooldown_seconds` may be a year at most",
            ),
            (
                self.leeway_seconds > 600,
                "leeway_seconds",
                "`leeway_seconds` may be 600 at most",
            ),
        ] {
            if wrong {
                let issuer = self.issuer.clone();
                return Err(TrustError::Times { issuer, key, why });
            }
        }
        Ok(())
    }

    pub(super) fn location(&self, key: &'static str, url: &str) -> Result<Url, TrustError> {
        let parsed = Url::parse(url).map_err(|_| self.wrong_location(key, url, "it is not a URL"))?;
        self.secure(&parsed).map_err(|why| self.wrong_location(key, url, why))?;
        Ok(parsed)
    }

    /// Rejects everything but `https`, and `http` on a loopback address or a host that is allowed by name.
    fn secure(&self, url: &Url) -> Result<(), &'static str> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it must not hold a user name or password");
        }
        if url.fragment().is_some() {
            return Err("it must not have a fragment");
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_loopback_host(url) || self.allows_plain_http(url) => Ok(()),
            "http" => Err("http is accepted on loopback addresses only; use https"),
            _ => Err("it must be an https URL"),
        }
    }

    pub(super) fn empty(&self, key: &'static str, hint: &'static str) -> TrustError {
        let issuer = self.issuer.clone();
        TrustError::Empty { issuer, key, hint }
    }

    fn wrong_issuer(&self, why: &'static str) -> TrustError {
        let issuer = self.issuer.clone();
        TrustError::Issuer { issuer, why }
    }

    fn wrong_location(&self, key: &'static str, url: &str, why: &'static str) -> TrustError {
        let (issuer, url) = (self.issuer.clone(), url.to_owned());
        TrustError::Location { issuer, key, url, why }
    }
}
