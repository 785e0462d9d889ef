//! What the gate makes of a token: its own checks, in its own order.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, header};
use pixygate::gate::{Gate, Policies};
use pixygate::jwt::{Clock, Principal, Rejection, Validator};
use pixygate::{Reason, Refusal};
use serde::Serialize;
use tower::ServiceExt as _;

use crate::findings::{Code, Finding};

/// The gate's checks, in their order, and what each shows.
pub const STAGES: [(&str, &str); 13] = [
    ("size", "it is not too large"),
    ("form", "it is three segments of JSON"),
    (
        "header",
        "its header names a signature algorithm, and no other kind of token",
    ),
    ("issuer", "its issuer is trusted"),
    ("algorithm", "the trust accepts its algorithm"),
    ("key", "the issuer has its key"),
    ("signature", "the signature verifies"),
    ("kind", "it is an access token"),
    ("time", "it is valid now"),
    ("subject", "it names its subject"),
    ("audience", "it is for this gate"),
    ("claims", "it has the claims that the trust requires"),
    ("binding", "what it is bound to can be checked"),
];

/// The verdict of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed, so the checks after it were not made.
    Failed,
    /// It was not made.
    NotMade,
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Decision {
    /// The token is accepted; each route's policy decides the rest.
    Accepted,
    /// The token is accepted with a proof that it is bound to, which comes with each request.
    AcceptedWithProof {
        /// What must come with it.
        proof: &'static str,
    },
    /// The token is rejected.
    Rejected {
        /// The reason, as in the body of the refusal.
        reason: Reason,
    },
    /// Nothing can be said: the keys are not there.
    NotChecked {
        /// The reason, as in the body of the refusal.
        reason: Reason,
    },
}

/// What a route makes of the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteVerdict {
    /// Its methods.
    pub methods: String,
    /// Its paths.
    pub path: String,
    /// What it requires.
    pub policy: String,
    /// The status of a call with the token.
    pub status: u16,
    /// Why the call is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What is missing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub missing: String,
}

/// The clock of an inspection stands still, so that all of it is about one moment.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) SystemTime);

impl Clock for At {
    fn now(&self) -> SystemTime {
        self.0
    }
}

pub(super) struct Judged {
    pub(super) decision: Decision,
    pub(super) stages: Vec<(&'static str, Verdict)>,
    pub(super) finding: Option<Finding>,
    pub(super) principal: Option<Principal>,
}

/// Asks the validator.
pub(super) async fn judge(validator: &Validator, token: &str, now: SystemTime) -> Judged {
    let (decision, failed, finding, principal) = match validator.validate(token, now).await {
        Ok(principal) => (Decision::Accepted, None, None, Some(principal)),
        Err(rejection) => of_rejection(&rejection),
    };
    let mut over = false;
    let stages = STAGES.map(|(stage, _)| {
        let verdict = match (over, failed == Some(stage)) {
            (true, _) => Verdict::NotMade,
            (false, true) => Verdict::Failed,
            (false, false) => Verdict::Passed,
        };
        over = over || verdict == Verdict::Failed;
        (stage, verdict)
    });
    Judged {
        decision,
        stages: stages.to_vec(),
        finding,
        principal,
    }
}

type OfRejection = (Decision, Option<&'static str>, Option<Finding>, Option<Principal>);

fn of_rejection(rejection: &Rejection) -> OfRejection {
    let reason = rejection.reason();
    let proof = match reason {
        Reason::DpopRequired => Some("a DPoP proof with the key of cnf.jkt"),
        Reason::CertificateMismatch => Some("the client certificate of cnf.x5t#S256"),
        _ => None,
    };
    if let Some(proof) = proof {
        return (Decision::AcceptedWithProof { proof }, None, None, None);
    }
    let decision = match reason {
        Reason::KeysUnavailable => Decision::NotChecked { reason },
        reason => Decision::Rejected { reason },
    };
    let detail = rejection.detail();
    let finding = Code::of(reason).map(|code| {
        let finding = Finding::new(code).expected(&detail.expected).found(&detail.found);
        match detail.hint.as_str() {
            "" => finding,
            hint => finding.hint(hint),
        }
    });
    (decision, Some(stage(rejection)), finding, None)
}

/// The check that a rejection comes from.
fn stage(rejection: &Rejection) -> &'static str {
    let expected = rejection.detail().expected.as_str();
    match rejection.reason() {
        Reason::TokenTooLarge => "size",
        Reason::MalformedToken => "form",
        Reason::UnsupportedAlgorithm if expected == "an asymmetric signature algorithm" => "header",
        Reason::UnsupportedAlgorithm => "algorithm",
        Reason::WrongTokenType if expected.starts_with("typ \"at+jwt\", ") => "header",
        Reason::WrongTokenType => "kind",
        Reason::IssuerNotTrusted => "issuer",
        Reason::UnknownKey | Reason::KeysUnavailable => "key",
        Reason::BadSignature => "signature",
        Reason::Expired | Reason::NotYetValid => "time",
        Reason::AudienceMismatch => "audience",
        // The claim stands at the beginning of what was expected, in backticks.
        _ => match expected.split('`').nth(1).unwrap_or_default() {
            "iss" => "issuer",
            "exp" | "nbf" | "iat" => "time",
            "sub" | "tid" => "subject",
            "aud" => "audience",
            "cnf" => "binding",
            _ => "claims",
        },
    }
}

/// Sends a call with the token to each route, through a gate in this process. Nothing leaves the machine.
pub(super) async fn routes(
    validator: &Validator,
    policies: &Policies,
    token: &str,
    now: SystemTime,
) -> Result<Vec<RouteVerdict>, String> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let gate = Gate::builder()
        .validator(validator.clone())
        .policies(policies.clone())
        .clock(At(now))
        // Both stand for nobody: they let the gate explain.
        .public_url("http://127.0.0.1")
        .listen(listen)
        .explain(true)
        .failure_limit(None)
        .build()
        .map_err(|error| error.to_string())?;
    let service = gate.wrap(Router::new().fallback(async || "passed"));
    let mut verdicts = Vec::new();
    for route in policies.routes() {
        let path = route.pattern.to_string();
        let request = Request::builder()
            .method(first_method(&route.methods.to_string()).as_str())
            .uri(example(&path))
            .header(header::HOST, "127.0.0.1")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty());
        let request = request.map_err(|error| error.to_string())?;
        let Ok(response) = service.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 64 * 1024).await.unwrap_or_default();
        let refusal: Option<Refusal> = serde_json::from_slice(&body).ok().filter(|_| status >= 400);
        let detail = refusal
            .as_ref()
            .and_then(|refusal| refusal.detail.clone())
            .unwrap_or_default();
        verdicts.push(RouteVerdict {
            methods: route.methods.to_string(),
            path,
            policy: route.policy.to_string(),
            status,
            reason: refusal.map(|refusal| refusal.reason),
            missing: detail.expected,
        });
    }
    Ok(verdicts)
}

fn first_method(methods: &str) -> String {
    let first = methods
        .split(|c: char| !c.is_ascii_uppercase())
        .find(|name| !name.is_empty());
    first.unwrap_or("GET").to_owned()
}

/// A path that the pattern matches.
fn example(pattern: &str) -> String {
    let segments = pattern.split('/').map(|segment| match segment {
        "*" | "**" => "x",
        segment if segment.starts_with('{') => "x",
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}
