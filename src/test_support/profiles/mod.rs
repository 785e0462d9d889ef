//! The data that identity providers send: tokens, responses, metadata, keys and errors of 27 providers, with sources.
//!
//! Each file is one provider in one version. Its members:
//!
//! | member | content |
//! |---|---|
//! | `name`, `sources` | the provider, and where its shapes are documented: a page or a source file, with its date |
//! | `issuer`, `client_id` | the `iss` of ID tokens, and the public client |
//! | `provider`, `trust` | what `pixygate.toml` needs in these sections beside `issuer` and `client_id` |
//! | `metadata`, `metadata_url` | the discovery document, and where it is when not under the issuer |
//! | `algorithm`, `keys` | the signature algorithm (RS256 when absent), and what the published keys have beside the key itself |
//! | `access_token` | `header` and `claims`, or `opaque`; then `introspection` is the answer about it, where there is one |
//! | `id_token`, `refreshed_id_token` | after the code, and after a refresh where it differs |
//! | `token_answer`, `refresh_answer` | the token endpoint's answers |
//! | `refresh_error` | `status` and `body` for a refresh token that ended; `cors: false` when browsers cannot read it |
//! | `logout` | `parameters` of the end-session endpoint, and the logout `token` where the provider sends one |
//! | `gate` | what the gate says of each token as access token: `accepted` or the reason |
//!
//! Texts that begin with `$` are filled in by [`Profile::part`]: `$now`, `$now-5`, `$now-5.5` are dates, `$text+3599` is a date
//! as text, `$base` is the provider's address, also inside a text, and other names are [`Values::with`]. A member whose name is
//! not given is left out: without `nonce` an ID token has none.
//!
//! ```
//! use pixygate::test_support::profiles::{Values, profiles};
//!
//! let values = Values::new("https://idp.example", 1_800_000_000.0).with("nonce", "n-1").with("at_hash", "h");
//! for profile in profiles() {
//!     let id_token = profile.part("id_token", &values).unwrap_or_default();
//!     assert_eq!(id_token["claims"]["nonce"], "n-1", "{}", profile.name());
//! }
//! ```

use serde_json::{Map, Number, Value};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!($name, ".json")))),*]
    };
}

const FILES: [(&str, &str); 27] = files![
    "adfs",
    "asgardeo",
    "auth0",
    "authelia",
    "authentik",
    "better-auth",
    "canaille",
    "cognito",
    "dex",
    "django-oauth-toolkit",
    "entra-b2c",
    "entra-v1",
    "entra-v2",
    "fusionauth",
    "gitlab",
    "google",
    "hydra",
    "keycloak-20",
    "keycloak-24",
    "keycloak-26",
    "lemonldap",
    "oidc-provider",
    "okta-custom",
    "okta-org",
    "ping",
    "wso2-is",
    "zitadel",
];

/// One provider in one version.
#[derive(Clone, Debug)]
pub struct Profile {
    name: &'static str,
    parts: Map<String, Value>,
}

/// Returns every profile, in the order of their names.
///
/// # Panics
/// When a file is not a JSON object.
pub fn profiles() -> Vec<Profile> {
    FILES
        .iter()
        .map(|(name, text)| Profile {
            name,
            parts: serde_json::from_str(text).expect("a profile is a JSON object"),
        })
        .collect()
}

/// The values of the placeholders, which begin with `$`.
#[derive(Clone, Debug)]
pub struct Values {
    base: String,
    now: f64,
    named: Map<String, Value>,
}

impl Values {
    /// `base` is the address of the provider without a slash at its end, `now` is in seconds since 1970.
    pub fn new(base: impl Into<String>, now: f64) -> Self {
        Self {
            base: base.into(),
            now,
            named: Map::new(),
        }
    }

    /// Sets a value by its name, without the `$`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.named.insert(name.into(), value.into());
        self
    }
}

impl Profile {
    /// Returns the name of its file.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns a member, filled in; `None` when the provider has none.
    pub fn part(&self, name: &str, values: &Values) -> Option<Value> {
        fill(self.parts.get(name)?, values)
    }

    /// Returns a member that is text, filled in; empty when the provider has none.
    pub fn text(&self, name: &str, values: &Values) -> String {
        match self.part(name, values) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }
    }
}

fn fill(value: &Value, values: &Values) -> Option<Value> {
    Some(match value {
        Value::String(text) => return fill_text(text, values),
        Value::Array(elements) => elements.iter().filter_map(|element| fill(element, values)).collect(),
        Value::Object(members) => members
            .iter()
            .filter_map(|(name, member)| Some((name.clone(), fill(member, values)?)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    })
}

fn fill_text(text: &str, values: &Values) -> Option<Value> {
    let Some(name) = text.strip_prefix('$') else {
        return Some(text.into());
    };
    if name.starts_with("base") {
        return Some(text.replacen("$base", &values.base, 1).into());
    }
    if let Some(shift) = name.strip_prefix("now") {
        return Some(Value::Number(date(values.now, shift)));
    }
    match name.strip_prefix("text") {
        Some(shift) => Some(date(values.now, shift).to_string().into()),
        None => values.named.get(name).cloned(),
    }
}

/// `shift` is nothing, or a number of seconds with its sign.
fn date(now: f64, shift: &str) -> Number {
    let date = now + shift.parse::<f64>().unwrap_or_default();
    match date.fract() == 0.0 {
        true => Number::from(date as i64),
        false => Number::from_f64(date).unwrap_or_else(|| Number::from(0)),
    }
}
