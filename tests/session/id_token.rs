//! ID tokens of real providers: unused claims are ignored, and an error names the required claim.

use pixygate::authorization::SignIn;
use pixygate::authorization::id_token::IdTokenError;
use pixygate::session::SessionError;
use serde_json::{Value, json};

use crate::provider::{ABSENT, CLIENT};
use crate::token_response::mutations;
use crate::world::{OpenTab, Simulation};

fn sign_in(options: &SignIn, claims: Value) -> (OpenTab, Result<(), SessionError>) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = simulation.visit_provider_with(&tab, "alice", options);
    simulation.world.provider.claims.replace(claims);
    let outcome = simulation.run(tab.session.complete(&query));
    (tab, outcome.map(drop).map_err(|failure| failure.error))
}

/// Returns the claim that an error names.
fn named(outcome: Result<(), SessionError>) -> &'static str {
    match outcome {
        Ok(()) => "",
        Err(SessionError::IdToken(IdTokenError::Claim { claim, .. } | IdTokenError::MissingClaim { claim, .. })) => {
            claim
        }
        Err(SessionError::IdToken(IdTokenError::Nonce)) => "nonce",
        Err(SessionError::IdToken(IdTokenError::AccessTokenHash)) => "at_hash",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_claim_that_nothing_asks_for_never_decides() {
    for value in mutations() {
        for claim in [
            "iat",
            "auth_time",
            "acr",
            "sid",
            "name",
            "preferred_username",
            "username",
            "email",
            "email_verified",
            "amr",
            "updated_at",
            "c_hash",
        ] {
            let (tab, outcome) = sign_in(&SignIn::default(), json!({ claim: value }));
            assert_eq!(outcome, Ok(()), "{claim}: {value}");
            let state = tab.session.state();
            let claims = state.signed_in().unwrap().claims().clone();
            let text = value.as_str().filter(|text| !["", ABSENT].contains(text));
            if claim == "name" {
                assert_eq!(claims.name.as_deref(), text, "{value}");
            }
        }
    }
}

#[test]
fn a_claim_that_decides_is_named() {
    let absent = [json!(ABSENT), json!(null)];
    for value in mutations() {
        for claim in ["iss", "sub", "aud", "exp", "nonce"] {
            // Any number is an expiry in the past.
            let outcome = sign_in(&SignIn::default(), json!({ claim: value })).1;
            let accepted = claim == "sub" && value == json!("text");
            assert_eq!(named(outcome), if accepted { "" } else { claim }, "{claim}: {value}");
        }
        for claim in ["nbf", "azp", "at_hash"] {
            let outcome = sign_in(&SignIn::default(), json!({ claim: value })).1;
            let passes = absent.contains(&value)
                || (claim != "at_hash" && value == json!(""))
                || (claim == "nbf" && value.is_number());
            assert_eq!(named(outcome), if passes { "" } else { claim }, "{claim}: {value}");
        }
    }
}

#[test]
fn a_claim_that_the_sign_in_asked_for_decides() {
    let within = SignIn {
        max_age: Some(300),
        ..SignIn::default()
    };
    let now = 1_800_000_000_u64;
    for fresh in [json!(now), json!(now.to_string()), json!(now as f64 + 0.5)] {
        assert_eq!(sign_in(&within, json!({ "auth_time": fresh })).1, Ok(()), "{fresh}");
    }
    for value in mutations().into_iter().chain([json!("2026-03-14T18:52:01.180Z")]) {
        let outcome = sign_in(&within, json!({ "auth_time": value })).1;
        assert_eq!(named(outcome), "auth_time", "{value}");
    }
}

/// OpenID Connect Core, section 3.1.3.7, errata set 2.
#[test]
fn a_token_for_several_audiences_needs_no_authorized_party() {
    let claims = |claims| named(sign_in(&SignIn::default(), claims).1);
    assert_eq!(claims(json!({ "aud": [CLIENT, "other"] })), "");
    assert_eq!(claims(json!({ "aud": ["other", CLIENT], "azp": "" })), "");
    assert_eq!(claims(json!({ "aud": [CLIENT, "other"], "azp": CLIENT })), "");
    assert_eq!(claims(json!({ "aud": [CLIENT, "other"], "azp": "other" })), "azp");
    assert_eq!(claims(json!({ "aud": ["another", "other"] })), "aud");
    assert_eq!(claims(json!({ "aud": ["another", "other"], "azp": CLIENT })), "aud");
    assert_eq!(claims(json!({ "aud": [CLIENT, 5] })), "aud");
}

#[test]
fn a_token_is_not_valid_before_its_time() {
    let now = 1_800_000_000.0;
    let claims = |claims| named(sign_in(&SignIn::default(), claims).1);
    assert_eq!(claims(json!({ "nbf": now + 61.0 })), "nbf");
    assert_eq!(claims(json!({ "nbf": now + 59.0 })), "");
    assert_eq!(claims(json!({ "nbf": 0 })), "");
}
