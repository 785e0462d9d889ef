//! The commands as a user calls them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::world::World;

pub(super) fn folder(configuration: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if !configuration.is_empty() {
        std::fs::write(folder.path().join("pixygate.toml"), configuration).unwrap();
    }
    folder
}

async fn pixygate(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixygate"));
    command
        .args(words)
        .current_dir(folder)
        .env_remove("PIXYGATE_CONFIG")
        .stdin(std::process::Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_status_says_how_bad_it_is() {
    let provider = "[server]\npublic_url = \"https://shop.example\"\n[provider]\nissuer = \"https://idp.example\"\nclient_id = \"shop\"\n";
    let untrusted = format!("{provider}[[trust]]\nissuer = \"https://other.example\"\naudience = [\"shop\"]\n");
    for (configuration, more, expected) in [
        (provider, None, 0),
        (untrusted.as_str(), None, 0),
        (untrusted.as_str(), Some("--fail-on=warning"), 1),
        ("[server]\nlisten = 1\n", None, 1),
        (provider, Some("--only=nothing"), 2),
        (provider, Some("--fix"), 2),
    ] {
        let folder = folder(configuration);
        let words: Vec<_> = ["doctor", "--offline"].into_iter().chain(more).collect();
        let output = pixygate(folder.path(), &words).await;
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{words:?} {}",
            text(&output.stdout)
        );
    }
    let folder = folder("");
    std::fs::write(folder.path().join("new.toml"), provider).unwrap();
    let output = pixygate(
        folder.path(),
        &["doctor", "--offline", "--json", "--config", "new.toml"],
    )
    .await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["configuration"], &report["provider"]),
        (&json!("new.toml"), &json!("https://idp.example"))
    );
    let explained = pixygate(folder.path(), &["doctor", "--explain", "pxg021"]).await;
    assert!(text(&explained.stdout).starts_with("# PXG021: "));
    let listed = pixygate(folder.path(), &["doctor", "--list"]).await;
    assert_eq!(text(&listed.stdout).lines().count(), server::doctor::CHECKS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn fix_writes_the_line_and_keeps_the_rest() {
    let world = World::start().await;
    let right = format!("# ours\n{}scopes = [\"openid\"] # few\n", world.configuration());
    let wrong = right.replace("/oauth2/token", "");
    let both = format!(
        "{wrong}\n[[trust]]\nissuer = \"{}\"\naudience = [\"pixygate\"]\n",
        world.base()
    );
    let folder = folder(&both);
    let before = pixygate(folder.path(), &["doctor"]).await;
    assert_eq!(before.status.code(), Some(1), "{}", text(&before.stdout));
    let fixed = pixygate(folder.path(), &["doctor", "--fix"]).await;
    assert_eq!(
        fixed.status.code(),
        Some(0),
        "{}{}",
        text(&fixed.stdout),
        text(&fixed.stderr)
    );
    let shown = text(&fixed.stderr);
    assert!(
        shown.contains("  - issuer = ") && shown.contains("  + issuer = "),
        "{shown}"
    );
    let written = std::fs::read_to_string(folder.path().join("pixygate.toml")).unwrap();
    let issuer = format!("issuer = \"{}/oauth2/token\"", world.base());
    assert_eq!(
        written,
        both.replace(&format!("issuer = \"{}\"", world.base()), &issuer)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_for_others_has_no_secret_in_it() {
    let world = World::start().await;
    let secret = "s3cret-of-the-operator";
    let trust = format!(
        "[[trust]]\nissuer = \"{}/oauth2/token\"\naudience = [\"pixygate\"]\nintrospection_url = \"{}/oauth2/introspect\"\n\
         introspection_client_id = \"resource-server\"\nintrospection_client_secret = \"{secret}\"\n",
        world.base(),
        world.base()
    );
    for configuration in [
        format!("{}{trust}", world.configuration()),
        // One that cannot be used, at the line of the secret and elsewhere.
        format!(
            "{}{trust}introspection_client_secret_file = \"nowhere\"\n",
            world.configuration()
        ),
        format!("{}{trust}nothing = 1\n", world.configuration()),
        format!("{}{trust}nothing = \n", world.configuration()),
    ] {
        let folder = folder(&configuration);
        let output = pixygate(folder.path(), &["doctor", "--json", "-v", "--report", "report.json"]).await;
        let report = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
        for text in [text(&output.stdout), text(&output.stderr), &report] {
            assert!(!text.contains(secret), "{text}");
        }
        let report: Value = serde_json::from_str(&report).unwrap();
        assert!(report["report"]["checks"].is_array() && report["settings"].is_object());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_writes_what_the_doctor_is_content_with() {
    let world = World::start().await;
    let issuer = format!("{}/oauth2/token", world.base());
    for typed in [
        world.base(),
        issuer.clone(),
        format!("{issuer}/.well-known/openid-configuration"),
        format!("{}/oauth2/oidcdiscovery/.well-known/openid-configuration", world.base()),
    ] {
        let folder = folder("");
        let words = [
            "init",
            "--issuer",
            &typed,
            "--client-id",
            "pixygate",
            "--public-url",
            &world.public_url,
        ];
        let output = pixygate(folder.path(), &words).await;
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{typed}: {stdout}{stderr}");
        assert!(stdout.contains("0 faults, 0 warnings"), "{stdout}");
        assert!(stderr.contains(&format!("{}/callback", world.public_url)), "{stderr}");
        let written = std::fs::read_to_string(folder.path().join("pixygate.toml")).unwrap();
        assert!(
            written.contains(&format!("issuer = \"{issuer}\"")) && !written.contains("discovery_url"),
            "{written}"
        );
        let again = pixygate(folder.path(), &words).await;
        assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
    }
    let nothing = folder("");
    for words in [
        &[
            "init",
            "--issuer",
            &format!("{}/t/nobody", world.provider),
            "--client-id",
            "x",
        ][..],
        &["init", "--issuer", &issuer],
        &[
            "init",
            "--issuer",
            &issuer,
            "--client-id",
            "x",
            "--public-url",
            "http://shop.example",
        ],
    ] {
        let output = pixygate(nothing.path(), words).await;
        assert_eq!(output.status.code(), Some(2), "{words:?} {}", text(&output.stderr));
    }
    assert!(!nothing.path().join("pixygate.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_says_by_its_exit_status_what_the_gate_would() {
    let world = World::start().await;
    let url = format!("{}/control/tokens?tenant=demo", world.provider);
    let request = reqwest::Client::new()
        .post(url)
        .json(&json!({ "username": "alice", "client_id": "pixygate" }));
    let tokens: Value = request.send().await.unwrap().json().await.unwrap();
    let folder = folder(&world.configuration());
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    std::fs::write(
        folder.path().join("token"),
        format!("Bearer {}\n", token("access_token")),
    )
    .unwrap();
    let keys = reqwest::get(format!("{}/oauth2/jwks", world.base()))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    std::fs::write(folder.path().join("keys.json"), keys).unwrap();
    for (word, status) in [
        ("token".to_owned(), 0),
        (token("access_token"), 0),
        (token("id_token"), 1),
        ("opaque".to_owned(), 1),
    ] {
        let output = pixygate(folder.path(), &["inspect", &word]).await;
        assert_eq!(
            output.status.code(),
            Some(status),
            "{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
    }
    let none = pixygate(folder.path(), &["inspect"]).await;
    assert_eq!(none.status.code(), Some(2), "nothing on standard input");

    world.switches(json!({ "down": true })).await;
    let unknown = pixygate(folder.path(), &["inspect", "token", "--json"]).await;
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stdout));
    let json: Value = serde_json::from_slice(&unknown.stdout).unwrap();
    assert_eq!(
        (&json["verdict"], &json["reason"]),
        (&json!("not_checked"), &json!("keys_unavailable"))
    );
    let stored = pixygate(folder.path(), &["inspect", "token", "--jwks", "keys.json"]).await;
    assert_eq!(stored.status.code(), Some(0), "{}", text(&stored.stdout));
}
