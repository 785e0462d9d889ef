//! Each switch of the embedded provider, thrown: the doctor names that fault first, and what its hint says makes it pass.

use std::time::Duration;

use serde_json::{Value, json};
use server::doctor::{Limits, Report, apply};

use super::sign_in::report_on;
use super::world::{World, assert_found, limits, report, report_within};

/// How a fault is brought about.
enum Thrown {
    /// By switches of the provider.
    Switches(Value),
    /// By the provider's clock, in seconds.
    Clock(i64),
    /// By a member of the client's registration.
    Client(&'static str, Value),
    /// By the configuration: a text is put in the place of another.
    Setting(String, String),
    /// By both.
    Both(Value, String, String),
}

/// What the hint says to do.
enum Remedy {
    /// `--fix` writes a line of the configuration.
    Fix,
    /// The line that the hint names is written by hand: it is a choice.
    Write(String),
    /// The provider is corrected.
    Provider,
}

use Remedy::{Fix, Provider, Write};
use Thrown::{Both, Client, Clock, Setting, Switches};

#[tokio::test]
async fn each_switch_is_named_first_and_its_hint_makes_it_pass() {
    let world = World::start().await;
    let issuer = format!("{}/oauth2/token", world.base());
    let trust = format!("[[trust]]\nissuer = \"{issuer}\"\naudience = [\"pixygate\"] # ours\n");
    let right = format!("{}\n{trust}", world.configuration());
    let wrong_issuer = |text: &str| text.replace(&issuer, &world.base());
    let own = format!("issuer = \"{issuer}\"\nclient_id");
    let introspected = format!(
        "{}\n[[trust]]\nissuer = \"{issuer}\"\naudience = [\"pixygate\"]\nintrospection_url = \"{}/oauth2/introspect\"\n\
         introspection_client_id = \"resource-server\"\nintrospection_client_secret = \"resource-server\"\n",
        world.configuration(),
        world.base()
    );
    let access_token = |member: &str, value: &str| json!({ "access_token": { member: value } });
    let signs_in = true;
    let rows = [
        (
            "issuer, in the file",
            Setting(issuer.clone(), world.base()),
            !signs_in,
            "PXG021",
            Fix,
        ),
        (
            "issuer of [provider] alone",
            Setting(own.clone(), wrong_issuer(&own)),
            !signs_in,
            "PXG021",
            Fix,
        ),
        (
            "issuer of tokens",
            Switches(access_token("iss", &world.base())),
            signs_in,
            "PXG206",
            Fix,
        ),
        (
            "audience, in the file",
            Setting("[\"pixygate\"]".to_owned(), "[\"other\"]".to_owned()),
            signs_in,
            "PXG207",
            Fix,
        ),
        (
            "audience of tokens",
            Switches(access_token("aud", "other")),
            signs_in,
            "PXG207",
            Provider,
        ),
        (
            "audience of tokens, which is meant",
            Switches(access_token("aud", "other")),
            signs_in,
            "PXG207",
            Write(right.replace("[\"pixygate\"]", "[\"other\"]")),
        ),
        (
            "type",
            Switches(access_token("typ", "dpop+jwt")),
            signs_in,
            "PXG210",
            Provider,
        ),
        (
            "opaque",
            Switches(json!({ "opaque_access_tokens": true })),
            signs_in,
            "PXG086",
            Provider,
        ),
        (
            "opaque, introspected",
            Switches(json!({ "opaque_access_tokens": true })),
            signs_in,
            "PXG086",
            Write(introspected),
        ),
        (
            "CORS",
            Client("origins", json!(["http://localhost:1"])),
            !signs_in,
            "PXG070",
            Provider,
        ),
        (
            "redirect URI",
            Client("redirect_uris", json!(["http://localhost:1/callback"])),
            !signs_in,
            "PXG080",
            Provider,
        ),
        (
            "JWKS, empty",
            Switches(json!({ "jwks": "empty" })),
            !signs_in,
            "PXG052",
            Provider,
        ),
        (
            "JWKS, not JSON",
            Switches(json!({ "jwks": "not_json" })),
            !signs_in,
            "PXG051",
            Provider,
        ),
        (
            "JWKS, down",
            Switches(json!({ "down_endpoints": ["jwks"] })),
            !signs_in,
            "PXG024",
            Provider,
        ),
        ("clock", Clock(3600), !signs_in, "PXG060", Provider),
        ("clock, behind", Clock(-3600), !signs_in, "PXG060", Provider),
        ("down", Switches(json!({ "down": true })), !signs_in, "PXG024", Provider),
        (
            "slow",
            Switches(json!({ "delay_ms": 60_000 })),
            !signs_in,
            "PXG013",
            Provider,
        ),
        // Of two, the one that has to be corrected first.
        (
            "issuer in the file, and opaque tokens",
            Both(json!({ "opaque_access_tokens": true }), issuer.clone(), world.base()),
            !signs_in,
            "PXG021",
            Fix,
        ),
    ];
    for (what, thrown, signs_in, expected, remedy) in rows {
        let is_slow = expected == "PXG013";
        let look = async |text: &str, limits: Limits| -> Report {
            match signs_in {
                true => report_on(&world, text).await,
                false => report_within(text, limits).await,
            }
        };
        let text = match thrown {
            Switches(switches) => {
                world.switches(switches).await;
                right.clone()
            }
            Clock(shift) => {
                world.control("POST", "clock", json!({ "shift": shift })).await;
                right.clone()
            }
            Client(member, value) => {
                let clients = world.get("/control/clients?tenant=demo").await;
                let mut clients = clients.as_array().unwrap().iter();
                let mut client = clients.find(|client| client["id"] == "pixygate").unwrap().clone();
                client[member] = value;
                world.control("PUT", "clients?tenant=demo", client).await;
                right.clone()
            }
            Setting(from, to) => right.replace(&from, &to),
            Both(switches, from, to) => {
                world.switches(switches).await;
                right.replace(&from, &to)
            }
        };
        let check = Duration::from_millis(if is_slow { 300 } else { 20_000 });
        let found = look(&text, Limits { check, ..limits() }).await;
        let worst = found.worst().unwrap();
        assert_eq!(worst.code.id(), expected, "{what}\n{found:#?}");
        let named: Vec<_> = found.findings().filter(|one| one.severity == worst.severity).collect();
        assert!(
            named.iter().all(|one| one.code == worst.code),
            "{what}: what follows from it is not named: {named:#?}"
        );
        assert!(!worst.hint.is_empty(), "{what}");
        let corrected = match remedy {
            Fix => {
                let changes: Vec<_> = found.findings().filter_map(|finding| finding.change.clone()).collect();
                assert!(!changes.is_empty(), "{what}: {worst:?}");
                // As `--fix` does: what is corrected may have hidden another one.
                let mut text = apply(&text, &changes).unwrap();
                let again = look(&text, limits()).await;
                let more: Vec<_> = again.findings().filter_map(|finding| finding.change.clone()).collect();
                if !more.is_empty() {
                    text = apply(&text, &more).unwrap();
                }
                assert!(text.contains("# ours"), "{what}: comments stay\n{text}");
                text
            }
            Write(corrected) => corrected,
            Provider => {
                assert!(
                    found.findings().all(|finding| finding.change.is_none()),
                    "{what}: nothing of the file is changed for a fault of the provider: {found:#?}"
                );
                world.reset().await;
                text
            }
        };
        assert_found(what, &look(&corrected, limits()).await, &[]);
        world.reset().await;
        assert_found(what, &report(&right).await, &[]);
    }
}
