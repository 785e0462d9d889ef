//! The tokens of real providers at the gate: access tokens pass as each profile says, and none of its ID tokens does.

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pixygate::{
    Reason,
    jwt::{Algorithm, Rejection, Trust, Validator},
    test_support::{
        Documents, TestClock, TestKey, at,
        profiles::{Profile, Values, profiles},
    },
};
use serde_json::{Value, json};

/// The provider of a profile, with one key, and a validator that trusts it.
struct Provider {
    profile: Profile,
    values: Values,
    key: &'static TestKey,
    validator: Validator,
    clock: TestClock,
}

impl Provider {
    async fn new(profile: Profile) -> Self {
        let values = Values::new("https://idp.example", at(0) as f64);
        let issuer = profile.text("issuer", &values);
        let values = values
            .with("kid", "key-1")
            .with("issuer", issuer.as_str())
            .with("nonce", "n-1");
        let [rsa, eddsa] = own_keys();
        let key = if profile.text("algorithm", &values) == "EdDSA" {
            eddsa
        } else {
            rsa
        };
        let mut trust = profile.part("trust", &values).unwrap();
        trust["issuer"] = issuer.as_str().into();
        let mut trust: Trust = serde_json::from_value(trust).unwrap();
        let introspection = trust.introspection_url.clone();
        trust.jwks_cooldown_seconds = 1;
        let documents = Documents::default();
        let metadata = profile.part("metadata", &values).unwrap();
        let place = match profile.text("metadata_url", &values) {
            given if !given.is_empty() => given,
            _ => format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')),
        };
        documents.put(place, &metadata);
        documents.put(metadata["jwks_uri"].as_str().unwrap(), &keys(&profile, &values, key));
        if let Some(answer) = profile.part("introspection", &values) {
            documents.put(introspection, &answer);
        }
        let clock = TestClock::default();
        let validator = Validator::builder([trust])
            .fetch(documents)
            .clock(clock.clone())
            .build()
            .unwrap();
        validator
            .load()
            .await
            .unwrap_or_else(|errors| panic!("{}: {errors}", profile.name()));
        Self {
            profile,
            values,
            key,
            validator,
            clock,
        }
    }

    fn sign(&self, token: &Value) -> String {
        let mut header = json!({"alg": self.key.algorithm().name(), "kid": "key-1"});
        let own = token["header"].as_object().unwrap().clone();
        header.as_object_mut().unwrap().extend(own);
        self.key.sign_text(&header.to_string(), &token["claims"].to_string())
    }

    fn access_token(&self) -> String {
        let token = self
            .profile
            .part("access_token", &self.values.clone().with("hash", "r4nd0m"))
            .unwrap();
        match &token["opaque"] {
            Value::String(opaque) => opaque.clone(),
            _ => self.sign(&token),
        }
    }

    /// `None` when the profile has no such token.
    fn id_token(&self, part: &str) -> Option<String> {
        let hash = digest(&SHA256, self.access_token().as_bytes());
        let hash = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]);
        let values = self.values.clone().with("at_hash", hash).with("hash", "c0de");
        Some(self.sign(&self.profile.part(part, &values)?))
    }

    async fn verdict(&self, token: &str) -> Result<String, Rejection> {
        let principal = self.validator.validate(token, self.clock.time()).await?;
        Ok(principal.subject().to_owned())
    }
}

/// Generated once, because generating an RSA key is slow.
fn own_keys() -> &'static [TestKey; 2] {
    static KEYS: OnceLock<[TestKey; 2]> = OnceLock::new();
    KEYS.get_or_init(|| [Algorithm::RS256, Algorithm::EdDSA].map(|algorithm| TestKey::generate(algorithm, "key-1")))
}

fn stranger() -> &'static TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(|| TestKey::generate(Algorithm::RS256, "other"))
}

/// Returns the published keys: the provider's own, and another one if the profile's set has several.
fn keys(profile: &Profile, values: &Values, key: &TestKey) -> Value {
    let mut published = Vec::new();
    for shape in profile.part("keys", values).unwrap().as_array().unwrap() {
        let mut jwk = match shape["kid"] == "key-1" {
            true => key.public_jwk(),
            false => stranger().public_jwk(),
        };
        jwk.as_object_mut().unwrap().extend(shape.as_object().unwrap().clone());
        published.push(jwk);
    }
    json!({"keys": published})
}

fn said(verdict: &Result<String, Rejection>) -> &'static str {
    match verdict {
        Ok(_) => "accepted",
        Err(rejection) => rejection.reason().name(),
    }
}

#[tokio::test]
async fn every_token_of_every_profile_has_its_verdict() {
    for profile in profiles() {
        let name = profile.name();
        let provider = Provider::new(profile).await;
        let expected = provider.profile.part("gate", &provider.values).unwrap();
        let verdict = provider.verdict(&provider.access_token()).await;
        assert_eq!(said(&verdict), expected["access_token"], "{name}: {verdict:?}");
        for part in ["id_token", "refreshed_id_token"] {
            let Some(token) = provider.id_token(part) else {
                assert_eq!(expected[part], Value::Null, "{name}: {part}");
                continue;
            };
            let verdict = provider.verdict(&token).await;
            assert_eq!(said(&verdict), expected[part], "{name}: {part}: {verdict:?}");
        }
    }
}

/// There is one documented exception: the access tokens of Dex are ID tokens.
#[test]
fn no_profile_lets_an_id_token_pass() {
    let values = Values::new("https://idp.example", 0.0);
    for profile in profiles() {
        let gate = profile.part("gate", &values).unwrap();
        assert_ne!(gate["id_token"], "accepted", "{}", profile.name());
        assert_eq!(
            gate["refreshed_id_token"] == "accepted",
            profile.name() == "dex",
            "{}",
            profile.name()
        );
    }
}

/// Each setting of a profile is necessary.
#[tokio::test]
async fn an_access_token_that_needs_a_setting_is_rejected_without_it() {
    for profile in profiles() {
        let provider = Provider::new(profile).await;
        let mut trust = provider.validator.trusts()[0].clone();
        if !(trust.allow_nonce || trust.allow_at_hash) {
            continue;
        }
        (trust.allow_nonce, trust.allow_at_hash) = (false, false);
        let jwks = keys(&provider.profile, &provider.values, provider.key);
        (trust.discovery_url, trust.jwks) = (String::new(), jwks.to_string());
        let strict = Validator::builder([trust])
            .clock(provider.clock.clone())
            .build()
            .unwrap();
        let rejection = strict
            .validate(&provider.access_token(), provider.clock.time())
            .await
            .unwrap_err();
        assert_eq!(
            rejection.reason(),
            Reason::WrongTokenType,
            "{}",
            provider.profile.name()
        );
    }
}

#[tokio::test]
async fn the_logout_tokens_of_every_profile_are_accepted() {
    let mut seen = 0;
    for profile in profiles() {
        let provider = Provider::new(profile).await;
        let logout = provider.profile.part("logout", &provider.values).unwrap();
        if logout["token"].is_null() {
            continue;
        }
        seen += 1;
        let issuer = provider.profile.text("issuer", &provider.values);
        let client_id = provider.profile.text("client_id", &provider.values);
        let (token, now) = (provider.sign(&logout["token"]), provider.clock.time());
        let verdict = provider
            .validator
            .validate_logout_token(&token, &issuer, &client_id, now)
            .await;
        verdict.unwrap_or_else(|rejection| panic!("{}: {rejection}", provider.profile.name()));
        // An access token ends no session.
        let access_token = provider.access_token();
        provider
            .validator
            .validate_logout_token(&access_token, &issuer, &client_id, now)
            .await
            .unwrap_err();
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn every_profile_has_its_sources_and_parts() {
    let values = Values::new("https://idp.example", 0.0)
        .with("access_token", "a")
        .with("kid", "k");
    for profile in profiles() {
        let sources = profile.part("sources", &values).unwrap();
        assert!(
            sources.as_array().is_some_and(|sources| !sources.is_empty()),
            "{}",
            profile.name()
        );
        for source in sources.as_array().unwrap() {
            assert!(source.as_str().is_some_and(|source| source.contains("20")), "{source}");
        }
        for part in [
            "name",
            "issuer",
            "client_id",
            "trust",
            "metadata",
            "keys",
            "access_token",
            "id_token",
            "token_answer",
            "refresh_answer",
            "refresh_error",
            "logout",
            "gate",
        ] {
            assert!(profile.part(part, &values).is_some(), "{}: {part}", profile.name());
        }
        let metadata = profile.part("metadata", &values).unwrap();
        assert_eq!(metadata["issuer"], profile.text("issuer", &values).as_str());
        assert_eq!(profile.part("token_answer", &values).unwrap()["access_token"], "a");
    }
}
