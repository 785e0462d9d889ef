//! What the gate has said so far, for Prometheus, at an address of its own: it needs no credential, and the gate is not asked.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use pixygate::gate::observe::Metrics;
use tokio::net::TcpListener;

use crate::shared::Shared;
use crate::state::AppState;

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub fn router(state: AppState, metrics: Arc<Metrics>) -> Router {
    let metrics = move || async move { ([(CONTENT_TYPE, TEXT_FORMAT)], text(&state, &metrics)) };
    Router::new().route("/metrics", get(metrics))
}

/// Serves them. An address that is taken is a reason to say so, and none to serve nobody.
pub async fn serve(address: SocketAddr, state: AppState, metrics: Arc<Metrics>) {
    let served = async { axum::serve(TcpListener::bind(address).await?, router(state, metrics)).await };
    if let Err(error) = served.await {
        tracing::warn!(%address, %error, "metrics cannot be read: write another address under [telemetry] metrics_listen");
    }
}

fn text(state: &AppState, metrics: &Metrics) -> String {
    let validator = state.gate.validator();
    let mut fetches = String::new();
    for (issuer, counts) in validator.key_fetches() {
        for (result, count) in [("loaded", counts.loaded), ("failed", counts.failed)] {
            fetches += &format!("pixygate_gate_key_fetches_total{{issuer={issuer:?},result=\"{result}\"}} {count}\n");
        }
    }
    let shared = shared(&state.shared);
    format!(
        "{metrics}{shared}\
         # HELP pixygate_gate_key_fetches_total How often the keys of an issuer were asked for.\n\
         # TYPE pixygate_gate_key_fetches_total counter\n\
         {fetches}\
         # HELP pixygate_gate_cached_tokens Verdicts that need no second signature check.\n\
         # TYPE pixygate_gate_cached_tokens gauge\n\
         pixygate_gate_cached_tokens {}\n\
         # HELP pixygate_gate_keys_ready Whether every trusted issuer has keys that may serve.\n\
         # TYPE pixygate_gate_keys_ready gauge\n\
         pixygate_gate_keys_ready {}\n",
        validator.cached_tokens(),
        u8::from(validator.is_ready()),
    )
}

/// What the store and the nodes around it are doing.
fn shared(shared: &Shared) -> String {
    let Shared {
        revocations,
        presence,
        activity,
        ..
    } = shared;
    let counters = [
        (
            "activity_written",
            "Records of the activity that were written.",
            activity.written(),
        ),
        (
            "activity_dropped",
            "Records that were lost: the queue was full, or the store did not take them.",
            activity.dropped(),
        ),
        (
            "activity_left_out",
            "Denials without an accepted token that were counted and not recorded.",
            activity.left_out(),
        ),
    ];
    let gauges = [
        (
            "activity_waiting",
            "Records that wait to be written.",
            activity.waiting() as f64,
        ),
        (
            "revocations",
            "Ended sessions, subjects and tokens that are remembered one by one.",
            revocations.entries() as f64,
        ),
        (
            "revocation_age_seconds",
            "The time since the store was last read.",
            revocations.age().as_secs_f64(),
        ),
        (
            "nodes_live",
            "Nodes that share the store, this one included.",
            f64::from(presence.live()),
        ),
        (
            "clock_offset_seconds",
            "The store's clock minus this machine's.",
            presence.offset() as f64 / 1e6,
        ),
    ];
    let mut text = String::new();
    for (name, help, value) in counters {
        text += &format!(
            "# HELP pixygate_{name}_total {help}\n# TYPE pixygate_{name}_total counter\npixygate_{name}_total {value}\n"
        );
    }
    for (name, help, value) in gauges {
        text += &format!("# HELP pixygate_{name} {help}\n# TYPE pixygate_{name} gauge\npixygate_{name} {value}\n");
    }
    text
}
