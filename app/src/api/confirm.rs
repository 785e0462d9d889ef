//! An example of a server function that requires a recent sign-in.

use leptos::prelude::*;
use leptos::server_fn::codec::{Json, PostUrl};
use pixygate::leptos::{CallError, GateClient};

/// The longest statement, in characters.
pub const MAX_STATEMENT_CHARS: usize = 200;

/// `POST /api/confirm`: takes a statement from a user who has just signed in, and returns the time of that
/// sign-in, in seconds since the Unix epoch.
#[server(name = Confirm, prefix = "/api", endpoint = "confirm", input = PostUrl, output = Json, client = GateClient)]
pub async fn confirm(
    /// The statement, at most [`MAX_STATEMENT_CHARS`] characters.
    statement: String,
) -> Result<u64, CallError> {
    use pixygate::Reason;
    use pixygate::jwt::Rejection;
    use pixygate::leptos::{principal, refuse};

    let principal = principal().await?;
    if statement.trim().is_empty() || statement.chars().count() > MAX_STATEMENT_CHARS {
        return Err(refuse(Rejection::new(Reason::InvalidRequest)));
    }
    Ok(principal.auth_time().unwrap_or_default())
}
