//! 1–36: the rejection matrix, against the validator, over HTTP, and against an independent validator.

use axum::body::Body;
use http::StatusCode;
use jwt_simple::prelude::*;
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::Validator,
    test_support::{
        TestClock, at,
        matrix::{AUDIENCE, Expected, ISSUER, OTHER_ISSUER, Setting, cases},
    },
};

use crate::world::{application, refusal, request, send};

fn validator(setting: &Setting, clock: &TestClock) -> Validator {
    Validator::builder(setting.trusts())
        .fetch(setting.documents())
        .clock(clock.clone())
        .build()
        .unwrap()
}

#[tokio::test]
async fn every_token_has_its_verdict() {
    let (setting, clock) = (Setting::new(), TestClock::default());
    let validator = validator(&setting, &clock);
    validator.load().await.unwrap();
    for case in cases() {
        let token = (case.token)(&setting);
        // Twice, because the cache must not change the verdict.
        for _ in 0..2 {
            let verdict = validator.validate(&token, clock.time()).await;
            let found = verdict.map_or_else(
                |rejection| Expected::Refused(rejection.reason()),
                |_| Expected::Accepted,
            );
            assert_eq!(found, case.expected, "{} {}", case.threat, case.name);
        }
    }
}

#[tokio::test]
async fn every_token_has_its_verdict_over_http() {
    let (setting, clock) = (Setting::new(), TestClock::default());
    let documents = setting.documents();
    let validator = Validator::builder(setting.trusts())
        .fetch(documents.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    validator.load().await.unwrap();
    let policies = Policies::new().route("GET", "/api/whoami", Policy::signed_in());
    let app = Gate::builder()
        .validator(validator)
        .policies(policies)
        .clock(clock)
        .build()
        .unwrap()
        .wrap(application());
    for case in cases() {
        let header = format!("Bearer {}", (case.token)(&setting));
        let Ok(header) = http::HeaderValue::from_str(&header) else {
            continue;
        };
        let response = send(
            &app,
            request("GET", "/api/whoami")
                .header("authorization", header)
                .body(Body::empty())
                .unwrap(),
        )
        .await;
        match case.expected {
            Expected::Accepted => assert_eq!(response.status(), StatusCode::OK, "{}", case.name),
            Expected::Refused(reason) => assert_eq!(refusal(response).await.reason, reason, "{}", case.name),
        }
    }
    // 10: only the metadata and keys of the two issuers were fetched, and unknown `kid`s caused one fetch.
    let known: usize = [&setting.issuer, &setting.other]
        .iter()
        .map(|issuer| documents.asked(&issuer.metadata_url()) + documents.asked(&issuer.jwks_url()))
        .sum();
    assert_eq!(documents.asked_in_all(), known);
    assert!(documents.asked(&setting.issuer.jwks_url()) <= 2);
}

/// Returns the verdict of jwt-simple, given the same keys, issuers, audience and time. `None` where no key can be given to it: the
/// header is unreadable, or names an unknown key or one whose algorithm is not allowed.
fn oracle_accepts(setting: &Setting, token: &str) -> Option<bool> {
    let metadata = Token::decode_metadata(token).ok()?;
    // jwt-simple leaves the choice of the key to its caller. An ordinary gate chooses by `iss`.
    let issuer = match pixygate::jwt::UnverifiedClaims::decode(token) {
        Ok(said) if said.claims.get("iss").is_some_and(|iss| iss == OTHER_ISSUER) => &setting.other,
        _ => &setting.issuer,
    };
    let options = VerificationOptions {
        allowed_issuers: Some([ISSUER, OTHER_ISSUER].map(String::from).into()),
        allowed_audiences: Some([AUDIENCE.to_owned()].into()),
        time_tolerance: Some(Duration::from_secs(60)),
        artificial_time: Some(UnixTimeStamp::from_secs(at(0) as u64)),
        ..VerificationOptions::default()
    };
    // The key that the token names, with the algorithm of the key, not of the token.
    let key = issuer
        .keys()
        .iter()
        .find(|key| Some(key.key_id()) == metadata.key_id())?;
    let der = key.public_der();
    Some(match key.algorithm().name() {
        "RS256" => RS256PublicKey::from_der(&der)
            .unwrap()
            .verify_token::<NoCustomClaims>(token, Some(options))
            .is_ok(),
        "PS256" => PS256PublicKey::from_der(&der)
            .unwrap()
            .verify_token::<NoCustomClaims>(token, Some(options))
            .is_ok(),
        "ES256" => ES256PublicKey::from_der(&der)
            .unwrap()
            .verify_token::<NoCustomClaims>(token, Some(options))
            .is_ok(),
        "EdDSA" => {
            let key = Ed25519PublicKey::from_der(&der).unwrap();
            key.verify_token::<NoCustomClaims>(token, Some(options)).is_ok()
        }
        _ => return None,
    })
}

/// The number of cases that jwt-simple does not decide.
const UNASKED: usize = 22;

#[test]
fn an_independent_validator_agrees_or_the_table_says_why_not() {
    let setting = Setting::new();
    let (mut unexplained, mut unasked) = (Vec::new(), Vec::new());
    for case in cases() {
        let ours = case.expected == Expected::Accepted;
        let Some(oracle) = oracle_accepts(&setting, &(case.token)(&setting)) else {
            assert!(!ours, "{}: accepted by us alone", case.name);
            unasked.push(case.name);
            continue;
        };
        if (ours == oracle) != case.oracle_differs.is_none() {
            unexplained.push(format!("{} {}: we {ours}, it {oracle}", case.threat, case.name));
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    // These are decided by Pixygate only.
    assert_eq!(unasked.len(), UNASKED, "{unasked:#?}");
}
