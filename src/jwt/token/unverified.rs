use serde_json::{Map, Value};

use super::{Rejection, compact};

/// The header and claims of a token that was not verified. For diagnosis, never for a decision.
///
/// ```
/// use pixygate::jwt::UnverifiedClaims;
///
/// let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIn0.c2ln";
/// let said = UnverifiedClaims::decode(token)?;
/// assert_eq!(said.claims["iss"], "https://idp.example");
/// # Ok::<(), pixygate::jwt::Rejection>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnverifiedClaims {
    /// The protected header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

impl UnverifiedClaims {
    /// Decodes header and payload as strictly as the gate does, and checks nothing else.
    ///
    /// # Errors
    /// [`MalformedToken`](crate::Reason::MalformedToken) when the token is not a JWT.
    pub fn decode(token: &str) -> Result<Self, Rejection> {
        compact::decode_only(token)
    }
}
