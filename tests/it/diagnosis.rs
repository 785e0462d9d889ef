//! The diagnosis of a token and a call agrees with the decision about the real call.

use std::time::Duration;

use pixygate::{
    Reason,
    gate::{CallCheck, Policies, Policy, policy::Requirement},
    jwt::{Algorithm, KeysStatus},
    test_support::{TestKey, at},
};

use crate::world::{World, refusal, send, with_token};

fn policies() -> Policies {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    Policies::new()
        .route("GET", "/api/whoami", Policy::signed_in())
        .route("GET", "/api/orders/{id}", Policy::signed_in().scope("orders:read"))
        .route(
            "POST",
            "/api/orders/{id}",
            Policy::signed_in().any_scope(["orders:write", "all"]).role("staff"),
        )
        .route("GET", "/api/pay", Policy::signed_in().acr("mfa").max_age(minutes(5)))
        .route("GET", "/api/gold", Policy::signed_in().claim("tier", "gold"))
        .route("GET", "/api/bound", Policy::signed_in().dpop())
        .route("GET", "/api/open", Policy::public())
}

const CALLS: [(&str, &str); 15] = [
    ("GET", "/api/whoami"),
    ("HEAD", "/api/whoami"),
    ("GET", "/api/orders/7"),
    ("POST", "/api/orders/7"),
    ("DELETE", "/api/orders/7"),
    ("GET", "/api/orders/a%20b"),
    ("GET", "/api/orders/%37"),
    ("GET", "/api/orders/%2e%2e"),
    ("GET", "/api//orders"),
    ("GET", "/api/pay"),
    ("GET", "/api/gold"),
    ("GET", "/api/bound"),
    ("GET", "/api/open"),
    ("GET", "/api/nothing"),
    ("GET", "/elsewhere"),
];

#[tokio::test]
async fn each_call_is_decided_as_it_was_said_before() {
    let world = World::new().await;
    let gate = world.gate(policies()).build().unwrap();
    let app = gate.wrap(crate::world::application());
    let good = || world.token().scope("orders:read orders:write");
    let tokens = [
        good().sign(),
        world.token().sign(),
        good().claim("roles", ["staff"].as_slice()).claim("tier", "gold").sign(),
        good().claim("acr", "mfa").claim("auth_time", at(-60)).sign(),
        good().claim("acr", "mfa").claim("auth_time", at(-600)).sign(),
        good().claim("exp", at(-600)).sign(),
        good().audience("other").sign(),
        "a.b.c".to_owned(),
    ];
    let mut passed = 0;
    for token in &tokens {
        let diagnosis = gate.diagnose(token).await;
        for (method, path) in CALLS {
            let call = diagnosis.call(method, path);
            let response = send(&app, with_token(method, path, token)).await;
            let decided = match response.status().is_success() {
                true => None,
                false if method == "HEAD" => Some(call.rejection().unwrap().reason()),
                false => Some(refusal(response).await.reason),
            };
            let said = call.rejection().map(|rejection| rejection.reason());
            assert_eq!(said, decided, "{method} {path} with {:?}", diagnosis.rejection());
            passed += usize::from(decided.is_none());
        }
    }
    assert!(passed > tokens.len() * 2, "{passed}");
}

#[tokio::test]
async fn the_check_that_fails_is_named() {
    let world = World::new().await;
    let gate = world.gate(policies()).build().unwrap();
    let token = world.token().scope("orders:read orders:write").sign();
    let diagnosis = gate.diagnose(&token).await;
    for (method, path, expected) in [
        ("GET", "/api/orders/7", None),
        ("GET", "/elsewhere", None),
        ("get", "/api/orders/7", Some(CallCheck::Request)),
        ("GET", "api/orders/7", Some(CallCheck::Request)),
        ("GET", "/api/orders/7?all", Some(CallCheck::Request)),
        ("GET", "/api/ä", Some(CallCheck::Request)),
        ("GET", "/api/orders/%2e%2e", Some(CallCheck::Request)),
        ("DELETE", "/api/orders/7", Some(CallCheck::Route)),
        ("GET", "/api/nothing", Some(CallCheck::Route)),
        ("GET", "/api/bound", Some(CallCheck::Proof)),
        ("POST", "/api/orders/7", Some(CallCheck::Roles)),
        ("GET", "/api/pay", Some(CallCheck::Authentication)),
        ("GET", "/api/gold", Some(CallCheck::Claims)),
    ] {
        assert_eq!(diagnosis.call(method, path).failed(), expected, "{method} {path}");
    }
    let less = gate.diagnose(&world.token().sign()).await;
    assert_eq!(less.call("GET", "/api/orders/7").failed(), Some(CallCheck::Scopes));
    let rejected = gate.diagnose("a.b.c").await;
    assert_eq!(rejected.call("GET", "/api/orders/7").failed(), Some(CallCheck::Token));
    assert_eq!(rejected.call("GET", "/api/open").failed(), None);
    assert!(CallCheck::ALL.is_sorted());
}

#[tokio::test]
async fn a_bound_token_is_judged_as_if_its_proof_were_given() {
    let world = World::new().await;
    let gate = world.gate(policies()).build().unwrap();
    let key = TestKey::generate(Algorithm::ES256, "proof");
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let diagnosis = gate.diagnose(&token).await;
    assert_eq!(diagnosis.key_thumbprint(), Some(key.thumbprint().as_str()));
    assert!(diagnosis.rejection().is_none());
    for path in ["/api/whoami", "/api/bound"] {
        assert_eq!(diagnosis.call("GET", path).failed(), None, "{path}");
    }
    assert!(diagnosis.meets(&Requirement::Dpop) && diagnosis.meets(&Requirement::SignedIn));
    assert!(!diagnosis.meets(&Requirement::Scope("orders:read".into())));
    // The call itself needs a proof.
    let app = gate.wrap(crate::world::application());
    let alone = send(&app, with_token("GET", "/api/whoami", &token)).await;
    assert_eq!(refusal(alone).await.reason, Reason::DpopRequired);
    let rejected = gate.diagnose("a.b.c").await;
    assert!(!rejected.meets(&Requirement::SignedIn));
}

#[tokio::test]
async fn the_keys_of_an_issuer_are_shown_with_their_age_and_their_last_failure() {
    let world = World::new().await;
    let status = || -> KeysStatus { world.validator.key_status().next().unwrap().1 };
    let first = status();
    assert_eq!(first.keys.len(), 1);
    assert_eq!(first.keys[0].algorithms, [Algorithm::ES256]);
    assert_eq!(first.keys[0].key_id.as_deref(), Some(world.issuer.keys()[0].key_id()));
    assert!(first.is_ready && first.last_error.is_none());
    assert_eq!(first.loaded_at, Some(world.clock.time()));
    assert!(first.next_fetch.unwrap() > Duration::ZERO);

    world.provider.set_down(true);
    world.clock.advance(60);
    assert!(world.validator.load().await.is_err());
    let failed = status();
    assert!(failed.last_error.is_some() && failed.is_ready, "the keys still serve");
    assert_eq!((failed.keys, failed.loaded_at), (first.keys, first.loaded_at));
}
