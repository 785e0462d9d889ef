//! The claims of a backend JWT.

use std::collections::BTreeMap;

use pixygate::jwt::Principal;
use serde_json::{Map, Value, json};

use super::BackendTokenSettings;
use super::key::random_id;

/// The claims of the caller's token that a backend JWT contains, and their names in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimNames(pub BTreeMap<String, String>);

/// Claims that the gateway sets itself.
pub(super) const OWN: [&str; 11] = [
    "iss",
    "aud",
    "sub",
    "exp",
    "nbf",
    "iat",
    "jti",
    "idp",
    "scope",
    "client_id",
    "cnf",
];

impl ClaimNames {
    /// Returns the first name that is also a claim of the gateway.
    pub fn conflict(&self) -> Option<&str> {
        self.0.values().map(String::as_str).find(|name| OWN.contains(name))
    }
}

/// A subject is unique only within its issuer, so `idp` contains the issuer of the caller's token.
pub(super) fn write(
    settings: &BackendTokenSettings,
    principal: &Principal,
    audience: &str,
    now: u64,
) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    for (claim, name) in &settings.claims.0 {
        if let Some(value) = principal.claim(claim).filter(|value| !value.is_null()) {
            add(name, value.clone());
        }
    }
    add("iss", settings.issuer.as_str().into());
    add("aud", audience.into());
    add("sub", principal.subject().into());
    add("idp", principal.issuer().into());
    add("iat", now.into());
    add("exp", (now + settings.lifetime.as_secs()).into());
    add("jti", random_id().into());
    add("scope", principal.scopes().join(" ").into());
    if let Some(client_id) = principal.client_id() {
        add("client_id", client_id.into());
    }
    for (name, value) in [
        ("name", principal.name()),
        ("org_id", principal.org_id()),
        ("acr", principal.acr()),
    ] {
        if let Some(value) = value {
            claims.entry(name).or_insert_with(|| value.into());
        }
    }
    if !principal.roles().is_empty() {
        claims.entry("roles").or_insert_with(|| json!(principal.roles()));
    }
    if let Some(time) = principal.auth_time() {
        claims.entry("auth_time").or_insert_with(|| time.into());
    }
    claims
}
