//! The platform in a real browser: what is sealed, what is locked, and which signatures WebCrypto verifies. With the shapes of real
//! providers, the whole session on it.

#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]
#![allow(
    clippy::disallowed_methods,
    reason = "WebCrypto and the session go by the real clock"
)]

#[cfg(feature = "profiles")]
#[path = "../session/documents.rs"]
mod documents;
#[cfg(feature = "profiles")]
mod mutations;
#[cfg(feature = "profiles")]
mod profiles;
#[cfg(feature = "profiles")]
mod provider;

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join;
use pixygate::authorization::{Crypto as _, Hash, Jwk};
use pixygate::session::browser::Browser;
use pixygate::session::{Platform as _, SaveMode, Session};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn browser() -> Browser {
    Browser::new(1_800_000_000.0).unwrap()
}

/// These tests share the browser's storage: one at a time.
async fn alone(browser: &Browser) -> impl Drop {
    browser.lock("alone").await.unwrap().unwrap()
}

#[wasm_bindgen_test]
async fn what_is_sealed_opens_for_its_binding_only() {
    let browser = browser();
    let _alone = alone(&browser).await;
    let kept = browser
        .save("slot", "issuer\nclient", "a secret", SaveMode::Insert)
        .await;
    assert_eq!(kept, Ok(true));
    assert_eq!(
        browser.load("slot", "issuer\nclient").await.unwrap().as_deref(),
        Some("a secret")
    );
    assert_eq!(browser.load("other", "issuer\nclient").await.unwrap(), None);
    browser.clear().await.unwrap();
    assert_eq!(browser.load("slot", "issuer\nclient").await.unwrap(), None);
}

#[wasm_bindgen_test]
async fn what_belongs_to_another_binding_is_discarded() {
    let browser = browser();
    let _alone = alone(&browser).await;
    for other in ["2\nissuer\nother", "2\nother\nclient", "1\nissuer\nclient"] {
        for (asked, is_there) in [("2\nissuer\nclient", true), (other, false)] {
            let kept = browser
                .save("slot", "2\nissuer\nclient", "a secret", SaveMode::Insert)
                .await;
            assert_eq!(kept, Ok(true));
            assert_eq!(browser.load("slot", asked).await.unwrap().is_some(), is_there);
            let still = browser.load("slot", "2\nissuer\nclient").await.unwrap();
            assert_eq!(still.is_some(), is_there, "{asked}");
        }
    }
    browser.clear().await.unwrap();
}

#[wasm_bindgen_test]
async fn what_was_deleted_is_not_replaced() {
    let (one, two) = (browser(), browser());
    let _alone = alone(&one).await;
    one.save("slot", "binding", "first", SaveMode::Insert).await.unwrap();
    assert_eq!(one.save("slot", "binding", "second", SaveMode::Replace).await, Ok(true));
    two.clear().await.unwrap();
    assert_eq!(one.save("slot", "binding", "third", SaveMode::Replace).await, Ok(false));
    assert_eq!(one.load("slot", "binding").await.unwrap(), None);
}

#[wasm_bindgen_test]
async fn other_keys_are_made_after_a_sign_out() {
    let (one, two) = (browser(), browser());
    let _alone = alone(&one).await;
    let before = one.dpop_key().await.unwrap();
    assert_eq!(two.dpop_key().await.unwrap(), before, "one key for all tabs");
    one.clear().await.unwrap();
    two.drop_keys();
    let after = one.dpop_key().await.unwrap();
    assert_ne!(after, before);
    assert_eq!(two.dpop_key().await.unwrap(), after);
}

#[wasm_bindgen_test]
async fn a_key_in_memory_is_kept_beside_what_it_is_for_and_beside_no_other() {
    let (one, two) = (browser(), browser());
    let _alone = alone(&one).await;
    one.clear().await.unwrap();
    one.create_memory_key().await.unwrap();
    let key = one.dpop_key().await.unwrap();
    one.reload_keys();
    assert_eq!(one.dpop_key().await.unwrap(), key, "it stays");
    let signature = one.dpop_sign(b"message").await.unwrap();
    assert!(two.verify("ES256", &key, b"message", &signature).await.unwrap());
    assert_eq!(
        one.save("slot", "binding", "replaces", SaveMode::Replace).await,
        Ok(false)
    );
    assert_eq!(
        one.save("slot", "binding", "a secret", SaveMode::Insert).await,
        Ok(true)
    );
    assert_eq!(two.dpop_key().await.unwrap(), key, "another page can use it");

    two.create_memory_key().await.unwrap();
    assert_ne!(two.dpop_key().await.unwrap(), key);
    for mode in [SaveMode::Insert, SaveMode::Replace] {
        assert!(two.save("slot", "binding", "another", mode).await.is_err());
    }
    assert_eq!(one.load("slot", "binding").await.unwrap().as_deref(), Some("a secret"));
    two.drop_keys();
    assert_eq!(two.dpop_key().await.unwrap(), key);
    assert_eq!(two.save("slot", "binding", "another", SaveMode::Insert).await, Ok(true));
    one.clear().await.unwrap();
}

/// Not a measurement that fails: it prints what a token costs that is fresh.
#[wasm_bindgen_test]
async fn what_a_fresh_token_costs() {
    const CALLS: u32 = 20_000;
    let browser = browser();
    let _alone = alone(&browser).await;
    let now = browser.now().wall;
    let id_token = format!(
        "e30.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"iss":"i","sub":"s","aud":"c","exp":9e9,"iat":0}"#)
    );
    let record = serde_json::json!({ "Live": { "id": "x", "generation": 1, "acting": null, "tokens": {
        "access_token": "fresh", "token_type": "Bearer", "lifetime": { "duration": 3_600_000.0, "requested_wall": now },
        "refresh_token": null, "scopes": [], "resource": null, "id_token": id_token,
    } } });
    browser
        .save("session", "2\ni\nc", &record.to_string(), SaveMode::Insert)
        .await
        .unwrap();
    let client = serde_json::from_value(serde_json::json!({
        "client_id": "c", "redirect_uri": "", "post_logout_redirect_uri": "", "scopes": [], "resource": null,
        "extra_params": {}, "dpop": "off", "keys": [],
        "provider": { "issuer": "i", "authorization_endpoint": "", "token_endpoint": "", "jwks_uri": "",
            "end_session_endpoint": null, "revocation_endpoint": null, "pushed_authorization_request_endpoint": null },
    }))
    .unwrap();
    let session = Session::new(Browser::new(1_800_000_000.0).unwrap(), client, |_| {});
    assert_eq!(session.access_token().await.unwrap().secret(), "fresh");
    let start = browser.now().monotonic;
    for _ in 0..CALLS {
        session.access_token().await.unwrap();
    }
    let each = (browser.now().monotonic - start) * 1000.0 / f64::from(CALLS);
    wasm_bindgen_test::console_log!("access_token() with a fresh token: {each:.2} µs");
    browser.clear().await.unwrap();
}

#[wasm_bindgen_test]
async fn the_lock_is_held_by_one_at_a_time() {
    let (one, two) = (browser(), browser());
    let order = Rc::new(RefCell::new(Vec::new()));
    let held = one.lock("test").await.unwrap();
    assert!(held.is_some(), "this browser has Web Locks");
    let waits = async {
        let lock = two.lock("test").await.unwrap();
        order.borrow_mut().push("second");
        drop(lock);
    };
    let releases = async {
        // Other work gets its turn before the lock is released.
        one.digest(Hash::Sha256, b"").await.unwrap();
        order.borrow_mut().push("first");
        drop(held);
    };
    join(waits, releases).await;
    assert_eq!(*order.borrow(), ["first", "second"]);
}

#[wasm_bindgen_test]
async fn a_hash_is_the_one_of_the_standard() {
    let digest = browser().digest(Hash::Sha256, b"abc").await.unwrap();
    assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
    assert_eq!(browser().digest(Hash::Sha384, b"abc").await.unwrap().len(), 48);
    assert_eq!(browser().digest(Hash::Sha512, b"abc").await.unwrap().len(), 64);
}

/// RFC 8037, appendix A.4: a JWS with EdDSA.
#[wasm_bindgen_test]
async fn a_signature_of_the_standard_verifies_and_a_changed_one_does_not() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let key = Jwk {
        kty: "OKP".to_owned(),
        crv: Some("Ed25519".to_owned()),
        x: Some("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned()),
        ..Jwk::default()
    };
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let mut signature = URL_SAFE_NO_PAD
        .decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
        .unwrap();
    assert!(browser().verify("EdDSA", &key, message, &signature).await.unwrap());
    signature[3] ^= 1;
    assert!(!browser().verify("EdDSA", &key, message, &signature).await.unwrap());
}

#[wasm_bindgen_test]
async fn the_dpop_key_signs_stays_the_same_and_hides_its_private_half() {
    let (one, two) = (browser(), browser());
    let key = one.dpop_key().await.unwrap();
    assert_eq!(two.dpop_key().await.unwrap(), key, "it is kept for this origin");
    let signature = one.dpop_sign(b"message").await.unwrap();
    assert!(two.verify("ES256", &key, b"message", &signature).await.unwrap());
    assert!(!two.verify("ES256", &key, b"another", &signature).await.unwrap());
}
