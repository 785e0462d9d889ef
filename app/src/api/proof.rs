//! What the gate proved, for server functions.

use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use pixygate::gate::Passed;
use pixygate::jwt::{Principal, Rejection};
use pixygate::leptos::CallError;
use pixygate::{Reason, Refusal};

/// The principal, when it has the scope. A function that was reached without the gate has none, and refuses.
pub(super) async fn principal_with(scope: Option<&str>) -> Result<Principal, CallError> {
    let principal = leptos_axum::extract::<Principal>()
        .await
        .map_err(|_| refuse(Rejection::new(Reason::MissingToken)))?;
    if let Some(scope) = scope {
        principal.require_scope(scope).map_err(refuse)?;
    }
    Ok(principal)
}

/// The gate in front answers the rejection like one of its own, with challenge and request id, and logs and counts it.
/// Without one the answer is made here; in this version of Leptos every error is a 500 unless the response says otherwise.
pub(super) fn refuse(rejection: Rejection) -> CallError {
    let reason = rejection.reason();
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::FORBIDDEN);
    match use_context::<Parts>().and_then(|parts| parts.extensions.get::<Passed>().cloned()) {
        Some(passed) => passed.refuse(rejection),
        None => {
            let response = expect_context::<ResponseOptions>();
            response.set_status(status);
            if status == StatusCode::UNAUTHORIZED {
                response.insert_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pixygate\""));
            }
        }
    }
    CallError::Refused(Refusal {
        error: reason.error().to_owned(),
        reason,
        request_id: String::new(),
        detail: None,
    })
}
