//! The rejection of a call, in one vocabulary for the gate and its clients.

use serde::{Deserialize, Serialize};

/// Why a call was rejected. The names are stable: they are the `reason` of the response body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// No credentials came with the request.
    MissingToken,
    /// The token is not three base64url segments of JSON.
    MalformedToken,
    /// The token is longer than `gate.max_token_bytes`.
    TokenTooLarge,
    /// The header's `alg` is not one of the trust's `algorithms`.
    UnsupportedAlgorithm,
    /// No key of the issuer has the token's `kid` and `alg`.
    UnknownKey,
    /// The signature does not verify.
    BadSignature,
    /// The token's `iss` is not a trusted issuer.
    IssuerNotTrusted,
    /// Neither `aud` nor the client is one that the trust accepts.
    AudienceMismatch,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` is in the future.
    NotYetValid,
    /// The token is of another kind: an ID token, a logout token or a DPoP proof.
    WrongTokenType,
    /// A claim that is required is absent.
    MissingClaim,
    /// A claim has a value that cannot be accepted.
    InvalidClaim,
    /// The token, its session or its subject was revoked.
    Revoked,
    /// The token is bound to a key, or the route requires that, and the call has no DPoP proof.
    DpopRequired,
    /// The DPoP proof is invalid (RFC 9449, section 4.3).
    InvalidDpopProof,
    /// The DPoP proof needs a nonce of the gate (RFC 9449, section 9).
    UseDpopNonce,
    /// The token lacks a scope or role that the route requires.
    InsufficientScope,
    /// The route requires a stronger or more recent authentication (RFC 9470).
    InsufficientUserAuthentication,
    /// The token is bound to another client certificate (RFC 8705).
    CertificateMismatch,
    /// Too many requests.
    RateLimited,
    /// The issuer's keys are unavailable. A later retry may succeed.
    KeysUnavailable,
    /// The request itself is ambiguous or malformed.
    InvalidRequest,
    /// Nothing is served at that path.
    RouteNotFound,
    /// The path is served with other methods.
    MethodNotAllowed,
    /// The body of the request took too long.
    RequestTimeout,
    /// The body of the request is larger than the server reads.
    BodyTooLarge,
    /// No target of the upstream could be reached, or none had room.
    UpstreamUnavailable,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// A reason that this build does not know. Its HTTP status still says how to treat it.
    #[serde(other)]
    Unknown,
}

impl Reason {
    /// Every reason that a gate gives, in the order of their declaration.
    pub const ALL: [Self; 29] = [
        Self::MissingToken,
        Self::MalformedToken,
        Self::TokenTooLarge,
        Self::UnsupportedAlgorithm,
        Self::UnknownKey,
        Self::BadSignature,
        Self::IssuerNotTrusted,
        Self::AudienceMismatch,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongTokenType,
        Self::MissingClaim,
        Self::InvalidClaim,
        Self::Revoked,
        Self::DpopRequired,
        Self::InvalidDpopProof,
        Self::UseDpopNonce,
        Self::InsufficientScope,
        Self::InsufficientUserAuthentication,
        Self::CertificateMismatch,
        Self::RateLimited,
        Self::KeysUnavailable,
        Self::InvalidRequest,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
    ];

    /// Returns the `error` of the challenge and of the body (RFC 6750, section 3.1; RFC 9449; RFC 9470).
    pub const fn error(self) -> &'static str {
        match self {
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InvalidRequest => "invalid_request",
            Self::RateLimited => "rate_limited",
            Self::KeysUnavailable => "temporarily_unavailable",
            Self::RouteNotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            _ => "invalid_token",
        }
    }

    /// Returns the name, as in the body of a refusal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::MalformedToken => "malformed_token",
            Self::TokenTooLarge => "token_too_large",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::IssuerNotTrusted => "issuer_not_trusted",
            Self::AudienceMismatch => "audience_mismatch",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongTokenType => "wrong_token_type",
            Self::MissingClaim => "missing_claim",
            Self::InvalidClaim => "invalid_claim",
            Self::Revoked => "revoked",
            Self::DpopRequired => "dpop_required",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::CertificateMismatch => "certificate_mismatch",
            Self::RateLimited => "rate_limited",
            Self::KeysUnavailable => "keys_unavailable",
            Self::InvalidRequest => "invalid_request",
            Self::RouteNotFound => "route_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the stable code of the finding that explains it, as in `PXG206`; its page is in `docs/findings`. `None` for
    /// [`Unknown`](Self::Unknown).
    ///
    /// ```
    /// assert_eq!(pixygate::Reason::IssuerNotTrusted.code(), Some("PXG206"));
    /// ```
    pub const fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::MissingToken => "PXG200",
            Self::MalformedToken => "PXG201",
            Self::TokenTooLarge => "PXG202",
            Self::UnsupportedAlgorithm => "PXG203",
            Self::UnknownKey => "PXG204",
            Self::BadSignature => "PXG205",
            Self::IssuerNotTrusted => "PXG206",
            Self::AudienceMismatch => "PXG207",
            Self::Expired => "PXG208",
            Self::NotYetValid => "PXG209",
            Self::WrongTokenType => "PXG210",
            Self::MissingClaim => "PXG211",
            Self::InvalidClaim => "PXG212",
            Self::Revoked => "PXG213",
            Self::DpopRequired => "PXG214",
            Self::InvalidDpopProof => "PXG215",
            Self::UseDpopNonce => "PXG216",
            Self::InsufficientScope => "PXG217",
            Self::InsufficientUserAuthentication => "PXG218",
            Self::CertificateMismatch => "PXG219",
            Self::KeysUnavailable => "PXG220",
            Self::InvalidRequest => "PXG221",
            Self::RouteNotFound => "PXG222",
            Self::MethodNotAllowed => "PXG223",
            Self::RateLimited => "PXG224",
            Self::RequestTimeout => "PXG225",
            Self::BodyTooLarge => "PXG226",
            Self::UpstreamUnavailable => "PXG227",
            Self::UpstreamTimeout => "PXG228",
            Self::Unknown => return None,
        })
    }

    /// Returns the HTTP status of the reason.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::InsufficientScope => 403,
            Self::RouteNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::UpstreamUnavailable => 503,
            Self::UpstreamTimeout => 504,
            Self::RateLimited => 429,
            Self::KeysUnavailable => 503,
            _ => 401,
        }
    }
}

/// The JSON body of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The error code of RFC 6750, 9449 or 9470: `invalid_token`, `insufficient_scope`, …
    pub error: String,
    /// The check that failed.
    pub reason: Reason,
    /// Finds the entry in the server's log.
    pub request_id: String,
    /// The expected and the found value. Only sent with `gate.explain`, for development.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
}

/// Explains a refusal. For the log; part of the response only when the gate explains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The code of the reason's finding, see [`Reason::code`]. Only filled in in a response.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The value that the gate would have accepted.
    pub expected: String,
    /// The value that the gate found, never a whole token.
    pub found: String,
    /// The setting or step that fixes it.
    pub hint: String,
}

/// A stronger sign-in that a call needs: the content of a challenge (RFC 6750, section 3; RFC 9470, section 3).
///
/// ```
/// use pixygate::StepUp;
///
/// fn explanation(step_up: &StepUp) -> String {
///     match step_up {
///         StepUp::Authentication { max_age: Some(seconds), .. } => format!("You signed in more than {seconds} s ago."),
///         StepUp::Authentication { .. } => "This needs a stronger sign-in.".to_owned(),
///         StepUp::Scopes(scopes) => format!("This needs {}.", scopes.join(", ")),
///     }
/// }
/// let recent = StepUp::Authentication { acr_values: Vec::new(), max_age: Some(300) };
/// assert_eq!(explanation(&recent), "You signed in more than 300 s ago.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepUp {
    /// Another, or a more recent, authentication (RFC 9470, section 3).
    Authentication {
        /// Acceptable authentication contexts, the most wanted first.
        acr_values: Vec<String>,
        /// The longest time since the user authenticated, in seconds.
        max_age: Option<u64>,
    },
    /// More scopes (RFC 6750, section 3.1).
    Scopes(Vec<String>),
}

#[cfg(all(test, feature = "jwt"))]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_a_later_build_is_read() {
        let read: Refusal =
            serde_json::from_str(r#"{"error":"x","reason":"body_too_sweet","request_id":"1"}"#).unwrap();
        assert_eq!(read.reason, Reason::Unknown);
        for reason in Reason::ALL {
            let text = serde_json::to_string(&reason).unwrap();
            assert_eq!(text, format!("\"{}\"", reason.name()));
            assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), reason);
        }
    }
}
