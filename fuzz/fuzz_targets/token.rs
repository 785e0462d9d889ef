//! Any text as a token: no panic, no pass, and nothing of it in the message but escaped and short.
#![no_main]

use std::{sync::LazyLock, time::SystemTime};

use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use pixygate::{
    jwt::{Algorithm, Trust, UnverifiedClaims, Validator},
    test_support::{TestClock, TestIssuer},
};

static SETTING: LazyLock<(Validator, SystemTime)> = LazyLock::new(|| {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let mut trust = Trust::new(issuer.issuer()).audience("orders");
    trust.jwks = issuer.jwks().to_string();
    let validator = Validator::builder([trust]).build().expect("the trust is good");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    runtime
        .block_on(validator.load())
        .expect("keys in the configuration load");
    (validator, TestClock::default().time())
});

fuzz_target!(|token: &str| {
    UnverifiedClaims::decode(token).ok();
    let (validator, now) = &*SETTING;
    let rejection = block_on(validator.validate(token, *now)).expect_err("nothing invented passes");
    let message = rejection.to_string();
    assert!(message.len() < 2000 && !message.contains(|character: char| character.is_control()));
});
