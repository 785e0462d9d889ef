//! One thing is broken at the embedded provider, or in the configuration that is for it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use server::doctor::{Limits, Outcome};
use server::findings::Severity;

use super::world::{World, assert_found, codes, limits, report, report_within};

#[tokio::test]
async fn a_correct_set_up_has_no_warning() {
    let world = World::start().await;
    let report = report(&world.configuration()).await;
    assert_found("correct", &report, &[]);
    assert_eq!(codes(&report, Severity::Note), ["PXG036"]);
    assert!(
        report.checks.iter().all(|record| record.outcome == Outcome::Passed),
        "{report:#?}"
    );
    assert_eq!(
        report.checks.len(),
        server::doctor::CHECKS.len() - 5,
        "no [[trust]], no [[upstream]], and nobody signs in"
    );

    let own = format!(
        "[server]\npublic_url = \"{}\"\n[dev_idp]\nlisten = \"127.0.0.1:0\"\n",
        world.public_url
    );
    let report = super::world::report(&own).await;
    assert_found("without a [provider]", &report, &[]);
    assert_eq!(codes(&report, Severity::Note), ["PXG002", "PXG036"]);
}

#[tokio::test]
async fn a_service_that_is_down_is_named() {
    let world = World::start().await;
    let services = format!(
        "{}[[upstream]]\nname = \"orders\"\nprefix = \"/gw/orders\"\ntarget = \"{}\"\n\n[[upstream.route]]\npath = \"/**\"\n",
        world.configuration(),
        world.public_url
    );
    assert_found("a service", &report(&services).await, &[]);
    let nowhere = services.replace(
        &format!("target = \"{}\"", world.public_url),
        "target = \"http://127.0.0.1:1\"",
    );
    assert_found("a service that is down", &report(&nowhere).await, &["PXG092"]);
}

#[tokio::test]
async fn a_setting_that_is_wrong_is_named_with_the_line_that_makes_it_right() {
    let world = World::start().await;
    let (base, right) = (world.base(), world.configuration());
    let issuer = format!("{base}/oauth2/token");
    for (what, wrong, expected) in [
        ("the base URL", base.clone(), "PXG021"),
        ("a slash", format!("{issuer}/"), "PXG021"),
        ("another tenant", format!("{}/t/nobody", world.provider), "PXG020"),
        ("no such name", "https://nobody.invalid.internal".to_owned(), "PXG010"),
        ("TLS", issuer.replace("http:", "https:"), "PXG012"),
        (
            "nothing listens",
            "http://127.0.0.1:1/t/demo/oauth2/token".to_owned(),
            "PXG011",
        ),
    ] {
        let report = report(&right.replace(&issuer, &wrong)).await;
        assert_found(what, &report, &[expected]);
        let worst = report.worst().unwrap();
        assert!(
            worst.place.contains("provider.issuer (pixygate.toml, line 5)"),
            "{what}: {worst:?}"
        );
        if expected == "PXG021" {
            let change = worst.change.as_ref().unwrap();
            assert_eq!(
                (change.key.as_str(), change.value.as_str()),
                ("provider.issuer", issuer.as_str()),
                "{what}"
            );
            let fixed = server::doctor::apply(&right.replace(&issuer, &wrong), std::slice::from_ref(change)).unwrap();
            assert_found("fixed", &super::world::report(&fixed).await, &[]);
            assert!(worst.hint.contains(&format!("issuer = \"{issuer}\"")), "{worst:?}");
        }
        let authorization = report
            .checks
            .iter()
            .find(|record| record.check == "authorization")
            .unwrap();
        assert!(
            matches!(authorization.outcome, Outcome::NotChecked { because } if because.id() == expected),
            "{what}: {authorization:?}"
        );
    }

    let other = format!(
        "[[trust]]\nissuer = \"{}/t/plain\"\naudience = [\"pixygate\"]\n",
        world.provider
    );
    let as_base =
        format!("[[trust]]\nissuer = \"{base}\"\njwks_url = \"{base}/oauth2/jwks\"\naudience = [\"pixygate\"]\n");
    let both = format!("{other}[[trust]]\nissuer = \"{issuer}\"\naudience = [\"pixygate\"]\n");
    let keys = format!("{other}jwks_url = \"{}/t/plain/nothing\"\n", world.provider);
    for (what, text, expected) in [
        ("both issuers are trusted", right.clone() + &both, &[][..]),
        ("another issuer is trusted", right.clone() + &other, &["PXG004"]),
        ("keys without metadata", right.clone() + &as_base, &["PXG021"]),
        ("no keys there", right.clone() + &keys, &["PXG004", "PXG050"]),
        (
            "unknown client",
            right.replace("\"pixygate\"", "\"nobody\""),
            &["PXG081"],
        ),
    ] {
        assert_found(what, &report(&text).await, expected);
    }
    let conflicts = async |text: &str| {
        let config = super::world::read(text).unwrap();
        let found = server::doctor::issuer_conflicts(&config).await;
        found.into_iter().map(|finding| finding.hint).collect::<Vec<_>>()
    };
    assert_eq!(
        conflicts(&(right.clone() + &as_base)).await,
        [format!("write issuer = \"{issuer}\" in place of \"{base}\"")]
    );
    let agrees = as_base.replace(&format!("\"{base}\""), &format!("\"{issuer}\""));
    assert_eq!(conflicts(&(right.clone() + &agrees)).await, [""; 0]);
    assert_eq!(conflicts(&right).await, [""; 0]);
    let found = report(&(right.clone() + &as_base)).await;
    let change = found.worst().unwrap().change.clone().unwrap();
    assert_eq!((change.key, change.value), ("trust[0].issuer".to_owned(), issuer));
}

#[tokio::test]
async fn a_switch_that_is_thrown_at_the_provider_is_found_first() {
    let world = World::start().await;
    let text = world.configuration();
    for (what, switches, expected) in [
        ("down", json!({ "down": true }), "PXG024"),
        ("no metadata", json!({ "down_endpoints": ["discovery"] }), "PXG024"),
        ("no keys", json!({ "down_endpoints": ["jwks"] }), "PXG024"),
        ("no token endpoint", json!({ "down_endpoints": ["token"] }), "PXG024"),
        ("no sign-in page", json!({ "down_endpoints": ["authorize"] }), "PXG083"),
        ("an empty key set", json!({ "jwks": "empty" }), "PXG052"),
        ("no key set", json!({ "jwks": "not_json" }), "PXG051"),
    ] {
        world.switches(switches).await;
        assert_found(what, &report(&text).await, &[expected]);
    }
    world.switches(json!({ "jwks": "spoiled" })).await;
    let spoiled = report(&text).await;
    assert_found("some unusable keys", &spoiled, &[]);
    assert!(codes(&spoiled, Severity::Note).contains(&"PXG056"));

    world.switches(json!({})).await;
    world.control("POST", "clock", json!({ "shift": 3600 })).await;
    let late = report(&text).await;
    assert_found("an hour ahead", &late, &["PXG060"]);
    assert!(late.worst().unwrap().found.contains("s ahead"), "{late:#?}");
    world.control("POST", "clock", json!({ "shift": 30 })).await;
    assert_found("within the leeway", &report(&text).await, &[]);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_in_time_is_called_slow() {
    let world = World::start().await;
    world.switches(json!({ "delay_ms": 60_000 })).await;
    let check = Duration::from_millis(300);
    let limits = Limits { check, ..limits() };
    let report = report_within(&world.configuration(), limits).await;
    assert_found("slow", &report, &["PXG013"]);
    let without_time = Limits {
        run: Duration::ZERO,
        ..limits
    };
    let report = report_within(&world.configuration(), without_time).await;
    assert!(codes(&report, Severity::Fault).contains(&"PXG013"), "{report:#?}");
}

#[tokio::test]
async fn what_is_not_registered_at_the_provider_is_named() {
    let world = World::start().await;
    let text = world.configuration();
    let clients = world.get("/control/clients?tenant=demo").await;
    let client = clients
        .as_array()
        .unwrap()
        .iter()
        .find(|client| client["id"] == "pixygate")
        .unwrap();
    for (what, member, value, expected) in [
        (
            "the redirect URI",
            "redirect_uris",
            json!(["http://localhost:3000/callback"]),
            "PXG080",
        ),
        ("the origin", "origins", json!(["http://localhost:3000"]), "PXG070"),
        (
            "the address after sign-out",
            "post_logout_redirect_uris",
            json!([]),
            "PXG084",
        ),
        ("requests must be pushed", "par_required", json!(true), "PXG082"),
    ] {
        let mut changed: Value = client.clone();
        changed[member] = value;
        world.control("PUT", "clients?tenant=demo", changed).await;
        let report = report(&text).await;
        assert_found(what, &report, &[expected]);
        if expected == "PXG080" {
            assert!(
                report
                    .worst()
                    .unwrap()
                    .hint
                    .contains(&format!("{}/callback", world.public_url))
            );
        }
    }
    world.reset().await;
}

#[tokio::test]
async fn what_the_metadata_lack_is_named() {
    let world = World::start().await;
    let text = world.configuration();
    let metadata = world.get("/t/demo/oauth2/token/.well-known/openid-configuration").await;
    let without = |member: &str| {
        let mut metadata = metadata.clone();
        metadata.as_object_mut().unwrap().remove(member);
        metadata
    };
    let with = |member: &str, value: Value| {
        let mut metadata = metadata.clone();
        metadata[member] = value;
        metadata
    };
    let mut pushed = with("require_pushed_authorization_requests", json!(true));
    for (what, changed, expected) in [
        ("PAR is required, and offered", pushed.clone(), &[][..]),
        ("no token endpoint", without("token_endpoint"), &["PXG030"]),
        (
            "plain only",
            with("code_challenge_methods_supported", json!(["plain"])),
            &["PXG032"],
        ),
        (
            "no code",
            with("response_types_supported", json!(["token"])),
            &["PXG033"],
        ),
        (
            "PAR is required, and not offered",
            {
                pushed
                    .as_object_mut()
                    .unwrap()
                    .remove("pushed_authorization_request_endpoint");
                pushed
            },
            &["PXG039"],
        ),
    ] {
        world.switches(json!({ "profile": { "metadata": changed } })).await;
        assert_found(what, &report(&text).await, expected);
    }
    for (what, changed, note) in [
        (
            "no iss",
            without("authorization_response_iss_parameter_supported"),
            "PXG034",
        ),
        (
            "no profile",
            with("scopes_supported", json!(["openid", "email", "offline_access"])),
            "PXG035",
        ),
        (
            "no refresh",
            with("grant_types_supported", json!(["authorization_code"])),
            "PXG037",
        ),
        ("no DPoP", without("dpop_signing_alg_values_supported"), "PXG038"),
        ("no logout", without("end_session_endpoint"), "PXG040"),
    ] {
        world.switches(json!({ "profile": { "metadata": changed } })).await;
        let report = report(&text).await;
        assert_found(what, &report, &[]);
        assert!(codes(&report, Severity::Note).contains(&note), "{what}: {report:#?}");
    }
}

#[tokio::test]
async fn keys_that_should_not_be_published_are_named() {
    let world = World::start().await;
    let text = world.configuration();
    // An odd number of this many bytes.
    let modulus = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xc3; bytes]);
    let good = json!({ "kid": "$kid", "use": "sig" });
    for (what, other, expected) in [
        (
            "another good one",
            json!({ "kid": "other", "n": modulus(256) }),
            &[][..],
        ),
        (
            "for encryption",
            json!({ "kid": "other", "use": "enc", "n": modulus(128) }),
            &[],
        ),
        ("short", json!({ "kid": "other", "n": modulus(128) }), &["PXG053"]),
        ("the same kid", json!({ "kid": "$kid", "n": modulus(256) }), &["PXG054"]),
        ("private", json!({ "kid": "other", "d": "AQAB" }), &["PXG055"]),
    ] {
        world.switches(json!({ "profile": { "keys": [good, other] } })).await;
        assert_found(what, &report(&text).await, expected);
    }
    let points = json!({ "kid": "other", "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([0; 32]) });
    world.switches(json!({ "profile": { "keys": [good, points] } })).await;
    assert_found("low order", &report(&text).await, &["PXG053"]);
    // A key that the trust has no use for is not weak: Canaille publishes one beside those that it signs with.
    let other =
        json!({ "kid": "other", "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let rsa = format!(
        "{text}[[trust]]\nissuer = \"{}/oauth2/token\"\naudience = [\"pixygate\"]\nalgorithms = [\"RS256\"]\n",
        world.base()
    );
    world.switches(json!({ "profile": { "keys": [good, other] } })).await;
    let left_out = report(&rsa).await;
    assert_found("without use", &left_out, &[]);
    assert!(codes(&left_out, Severity::Note).contains(&"PXG056"), "{left_out:#?}");
    let only = format!(
        "{text}[[trust]]\nissuer = \"{}/oauth2/token\"\naudience = [\"pixygate\"]\nalgorithms = [\"ES256\"]\n",
        world.base()
    );
    world.switches(json!({ "profile": { "keys": [good] } })).await;
    assert_found("for another algorithm", &report(&only).await, &["PXG052"]);
}
