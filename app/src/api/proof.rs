//! What the gate proved, for server functions.

use leptos::prelude::expect_context;
use leptos_axum::ResponseOptions;
use pixygate::jwt::{Principal, Rejection};
use pixygate::leptos::CallError;
use pixygate::{Reason, Refusal};

/// The principal, when it has the scope. A function that was reached without the gate has none, and refuses.
pub(super) async fn principal_with(scope: Option<&str>) -> Result<Principal, CallError> {
    let principal = leptos_axum::extract::<Principal>()
        .await
        .map_err(|_| refuse(&Rejection::new(Reason::MissingToken)))?;
    if let Some(scope) = scope {
        principal.require_scope(scope).map_err(|rejection| refuse(&rejection))?;
    }
    Ok(principal)
}

/// In this version of Leptos every error is a 500 unless the response says otherwise.
pub(super) fn refuse(rejection: &Rejection) -> CallError {
    let reason = rejection.reason();
    let status = http::StatusCode::from_u16(reason.status()).unwrap_or(http::StatusCode::FORBIDDEN);
    expect_context::<ResponseOptions>().set_status(status);
    CallError::Refused(Refusal {
        error: reason.error().to_owned(),
        reason,
        request_id: String::new(),
        detail: None,
    })
}
