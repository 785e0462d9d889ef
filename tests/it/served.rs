//! 34, 37, 39, 42 and 46 over HTTP: status, challenge and reason.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::StatusCode;
use pixygate::{
    Reason,
    gate::Gate,
    jwt::{Algorithm, Principal, Revocations, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey, at},
};
use serde_json::{Value, json};

use crate::world::{App, World, application, refusal, refused, send, signed_in, status, text, with_token};

async fn whoami(app: &App, token: &str) -> Value {
    let response = send(app, with_token("GET", "/api/whoami", token)).await;
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_str(&text(response).await).unwrap()
}

#[tokio::test]
async fn the_same_subject_of_two_issuers_is_two_people_with_a_limit_each() {
    let one = TestIssuer::new("https://one.example", [Algorithm::ES256]);
    let two = TestIssuer::new("https://two.example", [Algorithm::ES256]);
    let clock = TestClock::default();
    let validator = Validator::builder([one.trust("orders"), two.trust("orders")])
        .fetch(Documents::of([&one, &two]))
        .clock(clock.clone())
        .build()
        .unwrap();
    let gate = Gate::builder().validator(validator).policies(signed_in()).clock(clock);
    let app = gate
        .rate_limit(Some("1/m".parse().unwrap()))
        .build()
        .unwrap()
        .wrap(application());
    let (of_one, of_two) = (one.token().sign(), two.token().sign());
    let (first, second) = (whoami(&app, &of_one).await, whoami(&app, &of_two).await);
    assert_eq!(first["sub"], second["sub"]);
    assert_eq!(
        (&first["iss"], &second["iss"]),
        (&json!(one.issuer()), &json!(two.issuer()))
    );
    for token in [of_one, of_two] {
        let again = with_token("GET", "/api/whoami", &token);
        assert_eq!(refused(&app, again).await, Reason::RateLimited);
    }
}

#[tokio::test]
async fn ten_thousand_unknown_kids_cost_one_fetch_and_no_good_call() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let good = world.token().sign();
    // Only the header matters: the signature is checked only if there is a key for it.
    let signature = good.rsplit_once('.').unwrap().1;
    for number in 0..10_000 {
        let stranger = world.token().header("kid", format!("random-{number}"));
        let call = with_token("GET", "/api/a", &unsigned(&stranger.header_json(), &good, signature));
        assert_eq!(refused(&app, call).await, Reason::UnknownKey);
        if number % 100 == 0 {
            let fresh = world.token().claim("jti", number).sign();
            for token in [&good, &fresh] {
                assert_eq!(status(&app, with_token("GET", "/api/a", token)).await, StatusCode::OK);
            }
        }
    }
    assert_eq!(world.provider.asked(&world.issuer.jwks_url()), 2);
}

/// Replaces the header of a token.
fn unsigned(header: &str, token: &str, signature: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).unwrap();
    format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header))
}

#[tokio::test]
async fn without_keys_every_call_is_503_and_none_passes() {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let (provider, clock) = (Documents::of([&issuer]), TestClock::default());
    provider.set_down(true);
    let builder = Validator::builder([issuer.trust("orders")]).fetch(provider.clone());
    let validator = builder.clock(clock.clone()).build().unwrap();
    let gate = Gate::builder()
        .validator(validator)
        .policies(signed_in())
        .clock(clock.clone());
    let app = gate.build().unwrap().wrap(application());
    let stranger = TestKey::generate(Algorithm::ES256, "es256");
    for token in [issuer.token().sign(), issuer.token().key(&stranger).sign()] {
        let response = send(&app, with_token("GET", "/api/a", &token)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refusal(response).await.reason, Reason::KeysUnavailable);
    }
    provider.set_down(false);
    clock.advance(10);
    let good = with_token("GET", "/api/a", &issuer.token().sign());
    assert_eq!(status(&app, good).await, StatusCode::OK);
    let forged = with_token("GET", "/api/a", &issuer.token().key(&stranger).sign());
    assert_eq!(refused(&app, forged).await, Reason::BadSignature);
}

#[tokio::test]
async fn rotation_under_load_fails_no_call() {
    let mut world = World::new().await;
    let app = world.app(signed_in());
    let old = world.token().sign();
    assert_eq!(status(&app, with_token("GET", "/api/a", &old)).await, StatusCode::OK);
    let old_key = world
        .issuer
        .replace_keys([TestKey::generate(Algorithm::ES256, "new")])
        .remove(0);
    let both = json!({"keys": [old_key.jwk(), world.issuer.keys()[0].jwk()]});
    world.provider.put(world.issuer.jwks_url(), &both);
    world.provider.hold();
    let calls: Vec<_> = (0..200)
        .map(|number| {
            let new = world.token().claim("jti", number).sign();
            let token = if number % 2 == 0 { &old } else { &new };
            let (app, call) = (app.clone(), with_token("GET", "/api/a", token));
            tokio::spawn(async move { status(&app, call).await })
        })
        .collect();
    tokio::task::yield_now().await;
    world.provider.release();
    for call in calls {
        assert_eq!(call.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(world.provider.asked(&world.issuer.jwks_url()), 2);
}

struct Switch(Arc<AtomicBool>);

impl Revocations for Switch {
    fn is_revoked(&self, principal: &Principal) -> bool {
        self.0.load(Ordering::Relaxed) && principal.token_id() == Some("token-1")
    }
}

#[tokio::test]
async fn a_kept_verdict_is_refused_when_the_token_is_revoked_or_past() {
    let revoked = Arc::new(AtomicBool::new(false));
    let switch = Switch(revoked.clone());
    let world = World::with(|trust| trust, |validator| validator.revocations(switch)).await;
    let app = world.app(signed_in());
    let token = world.token().sign();
    let longer = world.token().claim("jti", "token-2").claim("exp", at(900)).sign();
    let call = |token: &str| with_token("GET", "/api/a", token);
    for token in [&token, &longer, &token] {
        assert_eq!(status(&app, call(token)).await, StatusCode::OK);
    }
    assert_eq!(world.validator.cached_tokens(), 2);
    revoked.store(true, Ordering::Relaxed);
    assert_eq!(refused(&app, call(&token)).await, Reason::Revoked);
    assert_eq!(status(&app, call(&longer)).await, StatusCode::OK);
    revoked.store(false, Ordering::Relaxed);
    world.clock.advance(359);
    assert_eq!(status(&app, call(&token)).await, StatusCode::OK);
    world.clock.advance(1);
    assert_eq!(refused(&app, call(&token)).await, Reason::Expired);
    assert_eq!(status(&app, call(&longer)).await, StatusCode::OK);
}
