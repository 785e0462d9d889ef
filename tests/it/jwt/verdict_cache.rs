//! 46: cached verdicts: what invalidates them, and how many there are.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use pixygate::{
    Reason,
    jwt::{Algorithm, Principal, Revocations, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey, at},
};

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_refresh_that_removes_no_key_keeps_the_cache() {
    let world = World::new().await;
    let token = world.token().sign();
    let first = world.validate(&token).await.unwrap();
    world.validator.load().await.unwrap();
    assert_eq!(world.validator.cached_tokens(), 1);
    let again = world.validate(&token).await.unwrap();
    assert_eq!(again, first);
    // The same allocation: a token that was validated again would have another one.
    assert!(std::ptr::eq(again.subject(), first.subject()));
}

#[tokio::test]
async fn a_cached_token_is_not_valid_before_its_nbf() {
    let world = World::new().await;
    let token = world.token().sign();
    world.validate(&token).await.unwrap();
    world.clock.set_back(60);
    world.validate(&token).await.unwrap();
    world.clock.set_back(1);
    assert_eq!(world.validate(&token).await, Err(Reason::NotYetValid));
}

/// A token without `kid` is accepted only while the issuer has a single key.
#[tokio::test]
async fn a_cached_token_without_kid_ends_when_a_second_key_appears() {
    let world = World::new().await;
    let token = world.token().without_header("kid").sign();
    world.validate(&token).await.unwrap();
    let second = TestKey::generate(Algorithm::ES256, "second");
    let both = json!({"keys": [world.issuer.keys()[0].jwk(), second.jwk()]});
    world.provider.put(world.issuer.jwks_url(), &both);
    world.validator.load().await.unwrap();
    assert_eq!(world.validate(&token).await, Err(Reason::UnknownKey));
    world.validate(&world.token().sign()).await.unwrap();
}

#[tokio::test]
async fn a_cached_token_ends_when_its_key_changes_its_algorithm() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::RS256]);
    let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
    let builder = Validator::builder([issuer.trust("orders")]).fetch(provider.clone());
    let validator = builder.clock(clock.clone()).build().unwrap();
    validator.load().await.unwrap();
    let token = issuer.token().sign();
    validator.validate(&token, clock.time()).await.unwrap();
    let mut jwk = issuer.keys()[0].jwk();
    jwk["alg"] = "PS256".into();
    provider.put(issuer.jwks_url(), &json!({"keys": [jwk]}));
    validator.load().await.unwrap();
    let rejection = validator.validate(&token, clock.time()).await.unwrap_err();
    assert_eq!(rejection.reason(), Reason::UnknownKey);
    assert!(
        rejection.detail().found.contains("that key is for PS256"),
        "{rejection}"
    );
}

#[tokio::test]
async fn invalid_tokens_evict_nothing() {
    let world = World::with(|trust| trust, |validator| validator.token_cache(100)).await;
    let good = [world.token().sign(), world.token().subject("bob").sign()];
    for token in &good {
        world.validate(token).await.unwrap();
    }
    assert_eq!(world.validator.cached_tokens(), 2);
    let stranger = TestKey::generate(Algorithm::ES256, "es256");
    for number in 0..1000 {
        let forged = world.issuer.token().key(&stranger).claim("jti", number).sign();
        assert_eq!(world.validate(&forged).await, Err(Reason::BadSignature));
        let expired = world.token().claim("exp", at(-100)).claim("jti", number).sign();
        assert_eq!(world.validate(&expired).await, Err(Reason::Expired));
        assert_eq!(world.validate(&format!("{number}")).await, Err(Reason::MalformedToken));
    }
    // There is room for 98 more, because invalid tokens took none.
    assert_eq!(world.validator.cached_tokens(), 2);
    // Valid tokens fill the cache up to its bound.
    for number in 0..200 {
        world
            .validate(&world.token().claim("jti", number).sign())
            .await
            .unwrap();
    }
    assert_eq!(world.validator.cached_tokens(), 100);
}

struct Switch(Arc<AtomicBool>);

impl Revocations for Switch {
    fn is_revoked(&self, principal: &Principal) -> bool {
        self.0.load(Ordering::Relaxed) && principal.token_id() == Some("token-1")
    }
}

/// The runtime has no timer, so a sleep would panic.
#[test]
fn an_undelayed_rejection_needs_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let switch = Switch(Arc::new(AtomicBool::new(true)));
        let world = World::with(|trust| trust, |validator| validator.revocations(switch)).await;
        assert_eq!(world.validate(&world.token().sign()).await, Err(Reason::Revoked));
        world
            .validate(&world.token().claim("jti", "token-2").sign())
            .await
            .unwrap();
    });
}

#[tokio::test]
async fn a_cached_token_ends_with_its_exp_and_its_revocation() {
    let revoked = Arc::new(AtomicBool::new(false));
    let switch = Switch(revoked.clone());
    let world = World::with(|trust| trust, |validator| validator.revocations(switch)).await;
    let token = world.token().sign();
    world.validate(&token).await.unwrap();
    revoked.store(true, Ordering::Relaxed);
    assert_eq!(world.validate(&token).await, Err(Reason::Revoked));
    world
        .validate(&world.token().claim("jti", "token-2").sign())
        .await
        .unwrap();
    revoked.store(false, Ordering::Relaxed);
    world.clock.advance(299);
    world.validate(&token).await.unwrap();
    world.clock.advance(61);
    assert_eq!(world.validate(&token).await, Err(Reason::Expired));
}
