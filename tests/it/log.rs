//! 12, 24, 40 and 50: the log has every refusal with the expected and the found value, escaped, and no secrets.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use pixygate::{
    Reason,
    gate::observe::Metrics,
    jwt::Algorithm,
    test_support::{
        TestKey, at,
        matrix::{Setting, cases},
    },
};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    logout::LogoutFixture,
    world::{World, refused, request, send, signed_in, with_token, wrap},
};

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    pub(crate) fn record() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn the_log_names_the_setting_for_a_wrong_issuer() {
    let world = World::with(
        |mut trust| {
            trust.jwks_url = "https://idp.example/jwks".into();
            trust.issuer = "https://idp.example/oauth2/token".into();
            trust
        },
        |validator| validator,
    )
    .await;
    let (log, _guard) = Log::record();
    send(
        &world.app(signed_in()),
        with_token("GET", "/api/a", &world.token().sign()),
    )
    .await;
    let text = log.text();
    for part in [
        "IssuerNotTrusted",
        "lacks",
        "/oauth2/token",
        "aliases = [",
        "issuer = ",
        "request_id=",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_loaded_are_an_alarm() {
    let world = World::new().await;
    let (log, _guard) = Log::record();
    world.validator.load().await.unwrap();
    assert!(!log.text().contains("ERROR"), "{}", log.text());
    world.provider.put_bytes(world.issuer.jwks_url(), "{\"keys\": []}");
    world.validator.load().await.unwrap_err();
    let text = log.text();
    for part in ["ERROR", "https://idp.example", "the set is empty"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_hostile_kid_and_path_are_escaped() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let (log, _guard) = Log::record();
    let kid = "a\r\nERROR forged\u{1b}[31m\u{202e}";
    send(
        &app,
        with_token("GET", "/api/a", &world.token().header("kid", kid).sign()),
    )
    .await;
    send(
        &app,
        with_token("GET", "/api/%E2%80%AEx", &world.token().header("kid", kid).sign()),
    )
    .await;
    let text = log.text();
    // One line for the new fetch of the keys, one for each refusal.
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{text}");
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_and_not_written_line_by_line() {
    let world = World::new().await;
    let metrics = Arc::new(Metrics::default());
    let app = wrap(world.gate(signed_in()).observer(metrics.clone()));
    let (log, _guard) = Log::record();
    let ask = || request("GET", "/api/a").body(Body::empty()).unwrap();
    for _ in 0..500 {
        send(&app, ask()).await;
    }
    send(&app, with_token("GET", "/api/a", "garbage")).await;
    assert_eq!(log.text().matches("MissingToken").count(), 20);
    assert_eq!(log.text().matches("MalformedToken").count(), 1);
    world.clock.advance(1);
    send(&app, ask()).await;
    let text = log.text();
    assert_eq!(text.lines().count(), 23, "{text}");
    assert!(
        text.contains("480 more refusals of this reason were not logged"),
        "{text}"
    );
    assert_eq!(metrics.denied(Reason::MissingToken), 501);
}

/// Callers without credentials can cause these floods, too: with forged logout tokens, and with any token while keys are missing.
#[tokio::test]
async fn floods_of_logout_tokens_and_of_calls_without_keys_are_counted_too() {
    let fixture = LogoutFixture::new().await;
    let (log, _guard) = Log::record();
    for _ in 0..500 {
        fixture.post_logout("garbage").await;
    }
    assert_eq!(log.text().lines().count(), 20, "{}", log.text());
    fixture.post_logout(&fixture.logout("1").sign()).await;
    assert!(log.text().contains("a session has ended at the provider"));

    let world = World::new().await;
    let app = wrap(world.gate(signed_in()));
    world.provider.set_down(true);
    world.clock.advance(7200);
    let (log, _guard) = Log::record();
    let token = world.token().claim("exp", at(7500)).sign();
    for _ in 0..500 {
        assert_eq!(
            refused(&app, with_token("GET", "/api/a", &token)).await,
            Reason::KeysUnavailable
        );
    }
    let text = log.text();
    assert_eq!(text.matches("KeysUnavailable").count(), 20, "{text}");
    // One more for the failed fetch of the keys.
    assert_eq!(text.lines().count(), 21, "{text}");
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    let world = World::new().await;
    let (log, _guard) = Log::record();
    let mut secrets = vec!["query-secret".to_owned(), "cookie-secret".to_owned()];
    let setting = Setting::new();
    for case in cases() {
        secrets.push((case.token)(&setting));
    }
    let key = TestKey::generate(Algorithm::ES256, "");
    let bound = world.token().bound_to(&key.thumbprint()).sign();
    let proof = key
        .proof("POST", "https://shop.example/api/a?code=query-secret", &bound)
        .nonce("nonce-secret")
        .sign();
    secrets.extend([bound.clone(), proof.clone(), "nonce-secret".into()]);
    for token in secrets.clone() {
        // A new gate, so that the limit on log lines starts again.
        let app = world.app(signed_in());
        for scheme in ["Bearer ", "DPoP ", "Basic ", ""] {
            let Ok(header) = http::HeaderValue::from_str(&format!("{scheme}{token}")) else {
                continue;
            };
            let ask = request("GET", "/api/a?x=query-secret")
                .header("authorization", header)
                .header("dpop", &proof)
                .header("cookie", "s=cookie-secret");
            send(&app, ask.body(Body::empty()).unwrap()).await;
        }
    }
    let text = log.text();
    assert!(text.lines().count() > 100);
    for secret in secrets.iter().filter(|secret| secret.len() > 10) {
        for part in secret.split('.').filter(|part| part.len() > 10) {
            assert!(!text.contains(part), "{part}");
        }
    }
}
