//! The tokens of real providers: a sign-in and two refreshes with the token responses and ID tokens of each.

use pixygate::test_support::profiles::{Profile, Values, profiles};
use serde_json::{Value, json};

use crate::provider::{ABSENT, CLIENT, ISSUER};
use crate::world::Simulation;

/// The time of the simulation, in seconds since 1970.
const NOW: f64 = 1_800_000_000.0;

fn values(nonce: &str) -> Values {
    let values = Values::new("https://idp.example", NOW).with("nonce", nonce);
    ["access_token", "refresh_token", "id_token", "at_hash", "hash", "kid"]
        .into_iter()
        .fold(values, |values, name| values.with(name, name))
}

/// Keeps the simulated provider's own members that the profile has, and removes the others.
fn keep_own(members: &mut Value, own: &[&str]) {
    for name in own {
        let members = members.as_object_mut().unwrap();
        if members.remove(*name).is_none() {
            members.insert((*name).to_owned(), json!(ABSENT));
        }
    }
}

/// The simulated provider has its own issuer, client and keys.
fn id_token(profile: &Profile, part: &str, nonce: &str) -> (Value, Value) {
    let values = values(nonce);
    let mut token = profile.part(part, &values).unwrap();
    let client = profile.text("client_id", &values);
    let renamed = |value: &Value| match value {
        Value::String(text) if *text == client => json!(CLIENT),
        other => other.clone(),
    };
    let mut claims = token["claims"].take();
    claims["iss"] = json!(ISSUER);
    for name in ["aud", "azp", "client_id"] {
        match claims.get_mut(name) {
            Some(Value::Array(several)) => several.iter_mut().for_each(|one| *one = renamed(one)),
            Some(one) => *one = renamed(one),
            None => {}
        }
    }
    keep_own(&mut claims, &["at_hash"]);
    (token["header"].take(), claims)
}

fn response(profile: &Profile, part: &str) -> Value {
    let mut response = profile.part(part, &values("")).unwrap();
    keep_own(&mut response, &["access_token", "refresh_token", "id_token"]);
    for member in ["expires_in", "scope"] {
        if response.get(member).is_none() {
            response[member] = json!(ABSENT);
        }
    }
    response
}

#[test]
fn a_user_signs_in_and_stays_signed_in_at_every_provider() {
    let mut refreshed = 0;
    for profile in profiles() {
        let name = profile.name();
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        let query = simulation.visit_provider(&tab, "alice");
        let nonce = tab.last_request()["nonce"].clone();
        let (header, claims) = id_token(&profile, "id_token", &nonce);
        let subject = claims["sub"].as_str().unwrap().to_owned();
        let first = response(&profile, "token_answer");
        let can_refresh = first.get("refresh_token").is_none();
        let provider = &simulation.world.provider;
        provider.header.replace(header);
        provider.claims.replace(claims);
        provider.response.replace(first);
        let outcome = simulation.run(tab.session.complete(&query));
        outcome.unwrap_or_else(|failure| panic!("{name}: {}", failure.error));
        assert_eq!(tab.subject(), Some(subject.clone()), "{name}");
        assert_eq!(simulation.run(tab.token()).as_deref(), Ok("access-1"), "{name}");
        if !can_refresh {
            continue;
        }
        refreshed += 1;
        let part = match profile.part("refreshed_id_token", &values(&nonce)) {
            Some(_) => "refreshed_id_token",
            None => "id_token",
        };
        let (header, claims) = id_token(&profile, part, &nonce);
        let next = response(&profile, "refresh_answer");
        let provider = &simulation.world.provider;
        provider.rotates.replace(next.get("refresh_token").is_none());
        provider.header.replace(header);
        provider.claims.replace(claims);
        provider.response.replace(next);
        for expected in ["access-2", "access-3"] {
            let token = simulation.run(tab.session.replace_now());
            let token = token.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(token.secret(), expected, "{name}");
        }
        assert!(simulation.world.provider.reused.borrow().is_empty(), "{name}");
        assert_eq!(tab.subject(), Some(subject), "{name}");
    }
    assert!(refreshed > 20, "{refreshed}");
}

/// The profile's own ID token for another client, or of another issuer, is still rejected.
#[test]
fn a_wrong_claim_is_rejected_in_the_shape_of_every_provider() {
    for profile in profiles() {
        for (claim, wrong) in [
            ("iss", "https://evil.example"),
            ("aud", "another"),
            ("nonce", "another"),
        ] {
            let mut simulation = Simulation::new();
            let tab = simulation.open();
            let query = simulation.visit_provider(&tab, "alice");
            let nonce = tab.last_request()["nonce"].clone();
            let (header, mut claims) = id_token(&profile, "id_token", &nonce);
            claims[claim] = json!(wrong);
            let provider = &simulation.world.provider;
            provider.header.replace(header);
            provider.claims.replace(claims);
            provider.response.replace(response(&profile, "token_answer"));
            let outcome = simulation.run(tab.session.complete(&query));
            assert!(outcome.is_err(), "{}: {claim}", profile.name());
            assert_eq!(tab.subject(), None, "{}: {claim}", profile.name());
        }
    }
}
