//! The forms of the control page. They do the same as the API.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value};

use super::switches::reset;
use crate::backchannel;
use crate::clock::Shift;
use crate::jose::Algorithm;
use crate::pages;
use crate::params::Params;
use crate::provider::Provider;
use crate::switches::Switches;
use crate::tenant_context::TenantContext;

/// A switch on the page.
pub(crate) struct Field {
    /// The JSON path of the switch.
    pub(crate) path: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Switch,
    Number,
    Text,
    /// Words, separated by spaces.
    List,
    /// One of these values; the empty one is off.
    Choice(&'static [&'static str]),
}

const fn field(path: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { path, label, kind }
}

/// All switches, in the order of the page.
pub(crate) const FIELDS: &[Field] = &[
    field("down", "Down: every endpoint answers 503", Kind::Switch),
    field("down_endpoints", "Down, only these endpoints", Kind::List),
    field("delay_ms", "Answers take, in milliseconds", Kind::Number),
    field("delay_endpoints", "Slow, only these endpoints", Kind::List),
    field("token_error", "The token endpoint answers with error", Kind::Text),
    field("lifetimes.code", "Codes live, in seconds", Kind::Number),
    field("lifetimes.access_token", "Access tokens live, in seconds", Kind::Number),
    field("lifetimes.id_token", "ID tokens live, in seconds", Kind::Number),
    field(
        "lifetimes.refresh_token",
        "Refresh tokens live, in seconds",
        Kind::Number,
    ),
    field("lifetimes.session", "New sessions live, in seconds", Kind::Number),
    field("opaque_access_tokens", "Opaque access tokens", Kind::Switch),
    field("omit_refresh_token", "No refresh token", Kind::Switch),
    field("keep_refresh_token", "Do not rotate the refresh token", Kind::Switch),
    field("require_dpop_nonce", "DPoP proofs need a nonce", Kind::Switch),
    field(
        "jwks",
        "The JWKS is",
        Kind::Choice(&["good", "empty", "spoiled", "not_json"]),
    ),
    field(
        "signing_algorithm",
        "Tokens are signed with",
        Kind::Choice(&["", "RS256", "PS256", "ES256", "EdDSA"]),
    ),
    field("access_token.iss", "iss of access tokens", Kind::Text),
    field("access_token.aud", "aud of access tokens", Kind::Text),
    field("access_token.typ", "typ of access tokens", Kind::Text),
    field("access_token.nonce", "nonce of access tokens", Kind::Text),
    field("id_token.iss", "iss of ID tokens", Kind::Text),
    field("id_token.aud", "aud of ID tokens", Kind::Text),
    field("id_token.typ", "typ of ID tokens", Kind::Text),
    field("id_token.nonce", "nonce of ID tokens", Kind::Text),
    field("callback_iss", "iss of authorization responses", Kind::Text),
    field("callback_state", "state of authorization responses", Kind::Text),
];

impl Field {
    /// Returns the value of the switch.
    pub(crate) fn read(&self, switches: &Value) -> Value {
        self.path
            .split('.')
            .try_fold(switches, |value, name| value.get(name))
            .cloned()
            .unwrap_or_default()
    }

    fn typed(&self, form: &Params) -> Option<Value> {
        let typed = form.get(self.path)?;
        Some(match self.kind {
            Kind::Switch => Value::from(true),
            // Text that is not a number is rejected later, when the switches are parsed.
            Kind::Number => typed.parse::<u64>().map_or_else(|_| Value::from(typed), Value::from),
            Kind::Text | Kind::Choice(_) => Value::from(typed),
            Kind::List => typed.split_whitespace().collect(),
        })
    }
}

/// Handles every form of the page. The layer `own_pages_only` rejects forms of other sites.
pub(super) async fn post(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Params::of_form(&headers, &body).unwrap_or_default();
    let value = form.get("value").unwrap_or_default();
    let context = form.get("tenant").and_then(|name| TenantContext::of(&provider, name));
    let problem = match (form.get("do"), context) {
        (Some("switches"), _) => turn(&provider, &form).err(),
        (Some("reset"), _) => {
            reset(&provider);
            None
        }
        (Some("end_session"), Some(context)) => {
            backchannel::end_session(&context, value, "the session was ended on the control page");
            None
        }
        (Some("revoke_family"), Some(context)) => {
            context.write(|store| store.end_family(value, "it was revoked on the control page"));
            None
        }
        (Some("drop_key"), Some(context)) => {
            let was_there = context.write(|store| store.keys.remove(value));
            (!was_there).then(|| "That key is gone already.".to_owned())
        }
        (Some("rotate_key"), Some(context)) => rotate(context, value).await.err(),
        _ => Some("The form has no action that this page offers.".to_owned()),
    };
    match problem {
        None => pages::see_other("/"),
        Some(problem) => pages::control::show(&provider, Some(&problem)),
    }
}

async fn rotate(context: TenantContext, algorithm: &str) -> Result<(), String> {
    let algorithm = Algorithm::from_name(algorithm).ok_or("There is no such algorithm.")?;
    super::keys::rotate_key(context, algorithm)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

fn turn(provider: &Provider, form: &Params) -> Result<(), String> {
    let mut switches = Value::Object(Map::new());
    for field in FIELDS {
        if let Some(value) = field.typed(form) {
            let nested = field.path.rsplit('.').fold(value, |inner, name| {
                Value::Object(Map::from_iter([(name.to_owned(), inner)]))
            });
            super::merge(&mut switches, &nested);
        }
    }
    let switches: Switches = serde_json::from_value(switches).map_err(|error| format!("Not turned: {error}."))?;
    let shift: i64 = form
        .get("clock_shift")
        .unwrap_or("0")
        .parse()
        .map_err(|_| "The clock needs a number of seconds.")?;
    let shift = Shift::try_from(shift).map_err(|error| format!("Not turned: {error}."))?;
    provider.set_switches(switches);
    provider.clock().set_shift(shift);
    Ok(())
}
