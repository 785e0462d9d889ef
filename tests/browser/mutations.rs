//! Every member of an ID token, of a token response and of a key in every odd form has the outcome that the tables say.

use pixygate::authorization::id_token::IdTokenError;
use pixygate::session::{Platform as _, Session, SessionError};
use pixygate::test_support::mutations::{Change, ID_TOKEN, JWKS, Mutation, TOKEN_RESPONSE, mutations};
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::alone;
use crate::documents::{id_token, named, token_response};
use crate::provider::{BASE, Key, answer, browser, client, complete, visit};

const ACCESS_TOKEN: &str = "an-access-token";

fn metadata() -> Value {
    json!({
        "issuer": BASE, "authorization_endpoint": format!("{BASE}/authorize"), "token_endpoint": format!("{BASE}/token"),
        "jwks_uri": format!("{BASE}/jwks"),
    })
}

fn claims() -> Value {
    id_token(BASE, "shop", (js_sys::Date::now() / 1000.0) as u64)
}

/// The public key in a set, with members that are common.
fn key_set(key: &Key) -> Value {
    let mut jwk = key.public.clone();
    for (member, value) in [
        ("kid", json!("key-1")),
        ("use", json!("sig")),
        ("alg", json!("RS256")),
        ("key_ops", json!(["verify"])),
        ("x5c", json!(["MIIC"])),
        ("x5t", json!("a")),
        ("exp", json!(1)),
    ] {
        jwk[member] = value;
    }
    json!({ "keys": [jwk] })
}

/// Signs in once for each mutation, and compares the outcomes.
async fn check(
    whole: &Value,
    table: &str,
    key: &Key,
    outcome: impl Fn(Result<(), SessionError>) -> String,
    expected: impl Fn(&Mutation) -> String,
    documents: impl Fn(&Mutation) -> [Value; 3],
) {
    let storage = browser();
    let lock = alone(&storage).await;
    let at_hash = key.at_hash(&storage, ACCESS_TOKEN).await;
    let mut differences = Vec::new();
    for mutation in mutations(whole, table) {
        storage.clear().await.unwrap();
        let [keys, claims, mut response] = documents(&mutation);
        let settings = client(&storage, "shop", &metadata(), &keys);
        answer(&settings.provider.jwks_uri, &keys);
        let session = Session::new(browser(), settings, |_| {});
        let (query, nonce) = visit(&session).await;
        let claims = claims
            .to_string()
            .replace("$nonce", &nonce)
            .replace("$at_hash", &at_hash);
        let header = json!({ "alg": "RS256", "kid": "key-1" });
        let id_token = key.sign(&header, &serde_json::from_str(&claims).unwrap()).await;
        for (member, own) in [
            ("access_token", ACCESS_TOKEN),
            ("refresh_token", "refresh-1"),
            ("id_token", &id_token),
        ] {
            match response.get_mut(member) {
                Some(Value::Array(several)) if several.iter().any(|one| one == "$own") => *several = vec![json!(own)],
                Some(one) if one == "$own" => *one = json!(own),
                _ => {}
            }
        }
        let found = outcome(complete(&session, &query, &response).await);
        let expected = expected(&mutation);
        if found != expected {
            differences.push(format!(
                "{} {:?}: expected {expected}, found {found}",
                mutation.member, mutation.change
            ));
        }
    }
    storage.clear().await.unwrap();
    drop(lock);
    assert!(differences.is_empty(), "{differences:#?}");
}

fn as_written(mutation: &Mutation) -> String {
    mutation.expected.clone()
}

#[wasm_bindgen_test]
async fn id_tokens_in_every_form() {
    let key = Key::generate("RS256").await;
    let keys = key_set(&key);
    let documents = |mutation: &Mutation| [keys.clone(), mutation.document.clone(), token_response()];
    check(&claims(), ID_TOKEN, &key, named, as_written, documents).await;
}

#[wasm_bindgen_test]
async fn token_responses_in_every_form() {
    let key = Key::generate("RS256").await;
    let keys = key_set(&key);
    let documents = |mutation: &Mutation| [keys.clone(), claims(), mutation.document.clone()];
    check(&token_response(), TOKEN_RESPONSE, &key, named, as_written, documents).await;
}

/// Keys are read as at the gate, but for members that only the gate reads, `use` and `alg` of another type, which count as absent, and a
/// list with one text, which is read as that text.
#[wasm_bindgen_test]
async fn key_sets_in_every_form() {
    let key = Key::generate("RS256").await;
    let keys = key_set(&key);
    let outcome = |outcome| match outcome {
        Ok(()) => "ok".to_owned(),
        Err(SessionError::IdToken(
            IdTokenError::UnknownKey { .. } | IdTokenError::Crypto(_) | IdTokenError::Signature,
        )) => "no key".to_owned(),
        Err(error) => error.to_string(),
    };
    let expected = |mutation: &Mutation| {
        let member = mutation.member.rsplit('.').next().unwrap();
        let is_other_type = matches!(mutation.change, Change::Zero | Change::Number | Change::Object);
        let ignored = match member {
            "key_ops" | "issuer" | "d" => true,
            "use" | "alg" if is_other_type => true,
            _ => mutation.change == Change::List,
        };
        match mutation.expected.as_str() {
            "ok" => "ok".to_owned(),
            _ if ignored => "ok".to_owned(),
            _ => "no key".to_owned(),
        }
    };
    let documents = |mutation: &Mutation| [mutation.document.clone(), claims(), token_response()];
    check(&keys, JWKS, &key, outcome, expected, documents).await;
}
