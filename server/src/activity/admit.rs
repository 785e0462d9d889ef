//! `activity.when_full = "refuse"`: no call without a record.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use pixygate::Reason;
use pixygate::gate::RequestId;
use pixygate::jwt::Rejection;

use super::Activity;

/// What the gate records.
const RECORDED: [&str; 2] = ["/api", "/gw"];

const RETRY: Duration = Duration::from_secs(1);

/// Answers a call with 503 when its record would find no room.
pub(crate) async fn admit(State(activity): State<Activity>, request: Request, next: Next) -> Response {
    let recorded = RECORDED.iter().any(|prefix| request.uri().path().starts_with(prefix));
    if !recorded || !activity.refuses() {
        return next.run(request).await;
    }
    let id = request.extensions().get().cloned().unwrap_or_else(RequestId::generate);
    let refusal = Rejection::new(Reason::KeysUnavailable).refusal(&id);
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(refusal)).into_response();
    response.headers_mut().insert(RETRY_AFTER, RETRY.as_secs().into());
    response
}
