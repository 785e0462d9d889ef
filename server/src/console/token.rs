//! A token, explained by the running gate. The token is read here, and nothing of it but its parts leaves.

use std::time::SystemTime;

use app::api::{
    CallVerdict, Check, CheckVerdict, Finding, Inspection, Member, RouteVerdict, SenderConstraint,
    SenderConstraintKind, TokenKind, Verdict,
};
use pixygate::gate::{CallCheck, Diagnosis, Gate};
use pixygate::jwt::{Principal, Rejection};
use serde_json::{Map, Value};

use super::{milliseconds, services};
use crate::findings;
use crate::inspect::{self, Decision, Kind};
use crate::upstream::Target;

/// Explains the token that the gate has accepted from the caller, with its proof.
pub(super) async fn own(gate: &Gate, header: &str, caller: &Principal) -> Inspection {
    let mut inspection = inspect(gate, header, None).await;
    // Those of an opaque token are the issuer's answer (RFC 7662).
    if inspection.payload.is_empty()
        && let Ok(claims) = caller.claims()
    {
        inspection.payload = members(&claims, inspect::claim_meaning, inspect::is_date);
    }
    if inspection.sender_constraint.is_none() {
        inspection.sender_constraint = bound(caller.key_thumbprint(), caller.certificate_thumbprint());
    }
    if let Some(constraint) = &mut inspection.sender_constraint {
        constraint.proven = true;
    }
    inspection
}

/// Explains a token, as it is or as it stands in a header, and whether a call with it would pass.
pub(super) async fn inspect(gate: &Gate, text: &str, call: Option<(String, String)>) -> Inspection {
    let token = inspect::bare(text);
    let now = SystemTime::now();
    let diagnosis = gate.diagnose(token).await;
    let explained = inspect::explain(token, &diagnosis, now, true);
    let parts = inspect::Parts::of(token);
    Inspection {
        kind: kind(explained.kind),
        bytes: explained.bytes,
        at: milliseconds(now),
        verdict: match explained.decision {
            Decision::Accepted => Verdict::Accepted,
            Decision::AcceptedWithProof { .. } => Verdict::AcceptedWithProof,
            Decision::Rejected { reason } => Verdict::Rejected { reason },
            Decision::NotChecked { reason } => Verdict::NotChecked { reason },
        },
        checks: explained
            .checks
            .into_iter()
            .map(|stage| check(stage.check, stage.verdict))
            .collect(),
        header: members(&parts.header, inspect::header_meaning, |_| false),
        payload: members(&parts.claims, inspect::claim_meaning, inspect::is_date),
        finding: explained.finding.map(finding),
        routes: explained.routes.into_iter().map(route).collect(),
        sender_constraint: bound(diagnosis.key_thumbprint(), diagnosis.certificate_thumbprint()),
        call: call.map(|(method, path)| call_verdict(&diagnosis, method, path)),
    }
}

fn kind(kind: Kind) -> TokenKind {
    match kind {
        Kind::AccessToken => TokenKind::AccessToken,
        Kind::IdToken => TokenKind::IdToken,
        Kind::LogoutToken => TokenKind::LogoutToken,
        Kind::DpopProof => TokenKind::DpopProof,
        Kind::Jwt => TokenKind::Jwt,
        Kind::Encrypted => TokenKind::Encrypted,
        Kind::Opaque => TokenKind::Opaque,
    }
}

fn check(name: &str, verdict: inspect::Verdict) -> Check {
    Check {
        name: name.to_owned(),
        verdict: match verdict {
            inspect::Verdict::Passed => CheckVerdict::Passed,
            inspect::Verdict::Failed => CheckVerdict::Failed,
            inspect::Verdict::NotMade => CheckVerdict::NotMade,
        },
    }
}

fn members(members: &Map<String, Value>, meaning: fn(&str) -> &'static str, is_date: fn(&str) -> bool) -> Vec<Member> {
    let member = |(name, value): (&String, &Value)| Member {
        name: name.clone(),
        value: value.to_string(),
        meaning: meaning(name).to_owned(),
        at: value.as_f64().filter(|_| is_date(name)).and_then(seconds),
    };
    members.iter().map(member).collect()
}

/// A date that a calendar has, up to the year 9999.
fn seconds(number: f64) -> Option<u64> {
    (0.0..253_402_300_800.0).contains(&number).then_some(number as u64)
}

fn finding(finding: findings::Finding) -> Finding {
    Finding {
        code: finding.code.id().to_owned(),
        title: finding.title.to_owned(),
        expected: finding.expected,
        found: finding.found,
        hint: finding.hint,
        page: findings::address(finding.code),
    }
}

fn route(route: inspect::RouteVerdict) -> RouteVerdict {
    RouteVerdict {
        methods: route.methods,
        path: route.path,
        policy: route.policy,
        status: route.status,
        reason: route.reason,
        missing: route.missing,
    }
}

fn bound(key: Option<&str>, certificate: Option<&str>) -> Option<SenderConstraint> {
    let (kind, thumbprint) = match (key, certificate) {
        (Some(key), _) => (SenderConstraintKind::Dpop, key),
        (None, Some(certificate)) => (SenderConstraintKind::Certificate, certificate),
        (None, None) => return None,
    };
    Some(SenderConstraint {
        kind,
        thumbprint: thumbprint.to_owned(),
        proven: false,
    })
}

fn call_verdict(diagnosis: &Diagnosis, method: String, path: String) -> CallVerdict {
    let call = diagnosis.call(&method, &path);
    let failed = call.failed();
    let policy = call.route().map(|route| &route.policy);
    // Nothing of a token is asked for on a public route, or where there is no gate.
    let is_open = failed.is_none() && policy.is_none_or(|policy| policy.is_public());
    let checks = CallCheck::ALL.map(|one| {
        let verdict = match failed {
            Some(failed) if one == failed => CheckVerdict::Failed,
            Some(failed) if one > failed => CheckVerdict::NotMade,
            _ if one >= CallCheck::Token && is_open => CheckVerdict::NotMade,
            _ => CheckVerdict::Passed,
        };
        Check {
            name: one.name().to_owned(),
            verdict,
        }
    });
    let rejection = call.rejection();
    let target = call.route().and_then(|route| route.target::<Target>());
    let requirements = policy.map(|policy| policy.requirements()).unwrap_or_default();
    CallVerdict {
        checks: checks.to_vec(),
        passes: failed.is_none(),
        status: rejection.map(Rejection::status),
        reason: rejection.map(Rejection::reason),
        finding: rejection.and_then(inspect::finding).map(finding),
        route: call.route().map(|route| route.pattern.to_string()),
        service: target.map(|target| target.routed.upstream.settings().name.clone()),
        requirements: requirements
            .iter()
            .map(|requirement| services::requirement(requirement, diagnosis.meets(requirement)))
            .collect(),
        method,
        path,
    }
}
