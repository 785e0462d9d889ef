//! Access tokens, introspection answers and logout tokens with several members replaced by any JSON. No panic; a member that the
//! tables of `test_support::mutations` call harmless in every form never decides; and what is accepted holds what must hold.
#![no_main]

use std::{
    collections::HashSet,
    sync::{LazyLock, atomic::AtomicU64, atomic::Ordering},
    time::SystemTime,
};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pixygate::{
    jwt::{Algorithm, Secret, Validator},
    test_support::{
        Documents, TestClock, TestIssuer, at,
        mutations::{ACCESS_TOKEN, INTROSPECTION, LOGOUT_TOKEN, lines, set},
    },
};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

const ENDPOINT: &str = "https://idp.example/introspect";

#[derive(Arbitrary, Debug)]
enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Fraction(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => value.into(),
            Json::Integer(value) => value.into(),
            Json::Fraction(value) => value.into(),
            Json::Text(value) => value.into(),
            Json::List(values) => values.into_iter().map(Self::from).collect(),
            Json::Object(members) => members
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Document {
    AccessToken,
    Introspection,
    LogoutToken,
}

#[derive(Arbitrary, Debug)]
struct Input {
    document: Document,
    /// The line of a table, and what takes the place of its member; `None` removes it.
    changes: Vec<(u8, Option<Json>)>,
}

struct Setting {
    issuer: TestIssuer,
    documents: Documents,
    validator: Validator,
    now: SystemTime,
    runtime: Runtime,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let mut trust = issuer.trust("orders");
    trust.introspection_url = ENDPOINT.into();
    trust.introspection_client_id = "gate".into();
    trust.introspection_client_secret = Secret::new("secret");
    let (documents, clock) = (Documents::of([&issuer]), TestClock::default());
    let builder = Validator::builder([trust]).fetch(documents.clone()).clock(clock.clone());
    let validator = builder.token_cache(0).build().expect("the trust is valid");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(validator.load()).expect("the keys load");
    let now = clock.time();
    Setting { issuer, documents, validator, now, runtime }
});

/// Members that are `ok` in every form, and whose text says nothing of the kind of token either.
fn harmless(table: &str) -> HashSet<String> {
    let harmless = |outcomes: &[String; 8]| outcomes.iter().all(|outcome| outcome == "ok" || outcome == "–");
    let names_a_kind = |member: &str| ["typ", "token_use", "token_type", "nonce", "at_hash"].iter().any(|name| member.ends_with(name));
    lines(table)
        .into_iter()
        .filter(|(member, outcomes)| harmless(outcomes) && !names_a_kind(member))
        .map(|(member, _)| member)
        .collect()
}

fn claims() -> Value {
    json!({
        "iss": "https://idp.example", "sub": "alice", "aud": "orders", "exp": at(300), "nbf": at(0), "iat": at(0),
        "scope": "openid", "client_id": "shop", "typ": "Bearer", "active": true, "token_type": "Bearer",
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Replaces members. Returns whether only harmless ones were.
fn change(document: &mut Value, table: &str, changes: Vec<(u8, Option<Json>)>) -> bool {
    let members = lines(table);
    let harmless = harmless(table);
    let mut only_harmless = true;
    for (index, value) in changes {
        let (member, _) = &members[usize::from(index) % members.len()];
        only_harmless &= harmless.contains(member);
        set(document, member, value.map(Value::from));
    }
    only_harmless
}

fn holds(claims: &Value, audience: &str) {
    assert_eq!(claims["iss"], "https://idp.example");
    assert!(claims["aud"] == audience || claims["aud"].as_array().is_some_and(|all| all.iter().any(|one| one == audience)));
}

fuzz_target!(|input: Input| {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let setting = &*SETTING;
    let key = &setting.issuer.keys()[0];
    let header = |typ: &str| json!({"alg": "ES256", "kid": "es256", "typ": typ});
    let sign = |token: &Value| key.sign_text(&token["header"].to_string(), &token["claims"].to_string());
    match input.document {
        Document::AccessToken => {
            let mut token = json!({"header": header("at+jwt"), "claims": claims()});
            let harmless = change(&mut token, ACCESS_TOKEN, input.changes);
            let jwt = sign(&token);
            if jwt.len() > 8192 || depth(&token) > 60 {
                return;
            }
            match setting.runtime.block_on(setting.validator.validate(&jwt, setting.now)) {
                Ok(principal) => {
                    holds(&token["claims"], "orders");
                    assert_eq!(token["claims"]["sub"], principal.subject());
                    assert!(token["claims"]["exp"].is_number() && token["claims"]["cnf"].is_null());
                }
                Err(rejection) => assert!(!harmless, "{rejection}: {token}"),
            }
        }
        Document::Introspection => {
            let mut answer = claims();
            let harmless = change(&mut answer, INTROSPECTION, input.changes);
            if depth(&answer) > 60 {
                return;
            }
            setting.documents.put(ENDPOINT, &answer);
            let token = format!("opaque-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            match setting.runtime.block_on(setting.validator.validate(&token, setting.now)) {
                Ok(principal) => {
                    assert!(answer["active"] == true || answer["active"].as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")));
                    assert!(answer["sub"] == principal.subject() || answer["username"] == principal.subject());
                }
                Err(rejection) => assert!(!harmless, "{rejection}: {answer}"),
            }
        }
        Document::LogoutToken => {
            let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
            let mut token = json!({"header": header("logout+jwt"), "claims": {
                "iss": "https://idp.example", "sub": "alice", "aud": "shop", "exp": at(120), "iat": at(0), "jti": "1", "sid": "s",
                "events": event,
            }});
            let harmless = change(&mut token, LOGOUT_TOKEN, input.changes);
            let jwt = sign(&token);
            if jwt.len() > 8192 || depth(&token) > 60 {
                return;
            }
            let verdict = setting.validator.validate_logout_token(&jwt, "https://idp.example", "shop", setting.now);
            match setting.runtime.block_on(verdict) {
                Ok(logout) => {
                    holds(&token["claims"], "shop");
                    assert!(logout.subject().is_some() || logout.session_id().is_some());
                    assert!(token["claims"]["nonce"].is_null() || token["claims"]["nonce"] == "" || depth(&token["claims"]["nonce"]) > 0);
                }
                Err(rejection) => assert!(!harmless, "{rejection}: {token}"),
            }
        }
    }
});
