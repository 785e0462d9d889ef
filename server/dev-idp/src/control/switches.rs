//! The switches, the clock, and the reset.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{done, unusable};
use crate::clock::Shift;
use crate::provider::Provider;
use crate::store::TenantStore;
use crate::switches::Switches;

pub(super) async fn get(State(provider): State<Provider>) -> Json<Switches> {
    Json(provider.switches())
}

/// Replaces all switches; a switch that is not named is off.
pub(super) async fn put(State(provider): State<Provider>, Json(switches): Json<Switches>) -> Json<Switches> {
    provider.set_switches(switches.clone());
    Json(switches)
}

/// Changes some switches (RFC 7396): the others stay as they are, and null turns one off.
pub(super) async fn patch(State(provider): State<Provider>, Json(change): Json<Value>) -> Response {
    match provider.patch_switches(&change) {
        Ok(switches) => Json(switches).into_response(),
        Err(error) => unusable(&error),
    }
}

/// A change of the clock.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum ClockChange {
    /// Sets the clock to this many seconds ahead of the computer's clock.
    Shift(i64),
    /// Advances the clock by this many seconds.
    Advance(i64),
}

pub(super) async fn get_clock(State(provider): State<Provider>) -> Json<Value> {
    Json(json!({"now": provider.clock().now(), "shift": provider.clock().shift()}))
}

pub(super) async fn post_clock(State(provider): State<Provider>, Json(change): Json<ClockChange>) -> Response {
    let clock = provider.clock();
    let shift = Shift::try_from(match change {
        ClockChange::Shift(seconds) => seconds,
        ClockChange::Advance(seconds) => clock.shift().saturating_add(seconds),
    });
    match shift {
        Ok(shift) => clock.set_shift(shift),
        Err(error) => return unusable(&error),
    }
    get_clock(State(provider)).await.into_response()
}

pub(super) async fn post_reset(State(provider): State<Provider>) -> Response {
    reset(&provider);
    done()
}

/// Resets everything but the keys: switches off, no clock shift, configuration as at start, no sessions, no valid tokens.
pub(super) fn reset(provider: &Provider) {
    provider.set_switches(Switches::default());
    provider.clock().set_shift(Shift::default());
    let registered = provider.registered().clone();
    provider.configure(|config| *config = registered.clone());
    for tenant in &registered.tenants {
        provider.write(&tenant.name, |store| *store = TenantStore::new(store.keys.clone()));
    }
    provider.journal().clear();
}

/// Merges a JSON merge patch (RFC 7396).
pub(crate) fn merge(target: &mut Value, change: &Value) {
    let Value::Object(changes) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Value::Object(members) = target {
        for (name, change) in changes {
            if change.is_null() {
                members.remove(name);
            } else {
                merge(members.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
    }
}
