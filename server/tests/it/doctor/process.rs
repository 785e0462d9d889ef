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
    pixygate_with(folder, words, &[]).await
}

async fn pixygate_with(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixygate"));
    command
        .args(words)
        .current_dir(folder)
        .env_remove("PIXYGATE_CONFIG")
        .envs(variables.iter().copied())
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
    // Each secret that a configuration, its files or the environment may have.
    let secrets = [
        "s3cret-of-introspection",
        "s3cret-of-introspection-in-a-file",
        "s3cret-of-the-store",
        "s3cret-of-the-environment",
        "s3cret-of-the-proxy",
        "s3cret-that-seals-the-keys-of-backend-tokens",
        "s3cret-of-a-url-for-the-browser",
        "s3cret-in-a-target",
    ];
    let [inline, file, store, environment, proxy, seal, logout, target] = secrets;
    let introspection = |secret: &str| {
        format!(
            "[[trust]]\nissuer = \"{0}/oauth2/token\"\naudience = [\"pixygate\"]\nintrospection_url = \"{0}/oauth2/introspect\"\n\
             introspection_client_id = \"resource-server\"\n{secret}\n",
            world.base()
        )
    };
    let inline = introspection(&format!("introspection_client_secret = \"{inline}\""));
    let rest = format!(
        "[store]\nurl = \"postgres://pixygate:{store}@127.0.0.1:1/gate\"\n[backend_jwt]\nsecret_file = \"seal\"\n"
    );
    let own = world.configuration();
    let here = format!("{own}{inline}{rest}");
    for configuration in [
        here.clone(),
        format!(
            "{own}{}{rest}",
            introspection("introspection_client_secret_file = \"file\"")
        ),
        // Some that cannot be used, at the line of a secret and elsewhere.
        format!("{own}{inline}introspection_client_secret_file = \"nowhere\"\n"),
        format!("{here}nothing = 1\n"),
        format!("{here}nothing = \n"),
        here.replace("postgres:", "mysql:"),
        here.replace("[store]\nurl =", "[store]\nurl = 1 #"),
        here.replace("introspection_client_secret =", "introspection_client_secrets ="),
        here.replace("introspection_client_secret = ", "introspection_client_secret = 1 #"),
        // A password in a URL that is no place for one.
        format!("{own}logout_url = \"https://x:{logout}@idp.example/logout\"\n{rest}"),
        format!(
            "{own}[[upstream]]\nname = \"orders\"\ntarget = \"http://x:{target}@127.0.0.1:1\"\n[[upstream.route]]\npath = \"/**\"\n"
        ),
        // Through a proxy that does not answer.
        here.replace(&world.provider, "https://idp.example"),
    ] {
        let folder = folder(&configuration);
        std::fs::write(folder.path().join("file"), file).unwrap();
        std::fs::write(folder.path().join("seal"), seal).unwrap();
        let words = ["doctor", "--json", "-v", "--report", "report.json"];
        let proxied = format!("http://x:{proxy}@127.0.0.1:1");
        let variables = [
            ("PIXYGATE_TRUST__0__INTROSPECTION_CLIENT_SECRETS", environment),
            ("HTTPS_PROXY", &proxied),
        ];
        for variables in [&variables[1..], &variables] {
            let output = pixygate_with(folder.path(), &words, variables).await;
            let report = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
            for text in [text(&output.stdout), text(&output.stderr), &report] {
                for secret in secrets {
                    assert!(!text.contains(secret), "{secret} in\n{text}\nof\n{configuration}");
                }
            }
            let report: Value = serde_json::from_str(&report).unwrap();
            assert!(report["report"]["checks"].is_array() && report["settings"].is_object());
        }
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
        let port = world.public_url.rsplit(':').next().unwrap();
        assert!(written.contains(&format!("listen = \"127.0.0.1:{port}\"")), "{written}");
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

/// Runs the command at a terminal, where a user types these lines. Returns what the terminal shows, and the exit status.
#[cfg(target_os = "linux")]
async fn at_a_terminal(
    folder: &Path,
    words: &str,
    typed: &[&str],
    variables: &[(&str, &str)],
) -> (String, std::process::ExitStatus) {
    use std::io::Write as _;
    use std::process::Stdio;

    let mut command = Command::new("script");
    let mut child = command
        .arg("-qec")
        .arg(format!("{} {words}", env!("CARGO_BIN_EXE_pixygate")))
        .arg("/dev/null")
        .current_dir(folder)
        .env_remove("PIXYGATE_CONFIG")
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script of util-linux, which every Linux has");
    let mut input = child.stdin.take().unwrap();
    for line in typed {
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    let output = tokio::task::spawn_blocking(move || {
        // A closed input would end the terminal.
        let output = child.wait_with_output().unwrap();
        drop(input);
        output
    });
    let output = output.await.unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn init_asks_for_what_is_not_given() {
    let world = World::start().await;
    let folder = folder("");
    // An empty answer is asked for again, or takes the default where there is one.
    let base = world.base();
    let typed = [base.as_str(), "", "pixygate", &world.public_url];
    let (shown, status) = at_a_terminal(folder.path(), "init", &typed, &[]).await;
    assert!(status.success(), "{shown}");
    for part in [
        "The provider's issuer",
        "The provider calls itself",
        "The client ID",
        "[http://localhost:3000]",
        "0 faults, 0 warnings",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let written = std::fs::read_to_string(folder.path().join("pixygate.toml")).unwrap();
    assert!(
        written.contains(&format!("issuer = \"{}/oauth2/token\"", world.base())),
        "{written}"
    );
    assert!(written.contains("client_id = \"pixygate\""), "{written}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn colours_and_progress_are_for_terminals() {
    let folder = folder("[server]\nlisten = 1\n");
    let colour = "\u{1b}[31m";
    for (variables, coloured) in [
        (&[][..], true),
        (&[("NO_COLOR", "1")], false),
        (&[("NO_COLOR", "")], true),
    ] {
        let (shown, status) = at_a_terminal(folder.path(), "doctor --offline", &[], variables).await;
        assert_eq!(status.code(), Some(1));
        assert_eq!(shown.contains(colour), coloured, "{variables:?} {shown:?}");
        assert!(shown.contains("… config"), "progress: {shown:?}");
    }
    let piped = pixygate(folder.path(), &["doctor", "--offline"]).await;
    assert!(!text(&piped.stdout).contains('\u{1b}') && text(&piped.stderr).is_empty());
}
