//! What the gate has said so far, for Prometheus, at an address of its own: it needs no credential, and the gate is not asked.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use pixygate::gate::{Gate, observe::Metrics};
use tokio::net::TcpListener;

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub fn router(gate: Gate, metrics: Arc<Metrics>) -> Router {
    let metrics = move || async move { ([(CONTENT_TYPE, TEXT_FORMAT)], text(&gate, &metrics)) };
    Router::new().route("/metrics", get(metrics))
}

/// Serves them. An address that is taken is a reason to say so, and none to serve nobody.
pub async fn serve(address: SocketAddr, gate: Gate, metrics: Arc<Metrics>) {
    let served = async { axum::serve(TcpListener::bind(address).await?, router(gate, metrics)).await };
    if let Err(error) = served.await {
        tracing::warn!(%address, %error, "metrics cannot be read: write another address under [telemetry] metrics_listen");
    }
}

fn text(gate: &Gate, metrics: &Metrics) -> String {
    let validator = gate.validator();
    let mut fetches = String::new();
    for (issuer, counts) in validator.key_fetches() {
        for (result, count) in [("loaded", counts.loaded), ("failed", counts.failed)] {
            fetches += &format!("pixygate_gate_key_fetches_total{{issuer={issuer:?},result=\"{result}\"}} {count}\n");
        }
    }
    format!(
        "{metrics}\
         # HELP pixygate_gate_key_fetches_total How often the keys of an issuer were asked for.\n\
         # TYPE pixygate_gate_key_fetches_total counter\n\
         {fetches}\
         # HELP pixygate_gate_verdicts_kept Verdicts that need no second signature check.\n\
         # TYPE pixygate_gate_verdicts_kept gauge\n\
         pixygate_gate_verdicts_kept {}\n\
         # HELP pixygate_gate_keys_ready Whether every trusted issuer has keys that may serve.\n\
         # TYPE pixygate_gate_keys_ready gauge\n\
         pixygate_gate_keys_ready {}\n",
        validator.verdicts_kept(),
        u8::from(validator.is_ready()),
    )
}
