//! Every member of every document, in every wrong form, has the outcome in the tables.

use pixygate::{
    jwt::{Algorithm, Rejection, Secret, Trust, Validator},
    test_support::{
        Documents, TestClock, TestIssuer, TestKey, at,
        mutations::{ACCESS_TOKEN, INTROSPECTION, JWKS, LOGOUT_TOKEN, Mutation, lines, mutations},
    },
};
use serde_json::{Value, json};

use crate::world::World;

const INTROSPECTION_URL: &str = "https://idp.example/introspect";

fn access_token() -> Value {
    json!({
        "header": {"alg": "ES256", "kid": "es256", "typ": "at+jwt"},
        "claims": {
            "iss": "https://idp.example", "sub": "alice", "aud": "orders", "exp": at(300), "nbf": at(0), "iat": at(0),
            "scope": "openid", "client_id": "shop", "azp": "shop", "cid": "shop", "auth_time": at(-5), "jti": "1", "sid": "s",
            "acr": "1", "amr": ["pwd"], "name": "Alice", "given_name": "Alice", "family_name": "Example", "groups": ["a"],
            "org_id": "o", "tid": "t", "typ": "Bearer", "token_use": "access", "email_verified": true,
        },
    })
}

fn introspection() -> Value {
    json!({
        "active": true, "sub": "alice", "username": "alice", "aud": "orders", "iss": "https://idp.example", "exp": at(300),
        "nbf": at(0), "iat": at(0), "scope": "openid", "client_id": "shop", "token_type": "Bearer", "jti": "1",
    })
}

fn logout_token() -> Value {
    json!({
        "header": {"alg": "ES256", "kid": "es256", "typ": "logout+jwt"},
        "claims": {
            "iss": "https://idp.example", "sub": "alice", "aud": "shop", "exp": at(120), "iat": at(0), "jti": "1", "sid": "s",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "typ": "Logout",
        },
    })
}

fn sign(key: &TestKey, token: &Value) -> String {
    key.sign_text(&token["header"].to_string(), &token["claims"].to_string())
}

fn outcome<T>(verdict: Result<T, Rejection>) -> &'static str {
    verdict.map_or_else(|rejection| rejection.reason().name(), |_| "ok")
}

/// Collects all differences, so that one run shows them.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, mutation: &Mutation, found: &str) {
        if mutation.expected != found {
            let Mutation {
                member,
                change,
                expected,
                ..
            } = mutation;
            self.0
                .push(format!("{member} {change:?}: expected {expected}, found {found}"));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{:#?}", self.0);
    }
}

#[tokio::test]
async fn access_tokens() {
    let world = World::new().await;
    let mut differences = Differences::default();
    for mutation in mutations(&access_token(), ACCESS_TOKEN) {
        let token = sign(&world.issuer.keys()[0], &mutation.document);
        differences.compare(
            &mutation,
            outcome(world.validator.validate(&token, world.clock.time()).await),
        );
    }
    differences.none();
}

#[tokio::test]
async fn introspection_answers() {
    let asks = |mut trust: Trust| {
        trust.introspection_url = INTROSPECTION_URL.into();
        trust.introspection_client_id = "gate".into();
        trust.introspection_client_secret = Secret::new("secret");
        trust
    };
    let world = World::with(asks, |validator| validator).await;
    let mut differences = Differences::default();
    for (number, mutation) in mutations(&introspection(), INTROSPECTION).into_iter().enumerate() {
        world.provider.put(INTROSPECTION_URL, &mutation.document);
        let verdict = world
            .validator
            .validate(&format!("opaque-{number}"), world.clock.time())
            .await;
        differences.compare(&mutation, outcome(verdict));
    }
    differences.none();
}

#[tokio::test]
async fn logout_tokens() {
    let world = World::new().await;
    let mut differences = Differences::default();
    for mutation in mutations(&logout_token(), LOGOUT_TOKEN) {
        let token = sign(&world.issuer.keys()[0], &mutation.document);
        let (issuer, now) = (world.issuer.issuer(), world.clock.time());
        let verdict = world.validator.validate_logout_token(&token, issuer, "shop", now).await;
        differences.compare(&mutation, outcome(verdict));
    }
    differences.none();
}

#[tokio::test]
async fn key_sets() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::RS256]);
    let stranger = TestKey::generate(Algorithm::ES256, "stranger");
    let mut key = issuer.keys()[0].jwk();
    for (member, value) in [
        ("key_ops", json!(["verify"])),
        ("x5c", json!(["MIIC"])),
        ("x5t", json!("a")),
        ("exp", json!(1)),
    ] {
        key[member] = value;
    }
    let clock = TestClock::default();
    let mut differences = Differences::default();
    for mutation in mutations(&json!({"keys": [key]}), JWKS) {
        let mut found = None;
        // A second key in the set shows whether only the mutated one is left out.
        for beside in [None, Some(stranger.jwk())] {
            let mut set = mutation.document.clone();
            if let Some(keys) = set["keys"].as_array_mut() {
                keys.extend(beside.clone());
            }
            let documents = Documents::of([&issuer]);
            documents.put(issuer.jwks_url(), &set);
            let builder = Validator::builder([issuer.trust("orders")])
                .fetch(documents)
                .clock(clock.clone());
            let validator = builder.build().unwrap();
            let loaded = validator.load().await;
            let verdict = outcome(validator.validate(&issuer.token().sign(), clock.time()).await);
            found = match (beside, loaded, verdict) {
                (None, Err(_), _) => Some("bad"),
                (None, Ok(()), verdict) => Some(verdict),
                (Some(_), Ok(()), "unknown_key") if found == Some("bad") => Some("left_out"),
                (Some(_), _, _) => found,
            };
        }
        differences.compare(&mutation, found.unwrap());
    }
    differences.none();
}

/// A member without a line in the tables would have no documented outcome.
#[test]
fn every_member_of_the_documents_has_its_line() {
    for (document, table) in [
        (access_token(), ACCESS_TOKEN),
        (introspection(), INTROSPECTION),
        (logout_token(), LOGOUT_TOKEN),
    ] {
        let members: Vec<_> = lines(table).into_iter().map(|(member, _)| member).collect();
        for (name, value) in document.as_object().unwrap() {
            let nested = value
                .as_object()
                .filter(|_| matches!(name.as_str(), "header" | "claims"));
            match nested {
                Some(nested) => {
                    for inner in nested.keys().filter(|inner| *inner != "alg") {
                        assert!(members.contains(&format!("{name}.{inner}")), "{name}.{inner}");
                    }
                }
                None => assert!(members.contains(name), "{name}"),
            }
        }
    }
}
