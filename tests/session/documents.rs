//! An ID token and a token response with every common member, and the member that a rejection names. The tests in a browser use
//! them too.

use pixygate::authorization::id_token::IdTokenError;
use pixygate::session::SessionError;
use serde_json::{Value, json};

/// Returns the claims of an ID token. `$nonce` and `$at_hash` stand for those of the sign-in; `now` is in seconds since 1970.
pub(crate) fn id_token(issuer: &str, client: &str, now: u64) -> Value {
    json!({
        "iss": issuer, "sub": "alice", "aud": client, "exp": now + 300, "nbf": now, "iat": now, "azp": client, "nonce": "$nonce",
        "at_hash": "$at_hash", "c_hash": "x", "auth_time": now - 5, "acr": "1", "amr": ["pwd"], "sid": "s", "jti": "1", "typ": "ID",
        "name": "Alice", "preferred_username": "alice", "email": "alice@example.com", "email_verified": true, "updated_at": now,
    })
}

/// Returns a token response. `$own` stands for the tokens that the provider issues.
pub(crate) fn token_response() -> Value {
    json!({
        "access_token": "$own", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "$own", "scope": "openid",
        "id_token": "$own", "refresh_expires_in": 1800, "session_state": "s",
    })
}

/// Returns the member that an error names.
pub(crate) fn named(outcome: Result<(), SessionError>) -> String {
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(SessionError::IdToken(IdTokenError::Missing)) => "id_token".to_owned(),
        Err(SessionError::IdToken(IdTokenError::TokenType(_))) => "token_type".to_owned(),
        Err(error) => {
            let text = error.to_string();
            text.split('`').nth(1).unwrap_or(&text).to_owned()
        }
    }
}
