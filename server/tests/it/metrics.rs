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
    for number in 0..20 {
        house.get(&format!("/api/secret-{number}")).await;
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
        "pixygate_requests_total{route=\"GET /api/whoami\",status=\"200\",reason=\"accepted\"} 2\n",
        "pixygate_requests_total{route=\"GET /api/whoami\",status=\"401\",reason=\"malformed_token\"} 1\n",
        "pixygate_requests_total{route=\"none\",status=\"404\",reason=\"route_not_found\"} 20\n",
        "pixygate_request_seconds_count{route=\"GET /api/whoami\"} 3\n",
        "pixygate_gate_decision_seconds_count 23\n",
        "pixygate_gate_decision_seconds_bucket{le=\"+Inf\"} 23\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("secret-"), "no path of a caller is a label: {text}");
    let issuer = &house.started.announcement.provider;
    let ready = format!("pixygate_gate_issuer_keys_ready{{issuer=\"{issuer}\"}} 1\n");
    assert!(text.contains(&ready), "{ready} in {text}");
    // A caller of the server cannot read them.
    assert_eq!(house.get("/metrics").await.status(), StatusCode::NOT_FOUND);
}
