//! Every member of an ID token and of a token response, in every wrong form, has the outcome in the tables.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pixygate::test_support::mutations::{ID_TOKEN, Mutation, TOKEN_RESPONSE, lines, mutations};
use serde_json::{Value, json};

use crate::documents::{id_token, named, token_response};
use crate::provider::{ABSENT, CLIENT, ISSUER};
use crate::world::Simulation;

/// The time of the simulation, in seconds since 1970.
const NOW: u64 = 1_800_000_000;

/// Returns the replacement of the members of the simulated provider's document.
fn replacement(whole: &Value, mutation: &Mutation, filled: &[(&str, &str)]) -> Value {
    let mut members = mutation.document.as_object().unwrap().clone();
    for name in whole.as_object().unwrap().keys() {
        members.entry(name).or_insert(json!(ABSENT));
    }
    members.retain(|_, value| value != "$own");
    let mut text = Value::from(members).to_string();
    for (name, value) in filled {
        text = text.replace(name, value);
    }
    serde_json::from_str(&text).unwrap()
}

/// Signs in once for each mutation, and compares the outcomes.
fn check(whole: &Value, table: &str, replace: impl Fn(&Simulation, Value)) {
    let hash = digest::digest(&digest::SHA256, b"access-1");
    let hash = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]);
    let mut differences = Vec::new();
    for mutation in mutations(whole, table) {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        let query = simulation.visit_provider(&tab, "alice");
        let nonce = tab.last_request()["nonce"].clone();
        let members = replacement(whole, &mutation, &[("$nonce", &nonce), ("$at_hash", &hash)]);
        replace(&simulation, members);
        let outcome = simulation.run(tab.session.complete(&query));
        let found = named(outcome.map(drop).map_err(|failure| failure.error));
        if found != mutation.expected {
            let Mutation {
                member,
                change,
                expected,
                ..
            } = &mutation;
            differences.push(format!("{member} {change:?}: expected {expected}, found {found}"));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn id_tokens() {
    check(&id_token(ISSUER, CLIENT, NOW), ID_TOKEN, |simulation, claims| {
        simulation.world.provider.claims.replace(claims);
    });
}

#[test]
fn token_responses() {
    check(&token_response(), TOKEN_RESPONSE, |simulation, members| {
        simulation.world.provider.response.replace(members);
    });
}

/// A member without a line in the tables would have no documented outcome.
#[test]
fn every_member_of_the_documents_has_its_line() {
    for (document, table) in [
        (id_token(ISSUER, CLIENT, NOW), ID_TOKEN),
        (token_response(), TOKEN_RESPONSE),
    ] {
        let members: Vec<_> = lines(table).into_iter().map(|(member, _)| member).collect();
        for name in document.as_object().unwrap().keys() {
            assert!(members.contains(name), "{name}");
        }
    }
}
