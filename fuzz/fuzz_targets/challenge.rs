//! Any demand of a policy, realm and scheme: each challenge is one line whose quotes are closed, says its own realm, scheme and
//! metadata, and what is asked for in it reads back as it was demanded.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use axum::{Router, body::Body, http::Request, routing::get};
use futures::{FutureExt, executor::block_on};
use libfuzzer_sys::fuzz_target;
use pixygate::{
    gate::{Gate, Policies, Policy},
    jwt::{Algorithm, Validator},
    test_support::{Documents, TestClock, TestIssuer},
};
use tower::ServiceExt;

struct Setting {
    validator: Validator,
    clock: TestClock,
    token: String,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let clock = TestClock::default();
    let builder = Validator::builder([issuer.trust("orders")]).fetch(Documents::of([&issuer]));
    let validator = builder.clock(clock.clone()).build().expect("the trust is good");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(validator.load()).expect("the keys are there");
    let token = issuer.token().sign();
    Setting {
        validator,
        clock,
        token,
    }
});

#[derive(Debug, arbitrary::Arbitrary)]
struct Input<'a> {
    realm: &'a str,
    public_url: bool,
    scopes: Vec<&'a str>,
    acr_values: Vec<&'a str>,
    max_age: Option<u32>,
    dpop: bool,
    authorization: Authorization<'a>,
}

#[derive(Debug, arbitrary::Arbitrary)]
enum Authorization<'a> {
    Absent,
    Good,
    Any(&'a [u8]),
}

/// Names and values between the quotes.
fn parameters(challenge: &str) -> Vec<(&str, &str)> {
    let (_, mut rest) = challenge.split_once(' ').expect("a scheme and parameters");
    let mut found = Vec::new();
    loop {
        let (name, value) = rest.split_once("=\"").expect("a name before each value");
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        let (value, after) = value.split_once('"').expect("the quote is closed");
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\'));
        found.push((name, value));
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None => {
                assert_eq!(after, "");
                return found;
            }
        }
    }
}

/// What may stand in a quoted value, and parts at spaces.
fn words(values: &[&str]) -> Vec<String> {
    let joined = values.join(" ");
    let quotable = joined
        .chars()
        .filter(|character| matches!(character, ' '..='~') && !matches!(character, '"' | '\\'));
    quotable.collect::<String>().split(' ').map(str::to_owned).collect()
}

fuzz_target!(|input: Input<'_>| {
    let setting = &*SETTING;
    let mut policy = Policy::signed_in().scopes(input.scopes.iter().copied());
    for acr in &input.acr_values {
        policy = policy.any_acr([*acr]);
    }
    if let Some(age) = input.max_age {
        policy = policy.max_age(Duration::from_secs(age.into()));
    }
    if input.dpop {
        policy = policy.dpop();
    }
    let policies = Policies::new().route("GET", "/api/a", policy);
    // A policy that no request could meet is an error.
    let Ok(gate) = Gate::builder().validator(setting.validator.clone()).policies(policies)
        .realm(input.realm)
        .public_url(if input.public_url { "https://shop.example" } else { "" })
        .clock(setting.clock.clone())
        .build()
    else {
        return;
    };
    let app = gate.wrap(Router::<()>::new().route("/api/a", get(|| async { "" })));
    let mut request = Request::builder().uri("/api/a").header("host", "shop.example");
    request = match input.authorization {
        Authorization::Absent => request,
        Authorization::Good => request.header("authorization", format!("Bearer {}", setting.token)),
        Authorization::Any(bytes) => request.header("authorization", bytes),
    };
    let Ok(request) = request.body(Body::empty()) else {
        return;
    };
    let response = block_on(app.oneshot(request).map(|response| match response {
        Ok(response) => response,
        Err(never) => match never {},
    }));
    let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.is_empty(), !matches!(response.status().as_u16(), 401 | 403));
    for challenge in challenges {
        let challenge = challenge.to_str().expect("a challenge is ASCII");
        let found = parameters(challenge);
        let value = |name: &str| {
            let mut all = found.iter().filter(|(known, _)| *known == name);
            let first = all.next().map(|(_, value)| *value);
            assert_eq!(all.next(), None, "{name} twice in {challenge}");
            first
        };
        let dpop = challenge.starts_with("DPoP ");
        assert!(dpop || challenge.starts_with("Bearer "));
        assert!(dpop || !input.dpop, "a route for bound tokens does not ask for Bearer");
        assert_eq!(value("realm"), Some(&*words(&[input.realm]).join(" ")));
        assert_eq!(value("resource_metadata").is_some(), input.public_url);
        assert_eq!(value("algs").is_some(), dpop);
        match value("error") {
            Some("insufficient_scope") => assert_eq!(
                value("scope").map(|scopes| scopes.split(' ').map(str::to_owned).collect()),
                Some(words(&input.scopes))
            ),
            Some("insufficient_user_authentication") => {
                assert!(value("acr_values").is_some() || value("max_age").is_some());
                // Each call narrows: of different values none would be left.
                if let Some(acr_values) = value("acr_values") {
                    assert_eq!(acr_values.split(' ').map(str::to_owned).collect::<Vec<_>>(), words(&input.acr_values[..1]));
                }
            }
            None => assert!(!matches!(input.authorization, Authorization::Good)),
            Some(_) => {}
        }
    }
});
