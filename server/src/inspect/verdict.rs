//! What the gate makes of a token: its own checks, in its own order.

use std::time::SystemTime;

use pixygate::Reason;
use pixygate::gate::{CallDiagnosis, Diagnosis};
use pixygate::jwt::{Clock, Rejection};
use serde::Serialize;

use crate::findings::{Code, Finding};

/// The gate's checks, in their order, and what each shows.
pub const STAGES: [(&str, &str); 14] = [
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
    (REVOCATION, "it was not revoked"),
];

const REVOCATION: &str = "revocation";

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

/// The gate's verdict.
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

/// The decision of a route about the token.
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
    /// The missing part.
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
}

/// Tells a diagnosis check by check. A gate that `knows_revocations` has made the last check, too.
pub(super) fn judge(diagnosis: &Diagnosis, knows_revocations: bool) -> Judged {
    let (decision, failed, finding) = match diagnosis.rejection() {
        None => (accepted(diagnosis), None, None),
        Some(rejection) => {
            let reason = rejection.reason();
            let decision = match reason {
                Reason::KeysUnavailable => Decision::NotChecked { reason },
                reason => Decision::Rejected { reason },
            };
            (decision, Some(stage(rejection)), finding(rejection))
        }
    };
    let mut over = false;
    let stages = STAGES.map(|(stage, _)| {
        let verdict = match (over, failed == Some(stage)) {
            (true, _) => Verdict::NotMade,
            (false, true) => Verdict::Failed,
            (false, false) if stage == REVOCATION && !knows_revocations => Verdict::NotMade,
            (false, false) => Verdict::Passed,
        };
        over = over || verdict == Verdict::Failed;
        (stage, verdict)
    });
    Judged {
        decision,
        stages: stages.to_vec(),
        finding,
    }
}

fn accepted(diagnosis: &Diagnosis) -> Decision {
    match (diagnosis.key_thumbprint(), diagnosis.certificate_thumbprint()) {
        (Some(_), _) => Decision::AcceptedWithProof {
            proof: "a DPoP proof with the key of cnf.jkt",
        },
        (None, Some(_)) => Decision::AcceptedWithProof {
            proof: "the client certificate of cnf.x5t#S256",
        },
        (None, None) => Decision::Accepted,
    }
}

/// The finding that explains a rejection.
pub(crate) fn finding(rejection: &Rejection) -> Option<Finding> {
    let detail = rejection.detail();
    Code::of(rejection.reason()).map(|code| {
        let finding = Finding::new(code).expected(&detail.expected).found(&detail.found);
        match detail.hint.as_str() {
            "" => finding,
            hint => finding.hint(hint),
        }
    })
}

/// The check that a rejection comes from.
fn stage(rejection: &Rejection) -> &'static str {
    let expected = rejection.detail().expected.as_str();
    match rejection.reason() {
        Reason::Revoked => REVOCATION,
        Reason::KeysUnavailable if expected == "to know which tokens were revoked" => REVOCATION,
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

/// The decision of a route about the token.
pub(super) fn route(diagnosis: &CallDiagnosis) -> Option<RouteVerdict> {
    let route = diagnosis.route()?;
    let rejection = diagnosis.rejection();
    Some(RouteVerdict {
        methods: route.methods.to_string(),
        path: route.pattern.to_string(),
        policy: route.policy.to_string(),
        status: rejection.map_or(200, Rejection::status),
        reason: rejection.map(Rejection::reason),
        missing: rejection
            .map(|rejection| rejection.detail().expected.clone())
            .unwrap_or_default(),
    })
}
