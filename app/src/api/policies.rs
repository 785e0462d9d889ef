//! Who may call what.

use pixygate::gate::{PatternError, Policies, Policy};

/// The policies of all server functions.
///
/// # Errors
/// When a pattern cannot be read.
pub fn policies() -> Result<Policies, PatternError> {
    Policies::new().route("GET", "/api/whoami", Policy::signed_in())?.route(
        "GET",
        "/api/profile",
        Policy::signed_in().scope("profile"),
    )
}
