//! Server functions that explain a token.

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json, PostUrl};
use pixygate::Reason;
use pixygate::leptos::{CallError, GateClient};
use serde::{Deserialize, Serialize};

use super::services::Requirement;

/// The longest token that [`diagnose`] accepts, in bytes. The gate's own limit (`gate.max_token_bytes`) is one of the checks.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The explanation of a token. It contains the header and the claims, but neither the token itself nor its signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The kind of the token, as the token itself says.
    pub kind: TokenKind,
    /// The length of the token.
    pub bytes: usize,
    /// The time of the validation, in milliseconds since 1970 by the server's clock.
    pub at: u64,
    /// The gate's verdict.
    pub verdict: Verdict,
    /// The gate's checks of a token, in the gate's order: `size form header issuer algorithm key signature kind time subject audience
    /// claims binding revocation`.
    pub checks: Vec<Check>,
    /// The header parameters; empty if the header cannot be read.
    pub header: Vec<Member>,
    /// The claims; empty if they cannot be read.
    pub payload: Vec<Member>,
    /// The reason of the rejection, with a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// The decision of each route. Empty if the token is rejected. For a bound token, a valid proof is assumed.
    pub routes: Vec<RouteVerdict>,
    /// The key or certificate that the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_constraint: Option<SenderConstraint>,
    /// The decision about the call in the request; `None` if the request has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallVerdict>,
}

/// The kind of a token, as the token itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// An access token, by its `typ` or its claims.
    AccessToken,
    /// An ID token, by its `typ` or its claims.
    IdToken,
    /// A logout token or another security event.
    LogoutToken,
    /// A DPoP proof.
    DpopProof,
    /// A JWT that does not say what it is. The gate treats it as an access token.
    Jwt,
    /// An encrypted JWT (JWE).
    Encrypted,
    /// An opaque token: only its issuer can read it.
    Opaque,
}

/// The gate's verdict on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Verdict {
    /// The token is accepted; the policy of each route decides the rest.
    Accepted,
    /// The token is accepted if each request carries a proof: see [`Inspection::sender_constraint`].
    AcceptedWithProof,
    /// The token is rejected.
    Rejected {
        /// The reason, as in the body of the refusal.
        reason: Reason,
    },
    /// The token could not be validated: the issuer's keys, or the revocations, are not available.
    NotChecked {
        /// The reason, as in the body of the refusal.
        reason: Reason,
    },
}

/// One check, and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its stable name.
    pub name: String,
    /// The verdict.
    pub verdict: CheckVerdict,
}

/// The verdict of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// It passed.
    Passed,
    /// It failed, so the checks after it were not made.
    Failed,
    /// It was not made.
    NotMade,
}

/// A member of a token's header or payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its value, as JSON.
    pub value: String,
    /// Its meaning, in English; empty where no standard defines it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub meaning: String,
    /// The value as a date, in seconds since 1970; `None` if it is no date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// A finding of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The stable code, as in `PXG206`.
    pub code: String,
    /// The title of the code, in English.
    pub title: String,
    /// The value that would have passed.
    pub expected: String,
    /// The value that was found.
    pub found: String,
    /// The fix: a line of the configuration if there is one, else a step.
    pub hint: String,
    /// The page of the code on this server, as in `/findings/PXG206`. The application's router does not have it: link it with `rel="external"`.
    pub page: String,
}

/// The decision of a route about a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteVerdict {
    /// The methods of the route.
    pub methods: String,
    /// The pattern of its paths.
    pub path: String,
    /// Its requirements, in English.
    pub policy: String,
    /// The status of a call with the token: 200 if it passes the gate.
    pub status: u16,
    /// The reason of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The requirement that the token does not meet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub missing: String,
}

/// The key or certificate that a token is bound to. Without a proof of it, the token is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderConstraint {
    /// The kind of proof.
    pub kind: SenderConstraintKind,
    /// The thumbprint of the key or certificate (`cnf.jkt`, `cnf.x5t#S256`).
    pub thumbprint: String,
    /// Whether the gate verified the proof, as it did for the caller's own token.
    pub proven: bool,
}

/// A kind of proof that a token can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderConstraintKind {
    /// A key, with a DPoP proof for each request (RFC 9449).
    Dpop,
    /// A client certificate (RFC 8705).
    Certificate,
}

/// The decision about a hypothetical call. Nothing is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallVerdict {
    /// The method of the call.
    pub method: String,
    /// The path of the call.
    pub path: String,
    /// The gate's checks of a call, in the gate's order: `request route token proof scopes roles authentication claims`. Those of the
    /// token are [`Inspection::checks`]. For a public route, only the first two are made. Rate limits are not applied.
    pub checks: Vec<Check>,
    /// Whether the gate would allow the call, given the proof that the token requires. The handler may still deny it.
    pub passes: bool,
    /// The status of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The reason of the refusal, with a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// The pattern of the route that matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The upstream of the route; `None` for this server itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The requirements of the route, and whether the token meets them. `met` is always `false` if the token is rejected.
    pub requirements: Vec<Requirement>,
}

/// `GET /api/token`: explains the caller's own token.
#[server(name = GetMyToken, prefix = "/api", endpoint = "token", input = GetUrl, output = Json, client = GateClient)]
pub async fn my_token() -> Result<Inspection, CallError> {
    let (caller, backend) = super::backend::caller().await?;
    let inspection = backend.own_token(caller).await;
    inspection.map_err(super::backend::unavailable)
}

/// `POST /api/diagnose`: explains a token and, if there is a path, whether a call with it would pass. The token is neither stored nor
/// logged.
#[server(name = Diagnose, prefix = "/api", endpoint = "diagnose", input = PostUrl, output = Json, client = GateClient)]
pub async fn diagnose(
    /// The token, at most [`MAX_TOKEN_BYTES`] bytes. A prefix from a request (`Authorization: Bearer …`) is removed.
    token: String,
    /// The method of the call; by default `GET`. A method without a path is an error (400).
    #[server(default)]
    method: Option<String>,
    /// The path of the call, without a query.
    #[server(default)]
    path: Option<String>,
) -> Result<Inspection, CallError> {
    use super::backend::unusable;

    let (_, backend) = super::backend::caller().await?;
    // A form sends an empty field for a missing value.
    let filled = |field: Option<String>| field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if token.trim().is_empty() {
        return Err(unusable("Expected a token, found an empty text".to_owned()));
    }
    if token.len() > MAX_TOKEN_BYTES {
        let found = token.len();
        return Err(unusable(format!(
            "Expected a token of at most {MAX_TOKEN_BYTES} bytes, found a text of {found} bytes"
        )));
    }
    let call = match (filled(method), filled(path)) {
        (method, Some(path)) => Some((method.unwrap_or_else(|| "GET".to_owned()), path)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(unusable(
                "Expected a path beside the method, found a method alone".to_owned(),
            ));
        }
    };
    let inspection = backend.inspect(token, call).await;
    inspection.map_err(super::backend::unavailable)
}
