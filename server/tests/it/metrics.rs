//! What Prometheus reads.

use axum::body::Body;
use http::StatusCode;
use tower::ServiceExt as _;

use crate::house::{self, House, header, request};

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_counted_by_their_reason_and_read_apart_from_the_gate() {
    let house = House::start().await;
    let token = house.access_token().await;
    for credentials in [
        format!("Bearer {token}"),
        format!("Bearer {token}"),
        "Bearer abc".into(),
    ] {
        house.call("/api/whoami", &credentials).await;
    }
    let metrics = server::metrics::router(server::metrics::Sources::of(&house.started));
    let ask = request("/metrics").body(Body::empty()).unwrap();
    let response = metrics.oneshot(ask).await.unwrap();
    assert!(header(response.headers(), "content-type").starts_with("text/plain"));
    let text = house::text(response).await;
    for line in [
        "pixygate_gate_verdicts_total{reason=\"accepted\"} 2\n",
        "pixygate_gate_verdicts_total{reason=\"malformed_token\"} 1\n",
        "pixygate_gate_verdicts_total{reason=\"expired\"} 0\n",
        "pixygate_gate_cached_tokens 1\n",
        "pixygate_gate_keys_ready 1\n",
        "result=\"loaded\"} 1\n",
        "result=\"failed\"} 0\n",
        "pixygate_gate_logouts_total{reason=\"accepted\"} 0\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // Whoever reaches the server does not reach them.
    assert_eq!(house.get("/metrics").await.status(), StatusCode::NOT_FOUND);
}
