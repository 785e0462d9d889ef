//! What the gate has said so far, for Prometheus, at an address of its own: it needs no credential, and the gate is not asked.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use pixygate::gate::observe::Metrics;
use tokio::net::TcpListener;

use crate::reload::Reload;
use crate::route_metrics::RouteMetrics;
use crate::shared::Shared;
use crate::start::Started;
use crate::state::AppState;
use crate::upstream::{Lines, Streams};

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is read. Clones share it.
#[derive(Clone)]
pub struct Sources {
    state: AppState,
    metrics: Arc<Metrics>,
    routes: Arc<RouteMetrics>,
    reload: Arc<Reload>,
    streams: Streams,
}

impl Sources {
    /// Everything that a started server counts.
    pub fn of(started: &Started) -> Self {
        Self {
            state: started.state.clone(),
            metrics: started.metrics.clone(),
            routes: started.routes.clone(),
            reload: started.reload.clone(),
            streams: started.streams.clone(),
        }
    }
}

/// `GET /metrics`
pub fn router(sources: Sources) -> Router {
    let metrics = move || async move { ([(CONTENT_TYPE, TEXT_FORMAT)], text(&sources)) };
    Router::new().route("/metrics", get(metrics))
}

/// Serves them. An address that is taken is a reason to say so, and none to serve nobody.
pub async fn serve(address: SocketAddr, sources: Sources) {
    let served = async { axum::serve(TcpListener::bind(address).await?, router(sources)).await };
    if let Err(error) = served.await {
        tracing::warn!(%address, %error, "metrics cannot be read: write another address under [telemetry] metrics_listen");
    }
}

fn text(sources: &Sources) -> String {
    let validator = sources.state.gate.validator();
    let mut fetches = String::new();
    for (issuer, counts) in validator.key_fetches() {
        for (result, count) in [("loaded", counts.loaded), ("failed", counts.failed)] {
            fetches += &format!("pixygate_gate_key_fetches_total{{issuer={issuer:?},result=\"{result}\"}} {count}\n");
        }
    }
    let mut issuers = String::new();
    for (issuer, ready) in validator.readiness() {
        issuers += &format!(
            "pixygate_gate_issuer_keys_ready{{issuer={issuer:?}}} {}\n",
            u8::from(ready)
        );
    }
    let shared = shared(&sources.state.shared);
    let (metrics, routes) = (&sources.metrics, &sources.routes);
    let (applied, failed) = sources.reload.counts();
    let mut spans = String::new();
    if let Some(traces) = &sources.state.traces {
        spans += "# HELP pixygate_spans_total Spans, by what became of them.\n# TYPE pixygate_spans_total counter\n";
        for (result, count) in [("sent", traces.sent()), ("dropped", traces.dropped())] {
            spans += &format!("pixygate_spans_total{{result=\"{result}\"}} {count}\n");
        }
    }
    let mut upstreams = Lines::default();
    let (mut in_flight, mut targets, mut available) = (String::new(), String::new(), String::new());
    for routed in sources.state.upstreams.all().iter() {
        let upstream = &routed.upstream;
        let name = &upstream.settings().name;
        upstream.counts().write(name, &mut upstreams);
        in_flight += &format!(
            "pixygate_upstream_in_flight{{upstream=\"{name}\"}} {}\n",
            upstream.in_flight()
        );
        let count = upstream.settings().targets.len();
        targets += &format!("pixygate_upstream_targets{{upstream=\"{name}\"}} {count}\n");
        let count = upstream.available_targets();
        available += &format!("pixygate_upstream_targets_available{{upstream=\"{name}\"}} {count}\n");
    }
    format!(
        "{metrics}{routes}{spans}{shared}\
         # HELP pixygate_gate_key_fetches_total How often the keys of an issuer were asked for.\n\
         # TYPE pixygate_gate_key_fetches_total counter\n\
         {fetches}\
         # HELP pixygate_gate_cached_tokens Verdicts that need no second signature check.\n\
         # TYPE pixygate_gate_cached_tokens gauge\n\
         pixygate_gate_cached_tokens {}\n\
         # HELP pixygate_gate_keys_ready Whether every trusted issuer has keys that may serve.\n\
         # TYPE pixygate_gate_keys_ready gauge\n\
         pixygate_gate_keys_ready {}\n\
         # HELP pixygate_gate_issuer_keys_ready Whether an issuer has keys that may serve.\n\
         # TYPE pixygate_gate_issuer_keys_ready gauge\n\
         {issuers}\
         {upstreams}\
         # HELP pixygate_upstream_in_flight Calls and streams that an upstream is working on.\n\
         # TYPE pixygate_upstream_in_flight gauge\n\
         {in_flight}\
         # HELP pixygate_upstream_targets Targets that an upstream has.\n\
         # TYPE pixygate_upstream_targets gauge\n\
         {targets}\
         # HELP pixygate_upstream_targets_available Targets that get calls: neither failing nor unhealthy.\n\
         # TYPE pixygate_upstream_targets_available gauge\n\
         {available}\
         # HELP pixygate_streams_open Streams that end with the right to them.\n\
         # TYPE pixygate_streams_open gauge\n\
         pixygate_streams_open {}\n\
         # HELP pixygate_config_reloads_total How often the configuration was loaded again.\n\
         # TYPE pixygate_config_reloads_total counter\n\
         pixygate_config_reloads_total{{result=\"applied\"}} {applied}\n\
         pixygate_config_reloads_total{{result=\"failed\"}} {failed}\n\
         # HELP pixygate_config_current Whether the newest configuration is the one in use.\n\
         # TYPE pixygate_config_current gauge\n\
         pixygate_config_current {}\n",
        validator.cached_tokens(),
        u8::from(validator.is_ready()),
        sources.streams.len(),
        u8::from(sources.reload.is_current()),
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
