//! The behaviour of another provider, as data: its metadata, keys, tokens and responses.
//!
//! A profile is a JSON object with these members, all of them optional:
//!
//! | member | content |
//! |---|---|
//! | `issuer`, `client_id` | the issuer, and the name of the public client in the texts of the profile |
//! | `metadata`, `metadata_url` | the discovery document, and where it is when not under the issuer |
//! | `algorithm`, `keys` | the signature algorithm, and what the published keys have beside the key itself |
//! | `access_token`, `id_token`, `refreshed_id_token` | `header` and `claims`; an access token may be `opaque` |
//! | `introspection` | the answer about an opaque access token |
//! | `token_answer`, `refresh_answer` | the answers of the token endpoint |
//! | `refresh_error` | `status` and `body` for a refresh token that has ended; with `cors: false` scripts cannot read it |
//! | `logout` | the logout `token` |
//!
//! Texts that begin with `$` are filled in: `$base` is the address of the tenant, `$now`, `$now-5` and `$now-5.5` are
//! dates, `$text+3599` is a date as text, and other names are `kid`, `issuer`, `nonce`, `at_hash`, `access_token`,
//! `refresh_token` and `id_token`. A member whose text has no value is left out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::jose::Algorithm;

/// The endpoints that metadata name, and their paths below a tenant.
const ENDPOINTS: [(&str, &str); 8] = [
    ("authorization_endpoint", "/oauth2/authorize"),
    ("token_endpoint", "/oauth2/token"),
    ("jwks_uri", "/oauth2/jwks"),
    ("userinfo_endpoint", "/oauth2/userinfo"),
    ("revocation_endpoint", "/oauth2/revoke"),
    ("introspection_endpoint", "/oauth2/introspect"),
    ("pushed_authorization_request_endpoint", "/oauth2/par"),
    ("end_session_endpoint", "/oidc/logout"),
];

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// The behaviour of another provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(Map<String, Value>);

/// The values of the placeholders, besides the address and the time.
pub(crate) type Named<'a> = &'a [(&'a str, Option<&'a str>)];

impl Profile {
    /// Returns a member with its placeholders filled in. The client of the profile becomes `client_id`.
    pub(crate) fn part(
        &self,
        name: &str,
        base: &str,
        now: i64,
        client_id: &str,
        named: Named<'_>,
    ) -> Option<Map<String, Value>> {
        let own = self.0.get("client_id").and_then(Value::as_str).unwrap_or_default();
        let fill = Fill {
            base,
            now,
            named,
            client: (own, client_id),
        };
        match fill.value(self.0.get(name)?)? {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Returns the issuer of a tenant at `base`.
    pub(crate) fn issuer(&self, base: &str) -> Option<String> {
        self.url(self.0.get("issuer"), base)
    }

    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::from_name(self.0.get("algorithm")?.as_str()?)
    }

    pub(crate) fn has_opaque_access_tokens(&self) -> bool {
        self.0
            .get("access_token")
            .is_some_and(|token| token.get("opaque").is_some())
    }

    /// Returns the metadata. Endpoints that are not below the tenant become the tenant's own.
    pub(crate) fn metadata(&self, base: &str) -> Option<Value> {
        let mut metadata = self.part("metadata", base, 0, "", &[])?;
        for (member, path) in ENDPOINTS {
            if let Some(Value::String(url)) = metadata.get_mut(member)
                && !url.starts_with(base)
            {
                *url = format!("{base}{path}");
            }
        }
        Some(Value::Object(metadata))
    }

    /// Returns the URL of the endpoint that is served at a path below the tenant.
    pub(crate) fn endpoint(&self, path: &str, base: &str) -> Option<String> {
        let (member, _) = ENDPOINTS.iter().find(|(_, own)| *own == path)?;
        let url = self.metadata(base)?.get(*member)?.as_str()?.to_owned();
        Some(url.split('?').next().unwrap_or_default().to_owned())
    }

    /// Returns the path below the tenant at which a URL of the profile is served.
    pub(crate) fn path_of(&self, url: &str, base: &str) -> Option<&'static str> {
        let located = self.url(self.0.get("metadata_url"), base);
        let metadata_url =
            located.or_else(|| Some(format!("{}{WELL_KNOWN}", self.issuer(base)?.trim_end_matches('/'))));
        if metadata_url.as_deref() == Some(url) {
            return Some(WELL_KNOWN);
        }
        // Some providers have introspection without listing it in their metadata.
        let introspects = self.0.get("trust").and_then(|trust| trust.get("introspection_url"));
        if introspects.is_some() && self.url(introspects, base).as_deref() == Some(url) {
            return Some("/oauth2/introspect");
        }
        let is_served = |path: &&str| self.endpoint(path, base).as_deref() == Some(url);
        ENDPOINTS.iter().map(|(_, path)| *path).find(is_served)
    }

    /// Returns the published keys: each with the material of `key`, and the members of the profile.
    pub(crate) fn keys(&self, key: &Map<String, Value>, kid: &str, issuer: &str) -> Option<Vec<Value>> {
        let fill = Fill {
            base: "",
            now: 0,
            named: &[("kid", Some(kid)), ("issuer", Some(issuer))],
            client: ("", ""),
        };
        let published = |entry: &Value| {
            let mut core = key.clone();
            core.retain(|name, _| !["kid", "alg", "use"].contains(&name.as_str()));
            let Some(Value::Object(members)) = fill.value(entry) else {
                return None;
            };
            core.extend(members);
            Some(Value::Object(core))
        };
        Some(self.0.get("keys")?.as_array()?.iter().filter_map(published).collect())
    }

    fn url(&self, text: Option<&Value>, base: &str) -> Option<String> {
        Some(text?.as_str()?.replacen("$base", base, 1))
    }
}

struct Fill<'a> {
    base: &'a str,
    now: i64,
    named: Named<'a>,
    /// The client of the profile, and the one that replaces it.
    client: (&'a str, &'a str),
}

impl Fill<'_> {
    fn value(&self, value: &Value) -> Option<Value> {
        Some(match value {
            Value::String(text) => return self.text(text),
            Value::Array(items) => items.iter().filter_map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let members = members.iter();
                let filled = members.filter_map(|(name, member)| Some((name.clone(), self.value(member)?)));
                Value::Object(filled.collect())
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str) -> Option<Value> {
        let Some(name) = text.strip_prefix('$') else {
            let (own, instead) = self.client;
            return Some(Value::from(if text == own { instead } else { text }));
        };
        if name.starts_with("base") {
            return Some(text.replacen("$base", self.base, 1).into());
        }
        if let Some(shift) = name.strip_prefix("now") {
            return Some(Value::Number(date(self.now, shift)));
        }
        if let Some(shift) = name.strip_prefix("text") {
            return Some(date(self.now, shift).to_string().into());
        }
        let (_, value) = self.named.iter().find(|(known, _)| *known == name)?;
        value.map(Value::from)
    }
}

/// `shift` is empty, or a signed number of seconds.
fn date(now: i64, shift: &str) -> Number {
    match shift.parse::<f64>() {
        Ok(shift) if shift.fract() != 0.0 => Number::from_f64(now as f64 + shift).unwrap_or_else(|| now.into()),
        Ok(shift) => Number::from(now + shift as i64),
        Err(_) => Number::from(now),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(value: Value) -> Profile {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn texts_are_filled_in_and_members_without_a_value_are_left_out() {
        let profile = profile(json!({
            "client_id": "shop",
            "id_token": {"claims": {
                "iss": "$base/context", "aud": ["shop", "other"], "iat": "$now", "auth_time": "$now-5.5", "exp": "$text+60",
                "nonce": "$nonce", "at_hash": "$at_hash", "n": null,
            }},
        }));
        let part = profile.part(
            "id_token",
            "http://idp",
            1000,
            "mine",
            &[("nonce", Some("x")), ("at_hash", None)],
        );
        let expected = json!({"claims": {
            "iss": "http://idp/context", "aud": ["mine", "other"], "iat": 1000, "auth_time": 994.5, "exp": "1060", "nonce": "x",
            "n": null,
        }});
        assert_eq!(part.map(Value::Object), Some(expected));
        assert_eq!(profile.part("access_token", "http://idp", 0, "mine", &[]), None);
    }

    #[test]
    fn its_urls_lead_to_the_tenants_endpoints() {
        let profile = profile(json!({
            "issuer": "$base/context/",
            "metadata": {
                "issuer": "$base/context/",
                "token_endpoint": "$base/context/token?policy=x",
                "userinfo_endpoint": "https://graph.example/userinfo",
            },
            "trust": {"introspection_url": "$base/o/introspect/"},
        }));
        let base = "http://127.0.0.1:3001/t/demo";
        assert_eq!(
            profile.issuer(base).as_deref(),
            Some("http://127.0.0.1:3001/t/demo/context/")
        );
        for (url, path) in [
            ("/context/token", Some("/oauth2/token")),
            ("/context/.well-known/openid-configuration", Some(WELL_KNOWN)),
            ("/o/introspect/", Some("/oauth2/introspect")),
            ("/oauth2/userinfo", Some("/oauth2/userinfo")),
            ("/oauth2/token", None),
        ] {
            assert_eq!(profile.path_of(&format!("{base}{url}"), base), path, "{url}");
        }
        let metadata = profile.metadata(base).unwrap();
        assert_eq!(metadata["userinfo_endpoint"], format!("{base}/oauth2/userinfo"));
        assert_eq!(metadata.get("jwks_uri"), None);
    }
}
