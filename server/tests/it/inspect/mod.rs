//! `pixygate inspect`: every token of the attack matrix is explained by the finding of its reason.

mod output;
mod threats;

use pixygate::Reason;
use pixygate::gate::{Policies, Policy};
use pixygate::jwt::Algorithm;
use pixygate::test_support::matrix::{AUDIENCE, Expected, ISSUER, Setting, cases};
use pixygate::test_support::{TestIssuer, at};
use server::findings::Code;
use server::inspect::{Decision, Inspection, Kind, Verdict, examine};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MAX_TOKEN_BYTES: usize = 8192;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(at(0)).unwrap())
}

fn policies() -> Policies {
    let orders = Policy::signed_in().scope("orders:read");
    Policies::new()
        .route("GET", "/api/orders", orders)
        .route("POST", "/api/notes/{id}", Policy::signed_in())
        .route("GET", "/gw/**", Policy::public())
}

async fn inspect(setting: &Setting, token: &str) -> Inspection {
    let fetch = setting.documents();
    let policies = policies();
    let inspected = examine(token, setting.trusts(), &policies, MAX_TOKEN_BYTES, fetch, now());
    inspected.await.unwrap()
}

fn failed(inspection: &Inspection) -> Option<&'static str> {
    let failed = inspection.checks.iter().find(|stage| stage.verdict == Verdict::Failed);
    failed.map(|stage| stage.check)
}

#[tokio::test]
async fn each_token_of_the_matrix_is_explained() {
    let setting = Setting::new();
    for case in cases() {
        let token = (case.token)(&setting);
        let inspection = inspect(&setting, &token).await;
        let text = inspection.text();
        match case.expected {
            Expected::Accepted => assert_eq!(inspection.decision, Decision::Accepted, "{}", case.name),
            Expected::Refused(reason) => {
                assert_eq!(inspection.decision, Decision::Rejected { reason }, "{}", case.name);
                assert_eq!(inspection.code(), Code::of(reason), "{}", case.name);
                assert!(
                    inspection.finding.is_some() && failed(&inspection).is_some(),
                    "{}",
                    case.name
                );
                let marks = ["✗", reason.name()];
                assert!(marks.iter().all(|mark| text.contains(mark)), "{}\n{text}", case.name);
            }
        }
        let json = serde_json::to_string(&inspection).unwrap();
        for part in token.split('.').filter(|part| part.len() > 40) {
            assert!(
                !text.contains(part) && !json.contains(part),
                "{}: the token is printed",
                case.name
            );
        }
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{}\n{text:?}",
            case.name
        );
    }
}

#[tokio::test]
async fn the_checks_are_those_of_the_gate_up_to_the_one_that_fails() {
    let setting = Setting::new();
    let good = || {
        setting
            .issuer
            .token()
            .key(setting.issuer.key(Algorithm::ES256))
            .audience(AUDIENCE)
    };
    let base = ISSUER.trim_end_matches("/oauth2/token");
    for (check, token) in [
        ("size", "a".repeat(MAX_TOKEN_BYTES + 1)),
        ("form", "not.a.token".to_owned()),
        ("header", good().header("typ", "dpop+jwt").sign()),
        ("header", good().header("alg", "HS256").sign()),
        ("issuer", good().claim("iss", base).sign()),
        ("issuer", good().without("iss").sign()),
        ("algorithm", good().header("alg", "RS512").header("kid", "rs512").sign()),
        ("key", good().header("kid", "other").sign()),
        ("signature", good().key(&setting.stranger).sign()),
        ("kind", good().header("typ", "JWT").claim("nonce", "n").sign()),
        ("time", good().claim("exp", at(0) - 100).sign()),
        ("time", good().without("exp").sign()),
        ("subject", good().without("sub").sign()),
        ("audience", good().audience("invoices").sign()),
        ("binding", good().claim("cnf", 1).sign()),
    ] {
        let inspection = inspect(&setting, &token).await;
        assert_eq!(failed(&inspection), Some(check), "{}", inspection.text());
        let verdicts: Vec<_> = inspection.checks.iter().map(|stage| stage.verdict).collect();
        assert!(verdicts.is_sorted_by_key(|verdict| match verdict {
            Verdict::Passed => 0,
            Verdict::Failed => 1,
            Verdict::NotMade => 2,
        }));
    }
    let conflict = inspect(&setting, &good().claim("iss", base).sign()).await;
    let finding = conflict.finding.unwrap();
    assert!(
        finding.found.contains("lacks") && finding.hint.contains("aliases"),
        "{finding:?}"
    );

    let accepted = inspect(&setting, &good().sign()).await;
    assert_eq!(failed(&accepted), None);
    let bound = inspect(&setting, &good().bound_to("thumbprint").sign()).await;
    assert!(
        matches!(bound.decision, Decision::AcceptedWithProof { .. }),
        "{bound:?}"
    );
}

#[tokio::test]
async fn each_route_says_what_it_makes_of_the_token() {
    let setting = Setting::new();
    let token = |scope| setting.issuer.token().audience(AUDIENCE).scope(scope).sign();
    for (scope, expected) in [("orders:read", [200, 200, 200]), ("orders:reader", [403, 200, 200])] {
        let inspection = inspect(&setting, &token(scope)).await;
        let found: Vec<_> = inspection.routes.iter().map(|route| route.status).collect();
        assert_eq!(found, expected, "{}", inspection.text());
    }
    let denied = inspect(&setting, &token("")).await;
    let route = &denied.routes[0];
    assert_eq!(route.reason, Some(Reason::InsufficientScope));
    assert!(route.missing.contains("orders:read"), "{route:?}");
}

#[tokio::test]
async fn other_kinds_of_tokens_are_called_by_their_names() {
    let setting = Setting::new();
    let token = || setting.issuer.token().audience(AUDIENCE);
    for (kind, token) in [
        (Kind::AccessToken, token().sign()),
        (
            Kind::AccessToken,
            token().header("typ", "JWT").claim("token_use", "access").sign(),
        ),
        (Kind::IdToken, token().header("typ", "JWT").claim("at_hash", "h").sign()),
        (Kind::LogoutToken, setting.issuer.logout_token("shop").sign()),
        (
            Kind::DpopProof,
            token().header("typ", "dpop+jwt").claim("htm", "GET").sign(),
        ),
        (Kind::Jwt, token().without_header("typ").sign()),
        (
            Kind::Encrypted,
            "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0.a.b.c.d".to_owned(),
        ),
        (Kind::Opaque, "2YotnFZFEjr1zCsicMWpAA".to_owned()),
    ] {
        let inspection = inspect(&setting, &token).await;
        assert_eq!(inspection.kind, kind, "{}", inspection.text());
    }
    let opaque = inspect(&setting, "2YotnFZFEjr1zCsicMWpAA").await;
    assert!(opaque.finding.unwrap().hint.contains("provider.resource"));
}

#[tokio::test]
async fn without_keys_nothing_is_said_about_the_token() {
    let setting = Setting::new();
    let token = setting.issuer.token().audience(AUDIENCE).sign();
    let nobody = TestIssuer::new("https://nobody.example", [Algorithm::ES256]);
    let fetch = pixygate::test_support::Documents::of([&nobody]);
    let inspection = examine(&token, setting.trusts(), &policies(), MAX_TOKEN_BYTES, fetch, now())
        .await
        .unwrap();
    let reason = Reason::KeysUnavailable;
    assert_eq!(inspection.decision, Decision::NotChecked { reason });
    assert_eq!(inspection.code(), Some(Code::KeysUnavailable));
}

#[tokio::test]
async fn the_text_names_and_dates_every_claim() {
    let setting = Setting::new();
    let token = setting
        .issuer
        .token()
        .audience("invoices")
        .claim("name", "Eve\u{202e}\n")
        .sign();
    let text = inspect(&setting, &token).await.text();
    for line in [
        "An access token (JWT): it opens services for its audience.",
        "  alg  RS256   # the signature algorithm",
        "the end of its validity",
        "in 5 minutes",
        "Eve\\u{202e}\\n   # the user's name",
        "  ✗ audience   PXG207: The token is for another service",
        "  – claims     not checked",
        "Rejected: audience_mismatch.",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}
