//! Who may call what.

use std::time::Duration;

use pixygate::gate::{PatternError, Policies, Policy};

/// How long ago a person may have signed in to confirm something.
const RECENT: Duration = Duration::from_secs(300);

/// The policies of all server functions.
///
/// # Errors
/// When a pattern cannot be read.
pub fn policies() -> Result<Policies, PatternError> {
    Policies::new()
        .route("GET", "/api/whoami", Policy::signed_in())?
        .route("GET", "/api/profile", Policy::signed_in().scope("profile"))?
        .route("POST", "/api/confirm", Policy::signed_in().max_age(RECENT))
}
