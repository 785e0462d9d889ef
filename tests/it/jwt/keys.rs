//! 15, 16, 21 and 37–45: keys through rotation, outage and floods.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pixygate::{
    Reason,
    jwt::{Algorithm, Fetch, FetchFuture, FetchRequest, KeysError, Trust, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey, at},
};
use serde_json::{Value, json};

use crate::world::World;

/// A world whose new keys have other `kid`s than the first ones.
async fn rotating() -> World {
    World::with(|trust| trust, |validator| validator).await
}

fn new_key(world: &mut World, id: &str) {
    world.issuer.replace_keys([TestKey::generate(Algorithm::ES256, id)]);
    world.provider.publish(&world.issuer);
}

#[tokio::test]
async fn a_flood_of_unknown_kids_costs_one_fetch_for_each_cooldown() {
    let world = World::new().await;
    let url = world.issuer.jwks_url();
    assert_eq!(world.provider.asked(&url), 1);
    for number in 0..10_000 {
        let token = world.token().header("kid", format!("random-{number}")).sign();
        assert_eq!(world.validate(&token).await, Err(Reason::UnknownKey));
        if number % 1000 == 0 {
            world
                .validate(&world.token().claim("jti", number).sign())
                .await
                .unwrap();
        }
    }
    assert_eq!(world.provider.asked(&url), 2);
    world.clock.advance(9);
    assert_eq!(
        world.validate(&world.token().header("kid", "again").sign()).await,
        Err(Reason::UnknownKey)
    );
    assert_eq!(world.provider.asked(&url), 2);
    world.clock.advance(1);
    assert_eq!(
        world.validate(&world.token().header("kid", "again").sign()).await,
        Err(Reason::UnknownKey)
    );
    assert_eq!(world.provider.asked(&url), 3);
}

#[tokio::test]
async fn after_the_clock_was_set_back_a_new_key_is_found() {
    let mut world = rotating().await;
    world.clock.advance(200);
    let stranger = world.token().header("kid", "stranger").sign();
    assert_eq!(world.validate(&stranger).await, Err(Reason::UnknownKey));
    new_key(&mut world, "new");
    let token = world.token().sign();
    // Within the cooldown there is one fetch, in both directions.
    world.clock.set_back(9);
    assert_eq!(world.validate(&token).await, Err(Reason::UnknownKey));
    world.clock.set_back(91);
    world.validate(&token).await.unwrap();
}

#[tokio::test]
async fn after_the_clock_was_set_back_an_outage_is_retried() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
    let builder = Validator::builder([issuer.trust("orders")]).fetch(provider.clone());
    let validator = builder.clock(clock.clone()).build().unwrap();
    provider.set_down(true);
    clock.advance(200);
    validator.load().await.unwrap_err();
    provider.set_down(false);
    clock.set_back(9);
    validator
        .validate(&issuer.token().sign(), clock.time())
        .await
        .unwrap_err();
    clock.set_back(91);
    validator.validate(&issuer.token().sign(), clock.time()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_the_clock_was_set_back_keys_are_refreshed() {
    let world = World::new().await;
    world.clock.set_back(9000);
    let _refresh = world.validator.spawn_refresh();
    tokio::time::sleep(std::time::Duration::from_secs(301)).await;
    assert_eq!(world.provider.asked(&world.issuer.jwks_url()), 2);
}

/// Without the refresh task, calls refresh the keys.
#[tokio::test]
async fn after_the_clock_was_set_back_a_removed_key_ends() {
    let mut world = rotating().await;
    let removed = world.token().claim("iat", at(-9000)).sign();
    world.validate(&removed).await.unwrap();
    new_key(&mut world, "new");
    world.clock.set_back(299);
    world.validate(&removed).await.unwrap();
    assert_eq!(world.provider.asked(&world.issuer.jwks_url()), 1);
    world.clock.set_back(4000);
    assert_eq!(world.validate(&removed).await, Err(Reason::UnknownKey));
    world
        .validate(&world.token().claim("iat", at(-9000)).sign())
        .await
        .unwrap();
    // While the provider is down, the keys still serve.
    world.provider.set_down(true);
    world.clock.set_back(4000);
    world
        .validate(&world.token().claim("iat", at(-9000)).sign())
        .await
        .unwrap();
}

#[tokio::test]
async fn another_key_under_the_same_kid_replaces_the_first() {
    let mut world = rotating().await;
    let old = world.token().claim("exp", at(9000)).sign();
    world.validate(&old).await.unwrap();
    let old_keys = world
        .issuer
        .replace_keys([TestKey::generate(Algorithm::ES256, "es256")]);
    world.provider.publish(&world.issuer);
    let new = world.token().claim("exp", at(9000)).sign();
    world.clock.advance(300);
    world.validate(&new).await.unwrap();
    assert_eq!(world.validate(&old).await, Err(Reason::BadSignature));
    // The first key comes back, but its cached tokens do not.
    world.issuer.replace_keys(old_keys);
    world.provider.publish(&world.issuer);
    world.clock.advance(300);
    assert_eq!(world.validate(&new).await, Err(Reason::BadSignature));
    world.validate(&old).await.unwrap();
}

#[tokio::test]
async fn unknown_kids_do_not_delay_known_ones() {
    let world = World::new().await;
    world.provider.hold();
    let (validator, clock) = (world.validator.clone(), world.clock.clone());
    let waiting: Vec<_> = (0..100)
        .map(|number| {
            let token = world.token().header("kid", format!("random-{number}")).sign();
            let (validator, clock) = (validator.clone(), clock.clone());
            tokio::spawn(async move {
                validator
                    .validate(&token, clock.time())
                    .await
                    .map_err(|why| why.reason())
            })
        })
        .collect();
    tokio::task::yield_now().await;
    world.validate(&world.token().sign()).await.unwrap();
    assert!(waiting.iter().all(|task| !task.is_finished()));
    world.provider.release();
    for task in waiting {
        assert_eq!(task.await.unwrap(), Err(Reason::UnknownKey));
    }
    assert_eq!(world.provider.asked(&world.issuer.jwks_url()), 2);
}

#[tokio::test]
async fn waiting_unknown_kids_are_bounded() {
    let world = World::new().await;
    world.provider.hold();
    let token = world.token().header("kid", "stranger").sign();
    let ask = || {
        let (validator, clock, token) = (world.validator.clone(), world.clock.clone(), token.clone());
        tokio::spawn(async move { validator.validate(&token, clock.time()).await })
    };
    let waiting: Vec<_> = (0..1000).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    let rejection = ask().await.unwrap().unwrap_err();
    assert_eq!(rejection.reason(), Reason::KeysUnavailable);
    assert!(rejection.retry_delay().is_some());
    assert!(waiting.iter().all(|task| !task.is_finished()));
    world.validate(&world.token().sign()).await.unwrap();
    world.provider.release();
    for task in waiting {
        assert_eq!(task.await.unwrap().unwrap_err().reason(), Reason::UnknownKey);
    }
    // There are permits again.
    assert_eq!(ask().await.unwrap().unwrap_err().reason(), Reason::UnknownKey);
}

/// A refresh does not fetch the metadata.
#[tokio::test]
async fn a_new_key_is_fetched_again_after_a_refresh_in_flight() {
    let mut world = rotating().await;
    world.issuer.replace_keys([TestKey::generate(Algorithm::ES256, "new")]);
    let moved = "https://idp.example/moved";
    world.provider.put(moved, &world.issuer.jwks());
    let mut metadata = world.issuer.metadata();
    metadata["jwks_uri"] = moved.into();
    world.provider.put(world.issuer.metadata_url(), &metadata);
    world.provider.hold();
    let validator = world.validator.clone();
    let refresh = tokio::spawn(async move { validator.load().await });
    while world.provider.asked_in_all() < 3 {
        tokio::task::yield_now().await;
    }
    let ask = |token: String| {
        let (validator, now) = (world.validator.clone(), world.clock.time());
        tokio::spawn(async move { validator.validate(&token, now).await })
    };
    let calls = [
        ask(world.token().sign()),
        ask(world.token().header("kid", "stranger").sign()),
    ];
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    world.provider.release();
    refresh.await.unwrap().unwrap();
    let [new, stranger] = calls;
    new.await.unwrap().unwrap();
    assert_eq!(stranger.await.unwrap().unwrap_err().reason(), Reason::UnknownKey);
    assert_eq!(world.provider.asked(moved), 1);
}

#[tokio::test]
async fn good_keys_serve_through_an_outage_to_the_bound_then_503() {
    let world = World::new().await;
    world.provider.set_down(true);
    for (after, expected) in [(0, true), (299, true), (1, true), (3000, true), (299, true), (1, false)] {
        world.clock.advance(after);
        let now = at(0)
            + world
                .clock
                .time()
                .duration_since(TestClock::default().time())
                .unwrap()
                .as_secs() as i64;
        let token = world.token().claim("exp", now + 60).claim("iat", now).sign();
        let verdict = world.validator.validate(&token, world.clock.time()).await;
        assert_eq!(verdict.is_ok(), expected, "at {now}: {verdict:?}");
        if let Err(rejection) = verdict {
            assert_eq!(rejection.reason(), Reason::KeysUnavailable);
            assert!(rejection.retry_delay().is_some());
        }
    }
    assert!(!world.validator.is_ready());
    // Fetched once per cooldown, and working again as soon as the provider is.
    let asked = world.provider.asked_in_all();
    for _ in 0..100 {
        world
            .validator
            .validate(&world.token().sign(), world.clock.time())
            .await
            .unwrap_err();
    }
    assert!(world.provider.asked_in_all() <= asked + 1);
    world.provider.set_down(false);
    world.clock.advance(10);
    let token = world.token().claim("exp", at(8000)).sign();
    world.validator.validate(&token, world.clock.time()).await.unwrap();
    assert!(world.validator.is_ready());
}

/// The key may be new, so the token is not rejected as invalid.
#[tokio::test]
async fn an_unknown_kid_is_503_while_the_provider_cannot_be_asked() {
    let world = World::new().await;
    let stranger = world.token().header("kid", "stranger").sign();
    world.provider.set_down(true);
    for _ in 0..2 {
        assert_eq!(world.validate(&stranger).await, Err(Reason::KeysUnavailable));
    }
    world.validate(&world.token().sign()).await.unwrap();
    world.provider.set_down(false);
    world.clock.advance(10);
    assert_eq!(world.validate(&stranger).await, Err(Reason::UnknownKey));
}

#[tokio::test]
async fn cold_and_down_is_503_and_never_a_pass() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
    provider.set_down(true);
    let validator = Validator::builder([issuer.trust("orders")])
        .fetch(provider.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    let errors = validator.load().await.unwrap_err();
    assert!(
        errors.configuration().is_none(),
        "an outage is no fault of the configuration"
    );
    assert!(!validator.is_ready());
    let rejection = validator
        .validate(&issuer.token().sign(), clock.time())
        .await
        .unwrap_err();
    assert_eq!(rejection.reason(), Reason::KeysUnavailable);
    provider.set_down(false);
    clock.advance(10);
    validator.validate(&issuer.token().sign(), clock.time()).await.unwrap();
}

#[tokio::test]
async fn an_empty_or_broken_set_does_not_replace_the_old_one() {
    let world = World::new().await;
    for document in [
        "{\"keys\": []}",
        "{}",
        "<html>",
        "{\"keys\": [{\"kty\": \"oct\", \"k\": \"AA\"}]}",
    ] {
        world.provider.put_bytes(world.issuer.jwks_url(), document);
        let errors = world.validator.load().await.unwrap_err();
        assert!(matches!(errors.0[0].error, KeysError::Document { .. }), "{errors}");
        world.validate(&world.token().sign()).await.unwrap();
    }
}

#[tokio::test]
async fn an_unusable_key_is_left_out_alone() {
    let good = TestKey::generate(Algorithm::ES256, "good");
    let changed = |change: &[(&str, Value)]| {
        let mut jwk = TestKey::generate(Algorithm::ES256, "bad").jwk();
        for (member, value) in change {
            jwk[*member] = value.clone();
        }
        jwk
    };
    let rsa = |modulus: String| json!({"kty": "RSA", "kid": "bad", "alg": "RS256", "n": modulus, "e": "AQAB"});
    let ed25519 = |x: [u8; 32]| json!({"kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": URL_SAFE_NO_PAD.encode(x)});
    let point = |first: u8, last: u8| {
        let mut bytes = [if last & 0x7f == 0x7f { 0xff } else { 0 }; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    let bad: [(&str, Value); 18] = [
        ("use: enc", changed(&[("use", json!("enc"))])),
        ("key_ops without verify", changed(&[("key_ops", json!(["encrypt"]))])),
        ("an unknown type", changed(&[("kty", json!("ML"))])),
        ("another curve", changed(&[("crv", json!("secp256k1"))])),
        ("a curve that does not fit", changed(&[("crv", json!("P-384"))])),
        ("a point off the curve", changed(&[("x", json!("A".repeat(42) + "E"))])),
        ("an algorithm that does not fit", changed(&[("alg", json!("RS256"))])),
        ("a private key", changed(&[("d", json!("AA"))])),
        ("an algorithm that is not text", changed(&[("alg", json!(7))])),
        ("an issuer that is not text", changed(&[("issuer", json!(7))])),
        ("RSA with 1024 bits", rsa("_".repeat(170) + "8")),
        ("RSA with 4104 bits", rsa("_".repeat(684))),
        ("Ed25519, the neutral point", ed25519(point(1, 0))),
        ("Ed25519, the same with the sign", ed25519(point(1, 0x80))),
        ("Ed25519, order 4", ed25519(point(0, 0))),
        ("Ed25519, order 2", ed25519(point(0xec, 0x7f))),
        ("Ed25519, order 4, written as p", ed25519(point(0xed, 0xff))),
        ("no object", json!("key")),
    ];
    let issuer = TestIssuer::with_keys("https://idp.example", [good]);
    for (name, jwk) in bad {
        let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
        provider.put(issuer.jwks_url(), &json!({"keys": [jwk, issuer.keys()[0].jwk()]}));
        let validator = Validator::builder([issuer.trust("orders")])
            .fetch(provider.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        validator.load().await.unwrap();
        validator.validate(&issuer.token().sign(), clock.time()).await.unwrap();
        let token = issuer.token().header("kid", "bad").sign();
        assert_eq!(
            validator.validate(&token, clock.time()).await.unwrap_err().reason(),
            Reason::UnknownKey,
            "{name}"
        );
        provider.put(issuer.jwks_url(), &json!({"keys": [jwk]}));
        assert!(validator.load().await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn an_empty_member_of_a_key_is_absent() {
    let world = World::new().await;
    for (member, value) in [
        ("use", json!(null)),
        ("use", json!("")),
        ("use", json!(["sig"])),
        ("key_ops", json!(null)),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
        ("alg", json!(null)),
        ("alg", json!("")),
        ("issuer", json!(null)),
        ("x5c", json!(7)),
        ("exp", json!("never")),
    ] {
        let mut jwk = world.issuer.keys()[0].jwk();
        jwk[member] = value.clone();
        world.provider.put(world.issuer.jwks_url(), &json!({"keys": [jwk]}));
        world
            .validator
            .load()
            .await
            .unwrap_or_else(|errors| panic!("{member} {value}: {errors}"));
        world.validate(&world.token().claim("n", member).sign()).await.unwrap();
    }
    for kid in [json!(null), json!(""), json!(7)] {
        let mut jwk = world.issuer.keys()[0].jwk();
        jwk["kid"] = kid.clone();
        world.provider.put(world.issuer.jwks_url(), &json!({"keys": [jwk]}));
        world.validator.load().await.unwrap();
        for token in [
            world.token().without_header("kid"),
            world.token().header("kid", ""),
            world.token().header("kid", json!(null)),
        ] {
            world.validate(&token.claim("n", kid.clone()).sign()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn points_of_low_order_are_left_out() {
    let world = World::new().await;
    // Order 8 with both signs. The other orders are among the keys above.
    for x in [
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU",
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o",
    ] {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        world.provider.put(world.issuer.jwks_url(), &json!({"keys": [jwk]}));
        let errors = world.validator.load().await.unwrap_err().to_string();
        assert!(errors.contains("low order"), "{errors}");
    }
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::EdDSA]);
    world.provider.publish(&issuer);
    world.validator.load().await.unwrap();
    world.validate(&issuer.token().sign()).await.unwrap();
}

#[tokio::test]
async fn an_rsa_key_of_4096_bits_is_the_longest() {
    let key = RsaKeyPair::generate(KeySize::Rsa4096).unwrap();
    let bytes = key.public_key().modulus().big_endian_without_leading_zero().to_vec();
    let jwk = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(bytes), "e": "AQAB"});
    let world = World::new().await;
    world.provider.put(world.issuer.jwks_url(), &json!({"keys": [jwk]}));
    world.validator.load().await.unwrap();
}

/// The crypto library rejects them as well, but does not say which parameter is wrong.
#[tokio::test]
async fn an_unusual_exponent_is_named() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::RS256]);
    let provider = Documents::of([&issuer]);
    let validator = Validator::new([issuer.trust("orders")], provider.clone()).unwrap();
    for exponent in ["AQ", "AA", "", "AQAA", "AQAAAAAB"] {
        let mut jwk = issuer.keys()[0].jwk();
        jwk["e"] = exponent.into();
        provider.put(issuer.jwks_url(), &json!({"keys": [jwk]}));
        let errors = validator.load().await.unwrap_err().to_string();
        assert!(errors.contains("exponent"), "{exponent}: {errors}");
    }
    provider.publish(&issuer);
    validator.load().await.unwrap();
}

#[tokio::test]
async fn a_set_is_read_up_to_a_hundred_keys() {
    let world = World::new().await;
    let named = |id: String| {
        let mut jwk = world.issuer.keys()[0].jwk();
        jwk["kid"] = id.into();
        jwk
    };
    let set: Vec<_> = (0..101).map(|number| named(format!("key-{number}"))).collect();
    world.provider.put(world.issuer.jwks_url(), &json!({"keys": set}));
    world.validator.load().await.unwrap();
    let signed = |id: &str| world.token().header("kid", id).sign();
    world.validate(&signed("key-99")).await.unwrap();
    assert_eq!(world.validate(&signed("key-100")).await, Err(Reason::UnknownKey));
}

#[tokio::test]
async fn rotation_under_load_fails_no_validation() {
    let mut world = rotating().await;
    let old = world.token().sign();
    world.validate(&old).await.unwrap();
    let old_key = world
        .issuer
        .replace_keys([TestKey::generate(Algorithm::ES256, "new")])
        .remove(0);
    world.provider.put(
        world.issuer.jwks_url(),
        &json!({"keys": [old_key.jwk(), world.issuer.keys()[0].jwk()]}),
    );
    world.provider.hold();
    let calls: Vec<_> = (0..200)
        .map(|number| {
            let token = if number % 2 == 0 {
                old.clone()
            } else {
                world.token().claim("jti", number).sign()
            };
            let (validator, clock) = (world.validator.clone(), world.clock.clone());
            tokio::spawn(async move { validator.validate(&token, clock.time()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    world.provider.release();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.provider.asked(&world.issuer.jwks_url()), 2);
}

#[tokio::test]
async fn a_removed_key_is_rejected_after_the_bound_even_when_cached() {
    let mut world = rotating().await;
    let token = world.token().claim("exp", at(9000)).sign();
    world.validate(&token).await.unwrap();
    new_key(&mut world, "new");
    world.clock.advance(299);
    world.validate(&token).await.unwrap();
    world.clock.advance(1);
    assert_eq!(world.validate(&token).await, Err(Reason::UnknownKey));
    world
        .validate(&world.token().claim("exp", at(9000)).sign())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_refresh_task_refreshes_ahead_of_the_age() {
    let world = World::new().await;
    let _refresh = world.validator.spawn_refresh();
    let url = world.issuer.jwks_url();
    // The task sleeps on tokio's clock; the age of keys is read from the test's clock.
    let seconds = std::time::Duration::from_secs;
    tokio::time::sleep(seconds(239)).await;
    assert_eq!(world.provider.asked(&url), 1);
    world.clock.advance(240);
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(world.provider.asked(&url), 2);
    world.clock.advance(100);
    world
        .validate(&world.token().claim("exp", at(9000)).sign())
        .await
        .unwrap();
    assert_eq!(world.provider.asked(&url), 2, "no caller met keys that were due");
}

/// The old URL still answers with the old keys.
#[tokio::test]
async fn a_moved_jwks_uri_is_found_by_the_first_token_that_needs_it() {
    let mut world = rotating().await;
    let old_place = world.issuer.jwks_url();
    let old_key = world
        .issuer
        .replace_keys([TestKey::generate(Algorithm::ES256, "new")])
        .remove(0);
    let moved = "https://idp.example/moved";
    let both = json!({"keys": [old_key.jwk(), world.issuer.keys()[0].jwk()]});
    world.provider.put(moved, &both);
    let mut metadata = world.issuer.metadata();
    metadata["jwks_uri"] = moved.into();
    world.provider.put(world.issuer.metadata_url(), &metadata);
    world.validate(&world.token().sign()).await.unwrap();
    world.validate(&world.token().key(&old_key).sign()).await.unwrap();
    assert_eq!((world.provider.asked(&old_place), world.provider.asked(moved)), (1, 1));

    // Metadata are not fetched more often than keys, and known keys serve without them.
    world.provider.put_bytes(world.issuer.metadata_url(), "gone");
    for _ in 0..5 {
        let stranger = world.token().header("kid", "stranger").sign();
        assert_eq!(world.validate(&stranger).await, Err(Reason::UnknownKey));
    }
    assert_eq!(world.provider.asked(&world.issuer.metadata_url()), 2);
    world.clock.advance(10);
    let stranger = world.token().header("kid", "stranger").sign();
    assert_eq!(world.validate(&stranger).await, Err(Reason::UnknownKey));
    assert_eq!(world.provider.asked(&world.issuer.metadata_url()), 3);
    assert_eq!((world.provider.asked(&old_place), world.provider.asked(moved)), (1, 2));
}

/// An injected `Fetch` may have a bug.
struct Panics(Documents, Arc<AtomicUsize>);

impl Fetch for Panics {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            if self.1.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                panic!("a bug");
            }
            self.0.fetch(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_panicking_fetch_is_retried_after_the_cooldown() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let mut trust = issuer.trust("orders").jwks_url(issuer.jwks_url());
    trust.jwks_refresh_seconds = 100;
    let (asked, clock) = (Arc::new(AtomicUsize::new(0)), TestClock::default());
    let builder = Validator::builder([trust]).fetch(Panics(Documents::of([&issuer]), asked.clone()));
    let validator = builder.clock(clock.clone()).build().unwrap();
    let errors = validator.load().await.unwrap_err();
    assert!(errors.configuration().is_none(), "{errors}");
    let token = issuer.token().sign();
    let rejection = validator.validate(&token, clock.time()).await.unwrap_err();
    assert_eq!(rejection.reason(), Reason::KeysUnavailable);
    assert_eq!(
        asked.load(Ordering::Relaxed),
        1,
        "within the cooldown it is not tried again"
    );
    assert_eq!(validator.key_fetches().next().unwrap().1.failed, 1);

    // The task sleeps on tokio's clock; the age of keys is read from the test's clock.
    let _refresh = validator.spawn_refresh();
    let seconds = std::time::Duration::from_secs;
    tokio::time::sleep(seconds(11)).await;
    validator.validate(&token, clock.time()).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    clock.advance(80);
    tokio::time::sleep(seconds(81)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    // The failure does not remove the keys.
    validator.validate(&token, clock.time()).await.unwrap();
    tokio::time::sleep(seconds(7)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

/// A runtime that is shutting down drops a spawned task at once, in the middle of the call.
#[test]
fn a_call_ends_when_the_runtime_shuts_down() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let validator = Validator::new([issuer.trust("orders")], Documents::of([&issuer])).unwrap();
    let token = issuer.token().sign();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let (ended, verdict) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _entered = handle.enter();
        let now = TestClock::default().time();
        let verdict = futures::executor::block_on(validator.validate(&token, now));
        ended.send(verdict.map_err(|why| why.reason())).unwrap();
    });
    let verdict = verdict.recv_timeout(std::time::Duration::from_secs(30));
    assert_eq!(verdict.expect("it ended"), Err(Reason::KeysUnavailable));
}

#[tokio::test]
async fn metadata_of_another_issuer_name_both_and_the_fix() {
    let issuer = TestIssuer::new("https://api.idp.example/t/acme/oauth2/token", [Algorithm::ES256]);
    let provider = Documents::of([&issuer]);
    // The base URL is configured instead of the issuer.
    let base = "https://api.idp.example/t/acme";
    provider.put(format!("{base}/.well-known/openid-configuration"), &issuer.metadata());
    let validator = Validator::builder([Trust::new(base).audience("orders")])
        .fetch(provider)
        .build()
        .unwrap();
    let errors = validator.load().await.unwrap_err();
    let message = errors
        .configuration()
        .expect("it is a fault of the configuration")
        .to_string();
    assert!(message.contains(&format!("expected {base:?}")), "{message}");
    assert!(message.contains(&format!("found {:?}", issuer.issuer())), "{message}");
    assert!(
        message.contains(&format!("issuer = {:?}", issuer.issuer())),
        "{message}"
    );
}

#[tokio::test]
async fn metadata_may_not_lead_into_a_private_network_or_to_http() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    for place in [
        "http://idp.example/jwks",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/jwks",
        "https://[::1]/jwks",
        "file:///etc/passwd",
    ] {
        let provider = Documents::default();
        provider.put(
            issuer.metadata_url(),
            &json!({"issuer": issuer.issuer(), "jwks_uri": place}),
        );
        let validator = Validator::builder([issuer.trust("orders")])
            .fetch(provider.clone())
            .build()
            .unwrap();
        let errors = validator.load().await.unwrap_err();
        assert!(errors.configuration().is_some(), "{place}: {errors}");
        assert_eq!(provider.asked_in_all(), 1, "{place}");
    }
}

#[tokio::test]
async fn large_or_deep_tokens_cause_no_fetch() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
    let builder = Validator::builder([issuer.trust("orders")]).fetch(provider.clone());
    let validator = builder.clock(clock.clone()).build().unwrap();
    let deep = |levels| (0..levels).fold(json!("x"), |inner, _| json!({ "a": inner }));
    for (token, reason) in [
        (
            issuer.token().claim("filler", "x".repeat(9000)).sign(),
            Reason::TokenTooLarge,
        ),
        (issuer.token().claim("deep", deep(64)).sign(), Reason::MalformedToken),
        (
            issuer.token().header("alg", "none").sign(),
            Reason::UnsupportedAlgorithm,
        ),
        (
            issuer.token().claim("iss", "https://evil.example").sign(),
            Reason::IssuerNotTrusted,
        ),
    ] {
        let verdict = validator.validate(&token, clock.time()).await;
        assert_eq!(verdict.unwrap_err().reason(), reason);
    }
    assert_eq!(provider.asked_in_all(), 0);
    // A token that may be valid causes a fetch of metadata and keys.
    let token = issuer.token().claim("deep", deep(63)).sign();
    validator.validate(&token, clock.time()).await.unwrap();
    assert_eq!(provider.asked_in_all(), 2);
}
