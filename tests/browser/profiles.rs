//! The shapes of real providers on the real platform: keys, signatures and answers as each sends them.

use pixygate::session::browser::Browser;
use pixygate::session::{Platform as _, Session};
use pixygate::test_support::profiles::{Profile, Values, profiles};
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::alone;
use crate::provider::{BASE, Key, answer, browser, client, complete, visit};

struct Provider {
    profile: Profile,
    values: Values,
    client_id: String,
}

impl Provider {
    fn new(profile: Profile) -> Self {
        let values = Values::new(BASE, (js_sys::Date::now() / 1000.0).floor());
        let issuer = profile.text("issuer", &values);
        let values = values
            .with("issuer", issuer)
            .with("kid", "key-1")
            .with("hash", "r4nd0m");
        let client_id = match profile.text("client_id", &values) {
            given if given.is_empty() => "shop".to_owned(),
            given => given,
        };
        Self {
            profile,
            values,
            client_id,
        }
    }

    /// The published keys, of which one is the provider's own.
    fn keys(&self, key: &Key) -> Value {
        let mut shapes = self.profile.part("keys", &self.values).unwrap();
        for shape in shapes.as_array_mut().unwrap() {
            let mut whole = key.public.as_object().unwrap().clone();
            whole.append(shape.as_object_mut().unwrap());
            *shape = whole.into();
        }
        json!({ "keys": shapes })
    }

    async fn id_token(&self, browser: &Browser, key: &Key, part: &str, values: &Values) -> Option<String> {
        let at_hash = key.at_hash(browser, "an-access-token").await;
        let token = self.profile.part(part, &values.clone().with("at_hash", at_hash))?;
        let mut header = json!({ "alg": key.algorithm, "kid": "key-1" });
        let own = token["header"].as_object().unwrap().clone();
        header.as_object_mut().unwrap().extend(own);
        Some(key.sign(&header, &token["claims"]).await)
    }

    async fn response(&self, browser: &Browser, key: &Key, parts: [&str; 2], values: &Values, number: u32) -> Value {
        let [answer, id_token] = parts;
        let id_token = self.id_token(browser, key, id_token, values).await.unwrap();
        let values = values
            .clone()
            .with("access_token", "an-access-token")
            .with("refresh_token", format!("refresh-{number}"))
            .with("id_token", id_token);
        self.profile.part(answer, &values).unwrap()
    }
}

async fn keys() -> [Key; 2] {
    [Key::generate("RS256").await, Key::generate("EdDSA").await]
}

#[wasm_bindgen_test]
async fn a_user_signs_in_and_stays_signed_in_at_every_provider() {
    let storage = browser();
    let _alone = alone(&storage).await;
    let [rsa, eddsa] = keys().await;
    let mut refreshed = 0;
    for profile in profiles() {
        let name = profile.name();
        let provider = Provider::new(profile);
        let key = match provider.profile.text("algorithm", &provider.values).as_str() {
            "EdDSA" => &eddsa,
            _ => &rsa,
        };
        let metadata = provider.profile.part("metadata", &provider.values).unwrap();
        let published = provider.keys(key);
        // A page may come without them, and fetches them then.
        for known in [&published, &json!({ "keys": [] })] {
            storage.clear().await.unwrap();
            let settings = client(&storage, &provider.client_id, &metadata, known);
            answer(&settings.provider.jwks_uri, &published);
            let session = Session::new(browser(), settings, |_| {});
            let (query, nonce) = visit(&session).await;
            let values = provider.values.clone().with("nonce", nonce);
            let first = provider
                .response(&storage, key, ["token_answer", "id_token"], &values, 1)
                .await;
            complete(&session, &query, &first)
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let subject = session.state().signed_in().map(|user| user.claims().sub.clone());
            assert!(subject.is_some(), "{name}");
            assert_eq!(
                session.access_token().await.unwrap().secret(),
                "an-access-token",
                "{name}"
            );
            if first.get("refresh_token").is_none() {
                continue;
            }
            refreshed += 1;
            let part = match provider.profile.part("refreshed_id_token", &values) {
                Some(_) => "refreshed_id_token",
                None => "id_token",
            };
            let next = provider
                .response(&storage, key, ["refresh_answer", part], &values, 2)
                .await;
            answer(&session.client().provider.token_endpoint, &next);
            session
                .replace_now()
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let after = session.state().signed_in().map(|user| user.claims().sub.clone());
            assert_eq!(after, subject, "{name}");
        }
    }
    assert!(refreshed > 40, "{refreshed}");
    storage.clear().await.unwrap();
}

/// The provider's own ID token for another client, of another issuer or sign-in, or with another signature.
#[wasm_bindgen_test]
async fn a_wrong_token_is_rejected_in_the_shape_of_every_provider() {
    let storage = browser();
    let _alone = alone(&storage).await;
    let [rsa, eddsa] = keys().await;
    let [other_rsa, other_eddsa] = keys().await;
    for profile in profiles() {
        let name = profile.name();
        let provider = Provider::new(profile);
        let (key, other) = match provider.profile.text("algorithm", &provider.values).as_str() {
            "EdDSA" => (&eddsa, &other_eddsa),
            _ => (&rsa, &other_rsa),
        };
        let metadata = provider.profile.part("metadata", &provider.values).unwrap();
        let keys = provider.keys(key);
        for wrong in ["iss", "aud", "nonce", "signature"] {
            storage.clear().await.unwrap();
            let settings = client(&storage, &provider.client_id, &metadata, &keys);
            answer(&settings.provider.jwks_uri, &keys);
            let session = Session::new(browser(), settings, |_| {});
            let (query, nonce) = visit(&session).await;
            let values = provider.values.clone().with("nonce", nonce);
            let mut response = provider
                .response(&storage, key, ["token_answer", "id_token"], &values, 1)
                .await;
            let mut token = provider.profile.part("id_token", &values.with("at_hash", "x")).unwrap();
            let header = json!({ "alg": key.algorithm, "kid": "key-1" });
            token["claims"].as_object_mut().unwrap().remove("at_hash");
            let signs = match wrong {
                "signature" => other,
                claim => {
                    token["claims"][claim] = json!("https://evil.example");
                    key
                }
            };
            response["id_token"] = signs.sign(&header, &token["claims"]).await.into();
            assert!(complete(&session, &query, &response).await.is_err(), "{name}: {wrong}");
            assert!(session.state().signed_in().is_none(), "{name}: {wrong}");
        }
    }
    storage.clear().await.unwrap();
}
