//! Any text as a token, and any two lines as the header and claims of one: no panic, no pass for what nobody signed, nothing of it in
//! the message but escaped and short. What is read as JSON is what any parser reads; signed claims pass only with a subject of theirs.
#![no_main]

use std::{sync::LazyLock, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use pixygate::{
    jwt::{Algorithm, Principal, Rejection, Trust, UnverifiedClaims, Validator},
    test_support::{TestClock, TestIssuer},
};
use serde_json::{Map, Value};

struct Setting {
    issuer: TestIssuer,
    validator: Validator,
    now: SystemTime,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let mut trust = Trust::new(issuer.issuer()).audience("orders");
    trust.jwks = issuer.jwks().to_string();
    trust.roles_claim = "realm_access.roles".into();
    let validator = Validator::builder([trust]).token_cache(0).build().expect("the trust is good");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    runtime
        .block_on(validator.load())
        .expect("keys in the configuration load");
    let now = TestClock::default().time();
    Setting { issuer, validator, now }
});

fn judge(token: &str) -> Result<Principal, Rejection> {
    let verdict = block_on(SETTING.validator.validate(token, SETTING.now));
    if let Err(rejection) = &verdict {
        let message = rejection.to_string();
        assert!(message.len() < 2000 && !message.contains(|character: char| character.is_control()));
    }
    verdict
}

fuzz_target!(|input: &str| {
    UnverifiedClaims::decode(input).ok();
    judge(input).expect_err("nothing invented passes");
    let Some((header, claims)) = input.split_once('\n') else {
        return;
    };
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.{}.c2ln", encode(header), encode(claims));
    judge(&token).expect_err("nothing that is not signed passes");
    if let Ok(said) = UnverifiedClaims::decode(&token) {
        let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).expect("any parser reads it");
        assert_eq!((said.header, said.claims), (read(header), read(claims)));
    }
    if let Ok(principal) = judge(&SETTING.issuer.token().sign_claims(claims)) {
        assert_eq!(principal.claim("sub"), Some(&Value::from(principal.subject())));
        assert_eq!(principal.issuer(), "https://idp.example");
    }
});
